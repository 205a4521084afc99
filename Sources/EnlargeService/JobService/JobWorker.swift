import Glibc
import Jobs
import PictureIO
import Synchronization
import Tensors

/// Takes jobs from the queue to the engine, and what becomes of them back.
///
/// One thread claims; what may take long with a store that is far, the picture's way here and the result's way there, is
/// done by threads of its own, so that it goes on while others compute.
final class JobWorker: Sendable {
    /// For people who look into the queue.
    let name: String
    private let runner: any JobRunner
    private let queue: any JobQueue
    private let pictures: any JobPictures
    private let hub: JobHub
    private let log: ServiceLog
    private let counters: Counters
    private let state: Monitor<State>
    private let hasStopped = Monitor(false)
    private let threads: WorkThreads
    /// Jobs that are claimed at once: those that run, and a few that wait in the engine, so that small ones find the
    /// slot that large ones leave them.
    private let limit: Int

    private struct State {
        var active: [JobIdentifier: Active] = [:]
        /// A claim is asked for, or on its way into `active`.
        var isClaiming = false
        /// Of `active`, those that are worked on here.
        var places: Int { active.values.count { !$0.isElsewhere } }
        var isStopping = false
        /// Since when the store has had no room for results.
        var fullSince: Double?
    }
    private struct Active {
        var claim: JobClaim
        /// In the engine; nil until it is there.
        var run: Int?
        var isCancelled = false
        var isElsewhere = false
        var progress = 0.0
        var published = 0.0
    }

    /// A store without room is waited for; else that is a failure as others are.
    private let awaitsRoom: Bool
    private let heartbeatSeconds: Double
    /// Between two events of progress.
    private static let progressSeconds = 0.1

    /// - Parameters:
    ///   - lease: of the queue; six heartbeats go into it.
    ///   - awaitsRoom: whether a job is given back, and the attempt not counted, where the store has no room for its result.
    init(
        name: String, runner: any JobRunner, queue: any JobQueue, pictures: any JobPictures, hub: JobHub, counters: Counters,
        log: ServiceLog, lease: Duration = JobQueuePolicy().lease, awaitsRoom: Bool = false
    ) {
        self.awaitsRoom = awaitsRoom
        (self.name, self.runner, self.queue, self.pictures) = (name, runner, queue, pictures)
        (self.hub, self.counters, self.log) = (hub, counters, log)
        heartbeatSeconds = lease / .seconds(6)
        limit = runner.slots + 4
        threads = WorkThreads(count: limit)
        state = Monitor(State())
    }

    func start() {
        detachThread { self.claimAll() }
        detachThread { self.beat() }
    }

    /// Jobs that it has at the moment.
    var activeCount: Int { state.withLock { $0.active.count } }

    /// Claims no more, gives what runs `seconds`, and gives the rest back to the queue.
    func stop(seconds: Double) {
        state.change { $0.isStopping = true }
        for active in state.withLock({ Array($0.active.values) }) where active.isElsewhere {
            if let run = active.run { runner.cancel(run) }
        }
        if !awaitIdle(seconds: seconds) {
            for active in state.withLock({ Array($0.active.values) }) {
                if let run = active.run { runner.cancel(run) }
            }
            _ = awaitIdle(seconds: 10)
        }
        hasStopped.change { $0 = true }
    }

    private func awaitIdle(seconds: Double) -> Bool {
        let end = monotonicSeconds() + seconds
        while true {
            // Again and again: a claim may not have begun to wait yet.
            queue.wakeAll()
            let now = monotonicSeconds()
            if state.wait(until: min(end, now + 0.1), { $0.active.isEmpty && !$0.isClaiming ? true : nil }) != nil { return true }
            if now >= end { return false }
        }
    }

    /// The job was cancelled in the queue: its run ends at the next band.
    func cancel(_ job: Job) {
        let run = state.withLock { state in
            state.active[job.id]?.isCancelled = true
            return state.active[job.id].map { $0.run }
        }
        switch run {
        case .some(.some(let run)): runner.cancel(run)
        case .some(.none): break  // on its way into the engine, which looks at isCancelled
        case nil: pictures.removeInput(of: job)
        }
    }

    // MARK: Claiming

