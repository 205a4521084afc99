import CLibNats
import Glibc
import Jobs
import Synchronization
import Tensors

/// What the bucket of records holds, followed as it changes: for lists and counts, and for those who follow jobs.
///
/// Some 150 bytes a job; started by its first use. Workers do without.
final class JobIndex: Sendable {
    struct Entry: Sendable {
        var state: JobState
        var ticket: UInt64
        var created: Int64
        var expires: Int64?
        var progress: Double
    }
    /// A removed record, which leaves a marker.
    struct Marker: Sendable {
        var revision: UInt64
        var seen: ContinuousClock.Instant
    }

    private let state: Shared
    private let connection: NATSConnection
    private let bucket: String
    private let filter: String

    final class Shared: Sendable {
        let state = Mutex(State())
        let changed = WorkSignal()
    }
    struct State {
        /// By owner's token and identifier.
        var entries: [String: [String: Entry]] = [:]
        var markers: [String: Marker] = [:]
        /// Of the last change that is in here; nil before the first whole picture.
        var sequence: UInt64?
        var isStarted = false
        var hasStopped = false
        var observers: [Int: @Sendable (Job) -> Void] = [:]
        var nextObserver = 0
    }

    /// - Parameter filter: keys to follow, with `*` and `>`.
    init(connection: NATSConnection, bucket: String, filter: String = ">") {
        (self.connection, self.bucket, self.filter) = (connection, bucket, filter)
        state = Shared()
    }

    deinit { state.state.withLock { $0.hasStopped = true } }

    /// Called for every change of a record from now on, in order, from one thread.
    func observe(_ body: @escaping @Sendable (Job) -> Void) {
        state.state.withLock { state in
            state.observers[state.nextObserver] = body
            state.nextObserver += 1
        }
        start()
    }

    /// Gives the index as it is once it holds everything that was written before the call.
    /// - Throws: `queueUnavailable` when it cannot be brought up to date.
    func upToDate<Value: Sendable>(_ body: (inout State) -> Value) throws(EnlargerError) -> Value {
        start()
        let figures = try connection.retrying("the jobs") { () throws(NATSFailure) in try connection.figures(of: "KV_" + bucket) }
        let last = figures?.lastSequence ?? 0
        let end = ContinuousClock.now + .seconds(10)
        while true {
            let seen = state.changed.generation
            if let value = state.state.withLock({ state in (state.sequence ?? 0) >= last && state.sequence != nil ? body(&state) : nil }) {
                return value
            }
            let rest = end - ContinuousClock.now
            guard rest > .zero else { throw EnlargerError(.queueUnavailable, "the jobs in the queue cannot be read at the moment") }
            state.changed.wait(whileGeneration: seen, timeout: rest)
        }
    }

    private func start() {
        let isFirst = state.state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        guard isFirst else { return }
        let follower = Follower(connection: connection, bucket: bucket, filter: filter, shared: state)
        var thread = pthread_t()
        let failed = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Follower>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(follower).toOpaque())
        precondition(failed == 0, "no thread could be started")
        pthread_detach(thread)
    }
}

/// The thread that follows a bucket. It begins anew when what it hears falls behind what is there.
private final class Follower {
    private let connection: NATSConnection
    private let bucket: String
    private let filter: String
    private let shared: JobIndex.Shared

    init(connection: NATSConnection, bucket: String, filter: String, shared: JobIndex.Shared) {
        (self.connection, self.bucket, self.filter, self.shared) = (connection, bucket, filter, shared)
    }

    private var hasStopped: Bool { shared.state.withLock { $0.hasStopped } }

    func run() {
        while !hasStopped {
            follow()
            if !hasStopped { usleep(UInt32.random(in: 200_000...600_000)) }
        }
    }

    /// Until it is stopped, or something is amiss.
    private func follow() {
        guard let figures = (try? connection.figures(of: "KV_" + bucket)) ?? nil else { return }
        var store: OpaquePointer?, watcher: OpaquePointer?
        guard js_KeyValue(&store, connection.jetStream, bucket) == NATS_OK else { return }
        defer { kvStore_Destroy(store) }
        guard kvStore_Watch(&watcher, store, filter, nil) == NATS_OK else { return }
        defer { kvWatcher_Destroy(watcher) }
        let began = ContinuousClock.now
        var isWhole = false, checked = began
        var fresh: (entries: [String: [String: JobIndex.Entry]], markers: [String: JobIndex.Marker]) = ([:], [:])
        while !hasStopped {
            var entry: OpaquePointer?
            let status = kvWatcher_Next(&entry, watcher, 500)
            if status == NATS_OK, let entry {
                defer { kvEntry_Destroy(entry) }
                if isWhole { apply(entry) } else { Follower.take(entry, into: &fresh.entries, &fresh.markers) }
            } else if status == NATS_OK {
                // What was there at the beginning has all come.
                isWhole = true
                shared.state.withLock { state in
                    (state.entries, state.markers) = fresh
                    state.sequence = max(figures.lastSequence, state.sequence ?? 0)
                }
                fresh = ([:], [:])
                shared.changed.announce()
            } else if status != NATS_TIMEOUT {
                return
            }
            guard ContinuousClock.now - checked > .seconds(5) else { continue }
            checked = .now
            // The server's side of it is lost with that server, and nobody says so.
            if let reconnected = connection.timeReconnected, reconnected < ContinuousClock.now - began { return }
            if status == NATS_TIMEOUT, filter == ">", let now = (try? connection.figures(of: "KV_" + bucket)) ?? nil,
                now.lastSequence > shared.state.withLock({ $0.sequence }) ?? 0
            {
                return
            }
        }
    }

    private func apply(_ entry: OpaquePointer) {
        let revision = kvEntry_Revision(entry)
        let (job, observers) = shared.state.withLock { state in
            let job = Follower.take(entry, into: &state.entries, &state.markers)
            state.sequence = max(state.sequence ?? 0, revision)
            return (job, Array(state.observers.values))
        }
        shared.changed.announce()
        if let job { for observer in observers { observer(job) } }
    }

    @discardableResult
    private static func take(
        _ entry: OpaquePointer, into entries: inout [String: [String: JobIndex.Entry]], _ markers: inout [String: JobIndex.Marker]
    ) -> Job? {
        let key = String(cString: kvEntry_Key(entry)), revision = kvEntry_Revision(entry)
        let parts = key.split(separator: ".").map(String.init)
        guard parts.count == 2 else { return nil }
        guard kvEntry_Operation(entry) == kvOp_Put else {
            entries[parts[0]]?[parts[1]] = nil
            markers[key] = .init(revision: revision, seen: .now)
            return nil
        }
        let count = Int(kvEntry_ValueLen(entry))
        let bytes = kvEntry_Value(entry).map { [UInt8](UnsafeRawBufferPointer(start: $0, count: count)) } ?? []
        guard let record = try? JobRecord(bytes) else { return nil }
        markers[key] = nil
        entries[parts[0], default: [:]][parts[1]] = .init(
            state: record.state, ticket: record.ticket, created: record.created, expires: record.expires, progress: record.progress)
        return record.job
    }
}
