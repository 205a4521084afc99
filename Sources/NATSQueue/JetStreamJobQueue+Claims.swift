package import Jobs
import Synchronization
package import Tensors

/// Claims, leases and attempts. The server counts the time of a lease; the record's token says whose the job is.
extension JetStreamJobQueue {
    /// Between two looks at the consumers while nothing comes by itself: a lost request is made good by that.
    private static let patience = Duration.seconds(10)

    package func claim(worker: String, timeout: Duration) throws(EnlargerError) -> JobClaim? {
        let end = ContinuousClock.now + timeout
        let wakes = signal.wakes
        while true {
            let sizes = sizesToTake()
            if let claim = try poll(sizes, worker: worker) { return claim }
            let rest = end - ContinuousClock.now
            guard rest > .zero, signal.wakes == wakes else { return nil }
            let consumers = sizes.map(\.name)
            let message = inbox.next(
                from: consumers, of: names.tickets, timeout: min(rest, JetStreamJobQueue.patience), signal: signal, wakes: wakes)
            if let message, let claim = try begin(message, worker: worker) { return claim }
        }
    }

    /// Every class that fits, and larger ones that nobody else could take.
    private func sizesToTake() -> [SizeClass] {
        guard let capacity else { return SizeClass.all }
        let hasWorker = hasWorker.withLock { $0 }
        var below = 0
        return SizeClass.all.filter { size in
            defer { below = size.bytes }
            return below < capacity || !hasWorker(below + 1)
        }
    }

    /// Takes what is there. The classes take turns, so that none starves behind another; those that had nothing a moment ago
    /// come last.
    private func poll(_ sizes: [SizeClass], worker: String) throws(EnlargerError) -> JobClaim? {
        let first = turn.add(1, ordering: .relaxed).oldValue, now = ContinuousClock.now
        let inTurn = sizes.indices.map { sizes[(first + $0) % sizes.count] }
        let recent = foundEmpty.withLock { empty in Set(empty.filter { now - $0.value < .milliseconds(100) }.keys) }
        for size in inTurn.filter({ !recent.contains($0.name) }) + inTurn.filter({ recent.contains($0.name) }) {
            while true {
                let message = try connection.retrying("the queue") { () throws(NATSFailure) in
                    try pulls.next(size.name, of: names.tickets)
                }
                guard let message else { break }
                if let claim = try begin(message, worker: worker) { return claim }
            }
            foundEmpty.withLock { $0[size.name] = ContinuousClock.now }
        }
        return nil
    }

    /// Makes a delivery a claim, or finds out why it is none.
    private func begin(_ message: NATSMessage, worker: String) throws(EnlargerError) -> JobClaim? {
        guard let reply = message.reply, let (sequence, _) = message.delivery else { return nil }
        guard let ticket = ticket(message, reply) else { return nil }
        let request = ticket.request.request
        if let capacity, request.plannedBytes > capacity, hasWorker.withLock({ $0 })(request.plannedBytes) {
            acknowledge(reply, .again(after: .seconds(1)))
            return nil
        }
        while true {
            let found: JobRecord?, revision: UInt64
            do throws(EnlargerError) {
                (found, revision) = try record(request.id, owner: request.owner)
            } catch {
                guard error.code == .dataUnusable else { throw error }
                leave(reply, error)
                return nil
            }
            var record = found ?? JobRecord(ticket, sequence: sequence)
            switch try standing(of: record, ticket: sequence, reply: reply) {
            case .free: break
            case .interrupted: record.problem = .init(code: "interrupted", message: "its worker was not heard of again")
            case .usedUp:
                record.problem = .init(
                    code: "interrupted",
                    message: "begun \(record.attempts) times and never ended; the last time its worker was not heard of again")
                finish(&record, .failed)
                guard try write(&record, over: revision) != nil else { continue }
                bury(record, reply)
                return nil
            case .notForUs: return nil
            }
            let token = JobIdentifier(), time = now().milliseconds
            record.ticket = sequence
            record.state = .running
            record.started = time
            record.beat = time
            record.ready = nil
            record.progress = 0
            record.attempts += 1
            record.token = token.description
            record.worker = worker
            guard let written = try write(&record, over: revision) else { continue }
            held.withLock { $0[token] = Delivery(reply: reply, record: record, revision: written) }
            return JobClaim(job: record.job, token: token)
        }
    }

