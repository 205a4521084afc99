import Glibc
import Jobs
import Synchronization
import Tensors

/// Takes jobs from the queue to the engine, and what becomes of them back.
final class JobWorker: Sendable {
    private let engine: UpscaleEngine
    private let queue: any JobQueue
    private let files: JobFiles
    private let disk: DiskAccount
    private let hub: JobHub
    private let log: ServiceLog
    private let counters: Counters
    private let state: Monitor<State>
    /// Jobs that are claimed at once: those that run, and a few that wait in the engine, so that small ones find the
    /// slot that large ones leave them.
    private let limit: Int

    private struct State {
        var active: [JobIdentifier: Active] = [:]
        /// A claim is asked for, or on its way into `active`.
        var isClaiming = false
        var isStopping = false
        var hasStopped = false
    }
    private struct Active {
        var claim: JobClaim
        /// In the engine; nil until it is there.
        var run: Int?
        var isCancelled = false
        var progress = 0.0
        var published = 0.0
    }

    private static let heartbeatSeconds = 10.0
    /// Between two events of progress.
    private static let progressSeconds = 0.1

    init(
        engine: UpscaleEngine, queue: any JobQueue, files: JobFiles, disk: DiskAccount, hub: JobHub, counters: Counters,
        log: ServiceLog
    ) {
        (self.engine, self.queue, self.files, self.disk, self.hub, self.counters, self.log) = (
            engine, queue, files, disk, hub, counters, log
        )
        limit = engine.statistics.slots + 4
        state = Monitor(State())
    }

    func start() {
        JobWorker.detach { self.claimAll() }
        JobWorker.detach { self.beat() }
    }

