import CLibNats
import Glibc
import Jobs
import Synchronization
package import Tensors

/// What a worker says of itself.
package struct WorkerAnnouncement: Codable, Sendable, Equatable {
    package var name: String
    package var version: String
    package var host: String
    package var process: Int
    package var devices: [String]
    /// Bytes of memory for jobs.
    package var budgetBytes: Int
    package var slots: Int
    package var running = 0
    /// Milliseconds since 1970.
    package var started: Int64
    /// Of this process alone: two workers of one name are told apart by it.
    package var token = String(UInt64.random(in: 1 ... .max), radix: 36)

    package init(name: String, version: String, devices: [String], budgetBytes: Int, slots: Int) {
        var host = [CChar](repeating: 0, count: 256)
        gethostname(&host, host.count - 1)
        self.name = name
        self.version = version
        self.host = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        process = Int(getpid())
        self.devices = devices
        self.budgetBytes = budgetBytes
        self.slots = slots
        started = JobTime.now.milliseconds
    }

    /// What a worker may be called: a part of a subject.
    package static func isName(_ text: String) -> Bool {
        (1...100).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}

/// The workers that run, each with an entry that it renews and that goes away with it.
package final class WorkerRegistry: Sendable {
    private let connection: NATSConnection
    private let bucket: String
    private let known = Mutex<(time: ContinuousClock.Instant, workers: [WorkerAnnouncement])?>(nil)
    private let own = Mutex<(announcement: WorkerAnnouncement, revision: UInt64)?>(nil)

    /// An entry that is not renewed goes after so long.
    package static let life = Duration.seconds(30)
    package static let renewal = Duration.seconds(8)

    /// Makes the bucket where it is missing.
    package init(_ connection: NATSConnection) throws(EnlargerError) {
        self.connection = connection
        let bucket = connection.settings.prefix + "-workers"
        self.bucket = bucket
        try connection.retrying("the workers' bucket") { () throws(NATSFailure) in
            try connection.makeStream("KV_" + bucket, subjects: ["$KV.\(bucket).>"]) { config in
                config.MaxMsgsPerSubject = 1
                config.MaxMsgs = 100_000
                config.Discard = js_DiscardNew
                config.AllowRollup = true
                config.MaxAge = WorkerRegistry.life.nanoseconds
                config.Duplicates = Duration.seconds(1).nanoseconds
            }
        }
    }

    private func subject(_ name: String) -> String { "$KV.\(bucket).\(name)" }

    private func entry(_ name: String) throws(NATSFailure) -> (worker: WorkerAnnouncement?, revision: UInt64) {
        guard let message = try connection.last(subject(name), in: "KV_" + bucket) else { return (nil, 0) }
        let worker = message.header("KV-Operation") == nil ? try? decoded(message.bytes, "") as WorkerAnnouncement : nil
        return (worker, message.sequence)
    }

    /// Takes the name. Where another worker has it, waits for its entry to go away, since it may be one that has crashed.
    /// - Throws: `usage` when it lives.
    package func join(_ announcement: WorkerAnnouncement, patience: Duration = WorkerRegistry.life + .seconds(5)) throws(EnlargerError) {
        let end = ContinuousClock.now + patience
        while true {
            let (other, revision) = try connection.retrying("the workers") { () throws(NATSFailure) in try entry(announcement.name) }
            if other == nil, let made = try write(announcement, over: revision) {
                own.withLock { $0 = (announcement, made) }
                return
            }
            guard ContinuousClock.now < end else {
                let who = other.map { "process \($0.process) on \($0.host), version \($0.version)" } ?? "another one"
                throw EnlargerError(.usage, "there is a worker called \(announcement.name) already: \(who); --name gives this one another name")
            }
            usleep(500_000)
        }
    }

    private func write(_ announcement: WorkerAnnouncement, over revision: UInt64) throws(EnlargerError) -> UInt64? {
        try connection.retrying(for: .seconds(2), "the workers") { () throws(NATSFailure) -> UInt64? in
            do throws(NATSFailure) {
                return try connection.publish(subject(announcement.name), encoded(announcement), expecting: .last(revision)).sequence
            } catch {
                guard error.isConflict else { throw error }
                return nil
            }
        }
    }

    /// Says that the worker lives.
    /// - Returns: false when another worker has its name: it was silent for too long.
    package func renew(running: Int) throws(EnlargerError) -> Bool {
        guard var (announcement, revision) = own.withLock({ $0 }) else { return false }
        announcement.running = running
        while true {
            if let made = try write(announcement, over: revision) {
                own.withLock { $0 = (announcement, made) }
                return true
            }
            let (other, last) = try connection.retrying("the workers") { () throws(NATSFailure) in try entry(announcement.name) }
            if let other, other.token != announcement.token { return false }
            revision = last
        }
    }

    /// The worker ends.
    package func leave() {
        guard let (announcement, revision) = own.withLock({ own in
            defer { own = nil }
            return own
        }) else { return }
        try? connection.publishMarker(subject(announcement.name), over: revision)
    }

    /// The workers that run, by name.
    package func workers() throws(EnlargerError) -> [WorkerAnnouncement] {
        let entries = try connection.retrying("the workers") { () throws(NATSFailure) in try connection.entries(of: bucket) }
        return entries.compactMap { try? decoded($0, "") as WorkerAnnouncement }.sorted { $0.name < $1.name }
    }

    /// Whether another worker has memory for jobs of so many bytes; what was found out is good for ten seconds.
    package func hasWorker(_ bytes: Int) -> Bool {
        let now = ContinuousClock.now
        var workers = known.withLock { $0.flatMap { now - $0.time < .seconds(10) ? $0.workers : nil } }
        if workers == nil, let found = try? self.workers() {
            workers = found
            known.withLock { $0 = (now, found) }
        }
        let token = own.withLock { $0?.announcement.token }
        // Where nothing is known, jobs wait for those that they were made for.
        return workers.map { $0.contains { $0.budgetBytes >= bytes && $0.token != token } } ?? true
    }
}