    private func claimAll() {
        var pause = 0.5
        while true {
            // One place at least, and the service not about to end.
            let goesOn = state.wait { state -> Bool? in
                if state.isStopping { return false }
                guard state.places < limit else { return nil }
                state.isClaiming = true
                return true
            }
            guard goesOn == true else { return }
            do throws(EnlargerError) {
                let claim = try queue.claim(worker: name, timeout: .seconds(60))
                state.withLock { state in
                    if let claim { state.active[claim.job.id] = Active(claim: claim) }
                    state.isClaiming = false
                }
                if let claim { threads.run { self.begin(claim) } }
                pause = 0.5
            } catch {
                state.change { $0.isClaiming = false }
                log(.error, "queue_failed", [("message", .string(error.message))])
                // Many workers lose a queue at once, and should not all come back at once.
                _ = state.wait(until: monotonicSeconds() + pause * .random(in: 0.5...1.5)) { $0.isStopping ? true : nil }
                pause = min(pause * 2, 15)
            }
        }
    }

    private func begin(_ claim: JobClaim) {
        let job = claim.job
        hub.publish(job)
        do {
            let input = try pictures.openInput(of: job)
            defer { close(input) }
            // Only what can be run gets a result.
            let prepared = try runner.prepare(job, input: input)
            let run = Run(worker: self, claim: claim, prepared: prepared, result: try pictures.beginResult(of: job))
            let number = try prepared.start(
                run.result, progressed: { run.progressed($0, isInOrder: $1) },
                finished: { outcome in self.threads.run { run.finished(outcome) } })
            let isCancelled = state.withLock { state in
                state.active[job.id]?.run = number
                state.active[job.id]?.isElsewhere = prepared.isElsewhere
                return state.active[job.id]?.isCancelled ?? false
            }
            if isCancelled { runner.cancel(number) }
        } catch SubmitError.queueFull {
            // Pictures of other requests fill the engine: the job keeps its place.
            end(claim) { () throws(EnlargerError) in try self.queue.release(claim) }
            usleep(200_000)
        } catch SubmitError.shuttingDown {
            end(claim) { () throws(EnlargerError) in try self.queue.release(claim) }
        } catch {
            fail(claim, error, result: nil)
        }
    }

    // MARK: What becomes of a job

    /// One attempt in the engine.
    private final class Run: Sendable {
        let worker: JobWorker
        let claim: JobClaim
        let prepared: any PreparedJob
        let result: any JobResult
        private let isFull = Mutex(false)

        init(worker: JobWorker, claim: JobClaim, prepared: any PreparedJob, result: any JobResult) {
            (self.worker, self.claim, self.prepared, self.result) = (worker, claim, prepared, result)
        }

        func progressed(_ part: Double, isInOrder: Bool) {
            if !result.grew(isInOrder: isInOrder) {
                isFull.withLock { $0 = true }
                worker.cancelRun(claim.job.id)
            }
            worker.progressed(claim, part)
        }

        func finished(_ outcome: Result<RunResult, EnlargerError>) {
            let hasRoom = result.grew(isInOrder: false) && !isFull.withLock { $0 }
            if let problem = prepared.finalProblem { return worker.fail(claim, Problem(job: problem), problem.message, isFinal: true, result: result) }
            worker.finished(
                claim, hasRoom ? outcome : .failure(EnlargerError(.diskFull, "no room for the result")), result: result)
        }
    }

    private func cancelRun(_ id: JobIdentifier) {
        if let run = state.withLock({ $0.active[id]?.run }) { runner.cancel(run) }
    }

    private func progressed(_ claim: JobClaim, _ part: Double) {
        let now = monotonicSeconds()
        let isDue = state.withLock { state in
            guard var active = state.active[claim.job.id], now - active.published >= JobWorker.progressSeconds else {
                return false
            }
            active.progress = part
            active.published = now
            state.active[claim.job.id] = active
            return true
        }
        guard isDue else { return }
        var job = claim.job
        job.progress = part
        hub.publish(job)
    }

