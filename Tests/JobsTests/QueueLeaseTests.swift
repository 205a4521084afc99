import Foundation
import Jobs
import Tensors
import Testing

/// Leases, attempts, and what is left by workers that are gone.
@Suite struct QueueLeaseTests {
    @Test(arguments: QueueKind.all) func aHeartbeatExtendsTheLease(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind, policy: .lease(.seconds(2)))
        try fixture.submit()
        let claim = try fixture.claim()
        for _ in 0..<3 {
            fixture.pass(.seconds(1))
            #expect(try fixture.isIdle())
            #expect(try fixture.queue.heartbeat(claim, progress: 0) == .held)
        }
        fixture.pass(.seconds(1))
        #expect(try fixture.isIdle())
        let other = try fixture.another()
        fixture.pass(.seconds(1))
        #expect(try other.claim(worker: "b", timeout: .seconds(10))?.job.id == claim.job.id)
    }

    @Test func aLeaseEndsOnItsMillisecond() throws {
        let fixture = try QueueFixture(policy: .lease(.seconds(10)))
        try fixture.submit()
        let claim = try fixture.claim()
        fixture.clock.advance(.milliseconds(9999))
        #expect(try fixture.isIdle())
        fixture.clock.advance(.milliseconds(1))
        #expect(try fixture.claim("b").job.id == claim.job.id)
    }

    @Test(arguments: QueueKind.all) func aLostClaimChangesNothing(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind, policy: .lease(.seconds(1)))
        let queue = fixture.queue
        try fixture.submit()
        let lost = try fixture.claim("a")
        #expect(try queue.heartbeat(lost, progress: 0.75) == .held)
        // A process of its own, to which the first is a stranger.
        let other = try fixture.another()
        fixture.pass(.seconds(1))
        let held = try #require(try other.claim(worker: "b", timeout: .seconds(10)))
        #expect(held.job.id == lost.job.id && held.token != lost.token)
        #expect(held.job.attempts == 2 && held.job.progress == 0 && held.job.problem?.code == "interrupted")

        let before = try fixture.job(lost.job.id)
        #expect(try queue.heartbeat(lost, progress: 0.9) == .lost)
        #expect(try queue.complete(lost, resultBytes: 1, seconds: 1) == .lost)
        #expect(try queue.fail(lost, .sample, retry: false) == .lost)
        #expect(try queue.release(lost) == .lost)
        #expect(try fixture.job(lost.job.id) == before)

        #expect(try other.complete(held, resultBytes: 2, seconds: 2) == .held)
        let done = try fixture.job(held.job.id)
        #expect(done.state == .done && done.resultBytes == 2 && done.problem == nil)
        #expect(try queue.complete(lost, resultBytes: 1, seconds: 1) == .lost)
        #expect(try other.complete(held, resultBytes: 3, seconds: 3) == .lost)
        #expect(try fixture.job(held.job.id) == done)
    }

    @Test(arguments: QueueKind.all) func aLateWorkerGoesOnWhereNobodyElseBegan(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind, policy: .lease(.seconds(1)))
        try fixture.submit()
        let claim = try fixture.claim()
        fixture.pass(.seconds(3))
        #expect(try fixture.queue.heartbeat(claim, progress: 0.5) == .held)
        fixture.pass(.milliseconds(500))
        #expect(try fixture.isIdle())
        #expect(try fixture.queue.complete(claim, resultBytes: 1, seconds: 1) == .held)
    }

    @Test(arguments: QueueKind.all) func aJobThatKillsItsWorkersFails(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind, policy: .lease(.seconds(1)))
        let id = try fixture.submit().id
        var claims: [JobClaim] = []
        for attempt in 1...fixture.policy.maximumAttempts {
            claims.append(try fixture.claim())
            #expect(claims.last?.job.attempts == attempt)
            try fixture.crash()
            if !kind.hasServer { fixture.pass(.seconds(1)) }
        }
        #expect(try fixture.queue.claim(worker: "b", timeout: kind.hasServer ? .seconds(3) : .zero) == nil)
        let failed = try fixture.job(id)
        #expect(failed.state == .failed && failed.problem?.code == "interrupted" && failed.attempts == 3)
        #expect(failed.problem?.message.contains("3 times") == true)
        for claim in claims { #expect(try fixture.queue.heartbeat(claim, progress: 1) == .lost) }
    }

    @Test(arguments: QueueKind.all) func aFailureIsTriedAgainLater(_ kind: QueueKind) throws {
        var policy = JobQueuePolicy()
        policy.backoff = .milliseconds(500)
        let fixture = try QueueFixture(kind, policy: policy)
        let queue = fixture.queue
        let id = try fixture.submit().id
        for (attempt, wait) in [(1, Duration.milliseconds(500)), (2, .seconds(2))] {
            let claim = try fixture.claim()
            #expect(claim.job.attempts == attempt)
            #expect(try queue.heartbeat(claim, progress: 0.5) == .held)
            #expect(try queue.fail(claim, .sample, retry: true) == .held)
            let waiting = try fixture.job(id)
            #expect(waiting.state == .queued && waiting.progress == 0 && waiting.attempts == attempt)
            #expect(waiting.problem == .sample && waiting.finished == nil)
            fixture.pass(wait - .milliseconds(100))
            #expect(try fixture.isIdle())
            fixture.pass(.milliseconds(100))
        }
        let last = try fixture.claim()
        let reason = JobProblem(code: "picture_invalid", message: "cut short: \"x\" \u{1F4A5}")
        #expect(try queue.fail(last, reason, retry: true) == .held)
        let failed = try fixture.job(id)
        #expect(failed.state == .failed && failed.problem == reason && failed.attempts == 3)
        #expect(failed.finished == fixture.clock.now && failed.expires == fixture.clock.now + policy.keep)
        fixture.clock.advance(.seconds(1000))
        #expect(try fixture.isIdle())
    }

    @Test(arguments: QueueKind.all) func aFailureForGoodIsNotTriedAgain(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let id = try fixture.submit().id
        #expect(try fixture.queue.fail(try fixture.claim(), .sample, retry: false) == .held)
        let failed = try fixture.job(id)
        #expect(failed.state == .failed && failed.attempts == 1 && failed.problem == .sample)
    }

    @Test(arguments: QueueKind.all) func whatWaitsHoldsNothingElseUp(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let first = try fixture.submit().id
        let second = try fixture.submit().id
        #expect(try fixture.queue.fail(try fixture.claim(), .sample, retry: true) == .held)
        #expect(try fixture.claim().job.id == second)
        fixture.pass(.seconds(1))
        #expect(try fixture.claim().job.id == first)
    }

    @Test(arguments: QueueKind.all) func releaseDoesNotCount(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        let id = try fixture.submit().id
        let later = try fixture.submit().id
        for _ in 0..<10 {
            let claim = try fixture.claim()
            #expect(claim.job.id == id && claim.job.attempts == 1)
            #expect(try queue.heartbeat(claim, progress: 0.5) == .held)
            #expect(try queue.release(claim) == .held)
            let released = try fixture.job(id)
            #expect(released.state == .queued && released.attempts == 0 && released.progress == 0)
            #expect(released.started == nil && released.problem == nil)
            #expect(try queue.complete(claim, resultBytes: 1, seconds: 1) == .lost)
            #expect(try queue.release(claim) == .lost)
        }
        #expect(try fixture.claim().job.id == id)
        #expect(try fixture.claim().job.id == later)
    }

    @Test(arguments: QueueKind.all) func aClockSetBackHoldsNothingUp(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind, policy: .lease(.seconds(1)))
        try fixture.submit()
        fixture.clock.advance(.seconds(-7200))
        #expect(try fixture.queue.release(try fixture.claim()) == .held)
        fixture.clock.advance(.seconds(-7200))
        _ = try fixture.claim()
        try fixture.crash()
        fixture.clock.advance(.seconds(-7200))
        _ = try fixture.claim()
    }

    @Test(arguments: QueueKind.all) func whatRanIsQueuedAgain(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind, policy: .lease(.seconds(2)))
        let ids = try (0..<5).map { _ in try fixture.submit() }.map(\.id)
        #expect(try fixture.queue.complete(try fixture.claim(), resultBytes: 7, seconds: 1) == .held)
        #expect(try fixture.queue.fail(try fixture.claim(), .sample, retry: false) == .held)
        let lost = try fixture.claim()
        #expect(try fixture.queue.heartbeat(lost, progress: 0.5) == .held)
        _ = try fixture.queue.cancel(ids[3], owner: "")
        let before = try ids.map { try fixture.job($0) }

        try fixture.crash()
        let after = try ids.map { try fixture.job($0) }
        for unchanged in [0, 1, 3, 4] { #expect(after[unchanged] == before[unchanged]) }
        if !kind.hasServer {
            #expect(after[2].state == .queued && after[2].attempts == 1 && after[2].progress == 0)
            #expect(after[2].problem?.code == "interrupted")
            #expect(try fixture.queue.complete(lost, resultBytes: 1, seconds: 1) == .lost)
        }
        // With one process at once, and before what came later; a server may deliver what is new first.
        let claims = try [fixture.claim(), fixture.claim()]
        #expect((kind.hasServer ? Set(claims.map(\.job.id)) : []) == (kind.hasServer ? [ids[2], ids[4]] : []))
        #expect(kind.hasServer || claims.map(\.job.id) == [ids[2], ids[4]])
        let again = try #require(claims.first { $0.job.id == ids[2] })
        #expect(again.job.attempts == 2 && again.job.problem?.code == "interrupted")
        #expect(try fixture.queue.complete(lost, resultBytes: 1, seconds: 1) == .lost)
    }

    @Test func whatEndsTheServiceEveryTimeFails() throws {
        let fixture = try QueueFixture()
        let id = try fixture.submit().id
        for attempt in 1...3 {
            #expect(try fixture.claim().job.attempts == attempt)
            try fixture.reopen()
        }
        let failed = try fixture.job(id)
        #expect(failed.state == .failed && failed.problem?.code == "interrupted")
        #expect(failed.finished == fixture.clock.now && failed.expires == fixture.clock.now + fixture.policy.keep)
        #expect(try fixture.isIdle())
    }
}

