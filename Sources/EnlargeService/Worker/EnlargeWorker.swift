import BlobStore
import CPUBackend
import Enlarger
import Glibc
import HTTPServer
import Jobs
import NATSQueue
import PictureIO
import Synchronization
package import Tensors

/// A process that computes what others submit: the engine between a queue and a store.
package final class EnlargeWorker: Sendable {
    private let configuration: WorkerConfiguration
    private let version: String
    private let engine: UpscaleEngine
    private let queue: JetStreamJobQueue
    private let registry: WorkerRegistry
    private let store: any BlobStore
    private let worker: JobWorker
    private let counters = Counters()
    private let log: ServiceLog
    private let upkeep = Monitor(false)
    private let server = Mutex<HTTPServer?>(nil)
    private let failure = Mutex<EnlargerError?>(nil)

    /// Waits for the queue and the store as long as it takes.
    /// - Throws: `usage` (a name that is taken, files that cannot be read), `accessRefused`, `outputFailed`.
    package init(configuration: WorkerConfiguration, version: String) throws(EnlargerError) {
        let log = ServiceLog()
        self.configuration = configuration
        self.version = version
        self.log = log
        var settings = EngineSettings(memory: configuration.memory, threads: configuration.threads ?? CPUDevice.processorCount)
        settings.maxPixels = configuration.pixelLimit
        settings.maxOutputPixels = .max
        settings.formats = configuration.formats.compactMap { PictureFormat(rawValue: $0) }
        settings.defaultModel = configuration.defaultModel
        let remote = configuration.remote
        store = try EnlargeWorker.awaited(log) { () throws(EnlargerError) in try remote.openStore(log) }
        let policy = remote.policy
        queue = try remote.openQueue(
            name: "enlarge worker \(configuration.name)", policy: policy, capacity: configuration.memory, log: log, patience: .seconds(1 << 30))
        engine = UpscaleEngine(
            settings: settings, store: ModelStore(library: ModelLibrary(extraFolders: configuration.modelFolders)))
        let runner: any JobRunner =
            if let seconds = configuration.simulatedSeconds {
                WaitingRunner(slots: configuration.threads ?? CPUDevice.processorCount, seconds: seconds)
            } else { PartsRunner(engine: engine, store: store, queue: queue) }
        let connection = queue.connection
        let registry = try EnlargeWorker.awaited(log) { () throws(EnlargerError) in try WorkerRegistry(connection) }
        self.registry = registry
        queue.askForWorkers { registry.hasWorker($0) }
        worker = JobWorker(
            name: configuration.name, runner: runner, queue: queue, pictures: StorePictures(store: store), hub: JobHub(), counters: counters,
            log: log, lease: policy.lease, awaitsRoom: true)
        var announcement = WorkerAnnouncement(
            name: configuration.name, version: version, devices: [(try? CPUDevice().name) ?? "cpu"], budgetBytes: configuration.memory,
            slots: runner.slots)
        if configuration.simulatedSeconds != nil { announcement.devices = ["simulated"] }
        let announced = announcement
        try EnlargeWorker.awaited(log) { () throws(EnlargerError) in try registry.join(announced) }
    }

    /// What is away for the moment is waited for.
    private static func awaited<Value>(_ log: ServiceLog, _ body: () throws(EnlargerError) -> Value) throws(EnlargerError) -> Value {
        var pause = 1.0
        while true {
            do throws(EnlargerError) {
                return try body()
            } catch {
                guard error.code == .storeUnavailable || error.code == .queueUnavailable else { throw error }
                try pauseUnlessEnding(pause, log, error)
                pause = min(pause * 2, 15)
            }
        }
    }

    /// - Parameter ended: called where the worker cannot go on.
    package func start(ended: @escaping @Sendable () -> Void) throws(EnlargerError) {
        if let endpoint = configuration.endpoint {
            var settings = HTTPServer.Settings()
            (settings.address, settings.port) = endpoint
            let server = try HTTPServer(settings: settings, handler: WorkerPages(worker: self))
            self.server.withLock { $0 = server }
        }
        worker.start()
        detachThread { self.keepUp(ended) }
        log(
            .info, "started",
            [
                ("version", .string(version)), ("worker", .string(configuration.name)), ("memory_bytes", .integer(configuration.memory)),
                ("threads", .integer(engine.settings.threads)), ("store", .string(store.address)),
                ("port", .optional(server.withLock { $0 }.map { Int($0.port) })),
            ])
    }

    /// Takes no more jobs, lets those that run end within the time of grace, and gives the rest back.
    /// - Throws: why the worker could not go on, where that is so.
    package func stop() throws(EnlargerError) {
        log(.info, "stopping", [("grace_seconds", .integer(configuration.graceSeconds))])
        worker.stop(seconds: Double(configuration.graceSeconds))
        upkeep.change { $0 = true }
        registry.leave()
        server.withLock { $0 }?.stop(grace: 1)
        engine.drain(seconds: 0)
        log(.info, "stopped")
        if let error = failure.withLock({ $0 }) { throw error }
    }

    private func keepUp(_ ended: @Sendable () -> Void) {
        let hour = 3600.0
        var swept = monotonicSeconds() - hour * .random(in: 0...1)
        while upkeep.wait(until: monotonicSeconds() + WorkerRegistry.renewal / .seconds(1), { $0 ? true : nil }) == nil {
            var error: EnlargerError?
            // An entry that cannot be renewed now can be later.
            if (try? registry.renew(running: worker.activeCount)) == false {
                error = EnlargerError(.usage, "another worker has taken the name \(configuration.name) while this one was not heard of")
            } else if queue.connection.isClosed {
                error = EnlargerError(.accessRefused, NATSConnection.closedForGood)
            }
            if let error {
                log(.error, "worker_failed", [("message", .string(error.message))])
                failure.withLock { $0 = error }
                return ended()
            }
            if monotonicSeconds() - swept > hour {
                swept = monotonicSeconds()
                try? store.sweep("jobs/", olderThan: 24 * 3600)
            }
        }
    }

    var isReady: Bool { queue.connection.isConnected }

    func metrics() -> String {
        let families =
            [
                MetricFamily("enlarge_build_info", .gauge, "The version that runs; always 1.", [([("version", version)], 1)]),
                MetricFamily("enlarge_worker_jobs", .gauge, "Jobs that this worker has.", Double(worker.activeCount)),
                MetricFamily("enlarge_worker_connected", .gauge, "Whether the queue is reached.", isReady ? 1 : 0),
            ] + MetricFamily.engine(engine, counters.now) + ProcessFigures().families + GPUFigures.families
        return families.map(\.text).joined()
    }
}

/// What a worker shows: health and metrics.
private final class WorkerPages: HTTPHandler {
    private let worker: EnlargeWorker

    init(worker: EnlargeWorker) { self.worker = worker }

    func plan(for exchange: HTTPExchange) -> HTTPBodyPlan { .discard }

    func respond(to exchange: HTTPExchange) {
        let response =
            switch exchange.request.path {
            case "/healthz": HTTPResponse(type: "text/plain", text: "ok\n")
            case "/readyz": HTTPResponse(status: worker.isReady ? 200 : 503, type: "text/plain", text: worker.isReady ? "ready\n" : "the queue is not reached\n")
            case "/metrics": HTTPResponse(type: "text/plain; version=0.0.4; charset=utf-8", text: worker.metrics())
            default: HTTPResponse(status: 404, type: "text/plain", text: "a worker has /healthz, /readyz and /metrics\n")
            }
        exchange.answer(response)
    }

    func answer(to failure: HTTPFailure, of exchange: HTTPExchange) -> HTTPResponse { HTTPResponse(status: 400, type: "text/plain", text: "\(failure)\n") }
    func ended(_ exchange: HTTPExchange, status: Int?, isComplete: Bool, seconds: Double) {}
}
