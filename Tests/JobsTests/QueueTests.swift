import Foundation
import Jobs
import Tensors
import Testing

/// What every queue does, in words of the protocol alone.
@Suite struct QueueTests {
    @Test(arguments: QueueKind.all) func aJobGoesFromQueuedToDone(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        let request = JobRequest.sample("sea \u{0} \u{1F30A}")
        let begin = fixture.clock.now
        let queued = try queue.submit(request)
        #expect(queued.request == request)
        #expect(queued.state == .queued && queued.progress == 0 && queued.attempts == 0 && queued.created == begin)
        #expect(queued.started == nil && queued.finished == nil && queued.expires == nil && queued.problem == nil)
        #expect(try fixture.job(request.id) == queued)

        fixture.clock.advance(.seconds(2))
        let claim = try fixture.claim()
        #expect(claim.job.request == request)
        #expect(claim.job.state == .running && claim.job.attempts == 1 && claim.job.started == begin + .seconds(2))
        #expect(try fixture.job(request.id) == claim.job)
        #expect(try fixture.isIdle())

        fixture.clock.advance(.seconds(3))
        #expect(try queue.complete(claim, resultBytes: 99, seconds: 2.5) == .held)
        let done = try fixture.job(request.id)
        #expect(done.state == .done && done.progress == 1 && done.resultBytes == 99 && done.seconds == 2.5)
        #expect(done.finished == begin + .seconds(5) && done.expires == begin + .seconds(5) + fixture.policy.keep)
        #expect(try fixture.job(request.id).state == .done)
        #expect(try fixture.isIdle())
    }

    @Test(arguments: QueueKind.all) func theOldestIsClaimedFirst(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let submitted = try (0..<20).map { number in
            // The last ten at the same moment.
            if number < 10 { fixture.clock.advance(.milliseconds(1)) }
            return try fixture.submit().id
        }
        #expect(try submitted.map { _ in try fixture.claim().job.id } == submitted)
    }

    @Test(arguments: QueueKind.all) func nothingIsRequiredOfAJob(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        var request = JobRequest.sample()
        (request.expectedSeconds, request.parameters, request.name) = (nil, [:], nil)
        #expect(try fixture.queue.submit(request).request == request)
        #expect(try fixture.claim().job.request == request)
    }

    @Test(arguments: QueueKind.all) func anIdentifierIsAcceptedOnce(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let request = JobRequest.sample("first")
        _ = try fixture.queue.submit(request)
        var second = request
        second.name = "second"
        #expect(throws: EnlargerError.self) { try fixture.queue.submit(second) }
        #expect(try fixture.job(request.id).request == request)
        #expect(try fixture.queue.counts()[.queued] == 1)
    }

    @Test(arguments: QueueKind.all) func progressOnlyGrows(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        try fixture.submit()
        let claim = try fixture.claim()
        let reports = [(0.25, 0.25), (0.5, 0.5), (0.25, 0.5), (.nan, 0.5), (-.infinity, 0.5), (7, 1)]
        for (reported, known) in reports {
            #expect(try fixture.queue.heartbeat(claim, progress: reported) == .held)
            #expect(try fixture.job(claim.job.id).progress == known)
        }
    }

    @Test(arguments: QueueKind.all) func cancelEndsAQueuedJob(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let id = try fixture.submit().id
        let cancelled = try #require(try fixture.queue.cancel(id, owner: ""))
        #expect(cancelled.state == .cancelled && cancelled.finished == fixture.clock.now)
        #expect(cancelled.expires == fixture.clock.now + fixture.policy.keep)
        #expect(try fixture.isIdle())
    }

    @Test(arguments: QueueKind.all) func theWorkerHearsOfACancel(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        let id = try fixture.submit().id
        let claim = try fixture.claim()
        #expect(try queue.cancel(id, owner: "")?.state == .cancelled)
        let cancelled = try fixture.job(id)
        #expect(try queue.heartbeat(claim, progress: 0.5) == .cancelled)
        #expect(try queue.complete(claim, resultBytes: 1, seconds: 1) == .cancelled)
        #expect(try queue.fail(claim, .sample, retry: true) == .cancelled)
        #expect(try queue.release(claim) == .cancelled)
        #expect(try fixture.job(id) == cancelled)
        // Once it is forgotten, nothing says any more that it was cancelled.
        #expect(try queue.remove(id, owner: "") == cancelled)
        #expect(try queue.heartbeat(claim, progress: 0.5) == .lost)
    }

