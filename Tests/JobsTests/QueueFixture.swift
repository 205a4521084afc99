import Foundation
import Jobs
import NATSQueue
import Synchronization
import Tensors
import Testing

/// A kind of queue. Every one in `all` passes every test of the protocol.
struct QueueKind: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// A server counts the time of leases and pauses, in its own clock: tests that let time pass wait for it.
    let hasServer: Bool
    /// Opens the queue that lives in a folder, and makes it where there is none. A queue that is let go leaves the folder
    /// as a crash would: nothing is released or completed by it.
    let open:
        @Sendable (_ folder: String, _ policy: JobQueuePolicy, _ now: @escaping @Sendable () -> JobTime)
            throws(EnlargerError) -> any JobQueue

    /// JetStream where nats-server is installed; `scripts/install-test-packages` does that.
    static let all = NATSServer.path == nil ? [sqlite] : [sqlite, jetStream]

    static let sqlite = QueueKind(testDescription: "SQLite", hasServer: false) { folder, policy, now throws(EnlargerError) in
        try SQLiteJobQueue(folder: DataFolder(path: folder), policy: policy, now: now)
    }

    static let jetStream = QueueKind(testDescription: "JetStream", hasServer: true) { folder, policy, now throws(EnlargerError) in
        let prefix = folder.split(separator: "/").last!.filter { $0 != "." }
        return try JetStreamJobQueue(connection: NATSServer.shared.connect(prefix: String(prefix)), policy: policy, now: now)
    }
}

/// A clock that stands still until it is moved.
final class TestClock: Sendable {
    private let time = Mutex(JobTime(milliseconds: 1_800_000_000_000))

    var now: JobTime { time.withLock { $0 } }
    func advance(_ duration: Duration) { time.withLock { $0 = $0 + duration } }
}

/// A queue in a folder of its own, both gone with the fixture.
final class QueueFixture {
    let kind: QueueKind
    let policy: JobQueuePolicy
    let clock = TestClock()
    let path = NSTemporaryDirectory() + "enlarger-jobs-" + UUID().uuidString
    private var opened: (any JobQueue)?

    init(_ kind: QueueKind = .sqlite, policy: JobQueuePolicy = JobQueuePolicy()) throws {
        self.kind = kind
        self.policy = policy
        try reopen()
    }

    deinit {
        opened = nil
        try? FileManager.default.removeItem(atPath: path)
    }

    var queue: any JobQueue { opened! }

    /// Lets the queue go, as it is.
    func close() { opened = nil }

    func reopen() throws {
        close()
        opened = try kind.open(path, policy) { [clock] in clock.now }
    }

    /// The same queue as another process sees it; with one process, the queue itself.
    func another() throws -> any JobQueue {
        kind.hasServer ? try kind.open(path, policy) { [clock] in clock.now } : queue
    }

    @discardableResult
    func submit(_ name: String? = nil, owner: String = "") throws -> Job {
        try queue.submit(.sample(name, owner: owner))
    }

    /// The next job. What is about to be delivered by a server is waited for.
    func claim(_ worker: String = "a") throws -> JobClaim {
        try #require(try queue.claim(worker: worker, timeout: kind.hasServer ? .seconds(10) : .zero))
    }

    /// Whether no job is ready.
    func isIdle() throws -> Bool { try queue.claim(worker: "idle", timeout: .zero) == nil }

    /// Lets time pass, for leases and pauses too.
    func pass(_ duration: Duration) {
        clock.advance(duration)
        if kind.hasServer { Thread.sleep(forTimeInterval: duration / .seconds(1)) }
    }

    /// The process ends and another one takes its place, which waits for the leases where a server holds them.
    func crash() throws {
        try reopen()
        if kind.hasServer { pass(policy.lease) }
    }

    /// The job as it is now, of the owner "".
    func job(_ id: JobIdentifier) throws -> Job { try #require(try queue.job(id, owner: "")) }
}

extension JobRequest {
    static func sample(_ name: String? = nil, owner: String = "") -> JobRequest {
        JobRequest(
            owner: owner, name: name, model: "lite", scale: 2, format: "png", inputWidth: 40, inputHeight: 30,
            width: 80,
            height: 60, inputBytes: 1234, plannedBytes: 5_000_000_000, expectedSeconds: 1.5,
            parameters: ["precision": "fp32", "chroma": "bicubic"])
    }
}

extension JobQueuePolicy {
    /// With a short lease, for tests that wait for its end.
    static func lease(_ lease: Duration) -> JobQueuePolicy {
        var policy = JobQueuePolicy()
        policy.lease = lease
        return policy
    }
}

extension JobProblem {
    static let sample = JobProblem(code: "bad_result", message: "not a number")
}

/// Runs what blocks on a thread of its own.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}

final class Counter: Sendable {
    private let count = Mutex(0)

    var value: Int { count.withLock { $0 } }
    func increase() { count.withLock { $0 += 1 } }
}
