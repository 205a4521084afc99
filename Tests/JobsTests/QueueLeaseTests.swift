import Foundation
import Jobs
import Tensors
import Testing

/// Leases, attempts, and what is left by workers that are gone.
@Suite struct QueueLeaseTests {
    @Test(arguments: QueueKind.all) func aHeartbeatExtendsTheLease(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        try fixture.submit()
        let claim = try fixture.claim(lease: .seconds(10))
        for _ in 0..<5 {
            fixture.clock.advance(.seconds(9))
            #expect(try fixture.queue.claim(worker: "b", lease: .seconds(10)) == nil)
            #expect(try fixture.queue.heartbeat(claim, progress: 0) == .held)
        }
        fixture.clock.advance(.milliseconds(9999))
        #expect(try fixture.queue.claim(worker: "b", lease: .seconds(10)) == nil)
        fixture.clock.advance(.milliseconds(1))
        #expect(try fixture.claim("b").job.id == claim.job.id)
    }

    @Test(arguments: QueueKind.all) func aLostClaimChangesNothing(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        try fixture.submit()
        let lost = try fixture.claim("a", lease: .seconds(10))
        #expect(try queue.heartbeat(lost, progress: 0.75) == .held)
        fixture.clock.advance(.seconds(10))
        let held = try fixture.claim("b")
        #expect(held.job.id == lost.job.id && held.token != lost.token)
        #expect(held.job.attempts == 2 && held.job.progress == 0 && held.job.problem?.code == "interrupted")

        let before = try fixture.job(lost.job.id)
        #expect(try queue.heartbeat(lost, progress: 0.9) == .lost)
        #expect(try queue.complete(lost, resultBytes: 1, seconds: 1) == .lost)
        #expect(try queue.fail(lost, .sample, retry: false) == .lost)
        #expect(try queue.release(lost) == .lost)
        #expect(try fixture.job(lost.job.id) == before)

        #expect(try queue.complete(held, resultBytes: 2, seconds: 2) == .held)
        let done = try fixture.job(held.job.id)
        #expect(done.state == .done && done.resultBytes == 2 && done.problem == nil)
        #expect(try queue.complete(lost, resultBytes: 1, seconds: 1) == .lost)
        #expect(try queue.complete(held, resultBytes: 3, seconds: 3) == .lost)
        #expect(try fixture.job(held.job.id) == done)
    }

    @Test(arguments: QueueKind.all) func aLateWorkerGoesOnWhereNobodyElseBegan(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        try fixture.submit()
        let claim = try fixture.claim(lease: .seconds(10))
        fixture.clock.advance(.seconds(60))
        #expect(try fixture.queue.heartbeat(claim, progress: 0.5) == .held)
        fixture.clock.advance(.seconds(9))
        #expect(try fixture.queue.claim(worker: "b", lease: .seconds(10)) == nil)
        #expect(try fixture.queue.complete(claim, resultBytes: 1, seconds: 1) == .held)
    }

