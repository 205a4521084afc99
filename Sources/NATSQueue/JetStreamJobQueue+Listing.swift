package import Jobs
package import Tensors

/// What is asked of all jobs at once: answered from the index.
extension JetStreamJobQueue {
    package func jobs(owner: String, limit: Int, after: JobIdentifier?) throws(EnlargerError) -> [Job]? {
        let token = Names.token(owner)
        let found = try index.upToDate { state -> [JobIdentifier]? in
            let entries = state.entries[token] ?? [:]
            var end = UInt64.max
            if let after {
                guard let entry = entries[after.description] else { return nil }
                end = entry.ticket
            }
            return entries.filter { $0.value.ticket < end }.sorted { $0.value.ticket > $1.value.ticket }.prefix(max(limit, 0))
                .compactMap { JobIdentifier($0.key) }
        }
        guard let found else { return nil }
        var jobs: [Job] = []
        for id in found { if let job = try job(id, owner: owner) { jobs.append(job) } }
        return jobs
    }

    package func counts() throws(EnlargerError) -> [JobState: Int] {
        let parts = Names.token(JobRequest.ownersOfParts)
        return try index.upToDate { state in
            var counts = Dictionary(uniqueKeysWithValues: JobState.allCases.map { ($0, 0) })
            for (owner, entries) in state.entries where !owner.hasPrefix(parts) { for entry in entries.values { counts[entry.state]! += 1 } }
            return counts
        }
    }

    package func oldestQueuedAge() throws(EnlargerError) -> Duration? {
        let created = try index.upToDate { state in
            state.entries.values.lazy.flatMap(\.values).filter { $0.state == .queued }.min { $0.ticket < $1.ticket }?.created
        }
        return created.map { max(now() - JobTime(milliseconds: $0), .zero) }
    }

    package func expire() throws(EnlargerError) -> [JobIdentifier] {
        let time = now().milliseconds
        let (due, markers) = try index.upToDate { state in
            let due = state.entries.flatMap { owner, entries in
                entries.filter { $0.value.expires.map { $0 <= time } ?? false }.map { (owner, $0.key) }
            }
            // Those who follow have heard of these long since.
            let old = state.markers.filter { $0.value.seen < ContinuousClock.now - .seconds(60) }
            for key in old.keys { state.markers[key] = nil }
            return (due, old.values.map(\.revision))
        }
        var gone: [JobIdentifier] = []
        for (owner, text) in due {
            guard let id = JobIdentifier(text) else { continue }
            let subject = "$KV.\(names.bucket).\(owner).\(text)"
            let message = try connection.retrying("the job's record") { () throws(NATSFailure) in
                try connection.last(subject, in: names.records)
            }
            if let message, message.header("KV-Operation") == nil { try erase(subject, message.sequence) }
            gone.append(id)
        }
        for revision in markers {
            try connection.retrying("the job's record") { () throws(NATSFailure) in try connection.delete(revision, from: names.records) }
        }
        return gone
    }

    /// Calls `body` for every change of a job from now on.
    package func observe(_ body: @escaping @Sendable (Job) -> Void) { index.observe(body) }

    /// Calls `body` for changes of one owner's jobs, in order and from one thread, as long as the follower lives: for those that are
    /// made after this returns, unless the queue could not be asked.
    package func follow(owner: String, _ body: @escaping @Sendable (Job) -> Void) -> JobFollower {
        let index = JobIndex(connection: connection, bucket: names.bucket, filter: Names.token(owner) + ".>")
        index.observe(body)
        try? index.upToDate { _ in }
        return JobFollower(index: index)
    }
}

/// Follows jobs; see `JetStreamJobQueue.follow(owner:_:)`.
package struct JobFollower: Sendable {
    let index: JobIndex
}

/// The queue as the servers see it.
package struct QueueFigures: Sendable {
    package struct Size: Sendable {
        /// Of the class of jobs: the most bytes that they need, such as `256M`.
        package var name: String
        package var waiting: Int
        package var running: Int
    }
    package var sizes: [Size]
    package var bytes: Int
    package var deadLetters: Int
    package var replicas: Int
}

extension JetStreamJobQueue {
    /// - Throws: `queueUnavailable`.
    package func figures() throws(EnlargerError) -> QueueFigures {
        try connection.retrying("the queue") { () throws(NATSFailure) in
            var sizes: [QueueFigures.Size] = []
            for size in SizeClass.all {
                let load = try connection.load(of: size.name, stream: names.tickets)
                sizes.append(.init(name: size.name, waiting: load?.waiting ?? 0, running: load?.delivered ?? 0))
            }
            let tickets = try connection.figures(of: names.tickets), records = try connection.figures(of: names.records)
            let dead = try connection.figures(of: names.dead)
            return QueueFigures(
                sizes: sizes, bytes: (tickets?.bytes ?? 0) + (records?.bytes ?? 0), deadLetters: dead?.messages ?? 0,
                replicas: tickets?.replicas ?? 0)
        }
    }
}
