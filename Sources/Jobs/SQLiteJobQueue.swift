import Synchronization
package import Tensors

/// The queue of one process, in `jobs.sqlite` of its data folder: write-ahead log, a commit durable when it returns.
package final class SQLiteJobQueue: JobQueue {
    let policy: JobQueuePolicy
    let now: @Sendable () -> JobTime
    let signal = WorkSignal()
    private let folder: DataFolder
    private let database: Database
    private let lock = Mutex(())

    /// Opens or makes the database. What was running belongs to a process that is gone, since the folder is locked: it
    /// is queued again at once, or failed where its attempts are used up.
    /// - Throws: `dataUnusable` when the database is damaged, of a newer version, or cannot be written.
    package init(
        folder: DataFolder, policy: JobQueuePolicy = JobQueuePolicy(),
        now: @escaping @Sendable () -> JobTime = { JobTime.now }
    ) throws(EnlargerError) {
        self.folder = folder
        self.policy = policy
        self.now = now
        let opened = try Database.jobs(in: folder)
        try opened.transaction { () throws(EnlargerError) in
            try opened.endLeases(
                until: JobTime(milliseconds: .max), now: now(), policy: policy, cause: "the service stopped")
        }
        database = opened
    }

    /// One thread at a time, and all of `body` or nothing.
    func transaction<Value: Sendable>(
        _ body: (Database) throws(EnlargerError) -> Value
    ) throws(EnlargerError) -> Value {
        try lock.withLock { _ throws(EnlargerError) in
            try database.transaction { () throws(EnlargerError) in try body(database) }
        }
    }

    package func submit(_ request: JobRequest) throws(EnlargerError) -> Job {
        let job = try transaction { database throws(EnlargerError) in
            let unfinished = try database.count("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')")
            guard unfinished < policy.maximumUnfinished else {
                throw EnlargerError(.queueFull, "\(unfinished) jobs are unfinished; \(policy.maximumUnfinished) may be")
            }
            try database.insert(request, now: now())
            return try database.jobs("SELECT * FROM jobs WHERE id = ?", [.text(request.id.description)])[0]
        }
        signal.announce()
        return job
    }

    package func cancel(_ id: JobIdentifier, owner: String) throws(EnlargerError) -> Job? {
        try transaction { database throws(EnlargerError) in
            let time = now()
            try database.run(
                """
                UPDATE jobs SET state = 'cancelled', finished = ?1, expires = ?2, lease = NULL
                WHERE id = ?3 AND owner = ?4 AND state IN ('queued', 'running')
                """,
                [
                    .integer(time.milliseconds), .integer((time + policy.keep).milliseconds), .text(id.description),
                    .text(owner),
                ])
            return try database.job(id, owner: owner)
        }
    }

    package func remove(_ id: JobIdentifier, owner: String) throws(EnlargerError) -> Job? {
        try transaction { database throws(EnlargerError) in
            guard let job = try database.job(id, owner: owner) else { return nil }
            if job.state.isFinished { try database.run("DELETE FROM jobs WHERE id = ?", [.text(id.description)]) }
            return job
        }
    }

    package func job(_ id: JobIdentifier, owner: String) throws(EnlargerError) -> Job? {
        try transaction { database throws(EnlargerError) in try database.job(id, owner: owner) }
    }

    package func jobs(owner: String, limit: Int, after: JobIdentifier?) throws(EnlargerError) -> [Job]? {
        try transaction { database throws(EnlargerError) in
            var end = Int64.max
            if let after {
                let found = try database.rows(
                    "SELECT sequence FROM jobs WHERE id = ? AND owner = ?", [.text(after.description), .text(owner)]
                ) { row in row.integer(0) ?? 0 }
                guard let sequence = found.first else { return nil }
                end = sequence
            }
            return try database.jobs(
                "SELECT * FROM jobs WHERE owner = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?",
                [.text(owner), .integer(end), .integer(Int64(max(limit, 0)))])
        }
    }

    /// Whoever owns it.
    package func state(of id: JobIdentifier) throws(EnlargerError) -> JobState? {
        try transaction { database throws(EnlargerError) in
            try database.rows("SELECT state FROM jobs WHERE id = ?", [.text(id.description)]) { row in row.text(0) }
                .first?.flatMap(JobState.init(rawValue:))
        }
    }

    package func counts() throws(EnlargerError) -> [JobState: Int] {
        try transaction { database throws(EnlargerError) in
            var counts: [JobState: Int] = [:]
            for state in JobState.allCases {
                counts[state] = try database.count("SELECT count(*) FROM jobs WHERE state = ? AND owner NOT LIKE ?",
                    [.text(state.rawValue), .text(JobRequest.ownersOfParts + "%")])
            }
            return counts
        }
    }

    package func oldestQueuedAge() throws(EnlargerError) -> Duration? {
        try transaction { database throws(EnlargerError) in
            let created = try database.rows("SELECT created FROM jobs WHERE state = 'queued' ORDER BY sequence LIMIT 1")
            { row in
                JobTime(milliseconds: row.integer(0) ?? 0)
            }
            return created.first.map { max(now() - $0, .zero) }
        }
    }

    package func expire() throws(EnlargerError) -> [JobIdentifier] {
        try transaction { database throws(EnlargerError) in
            try database.rows("DELETE FROM jobs WHERE expires <= ? RETURNING id", [.integer(now().milliseconds)]) {
                row in
                row.text(0).flatMap { JobIdentifier($0) }
            }.compactMap { $0 }
        }
    }

    package func settle() throws(EnlargerError) {
        // Not inside a transaction: the whole log goes into the file, and is cut to nothing.
        try lock.withLock { _ throws(EnlargerError) in
            _ = try database.rows("PRAGMA wal_checkpoint(TRUNCATE)") { row in row.integer(0) }
        }
    }

    /// The database is this process's own.
    package func checkConnected() throws(EnlargerError) {}

    package func checkWritable() throws(EnlargerError) {
        // The version as it is: a page is written and made durable all the same.
        try transaction { database throws(EnlargerError) in _ = try database.run("PRAGMA user_version = 1") }
    }
}

extension Database {
    func count(_ sql: StaticString, _ values: [DatabaseValue] = []) throws(EnlargerError) -> Int {
        Int(try rows(sql, values) { row in row.integer(0) ?? 0 }.first ?? 0)
    }

    fileprivate func job(_ id: JobIdentifier, owner: String) throws(EnlargerError) -> Job? {
        try jobs("SELECT * FROM jobs WHERE id = ? AND owner = ?", [.text(id.description), .text(owner)]).first
    }
}