    @Test(arguments: QueueKind.all) func cancelLeavesAFinishedJob(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let id = try fixture.submit().id
        #expect(try fixture.queue.complete(try fixture.claim(), resultBytes: 5, seconds: 1) == .held)
        let done = try fixture.job(id)
        fixture.clock.advance(.seconds(1))
        #expect(try fixture.queue.cancel(id, owner: "") == done)
        #expect(try fixture.queue.cancel(JobIdentifier(), owner: "") == nil)
    }

    @Test(arguments: QueueKind.all) func removeForgetsOnlyFinishedJobs(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        let id = try fixture.submit().id
        #expect(try queue.remove(id, owner: "")?.state == .queued)
        let claim = try fixture.claim()
        #expect(try queue.remove(id, owner: "")?.state == .running)
        #expect(try queue.complete(claim, resultBytes: 5, seconds: 1) == .held)
        #expect(try queue.remove(id, owner: "")?.state == .done)
        #expect(try queue.remove(id, owner: "") == nil)
        #expect(try queue.job(id, owner: "") == nil)
    }

    @Test(arguments: QueueKind.all) func ownersDoNotSeeEachOther(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        let ann = try fixture.submit(owner: "ann").id
        let bob = try fixture.submit(owner: "bob").id
        #expect(try queue.job(ann, owner: "ann")?.request.owner == "ann")
        for stranger in ["bob", "", "ANN", "ann ", "a%"] {
            #expect(try queue.job(ann, owner: stranger) == nil)
            #expect(try queue.cancel(ann, owner: stranger) == nil)
            #expect(try queue.remove(ann, owner: stranger) == nil)
            #expect(try queue.jobs(owner: stranger, limit: 9, after: ann) == nil)
        }
        #expect(try queue.jobs(owner: "ann", limit: 9, after: nil)?.map(\.id) == [ann])
        #expect(try queue.jobs(owner: "bob", limit: 9, after: nil)?.map(\.id) == [bob])
        #expect(try queue.jobs(owner: "", limit: 9, after: nil) == [])
        #expect(try queue.job(ann, owner: "ann")?.state == .queued)
    }

    @Test(arguments: QueueKind.all) func pagesHoldEveryJobOnce(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        let mine = try (0..<7).map { _ in
            try fixture.submit(owner: "else")
            return try fixture.submit().id
        }
        var found: [JobIdentifier] = []
        var after: JobIdentifier?
        repeat {
            let page = try #require(try queue.jobs(owner: "", limit: 3, after: after))
            // What is submitted between two pages is on neither.
            try fixture.submit()
            found += page.map(\.id)
            after = page.count == 3 ? page.last?.id : nil
        } while after != nil
        #expect(found == mine.reversed())
        #expect(try queue.jobs(owner: "", limit: 3, after: mine[0]) == [])
        #expect(try queue.jobs(owner: "", limit: 0, after: nil) == [])
        #expect(try queue.jobs(owner: "", limit: -1, after: nil) == [])
        #expect(try queue.jobs(owner: "", limit: 3, after: JobIdentifier()) == nil)
    }

