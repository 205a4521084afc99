import BlobStore
import CPUBackend
import Enlarger
import Glibc
import HTTPServer
import Jobs
import NATSQueue
import PictureIO
import StreamPlanner
import Synchronization
package import Tensors

/// The service: the engine, the jobs and the API, and how they begin and end.
package final class EnlargeService: Sendable {
    let configuration: ServiceConfiguration
    let version: String
    let engine: UpscaleEngine
    let queue: any JobQueue
    let pictures: any JobPictures
    /// Shared with other machines; nil where there are none.
    let store: (any BlobStore)?
    let files: JobFiles
    let disk: DiskAccount
    let hub = JobHub()
    /// nil where other machines do the work.
    let worker: JobWorker?
    /// nil with them.
    let registry: WorkerRegistry?
    let tokens: Tokens?
    let counters = Counters()
    let log: ServiceLog
    let threads: WorkThreads
    let isDraining = Atomic<Bool>(false)
    /// From `start` on.
    let server = Mutex<HTTPServer?>(nil)
    private let upkeep = Monitor(false)
    private let failure = Mutex<EnlargerError?>(nil)

    /// - Throws: `usage`, `dataUnusable` for a data folder that is damaged or taken.
    package convenience init(configuration: ServiceConfiguration, version: String) throws(EnlargerError) {
        try self.init(configuration: configuration, version: version, log: ServiceLog())
    }

    init(configuration: ServiceConfiguration, version: String, log: ServiceLog) throws(EnlargerError) {
        self.configuration = configuration
        self.version = version
        self.log = log
        tokens = if let path = configuration.tokensFile { try Tokens(path: path) } else { nil }
        var settings = EngineSettings(
            memory: configuration.memory, threads: configuration.threads ?? CPUDevice.processorCount)
        settings.queueLimit = configuration.queueLimit
        settings.maxPixels = configuration.pixelLimit
        settings.maxOutputPixels = configuration.outputPixelLimit
        settings.formats = configuration.formats.compactMap { PictureFormat(rawValue: $0) }
        settings.defaultModel = configuration.defaultModel
        let models = ModelStore(library: ModelLibrary(extraFolders: configuration.modelFolders))
        let folder = try DataFolder(path: configuration.dataFolder)
        var policy = configuration.remote?.policy ?? JobQueuePolicy()
        policy.maximumUnfinished = configuration.jobLimit
        policy.keep = .seconds(configuration.keepSeconds)
        files = JobFiles(folder: folder)
        disk = DiskAccount(limit: configuration.diskLimit, folder: configuration.dataFolder)
        engine = UpscaleEngine(settings: settings, store: models)
        if let remote = configuration.remote {
            let queue = try remote.openQueue(
                name: "enlarge serve", policy: policy, capacity: nil, log: log, patience: .seconds(60))
            self.queue = queue
            let store = try remote.openStore(log)
            self.store = store
            pictures = StorePictures(store: store)
            worker = nil
            registry = try WorkerRegistry(queue.connection)
            disk.add(try files.sweep { _ in nil })
            queue.observe { [hub] job in hub.publish(job) }
        } else {
            let queue = try SQLiteJobQueue(folder: folder, policy: policy)
            self.queue = queue
            disk.add(try files.sweep { id throws(EnlargerError) in try queue.state(of: id) })
            let pictures = FolderPictures(files: files, disk: disk)
            self.pictures = pictures
            store = nil
            registry = nil
            worker = JobWorker(
                name: "local", runner: EngineRunner(engine: engine), queue: queue, pictures: pictures, hub: hub,
                counters: counters, log: log)
        }
        threads = WorkThreads(count: max(4, settings.threads))
    }

    /// Listens, and works on the jobs that are there.
    /// - Parameter ended: called where the service cannot go on.
    /// - Throws: `usage` for an address or TLS files that cannot be used, `outputFailed` for a port that is taken.
    package func start(ended: @escaping @Sendable () -> Void = {}) throws(EnlargerError) {
        var settings = HTTPServer.Settings()
        settings.address = configuration.address
        settings.port = configuration.port
        settings.threads = min(4, max(1, CPUDevice.processorCount))
        settings.connectionLimit = configuration.connectionLimit
        settings.connectionsPerClient = configuration.connectionsPerClient
        settings.headerSeconds = configuration.headerSeconds
        settings.idleSeconds = configuration.idleSeconds
        settings.requestSeconds = configuration.requestSeconds
        if let certificate = configuration.certificateFile, let key = configuration.keyFile {
            settings.certificate = try textFile(certificate)
            settings.key = try textFile(key)
        }
        let log = log
        let server = try HTTPServer(settings: settings, handler: self) {
            log(.warning, "http", [("message", .string($0))])
        }
        self.server.withLock { $0 = server }
        worker?.start()
        keepUp(ended)
        log(
            .info, "started",
            [
                ("version", .string(version)), ("address", .string(configuration.address)),
                ("port", .integer(Int(server.port))),
                ("memory_bytes", .integer(configuration.memory)), ("threads", .integer(engine.settings.threads)),
                ("data", .string(configuration.dataFolder)),
                ("tls", .boolean(settings.certificate != nil)), ("tokens", .boolean(tokens != nil)),
            ])
    }

    /// Takes nothing new, lets what runs end within the time of grace, gives jobs back to the queue, and returns when all
    /// is over.
    /// - Throws: why the service could not go on, where that is so.
    package func stop() throws(EnlargerError) {
        isDraining.store(true, ordering: .sequentiallyConsistent)
        log(.info, "stopping", [("grace_seconds", .integer(configuration.graceSeconds))])
        let grace = Double(configuration.graceSeconds)
        let end = monotonicSeconds() + grace
        // Those who follow a job would keep the server from ending.
        for stream in hub.streams { stream.end() }
        worker?.stop(seconds: grace)
        server.withLock { $0 }?.stop(grace: max(0, end - monotonicSeconds()))
        engine.drain(seconds: 0)
        upkeep.change { $0 = true }
        try? queue.settle()
        log(.info, "stopped")
        if let error = failure.withLock({ $0 }) { throw error }
    }

    // MARK: Upkeep

    private func keepUp(_ ended: @escaping @Sendable () -> Void) {
        threads.run { [self] in
            while upkeep.wait(until: monotonicSeconds() + 15, { $0 ? true : nil }) == nil {
                if let remote = queue as? JetStreamJobQueue, remote.connection.isClosed {
                    failure.withLock { $0 = EnlargerError(.accessRefused, NATSConnection.closedForGood) }
                    return ended()
                }
                for id in (try? queue.expire()) ?? [] { pictures.removeAll(of: id) }
                for stream in hub.streams { stream.beat() }
            }
        }
    }
}

private func textFile(_ path: String) throws(EnlargerError) -> String {
    guard let file = fopen(path, "re") else {
        throw EnlargerError(.usage, "\(path): \(String(cString: strerror(errno)))")
    }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = getc(file), byte != EOF { bytes.append(UInt8(byte)) }
    return String(decoding: bytes, as: UTF8.self)
}