    private enum Standing {
        case free, interrupted, usedUp
        /// And what there was to do about it is done.
        case notForUs
    }

    private func standing(of record: JobRecord, ticket: UInt64, reply: String) throws(EnlargerError) -> Standing {
        guard [ticket, JobRecord.anyTicket].contains(record.ticket), !record.state.isFinished else {
            // A worker that died between the record and the ticket, or a job that was submitted twice.
            if record.state == .failed, record.ticket == ticket { bury(record, reply) } else { acknowledge(reply, .done) }
            return .notForUs
        }
        let time = now()
        guard record.state == .running else {
            guard let ready = record.ready.map({ JobTime(milliseconds: $0) }), ready > time, ready - time < policy.lease * 100 else { return .free }
            acknowledge(reply, .again(after: ready - time))
            return .notForUs
        }
        // It is delivered again because its worker was silent, or could not be heard.
        let isOurs = held.withLock { held in
            guard let token = record.token.flatMap({ JobIdentifier($0) }), held[token] != nil else { return false }
            held[token]!.reply = reply
            return true
        }
        if isOurs {
            acknowledge(reply, .inProgress)
            return .notForUs
        }
        if let wait = timeToBeHeard(record, time) {
            acknowledge(reply, .again(after: wait))
            return .notForUs
        }
        return record.attempts >= policy.maximumAttempts ? .usedUp : .interrupted
    }

    /// How long the worker of a running job still has; nil where its time is over. After an outage of the queue
    /// everybody's time is over: then all have a part of the lease to be heard of again.
    private func timeToBeHeard(_ record: JobRecord, _ time: JobTime) -> Duration? {
        if let time = connection.timeReconnected, time < policy.lease / 4 { return policy.lease / 4 }
        guard let beat = record.beat.map({ JobTime(milliseconds: $0) }), beat - time < policy.lease else { return nil }
        let silence = max(time - beat, .zero)
        return silence < policy.lease ? policy.lease - silence : nil
    }

    /// A ticket that can be worked on; others are put where they belong.
    private func ticket(_ message: NATSMessage, _ reply: String) -> JobTicket? {
        let bytes = message.bytes
        do throws(EnlargerError) {
            try JobTicket.checkVersion(bytes, "a job")
        } catch {
            leave(reply, error)
            return nil
        }
        do throws(EnlargerError) {
            let ticket: JobTicket = try decoded(bytes, "a job's ticket")
            guard JobIdentifier(ticket.request.id) != nil else { throw EnlargerError(.dataUnusable, "a job's ticket has no identifier") }
            return ticket
        } catch {
            log(error.message)
            _ = try? connection.retrying("the dead letters") { () throws(NATSFailure) in
                try connection.publish("\(names.prefix).dead.unreadable", bytes)
                try connection.acknowledge(reply, .done)
            }
            return nil
        }
    }

    /// What another worker may be able to read.
    private func leave(_ reply: String, _ error: EnlargerError) {
        log(error.message)
        acknowledge(reply, .again(after: .seconds(15)))
    }

    // MARK: What becomes of a claim

    package func heartbeat(_ claim: JobClaim, progress: Double) throws(EnlargerError) -> ClaimStatus {
        let known = progress.isNaN ? 0 : min(max(progress, 0), 1)
        let status = try change(claim) { record in
            record.progress = max(record.progress, known)
            record.beat = self.now().milliseconds
        }
        if status == .held, let reply = held.withLock({ $0[claim.token]?.reply }) { acknowledge(reply, .inProgress) }
        return status
    }

    package func complete(_ claim: JobClaim, resultBytes: Int, seconds: Double) throws(EnlargerError) -> ClaimStatus {
        try end(claim, .done) { record in
            self.finish(&record, .done)
            record.progress = 1
            record.resultBytes = resultBytes
            record.seconds = seconds.isFinite ? seconds : nil
            record.problem = nil
        }
    }