    private func finished(_ claim: JobClaim, _ outcome: Result<RunResult, EnlargerError>, result: any JobResult) {
        switch outcome {
        case .success(let run):
            let bytes: Int
            do throws(EnlargerError) {
                bytes = try result.keep()
            } catch {
                return fail(claim, error, result: result)
            }
            state.change { $0.fullSince = nil }
            let status = end(claim) { () throws(EnlargerError) in
                try self.queue.complete(claim, resultBytes: bytes, seconds: run.seconds)
            }
            // Cancelled at the last moment, and perhaps forgotten: nobody will ask for it. Where another worker has the
            // job, the result is as good as the one that it makes.
            if status != .held, isUnwanted(claim.job) { pictures.removeResult(of: claim.job) }
            runner.completed(claim.job)
            counters.upscaled(run, pixelsIn: claim.job.request.inputWidth * claim.job.request.inputHeight)
            if status == .held { pictures.removeInput(of: claim.job) } else { removeInput(claim) }
        case .failure(let error) where error.code == .cancelled:
            result.discard()
            counters.ended("cancelled")
            end(claim) { () throws(EnlargerError) in try self.queue.release(claim) }
            removeInput(claim)
        case .failure(let error):
            fail(claim, error, result: result)
        }
    }

    private func isUnwanted(_ job: Job) -> Bool {
        do throws(EnlargerError) {
            let state = try queue.job(job.id, owner: job.request.owner)?.state
            return state == nil || state == .cancelled
        } catch {
            return false
        }
    }

    private func fail(_ claim: JobClaim, _ error: any Error, result: (any JobResult)?) {
        let problem = Problem(error)
        // What a client is told leaves out what is no business of clients.
        fail(claim, problem, (error as? EnlargerError)?.message ?? problem.detail, isFinal: false, result: result)
    }

    /// - Parameters:
    ///   - message: for the log.
    ///   - isFinal: another try would not do better.
    private func fail(_ claim: JobClaim, _ problem: Problem, _ message: String, isFinal: Bool, result: (any JobResult)?) {
        result?.discard()
        if awaitsRoom, !isFinal, problem.code == Problem.diskFull.code { return awaitRoom(claim, message) }
        counters.ended("failed")
        // What the picture or its parameters have done wrong once, they will do again.
        let isPassing = !isFinal && problem.status >= 500 && problem.code != "bad_result"
        log(
            .warning, "job_failed",
            [
                ("job", .string(claim.job.id.description)), ("code", .string(problem.code)),
                ("message", .string(message)),
            ])
        end(claim) { () throws(EnlargerError) in
            try self.queue.fail(claim, JobProblem(code: problem.code, message: problem.detail), retry: isPassing)
        }
        removeInput(claim)
    }

    /// Holds a job while the store has no room, the longer the longer it is full, and gives it back.
    private func awaitRoom(_ claim: JobClaim, _ message: String) {
        let now = monotonicSeconds()
        let pause = state.change { state in
            let since = state.fullSince ?? now
            state.fullSince = since
            return min(max(now - since, 1), 60) * .random(in: 0.5...1.5)
        }
        log(
            .warning, "store_full",
            [("job", .string(claim.job.id.description)), ("message", .string(message)), ("next_try_seconds", .number(pause))])
        _ = state.wait(until: now + pause) { $0.isStopping ? true : nil }
        end(claim) { () throws(EnlargerError) in try self.queue.release(claim) }
    }

    /// Ends an attempt in the queue; tries on while the queue has no room or is away, since the lease is kept alive meanwhile.
    @discardableResult
    private func end(_ claim: JobClaim, _ body: () throws(EnlargerError) -> ClaimStatus) -> ClaimStatus {
        var status = ClaimStatus.lost
        for attempt in 0... {
            do throws(EnlargerError) {
                status = try body()
                break
            } catch {
                if attempt % 50 == 0 {
                    log(
                        .error, "queue_failed",
                        [("job", .string(claim.job.id.description)), ("message", .string(error.message))])
                }
                guard !hasStopped.withLock({ $0 }) else { break }
                usleep(200_000)
            }
        }
        hub.ended(claim.job.id) { try? queue.job(claim.job.id, owner: claim.job.request.owner) }
        state.change { $0.active[claim.job.id] = nil }
        return status
    }

    private func removeInput(_ claim: JobClaim) {
        do {
            if try queue.job(claim.job.id, owner: claim.job.request.owner)?.state.isFinished == false { return }
            pictures.removeInput(of: claim.job)
        } catch {
            // The next sweep takes it.
        }
    }

    // MARK: Leases

    private func beat() {
        while true {
            let isOver = hasStopped.wait(until: monotonicSeconds() + heartbeatSeconds) { $0 ? true : nil }
            if isOver == true { return }
            for active in state.withLock({ Array($0.active.values) }) {
                guard let status = try? queue.heartbeat(active.claim, progress: active.progress), status != .held else {
                    continue
                }
                if let run = active.run { runner.cancel(run) }
            }
        }
    }
}
