import Jobs
import NATSQueue
public import Tensors

/// What a queue and its workers are doing.
public struct QueueStatus: Sendable {
    public struct Worker: Sendable {
        public var name: String, host: String, version: String
        public var budgetBytes: Int, running: Int
    }
    /// Jobs of every size that wait and that run; sizes without any are left out.
    public var sizes: [(name: String, waiting: Int, running: Int)]
    public var deadLetters: Int
    public var replicas: Int
    public var workers: [Worker]

    public static let flags = RemoteSettings.flags

    /// - Throws: `usage`, `queueUnavailable`, `accessRefused`.
    public init(_ value: (_ flag: String) -> String?) throws(EnlargerError) {
        guard let remote = try RemoteSettings({ $0 == "--store" ? value($0) ?? "." : value($0) }) else {
            throw EnlargerError(.usage, "status needs --queue nats://HOST:PORT")
        }
        let queue = try remote.openQueue(name: "enlarge status", policy: remote.policy, capacity: nil, log: ServiceLog { _ in }, patience: .zero)
        let figures = try queue.figures()
        sizes = figures.sizes.filter { $0.waiting + $0.running > 0 }.map { ($0.name, $0.waiting, $0.running) }
        (deadLetters, replicas) = (figures.deadLetters, figures.replicas)
        workers = try WorkerRegistry(queue.connection).workers().map {
            Worker(name: $0.name, host: $0.host, version: $0.version, budgetBytes: $0.budgetBytes, running: $0.running)
        }
    }
}