    @Test(arguments: QueueKind.all) func finishedJobsExpire(_ kind: QueueKind) throws {
        var policy = JobQueuePolicy()
        policy.keep = .seconds(60)
        let fixture = try QueueFixture(kind, policy: policy)
        let queue = fixture.queue
        let done = try fixture.submit().id
        let failed = try fixture.submit().id
        let cancelled = try fixture.submit().id
        #expect(try queue.complete(try fixture.claim(), resultBytes: 5, seconds: 1) == .held)
        #expect(try queue.fail(try fixture.claim(), .sample, retry: false) == .held)
        _ = try queue.cancel(cancelled, owner: "")
        fixture.clock.advance(.seconds(30))
        let queued = try fixture.submit().id
        let running = try fixture.claim().job.id
        let late = try fixture.submit().id
        _ = try queue.cancel(late, owner: "")
        #expect(queued == running)
        fixture.clock.advance(.milliseconds(29_999))
        #expect(try queue.expire() == [])
        fixture.clock.advance(.milliseconds(1))
        #expect(Set(try queue.expire()) == [done, failed, cancelled])
        #expect(try queue.job(done, owner: "") == nil)
        fixture.clock.advance(.seconds(100_000))
        #expect(try queue.expire() == [late])
        #expect(try fixture.job(running).state == .running)
    }

    @Test(arguments: QueueKind.all) func partsAreNotCountedAsJobs(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let whole = try fixture.submit("a picture", owner: "ann")
        try fixture.submit("its part", owner: JobRequest.ownerOfParts(of: whole.id))
        #expect(try fixture.queue.counts() == [.queued: 1, .running: 0, .done: 0, .failed: 0, .cancelled: 0])
        #expect(try fixture.queue.jobs(owner: "ann", limit: 10, after: nil)?.map(\.id) == [whole.id])
        // They are worked on like all others.
        #expect(try Set([fixture.claim(), fixture.claim()].map(\.job.request.name)) == ["a picture", "its part"])
    }

    @Test(arguments: QueueKind.all) func theQueueIsFull(_ kind: QueueKind) throws {
        var policy = JobQueuePolicy()
        policy.maximumUnfinished = 2
        let fixture = try QueueFixture(kind, policy: policy)
        let queue = fixture.queue
        try fixture.submit()
        try fixture.submit()
        let claim = try fixture.claim()
        let error = #expect(throws: EnlargerError.self) { try fixture.submit() }
        #expect(error?.code == .queueFull)
        #expect(try queue.counts() == [.queued: 1, .running: 1, .done: 0, .failed: 0, .cancelled: 0])
        #expect(try queue.complete(claim, resultBytes: 1, seconds: 1) == .held)
        try fixture.submit()
        #expect(try queue.counts() == [.queued: 2, .running: 0, .done: 1, .failed: 0, .cancelled: 0])
    }

    @Test(arguments: QueueKind.all) func theOldestQueuedIsKnown(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        #expect(try queue.oldestQueuedAge() == nil)
        try fixture.submit()
        fixture.clock.advance(.seconds(5))
        try fixture.submit()
        #expect(try queue.oldestQueuedAge() == .seconds(5))
        _ = try fixture.claim()
        fixture.clock.advance(.seconds(1))
        #expect(try queue.oldestQueuedAge() == .seconds(1))
        fixture.clock.advance(.seconds(-9))
        #expect(try queue.oldestQueuedAge() == .zero)
    }

    @Test(arguments: QueueKind.all) func itCanBeWritten(_ kind: QueueKind) throws {
        let fixture = try QueueFixture(kind)
        try fixture.queue.checkWritable()
        try fixture.queue.checkWritable()
        try fixture.reopen()
        try fixture.queue.checkWritable()
    }

    @Test(arguments: QueueKind.all) func everyJobGoesToOneThread(_ kind: QueueKind) async throws {
        let fixture = try QueueFixture(kind)
        let queue = fixture.queue
        let submitted = try (0..<200).map { _ in try fixture.submit().id }
        let work: @Sendable () throws -> [JobIdentifier] = {
            var done: [JobIdentifier] = []
            while let claim = try queue.claim(worker: "a", timeout: .zero) {
                #expect(try queue.heartbeat(claim, progress: 0.5) == .held)
                #expect(try queue.complete(claim, resultBytes: 1, seconds: 1) == .held)
                done.append(claim.job.id)
            }
            return done
        }
        async let first = onThread(work)
        async let second = onThread(work)
        let all = try await first + second
        #expect(all.count == 200 && Set(all) == Set(submitted))
        #expect(try queue.counts()[.done] == 200)
    }
}