    package func fail(_ claim: JobClaim, _ problem: JobProblem, retry: Bool) throws(EnlargerError) -> ClaimStatus {
        let isLast = !retry || claim.job.attempts >= policy.maximumAttempts
        let pause = policy.wait(after: claim.job.attempts)
        return try end(claim, isLast ? .failed : .queued, pause: pause) { record in
            record.problem = .init(code: problem.code, message: problem.message)
            if isLast { return self.finish(&record, .failed) }
            record.state = .queued
            record.progress = 0
            record.ready = (self.now() + pause).milliseconds
        }
    }

    package func release(_ claim: JobClaim) throws(EnlargerError) -> ClaimStatus {
        try end(claim, .queued) { record in
            record.state = .queued
            record.attempts -= 1
            record.progress = 0
            record.started = nil
        }
    }

    /// Changes the record of a claim that holds.
    /// - Parameter intended: the state that it has afterwards, where that is not `running`.
    private func change(_ claim: JobClaim, intended: JobState = .running, _ body: (inout JobRecord) -> Void) throws(EnlargerError) -> ClaimStatus {
        guard let turn = held.withLock({ $0[claim.token]?.turn }) else { return try status(of: claim, nil) }
        return try turn.mutex.withLock { _ throws(EnlargerError) in try changeInTurn(claim, intended: intended, body) }
    }

    private func changeInTurn(_ claim: JobClaim, intended: JobState, _ body: (inout JobRecord) -> Void) throws(EnlargerError) -> ClaimStatus {
        guard var delivery = held.withLock({ $0[claim.token] }), delivery.record.state == .running else { return try status(of: claim, nil) }
        while true {
            var record = delivery.record
            body(&record)
            if let revision = try write(&record, over: delivery.revision) {
                held.withLock { held in
                    held[claim.token]?.record = record
                    held[claim.token]?.revision = revision
                }
                return .held
            }
            let (found, revision) = try self.record(claim.job.id, owner: claim.job.request.owner)
            guard let found, found.token == claim.token.description, found.state == .running || found.state == intended else {
                held.withLock { $0[claim.token] = nil }
                return try status(of: claim, found)
            }
            // Written by an earlier try, whose answer was lost.
            if found.state == intended, intended != .running { return .held }
            (delivery.record, delivery.revision) = (found, revision)
        }
    }

    private func status(of claim: JobClaim, _ found: JobRecord?) throws(EnlargerError) -> ClaimStatus {
        let record = if let found { found } else { try self.record(claim.job.id, owner: claim.job.request.owner).record }
        return record?.state == .cancelled && record?.token == claim.token.description ? .cancelled : .lost
    }

    private func end(
        _ claim: JobClaim, _ state: JobState, pause: Duration = .zero, _ body: (inout JobRecord) -> Void
    ) throws(EnlargerError) -> ClaimStatus {
        let status = try change(claim, intended: state, body)
        guard status == .held, let delivery = held.withLock({ $0.removeValue(forKey: claim.token) }) else { return status }
        switch state {
        case .failed: bury(delivery.record, delivery.reply)
        case .queued: acknowledge(delivery.reply, .again(after: pause))
        default: acknowledge(delivery.reply, .done)
        }
        return .held
    }

    /// Puts a failed job among the dead letters, with its reason, and takes its ticket away. Where that does not succeed,
    /// the ticket comes again, and with it the next try.
    private func bury(_ record: JobRecord, _ reply: String) {
        let request = record.request.request, bytes = record.bytes
        _ = try? connection.retrying("the dead letters") { () throws(NATSFailure) in
            try connection.publish(
                names.deadSubject(request.id, owner: request.owner), bytes, identifier: "\(request.id) \(record.ticket)")
        }
        acknowledge(reply, .done)
    }

    /// What is not acknowledged comes again, and is found out then.
    private func acknowledge(_ reply: String, _ kind: NATSConnection.Acknowledgement) {
        try? connection.retrying(for: .seconds(2), "") { () throws(NATSFailure) in try connection.acknowledge(reply, kind) }
    }
}