    private static func detach(_ body: @escaping @Sendable () -> Void) {
        final class Box: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(Box(body)).toOpaque())
        pthread_detach(thread)
    }

    /// Claims no more, gives what runs `seconds`, and gives the rest back to the queue.
    func stop(seconds: Double) {
        state.change { $0.isStopping = true }
        queue.wakeAll()
        if state.wait(until: monotonicSeconds() + seconds, { $0.active.isEmpty && !$0.isClaiming ? true : nil }) == nil
        {
            for active in state.withLock({ Array($0.active.values) }) {
                if let run = active.run { engine.cancel(run) }
            }
            _ = state.wait(until: monotonicSeconds() + 10) { $0.active.isEmpty && !$0.isClaiming ? true : nil }
        }
        state.change { $0.hasStopped = true }
    }

    /// The job was cancelled in the queue: its run ends at the next band.
    func cancel(_ id: JobIdentifier) {
        let run = state.change { state in
            state.active[id]?.isCancelled = true
            return state.active[id].map { $0.run }
        }
        switch run {
        case .some(.some(let run)): engine.cancel(run)
        case .some(.none): break  // on its way into the engine, which looks at isCancelled
        case nil: disk.release(files.remove(files.input(id)))
        }
    }

    // MARK: Claiming

    private func claimAll() {
        while true {
            // One place at least, and the service not about to end.
            let goesOn = state.wait { state -> Bool? in
                if state.isStopping { return false }
                guard state.active.count < limit else { return nil }
                state.isClaiming = true
                return true
            }
            guard goesOn == true else { return }
            do throws(EnlargerError) {
                if let claim = try queue.claim(worker: "local", timeout: .seconds(60)) { begin(claim) }
                state.change { $0.isClaiming = false }
            } catch {
                state.change { $0.isClaiming = false }
                log(.error, "queue_failed", [("message", .string(error.message))])
                usleep(1_000_000)
            }
        }
    }

    private func begin(_ claim: JobClaim) {
        let id = claim.job.id
        state.change { $0.active[id] = Active(claim: claim) }
        hub.publish(claim.job)
        do {
            let input = open(files.input(id), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
            guard input >= 0 else { throw EnlargerError(.pictureNotFound, "the picture of this job is gone") }
            defer { close(input) }
            let picture = try engine.prepare(
                descriptor: input, name: "the picture", parameters: PictureParameters(claim.job.request))
            let output = try files.beginResult(id)
            defer { close(output) }
            let bytes = GrowingFileBytes(disk)
            let result = dup(output)
            guard result >= 0 else { throw EnlargerError(.outputFailed, "too many open files") }
            let run = Run(worker: self, claim: claim, output: result, bytes: bytes)
            let number = try engine.submit(
                picture, output: output,
                observer: RunObserver(progressed: { run.progressed($0) }, finished: { run.finished($0) }))
            let isCancelled = state.change { state in
                state.active[id]?.run = number
                return state.active[id]?.isCancelled ?? false
            }
            if isCancelled { engine.cancel(number) }
        } catch SubmitError.queueFull {
            // Pictures of other requests fill the engine: the job keeps its place.
            end(claim) { () throws(EnlargerError) in try self.queue.release(claim) }
            usleep(200_000)
        } catch SubmitError.shuttingDown {
            end(claim) { () throws(EnlargerError) in try self.queue.release(claim) }
        } catch {
            fail(claim, Problem(error))
        }
    }

    // MARK: What becomes of a job

    /// One attempt in the engine.
    private final class Run: Sendable {
        let worker: JobWorker
        let claim: JobClaim
        let output: Int32
        let bytes: GrowingFileBytes
        private let isFull = Mutex(false)

        init(worker: JobWorker, claim: JobClaim, output: Int32, bytes: GrowingFileBytes) {
            (self.worker, self.claim, self.output, self.bytes) = (worker, claim, output, bytes)
        }

        deinit { close(output) }

        func progressed(_ part: Double) {
            if !bytes.grow(to: size) {
                isFull.withLock { $0 = true }
                worker.cancelRun(claim.job.id)
            }
            worker.progressed(claim, part)
        }

        func finished(_ result: Result<RunResult, EnlargerError>) {
            let hasRoom = bytes.grow(to: size) && !isFull.withLock { $0 }
            worker.finished(
                claim, hasRoom ? result : .failure(EnlargerError(.diskFull, "no room for the result")), output: output,
                bytes: bytes)
        }

        private var size: Int {
            var status = stat()
            return fstat(output, &status) == 0 ? Int(status.st_size) : 0
        }
    }

    private func cancelRun(_ id: JobIdentifier) {
        if let run = state.withLock({ $0.active[id]?.run }) { engine.cancel(run) }
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

    private func finished(
        _ claim: JobClaim, _ result: Result<RunResult, EnlargerError>, output: Int32, bytes: GrowingFileBytes
    ) {
        let id = claim.job.id
        switch result {
        case .success(let run):
            do throws(EnlargerError) {
                try files.keepResult(id, descriptor: output)
            } catch {
                return fail(claim, Problem(error))
            }
            bytes.handOver()
            let status = end(claim) { () throws(EnlargerError) in
                try self.queue.complete(claim, resultBytes: run.resultBytes, seconds: run.seconds)
            }
            // Cancelled at the last moment: nobody will ask for it.
            if status != .held { disk.release(files.remove(files.result(id))) }
            counters.upscaled(run, pixelsIn: claim.job.request.inputWidth * claim.job.request.inputHeight)
            removeInput(claim)
        case .failure(let error) where error.code == .cancelled:
            files.discardResult(id)
            counters.ended("cancelled")
            end(claim) { () throws(EnlargerError) in try self.queue.release(claim) }
            removeInput(claim)
        case .failure(let error):
            fail(claim, Problem(error))
        }
    }

    private func fail(_ claim: JobClaim, _ problem: Problem) {
        files.discardResult(claim.job.id)
        counters.ended("failed")
        // What the picture or its parameters have done wrong once, they will do again.
        let isPassing = problem.status >= 500 && problem.code != "bad_result"
        log(
            .warning, "job_failed",
            [
                ("job", .string(claim.job.id.description)), ("code", .string(problem.code)),
                ("message", .string(problem.detail)),
            ])
        end(claim) { () throws(EnlargerError) in
            try self.queue.fail(claim, JobProblem(code: problem.code, message: problem.detail), retry: isPassing)
        }
        removeInput(claim)
    }

    /// Ends an attempt in the queue; tries on while the database has no room, since the lease is kept alive meanwhile.
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
                guard !state.withLock({ $0.hasStopped }) else { break }
                usleep(200_000)
            }
        }
        if let job = try? queue.job(claim.job.id, owner: claim.job.request.owner) { hub.publish(job) }
        state.change { $0.active[claim.job.id] = nil }
        return status
    }

    private func removeInput(_ claim: JobClaim) {
        do {
            if try queue.job(claim.job.id, owner: claim.job.request.owner)?.state.isFinished == false { return }
            disk.release(files.remove(files.input(claim.job.id)))
        } catch {
            // The next start sweeps it away.
        }
    }

    // MARK: Leases

    private func beat() {
        while true {
            let isOver = state.wait(until: monotonicSeconds() + JobWorker.heartbeatSeconds) {
                $0.hasStopped ? true : nil
            }
            if isOver == true { return }
            for active in state.withLock({ Array($0.active.values) }) {
                guard let status = try? queue.heartbeat(active.claim, progress: active.progress), status != .held else {
                    continue
                }
                if let run = active.run { engine.cancel(run) }
            }
        }
    }
}
