import BlobStore
import Glibc
import Jobs
import NATSQueue
import Tensors

/// The queue and the store that many machines share: the flags of `serve`, `worker`, `submit` and `status`.
struct RemoteSettings: Sendable {
    var queue: NATSSettings
    var makeStore: @Sendable () throws(EnlargerError) -> any BlobStore
    /// As it was given.
    var storeAddress: String
    var policy = JobQueuePolicy()

    static let flags = [
        "--queue", "--queue-prefix", "--queue-replicas", "--queue-lease", "--queue-attempts", "--queue-credentials", "--queue-ca", "--queue-certificate", "--queue-key", "--store",
        "--store-endpoint", "--store-region", "--store-credentials", "--store-ca",
    ]

    /// nil where neither a queue nor a store is given.
    /// - Throws: `usage`.
    init?(_ value: (_ flag: String) -> String?) throws(EnlargerError) {
        guard let addresses = value("--queue") else {
            guard let stray = RemoteSettings.flags.first(where: { value($0) != nil }) else { return nil }
            throw EnlargerError(.usage, "\(stray) goes with --queue nats://HOST:PORT")
        }
        if Int(addresses) != nil {
            throw EnlargerError(.usage, "--queue takes the address of a queue, nats://HOST:PORT; how many may wait is --max-waiting now")
        }
        queue = try NATSSettings(addresses: addresses)
        if let prefix = value("--queue-prefix") {
            let isName = prefix.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
            guard isName, (1...40).contains(prefix.utf8.count) else {
                throw EnlargerError(.usage, "--queue-prefix \(prefix): up to 40 letters, digits, '-' and '_' are meant")
            }
            queue.prefix = prefix
        }
        if let text = value("--queue-replicas") {
            guard let number = Int(text), [1, 3, 5].contains(number) else { throw EnlargerError(.usage, "--queue-replicas \(text): 1, 3 or 5 are possible") }
            queue.replicas = number
        }
        if let text = value("--queue-lease") {
            guard let seconds = Int(text), (5...3600).contains(seconds) else {
                throw EnlargerError(.usage, "--queue-lease \(text): seconds from 5 to 3600 are meant")
            }
            policy.lease = .seconds(seconds)
        }
        if let text = value("--queue-attempts") {
            guard let number = Int(text), (1...100).contains(number) else { throw EnlargerError(.usage, "--queue-attempts \(text): 1 to 100 are possible") }
            policy.maximumAttempts = number
        }
        queue.credentialsFile = value("--queue-credentials")
        queue.authorityFile = value("--queue-ca")
        (queue.certificateFile, queue.keyFile) = (value("--queue-certificate"), value("--queue-key"))
        guard let address = value("--store") else {
            throw EnlargerError(.usage, "--queue goes with --store FOLDER or --store s3://BUCKET/FOLDER: where the pictures are")
        }
        storeAddress = address
        let flags = ["--store-endpoint", "--store-region", "--store-credentials", "--store-ca"]
        if address.hasPrefix("s3://") {
            let settings = try S3Settings(
                address: address, endpoint: value(flags[0]), region: value(flags[1]), credentialsFile: value(flags[2]), authorityFile: value(flags[3]))
            makeStore = { S3Store(settings) }
        } else {
            if let stray = flags.first(where: { value($0) != nil }) { throw EnlargerError(.usage, "\(stray) goes with --store s3://BUCKET") }
            makeStore = { () throws(EnlargerError) in try FolderStore(path: address) }
        }
    }

    /// The store, once it was seen to take what it is given. One that is full is taken too: it can be read, and gets room again.
    func openStore(_ log: ServiceLog) throws(EnlargerError) -> any BlobStore {
        let store = try makeStore()
        do throws(EnlargerError) {
            try store.check()
        } catch {
            guard error.code == .diskFull else { throw error }
            log(.warning, "store_full", [("message", .string(error.message))])
        }
        return store
    }

    /// Connects, again and again while no server is there, with growing pauses and jitter.
    /// - Parameters:
    ///   - name: for the servers' monitoring.
    ///   - patience: how long; wrong credentials and wrong files end it at once.
    func openQueue(
        name: String, policy: JobQueuePolicy, capacity: Int?, log: ServiceLog, patience: Duration
    ) throws(EnlargerError) -> JetStreamJobQueue {
        let end = ContinuousClock.now + patience
        var pause = 0.25
        while true {
            do throws(EnlargerError) {
                let connection = try NATSConnection(queue, name: name) { log(.warning, "queue", [("message", .string($0))]) }
                return try JetStreamJobQueue(
                    connection: connection, policy: policy, capacity: capacity,
                    log: { log(.warning, "queue", [("message", .string($0))]) })
            } catch {
                guard error.code == .queueUnavailable, ContinuousClock.now < end else { throw error }
                try pauseUnlessEnding(pause, log, error)
                pause = min(pause * 2, 10)
            }
        }
    }
}

/// Tells what is waited for, and sleeps, with jitter; the signals that end the process are blocked while it starts, and end the wait.
/// - Throws: `cancelled`.
func pauseUnlessEnding(_ seconds: Double, _ log: ServiceLog, _ error: EnlargerError) throws(EnlargerError) {
    let pause = seconds * .random(in: 0.5...1.5)
    log(.warning, error.code.rawValue, [("message", .string(error.message)), ("next_try_seconds", .number(pause))])
    let end = monotonicSeconds() + pause
    repeat {
        var pending = sigset_t()
        sigpending(&pending)
        if [SIGTERM, SIGINT, SIGHUP].contains(where: { sigismember(&pending, $0) == 1 }) {
            throw EnlargerError(.cancelled, "interrupted while it waited")
        }
        usleep(100_000)
    } while monotonicSeconds() < end
}