    @Test(arguments: QueueKind.all) func aJobThatKillsItsWorkersFails(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let id = try fixture.submit().id
        var claims: [JobClaim] = []
        for attempt in 1...fixture.policy.maximumAttempts {
            claims.append(try fixture.claim(lease: .seconds(10)))
            #expect(claims.last?.job.attempts == attempt)
            fixture.clock.advance(.seconds(10))
        }
        #expect(try fixture.queue.claim(worker: "b", lease: .seconds(10)) == nil)
        let failed = try fixture.job(id)
        #expect(failed.state == .failed && failed.problem?.code == "interrupted" && failed.attempts == 3)
        #expect(failed.problem?.message.contains("3 times") == true)
        #expect(failed.finished == fixture.clock.now)
        for claim in claims { #expect(try fixture.queue.heartbeat(claim, progress: 1) == .lost) }
    }

    @Test(arguments: QueueKind.all) func aFailureIsTriedAgainLater(_ kind: QueueKind) throws {
        var policy = JobQueuePolicy()
        policy.backoff = .seconds(2)
        let fixture = try QueueFixture(kind, policy: policy)
        let queue = fixture.queue
        let id = try fixture.submit().id
        for (attempt, wait) in [(1, Duration.seconds(2)), (2, .seconds(8))] {
            let claim = try fixture.claim()
            #expect(claim.job.attempts == attempt)
            #expect(try queue.heartbeat(claim, progress: 0.5) == .held)
            #expect(try queue.fail(claim, .sample, retry: true) == .held)
            let waiting = try fixture.job(id)
            #expect(waiting.state == .queued && waiting.progress == 0 && waiting.attempts == attempt)
            #expect(waiting.problem == .sample && waiting.finished == nil)
            fixture.clock.advance(wait - .milliseconds(1))
            #expect(try queue.claim(worker: "a", lease: .seconds(1)) == nil)
            fixture.clock.advance(.milliseconds(1))
        }
        let last = try fixture.claim()
        let reason = JobProblem(code: "picture_invalid", message: "cut short: \"x\" \u{1F4A5}")
        #expect(try queue.fail(last, reason, retry: true) == .held)
        let failed = try fixture.job(id)
        #expect(failed.state == .failed && failed.problem == reason && failed.attempts == 3)
        #expect(failed.finished == fixture.clock.now && failed.expires == fixture.clock.now + policy.keep)
        fixture.clock.advance(.seconds(1000))
        #expect(try queue.claim(worker: "a", lease: .seconds(1)) == nil)
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
        fixture.clock.advance(.seconds(1))
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
        let fixture = try QueueFixture(kind)
        try fixture.submit()
        fixture.clock.advance(.seconds(-7200))
        #expect(try fixture.queue.waitForWork(timeout: .zero))
        #expect(try fixture.queue.release(try fixture.claim()) == .held)
        fixture.clock.advance(.seconds(-7200))
        _ = try fixture.claim()
        try fixture.reopen()
        fixture.clock.advance(.seconds(-7200))
        _ = try fixture.claim()
    }

    @Test(arguments: QueueKind.all) func whatRanIsQueuedAgain(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let ids = try (0..<5).map { _ in try fixture.submit() }.map(\.id)
        #expect(try fixture.queue.complete(try fixture.claim(), resultBytes: 7, seconds: 1) == .held)
        #expect(try fixture.queue.fail(try fixture.claim(), .sample, retry: false) == .held)
        let lost = try fixture.claim(lease: .seconds(3600))
        #expect(try fixture.queue.heartbeat(lost, progress: 0.5) == .held)
        _ = try fixture.queue.cancel(ids[3], owner: "")
        let before = try ids.map { try fixture.job($0) }

        try fixture.reopen()
        let after = try ids.map { try fixture.job($0) }
        for unchanged in [0, 1, 3, 4] { #expect(after[unchanged] == before[unchanged]) }
        #expect(after[2].state == .queued && after[2].attempts == 1 && after[2].progress == 0)
        #expect(after[2].problem?.code == "interrupted")
        #expect(try fixture.queue.complete(lost, resultBytes: 1, seconds: 1) == .lost)
        // At once, and before what came later.
        let again = try fixture.claim()
        #expect(again.job.id == ids[2] && again.job.attempts == 2)
        #expect(try fixture.claim().job.id == ids[4])
    }

    @Test(arguments: QueueKind.all) func whatEndsTheServiceEveryTimeFails(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let id = try fixture.submit().id
        for attempt in 1...3 {
            #expect(try fixture.claim(lease: .seconds(3600)).job.attempts == attempt)
            try fixture.reopen()
        }
        let failed = try fixture.job(id)
        #expect(failed.state == .failed && failed.problem?.code == "interrupted")
        #expect(failed.finished == fixture.clock.now && failed.expires == fixture.clock.now + fixture.policy.keep)
        #expect(try fixture.queue.claim(worker: "a", lease: .seconds(1)) == nil)
    }
}

/// `waitForWork`, which waits in the machine's time.
@Suite struct QueueWaitTests {
    @Test(arguments: QueueKind.all) func anEmptyQueueWaitsForTheTimeout(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let began = ContinuousClock.now
        #expect(try !fixture.queue.waitForWork(timeout: .milliseconds(50)))
        #expect(ContinuousClock.now - began >= .milliseconds(49))
        #expect(try !fixture.queue.waitForWork(timeout: .seconds(-1)))
    }

    @Test(arguments: QueueKind.all) func whatIsReadyIsNotWaitedFor(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        try fixture.submit()
        #expect(try fixture.queue.waitForWork(timeout: .zero))
        #expect(try fixture.queue.waitForWork(timeout: .seconds(600)))
    }

    @Test(arguments: QueueKind.all) func aSubmittedJobWakes(_ kind: QueueKind) async throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        async let woken = onThread { try queue.waitForWork(timeout: .seconds(600)) }
        try await Task.sleep(for: .milliseconds(50))
        try fixture.submit()
        #expect(try await woken)
    }

    @Test(arguments: QueueKind.all) func everyWaitEndsAtWakeAll(_ kind: QueueKind) async throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        // A job that is leased for long, so that both ways to wait are seen.
        try fixture.submit()
        _ = try fixture.claim(lease: .seconds(3600))
        let ended = Counter()
        try await withThrowingTaskGroup { group in
            for _ in 0..<3 {
                group.addTask {
                    _ = try await onThread { try queue.waitForWork(timeout: .seconds(600)) }
                    ended.increase()
                }
            }
            try await Task.sleep(for: .milliseconds(50))
            #expect(ended.value == 0)
            // Again for one that had not begun to wait.
            while ended.value < 3 {
                queue.wakeAll()
                try await Task.sleep(for: .milliseconds(5))
            }
            try await group.waitForAll()
        }
    }

    @Test(arguments: QueueKind.all) func theEndOfALeaseWakes(_ kind: QueueKind) async throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        try fixture.submit()
        let claim = try fixture.claim(lease: .milliseconds(100))
        #expect(try !queue.waitForWork(timeout: .milliseconds(1)))
        #expect(try await onThread { try queue.waitForWork(timeout: .seconds(600)) })
        fixture.clock.advance(.milliseconds(100))
        #expect(try fixture.claim("b").job.id == claim.job.id)
    }

    @Test(arguments: QueueKind.all) func aReleasedJobWakes(_ kind: QueueKind) async throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        try fixture.submit()
        let claim = try fixture.claim(lease: .seconds(3600))
        async let woken = onThread { try queue.waitForWork(timeout: .seconds(600)) }
        try await Task.sleep(for: .milliseconds(50))
        #expect(try queue.release(claim) == .held)
        #expect(try await woken)
    }

    @Test(arguments: QueueKind.all) func aJobToBeTriedAgainIsWaitedFor(_ kind: QueueKind) throws {
        var policy = JobQueuePolicy()
        policy.backoff = .milliseconds(100)
        let fixture = try QueueFixture(kind, policy: policy)
        let queue = fixture.queue
        try fixture.submit()
        #expect(try queue.fail(try fixture.claim(), .sample, retry: true) == .held)
        #expect(try !queue.waitForWork(timeout: .zero))
        #expect(try queue.waitForWork(timeout: .seconds(600)))
        fixture.clock.advance(.milliseconds(100))
        #expect(try fixture.claim().job.attempts == 2)
    }
}
