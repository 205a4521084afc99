import CPUBackend
package import Enlarger
import Glibc
package import PictureIO
package import StreamPlanner
package import Tensors

/// Enlarges many pictures at once inside one byte budget.
///
/// `prepare` reads a picture's header and refuses what can never run. `submit` queues it; threads of the engine run what
/// `Admission` starts. The bytes of a result are those of `Upscaler`: both take `LoadedModel.execute`.
///
/// It lives until `drain`.
package final class UpscaleEngine: Sendable {
    package let settings: EngineSettings
    package let store: ModelStore
    private let state: Monitor<State>
    private let pools = PoolStock()
    private let cache = PlanCache()

    private struct State {
        var admission: Admission
        var tasks: [Int: RunTask] = [:]
        /// Of the pictures that run.
        var pools: [Int: ThreadPool] = [:]
        var totals = EngineStatistics.Totals()
        var isDraining = false
        var hasStopped = false
        var workers = 0

        func limitThreads() {
            for (id, limit) in admission.threadLimits() { pools[id]?.limit = limit }
        }
    }

    /// Runs of at least so many bytes leave their pages to the system at once.
    private static let trimBytes = 32 << 20

    package init(settings: EngineSettings, store: ModelStore) {
        self.settings = settings
        self.store = store
        _ = try? CPUDevice().slowness  // measured while nothing else runs
        let admission = Admission(budget: settings.memory, processors: settings.threads, queueLimit: settings.queueLimit)
        state = Monitor(State(admission: admission, workers: admission.slots))
        for _ in 0..<admission.slots {
            var thread = pthread_t()
            let engine = Unmanaged.passRetained(self)
            let failed = pthread_create(
                &thread, nil,
                { argument in
                    Unmanaged<UpscaleEngine>.fromOpaque(argument!).takeRetainedValue().work()
                    return nil
                }, engine.toOpaque())
            precondition(failed == 0, "no thread could be started")
            pthread_detach(thread)
        }
    }

    // MARK: Requests

    /// Reads the header of an open picture file, finds the model and sizes the run.
    /// - Parameters:
    ///   - descriptor: of a regular file; duplicated. Not to be read through until the picture has run.
    ///   - name: for messages.
    ///   - task: what is to be made of a picture of this header.
    /// - Throws: `pictureInvalid`, `pictureUnsupported`, `pictureTooLarge`, `modelNotFound`, `modelInvalid`,
    ///   `modelUnsupported`, `usage` (a scale that the model does not have), `noDevice` (precision), and `doesNotFit`
    ///   with its `shortage`.
    package func prepare(
        descriptor: Int32, name: String = "the picture", parameters: PictureParameters,
        task: (PictureInfo) throws(EnlargerError) -> PictureTask = { _ in .picture }
    ) throws(EnlargerError) -> PreparedPicture {
        try PreparedPicture(descriptor: descriptor, name: name, parameters: parameters, settings: settings, store: store, task: task)
    }

    /// A picture that was prepared for another task, to be enlarged here as one.
    func prepareWhole(_ picture: PreparedPicture) throws(EnlargerError) -> PreparedPicture {
        try prepare(descriptor: picture.descriptor, name: picture.name, parameters: picture.parameters)
    }

    /// The planner for pictures of a size: what `GET /v1/plan` tells of.
    package func planner(
        width: Int, height: Int, kind: PictureKind, bits: Int, parameters: PictureParameters
    ) throws(EnlargerError) -> (model: ServedModel, planner: Planner) {
        let model = try store.model(parameters.model ?? settings.defaultModel, scale: parameters.scale)
        let how = try parameters.processing(threads: settings.threads)
        return (model, try model.model.planner(width: width, height: height, kind: kind, bits: bits, how: how))
    }

    /// Queues a picture.
    /// - Parameters:
    ///   - output: open for reading and writing, empty; duplicated. Where `picture.format.isWrittenInOrder`, it may be read
    ///     with `pread` as it grows, else when it is finished.
    ///   - observer: told all that becomes of the picture.
    /// - Returns: its number, for `cancel`.
    /// - Throws: `SubmitError`; `EnlargerError` with `outputFailed` where there are no more descriptors.
    @discardableResult
    package func submit(_ picture: PreparedPicture, output: Int32, observer: RunObserver) throws -> Int {
        let now = monotonicSeconds()
        let task = try RunTask(picture: picture, output: output, observer: observer, now: now)
        return try state.change { state in
            guard !state.isDraining else { throw SubmitError.shuttingDown }
            do throws(Admission.QueueFull) {
                let id = try state.admission.enqueue(picture.request, now: now)
                state.tasks[id] = task
                return id
            } catch {
                state.totals.refused += 1
                throw SubmitError.queueFull(retryAfterSeconds: Int(min(error.retryAfterSeconds.rounded(.up), 3600)))
            }
        }
    }

    /// Takes a picture out of the queue, or stops it at its next band: its observer is told `cancelled`, in the first case
    /// before this returns. No effect on one that has finished.
    package func cancel(_ id: Int) {
        let waiting: RunTask? = state.change { state in
            guard state.admission.cancel(id) else {
                state.tasks[id]?.cancel()
                return nil
            }
            state.totals.cancelled += 1
            return state.tasks.removeValue(forKey: id)
        }
        waiting?.observer.finished(.failure(RunTask.cancellation))
    }

    package var statistics: EngineStatistics {
        state.withLock { EngineStatistics($0.admission, totals: $0.totals) }
    }

    /// Ends the engine: takes no more pictures, gives those it has `seconds`, cancels what is left then, and returns when
    /// all is over.
    package func drain(seconds: Double) {
        state.change { $0.isDraining = true }
        let isIdle = state.wait(until: monotonicSeconds() + seconds) { $0.admission.isIdle ? true : nil }
        if isIdle == nil {
            for id in state.withLock({ Array($0.tasks.keys) }) { cancel(id) }
        }
        _ = state.wait { $0.admission.isIdle ? true : nil }
        state.change { $0.hasStopped = true }
        _ = state.wait { $0.workers == 0 ? true : nil }
    }

    // MARK: Threads

    private func work() {
        while let (task, grant) = awaitGrant() { perform(task, grant) }
        state.change { $0.workers -= 1 }
    }

    private func awaitGrant() -> (RunTask, Admission.Grant)? {
        state.wait { state -> (RunTask, Admission.Grant)?? in
            if let grant = state.admission.next(now: monotonicSeconds()) {
                for key in grant.evicted { store.dropWeights(key) }
                state.limitThreads()
                return (state.tasks[grant.id]!, grant)
            }
            return state.hasStopped ? .some(nil) : nil
        } ?? nil
    }

    private func perform(_ task: RunTask, _ grant: Admission.Grant) {
        var hasWeights = false
        var result: Result<RunResult, EnlargerError>
        do {
            result = .success(try run(task, grant, hasWeights: &hasWeights))
        } catch {
            result = .failure(error as? EnlargerError ?? EnlargerError(.outputFailed, "\(error)"))
        }
        if grant.bytes >= Self.trimBytes { ProcessMemory.trim() }
        state.change { state in
            let key = task.picture.request.weights
            if state.admission.finish(grant.id, weightsAreLoaded: hasWeights) { store.dropWeights(key) }
            state.tasks[grant.id] = nil
            state.limitThreads()
            state.totals.add(result, picture: task.picture)
        }
        task.observer.finished(result)
    }

    private func run(_ task: RunTask, _ grant: Admission.Grant, hasWeights: inout Bool) throws -> RunResult {
        let queueSeconds = monotonicSeconds() - task.submitted
        if case .assembly(let parts, let open) = task.picture.task {
            let start = RunStart(queueSeconds: queueSeconds, plannedBytes: grant.bytes, threads: 1, bandRows: 0, strips: 1, expectedSeconds: 0)
            task.observer.started(start)
            return try task.assemble(parts, open: open, start: start)
        }
        let (plans, how) = try task.plans(bytes: grant.bytes, threads: grant.threads, cache: cache)
        let bytes = plans.map(\.runBytes).max()! + task.picture.codecBytes
        if bytes < grant.bytes { state.change { $0.admission.shrink(grant.id, to: bytes) } }
        let weights = try task.picture.model.loadWeights()
        hasWeights = true
        let pool = pools.take(threads: how.device.threads)
        state.withLock { state in
            state.pools[grant.id] = pool
            state.limitThreads()
        }
        defer {
            state.withLock { $0.pools[grant.id] = nil }
            pools.put(pool)
        }
        let start = RunStart(
            queueSeconds: queueSeconds, plannedBytes: bytes + task.picture.request.weightsBytes, threads: how.device.threads,
            bandRows: plans[0].bandRows, strips: plans[0].stripCount,
            expectedSeconds: plans.reduce(0) { $0 + $1.seconds } * (plans.count > 1 ? 4 : 1) * how.device.slowness)
        task.observer.started(start)
        return try task.run(plans, how: how, weights: weights, pool: pool, start: start)
    }
}