/// Claims that wait, in the machine's time.
@Suite struct QueueWaitTests {
    @Test(arguments: QueueKind.all) func anEmptyQueueWaitsForTheTimeout(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let began = ContinuousClock.now
        #expect(try fixture.queue.claim(worker: "a", timeout: .milliseconds(50)) == nil)
        #expect(ContinuousClock.now - began >= .milliseconds(49))
        #expect(try fixture.queue.claim(worker: "a", timeout: .seconds(-1)) == nil)
    }

    @Test(arguments: QueueKind.all) func whatIsReadyIsNotWaitedFor(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        try fixture.submit()
        try fixture.submit()
        #expect(try fixture.queue.claim(worker: "a", timeout: .zero) != nil)
        #expect(try fixture.queue.claim(worker: "a", timeout: .seconds(600)) != nil)
    }

    @Test(arguments: QueueKind.all) func aSubmittedJobWakes(_ kind: QueueKind) async throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        async let claim = onThread { try queue.claim(worker: "a", timeout: .seconds(600)) }
        try await Task.sleep(for: .milliseconds(50))
        let id = try fixture.submit().id
        #expect(try await claim?.job.id == id)
    }

    @Test(arguments: QueueKind.all) func theWaitEndsAtWakeAll(_ kind: QueueKind) async throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        // A job that is leased for long, so that both ways to wait are seen.
        for isLeased in [false, true] {
            if isLeased {
                try fixture.submit()
                _ = try fixture.claim()
            }
            let ended = Counter()
            async let claim = onThread {
                defer { ended.increase() }
                return try queue.claim(worker: "a", timeout: .seconds(600))
            }
            try await Task.sleep(for: .milliseconds(50))
            #expect(ended.value == 0)
            // Again for one that had not begun to wait.
            while ended.value == 0 {
                queue.wakeAll()
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(try await claim == nil)
        }
    }

    @Test(arguments: QueueKind.all) func theEndOfALeaseWakes(_ kind: QueueKind) async throws {
        let fixture = try QueueFixture(kind, policy: .lease(.seconds(1)))
        let id = try fixture.submit().id
        _ = try fixture.claim()
        let queue = kind.hasServer ? try fixture.another() : fixture.queue
        let clock = fixture.clock
        // Time passes while the claim waits.
        async let claim = onThread { try queue.claim(worker: "b", timeout: .seconds(600)) }
        try await Task.sleep(for: .milliseconds(50))
        clock.advance(.seconds(1))
        #expect(try await claim?.job.id == id)
    }

    @Test(arguments: QueueKind.all) func aReleasedJobWakes(_ kind: QueueKind) async throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        let id = try fixture.submit().id
        let held = try fixture.claim()
        async let claim = onThread { try queue.claim(worker: "a", timeout: .seconds(600)) }
        try await Task.sleep(for: .milliseconds(50))
        #expect(try queue.release(held) == .held)
        #expect(try await claim?.job.id == id)
    }

    @Test(arguments: QueueKind.all) func aJobToBeTriedAgainIsWaitedFor(_ kind: QueueKind) async throws {
        var policy = JobQueuePolicy()
        policy.backoff = .milliseconds(300)
        let fixture = try QueueFixture(kind, policy: policy)
        let queue = fixture.queue, clock = fixture.clock
        try fixture.submit()
        #expect(try queue.fail(try fixture.claim(), .sample, retry: true) == .held)
        #expect(try fixture.isIdle())
        async let claim = onThread { try queue.claim(worker: "a", timeout: .seconds(600)) }
        try await Task.sleep(for: .milliseconds(50))
        clock.advance(.milliseconds(300))
        #expect(try await claim?.job.attempts == 2)
    }
}
