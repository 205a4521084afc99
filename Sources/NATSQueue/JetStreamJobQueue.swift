import CLibNats
package import Jobs
import Synchronization
package import Tensors

/// The queue of many machines, in NATS JetStream.
///
/// A job is a *ticket* in a work-queue stream and a *record* in a key-value bucket. The ticket goes to one worker at a
/// time, comes again when that worker is silent for the lease, and is removed when the job ends. The record says what the
/// job is and was; every change of it is a compare-and-set, and who has lost the job has the wrong token. So a job may be
/// worked on twice, but ends once. docs/scale.md has the streams and what happens when which part is lost.
package final class JetStreamJobQueue: JobQueue {
    package let connection: NATSConnection
    let policy: JobQueuePolicy
    /// What this process can run; nil: everything.
    let capacity: Int?
    let now: @Sendable () -> JobTime
    let names: Names
    let index: JobIndex
    let inbox: TicketInbox
    let pulls: TicketPulls
    /// Deliveries that this process works on, by the claim's token.
    let held = Mutex<[JobIdentifier: Delivery]>([:])
    let turn = Atomic<Int>(0)
    /// When a class of sizes was found without a ticket.
    let foundEmpty = Mutex<[String: ContinuousClock.Instant]>([:])
    let signal = WorkSignal()
    let log: @Sendable (String) -> Void
    /// Whether other workers run that can take jobs of so many bytes.
    let hasWorker = Mutex<@Sendable (Int) -> Bool>({ _ in true })

    /// Who is asked whether other workers could take a job that is larger than `capacity`.
    package func askForWorkers(_ ask: @escaping @Sendable (_ bytes: Int) -> Bool) { hasWorker.withLock { $0 = ask } }

    struct Delivery {
        /// Where it is acknowledged.
        var reply: String
        var record: JobRecord
        var revision: UInt64
        /// Held while the record is written. A cluster has been seen to take both of two writes over one revision that came at once:
        /// a heartbeat over the end of the job, say, which then never ended.
        let turn = Turn()
    }
    final class Turn: Sendable { let mutex = Mutex(()) }

    /// Names of streams and subjects, by the deployment's prefix.
    struct Names {
        let prefix: String
        var tickets: String { prefix + "-work" }
        var bucket: String { prefix + "-jobs" }
        var records: String { "KV_" + bucket }
        var dead: String { prefix + "-dead" }
        func ticketSubject(_ size: SizeClass) -> String { "\(prefix).work.\(size.name)" }
        func key(_ id: JobIdentifier, owner: String) -> String { "\(Names.token(owner)).\(id)" }
        func recordSubject(_ id: JobIdentifier, owner: String) -> String { "$KV.\(bucket).\(key(id, owner: owner))" }
        func deadSubject(_ id: JobIdentifier, owner: String) -> String { "\(prefix).dead.\(key(id, owner: owner))" }
        /// An owner's name as a part of a subject: "o" and hexadecimal digits.
        static func token(_ owner: String) -> String {
            "o" + owner.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }

    /// Makes the streams where they are missing.
    /// - Parameters:
    ///   - capacity: bytes of memory that this process has for jobs; it takes larger ones only where nobody else can.
    ///   - log: told what people should know: jobs of newer versions, records that cannot be read.
    /// - Throws: `queueUnavailable`, `accessRefused`, `outputFailed` (a server without JetStream).
    package init(
        connection: NATSConnection, policy: JobQueuePolicy = JobQueuePolicy(), capacity: Int? = nil,
        now: @escaping @Sendable () -> JobTime = { JobTime.now }, log: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(EnlargerError) {
        self.connection = connection
        self.policy = policy
        self.capacity = capacity
        self.now = now
        self.log = log
        let names = Names(prefix: connection.settings.prefix)
        self.names = names
        try connection.retrying("the queue cannot be set up") { () throws(NATSFailure) in
            try JetStreamJobQueue.setUp(connection, names, policy)
        }
        index = JobIndex(connection: connection, bucket: names.bucket)
        inbox = try TicketInbox(connection: connection)
        pulls = TicketPulls(connection: connection)
    }

    private static func setUp(_ connection: NATSConnection, _ names: Names, _ policy: JobQueuePolicy) throws(NATSFailure) {
        try connection.makeStream(names.tickets, subjects: ["\(names.prefix).work.*"]) { config in
            config.Retention = js_WorkQueuePolicy
            config.Discard = js_DiscardNew
            config.MaxMsgs = Int64(policy.maximumUnfinished)
            config.MaxMsgSize = 64 << 10
            config.Duplicates = Duration.seconds(120).nanoseconds
        }
        try connection.makeStream(names.records, subjects: ["$KV.\(names.bucket).>"]) { config in
            // What makes a stream a bucket, so that other tools know it for one.
            config.MaxMsgsPerSubject = 1
            config.AllowRollup = true
            config.DenyDelete = false
            config.Discard = js_DiscardNew
            config.MaxMsgSize = 64 << 10
            // Records are removed when they expire; these are of deployments that nobody looks after.
            config.MaxAge = max(policy.keep * 2, .seconds(90 * 24 * 3600)).nanoseconds
            config.Duplicates = Duration.seconds(1).nanoseconds
        }
        try makeDeadLetters(connection, names, policy)
        for size in SizeClass.all {
            try connection.makeConsumer(size.name, of: names.tickets, filter: names.ticketSubject(size), lease: policy.lease)
        }
    }

    /// The servers set the stream's bytes aside: where they have less, it gets less.
    private static func makeDeadLetters(_ connection: NATSConnection, _ names: Names, _ policy: JobQueuePolicy) throws(NATSFailure) {
        var bytes: Int64 = 1 << 30
        while true {
            do throws(NATSFailure) {
                return try connection.makeStream(names.dead, subjects: ["\(names.prefix).dead.>"]) { config in
                    config.Discard = js_DiscardOld
                    config.MaxAge = max(policy.keep * 7, .seconds(7 * 24 * 3600)).nanoseconds
                    config.MaxBytes = bytes
                    config.Duplicates = Duration.seconds(120).nanoseconds
                }
            } catch {
                // A cluster says that no server suits.
                guard error.isFull || error.code == JSClusterNoPeersErr, bytes > 1 << 20 else { throw error }
                bytes /= 4
            }
        }
    }

    // MARK: Records

    /// A job's record and its revision; the revision of what was there before where it is gone, 0 where nothing was.
    func record(_ id: JobIdentifier, owner: String) throws(EnlargerError) -> (record: JobRecord?, revision: UInt64) {
        let message = try connection.retrying("the job's record") { () throws(NATSFailure) in
            try connection.last(names.recordSubject(id, owner: owner), in: names.records)
        }
        guard let message else { return (nil, 0) }
        if message.header("KV-Operation") != nil { return (nil, message.sequence) }
        return (try JobRecord(message.bytes), message.sequence)
    }

    /// Writes a record over the one of `revision`.
    /// - Returns: the new revision; nil where the record is another one meanwhile.
    func write(_ record: inout JobRecord, over revision: UInt64) throws(EnlargerError) -> UInt64? {
        record.write = String(UInt32.random(in: 1 ... .max), radix: 36)
        let bytes = record.bytes, mark = record.write, request = record.request.request
        let subject = names.recordSubject(request.id, owner: request.owner)
        return try connection.retrying("the job's record") { () throws(NATSFailure) -> UInt64? in
            do throws(NATSFailure) {
                return try connection.publish(subject, bytes, expecting: .last(revision)).sequence
            } catch {
                guard error.isConflict else { throw error }
                // Perhaps an earlier try of ours was written and only its answer lost.
                guard let message = try connection.last(subject, in: names.records), let found = try? JobRecord(message.bytes),
                    found.write == mark
                else { return nil }
                return message.sequence
            }
        }
    }

    /// Changes a record until it is changed or `change` returns false.
    /// - Returns: the record as it is then, and whether it was changed; nil where there is none.
    func update(
        _ id: JobIdentifier, owner: String, _ change: (inout JobRecord) -> Bool
    ) throws(EnlargerError) -> (record: JobRecord, isChanged: Bool)? {
        while true {
            var (found, revision) = try record(id, owner: owner)
            guard found != nil else { return nil }
            guard change(&found!) else { return (found!, false) }
            if try write(&found!, over: revision) != nil { return (found!, true) }
        }
    }

    func finish(_ record: inout JobRecord, _ state: JobState) {
        let time = now()
        record.state = state
        record.finished = time.milliseconds
        record.expires = (time + policy.keep).milliseconds
        record.ready = nil
    }

    // MARK: Clients

    package func submit(_ request: JobRequest) throws(EnlargerError) -> Job {
        let ticket = JobTicket(request: StoredRequest(request), created: now().milliseconds)
        let sequence = try publishTicket(request, ticket)
        var record = JobRecord(ticket, sequence: sequence)
        var revision: UInt64 = 0
        while true {
            if try write(&record, over: revision) != nil { return record.job }
            let (found, last) = try self.record(request.id, owner: request.owner)
            guard let found else {
                revision = last  // of one that was removed
                continue
            }
            // A worker that was faster has made the record.
            if found.ticket == sequence { return found.job }
            try withdraw(sequence)
            throw taken(request)
        }
    }

    /// - Returns: the ticket's sequence.
    private func publishTicket(_ request: JobRequest, _ ticket: JobTicket) throws(EnlargerError) -> UInt64 {
        let subject = names.ticketSubject(SizeClass(bytes: request.plannedBytes))
        let bytes = encoded(ticket)
        // The server drops what an earlier try of this call has stored; what others submit has another identifier.
        let identifier = "\(request.id) \(JobIdentifier())"
        return try connection.retrying("the job was not accepted") { () throws(NATSFailure) in
            try connection.publish(subject, bytes, identifier: identifier).sequence
        }
    }

    private func taken(_ request: JobRequest) -> EnlargerError {
        EnlargerError(.outputFailed, "there is a job \(request.id) already")
    }

    /// Removes a ticket from the stream, whoever has it.
    private func withdraw(_ ticket: UInt64) throws(EnlargerError) {
        guard ticket != JobRecord.anyTicket else { return }
        try connection.retrying("the job's ticket") { () throws(NATSFailure) in try connection.delete(ticket, from: names.tickets) }
    }

    package func cancel(_ id: JobIdentifier, owner: String) throws(EnlargerError) -> Job? {
        let found = try update(id, owner: owner) { record in
            guard !record.state.isFinished else { return false }
            self.finish(&record, .cancelled)
            return true
        }
        guard let (record, isChanged) = found else { return nil }
        if isChanged { try withdraw(record.ticket) }
        return record.job
    }

    package func remove(_ id: JobIdentifier, owner: String) throws(EnlargerError) -> Job? { try remove(id, owner: owner, hasTickets: true) }

    /// - Parameter hasTickets: false: no ticket is left of any job, so that there is none to take away.
    package func remove(_ id: JobIdentifier, owner: String, hasTickets: Bool) throws(EnlargerError) -> Job? {
        let (found, revision) = try record(id, owner: owner)
        guard let found else { return nil }
        if found.state.isFinished {
            // Its worker may have had no answer yet to taking it away; without the record it would begin the job anew.
            if hasTickets { try withdraw(found.ticket) }
            try erase(names.recordSubject(id, owner: owner), revision)
        }
        return found.job
    }

    /// Whether tickets are left, of whatever jobs.
    package func hasTickets() throws(EnlargerError) -> Bool {
        try connection.retrying("the queue") { () throws(NATSFailure) in try connection.figures(of: names.tickets)?.messages ?? 0 > 0 }
    }

    /// Removes a finished record. A marker takes its place, so that those who follow the bucket hear of it.
    func erase(_ subject: String, _ revision: UInt64) throws(EnlargerError) {
        try connection.retrying("the job's record") { () throws(NATSFailure) in
            do throws(NATSFailure) {
                try connection.publishMarker(subject, over: revision)
            } catch {
                // A finished record changes no more: it is gone already.
                guard error.isConflict else { throw error }
            }
        }
    }

    package func job(_ id: JobIdentifier, owner: String) throws(EnlargerError) -> Job? { try record(id, owner: owner).record?.job }

    /// The job. One that runs nowhere any more and will never be delivered, since its ticket is lost, gets another ticket.
    package func mendedJob(_ id: JobIdentifier, owner: String) throws(EnlargerError) -> Job? {
        let (found, revision) = try record(id, owner: owner)
        guard var record = found else { return nil }
        guard record.state == .running, let beat = record.beat, now() - JobTime(milliseconds: beat) > policy.lease * 2 else { return record.job }
        let ticket = record.ticket
        let isThere = try connection.retrying("the job's ticket") { () throws(NATSFailure) in
            ticket == JobRecord.anyTicket ? false : try connection.has(ticket, in: names.tickets)
        }
        guard !isThere else { return record.job }
        log("job \(id) has lost its ticket, and gets another one")
        record.ticket = JobRecord.anyTicket
        guard try write(&record, over: revision) != nil else { return record.job }
        _ = try publishTicket(record.request.request, JobTicket(request: record.request, created: record.created))
        return record.job
    }

    package func wakeAll() { signal.wake() }

    package func settle() throws(EnlargerError) {}

    /// - Throws: `queueUnavailable` at once where no server is connected.
    package func checkConnected() throws(EnlargerError) {
        guard connection.isConnected else { throw EnlargerError(.queueUnavailable, "the queue is not reached") }
    }

    package func checkWritable() throws(EnlargerError) {
        try checkConnected()
        try connection.retrying(for: .zero, "the queue") { () throws(NATSFailure) in
            _ = try connection.figures(of: names.tickets)
        }
    }
}
