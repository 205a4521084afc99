package import Tensors

/// Claims, leases and attempts. Every claim has a token; what does not bear the token of the job's last claim is lost.
extension SQLiteJobQueue {
    package func claim(worker: String, timeout: Duration) throws(EnlargerError) -> JobClaim? {
        let end = ContinuousClock.now + timeout
        let wakes = signal.wakes
        while true {
            let seen = signal.generation
            if let claim = try claim(worker: worker) { return claim }
            let rest = end - ContinuousClock.now
            guard rest > .zero, signal.wakes == wakes else { return nil }
            signal.wait(whileGeneration: seen, timeout: min(rest, try nextMoment() ?? rest))
        }
    }

    private func claim(worker: String) throws(EnlargerError) -> JobClaim? {
        try transaction { database throws(EnlargerError) in
            let time = now()
            let token = JobIdentifier()
            let end = time + policy.lease
            try database.endLeases(until: time, now: time, policy: policy, cause: "its worker was not heard of again")
            let jobs = try database.jobs(
                """
                UPDATE jobs SET state = 'running', started = ?1, attempts = attempts + 1, progress = 0, worker = ?2, token = ?3, lease = ?4
                WHERE sequence = (SELECT sequence FROM jobs WHERE state = 'queued' AND ready <= ?1 ORDER BY sequence LIMIT 1)
                RETURNING *
                """, [.integer(time.milliseconds), .text(worker), .text(token.description), .integer(end.milliseconds)])
            return jobs.first.map { JobClaim(job: $0, token: token) }
        }
    }

    package func heartbeat(_ claim: JobClaim, progress: Double) throws(EnlargerError) -> ClaimStatus {
        try transaction { database throws(EnlargerError) in
            let known = progress.isNaN ? 0 : min(max(progress, 0), 1)
            let changed = try database.run(
                "UPDATE jobs SET lease = ?3, progress = max(progress, ?4) WHERE id = ?1 AND token = ?2 AND state = 'running'",
                claim.key + [.integer((now() + policy.lease).milliseconds), .real(known)])
            return try database.status(of: claim, changed: changed)
        }
    }

    package func complete(_ claim: JobClaim, resultBytes: Int, seconds: Double) throws(EnlargerError) -> ClaimStatus {
        try transaction { database throws(EnlargerError) in
            let time = now()
            let changed = try database.run(
                """
                UPDATE jobs SET state = 'done', progress = 1, finished = ?3, expires = ?4, result_bytes = ?5, seconds = ?6,
                    lease = NULL, problem_code = NULL, problem_message = NULL
                WHERE id = ?1 AND token = ?2 AND state = 'running'
                """,
                claim.key + [
                    .integer(time.milliseconds), .integer((time + policy.keep).milliseconds),
                    .integer(Int64(resultBytes)), .real(seconds),
                ])
            return try database.status(of: claim, changed: changed)
        }
    }

    package func fail(_ claim: JobClaim, _ problem: JobProblem, retry: Bool) throws(EnlargerError) -> ClaimStatus {
        let status = try transaction { database throws(EnlargerError) in
            let time = now()
            let isLast = !retry || claim.job.attempts >= policy.maximumAttempts
            let reason: [DatabaseValue] = [.text(problem.code), .text(problem.message)]
            let changed =
                isLast
                ? try database.run(
                    """
                    UPDATE jobs SET state = 'failed', finished = ?5, expires = ?6, lease = NULL, problem_code = ?3, problem_message = ?4
                    WHERE id = ?1 AND token = ?2 AND state = 'running'
                    """,
                    claim.key + reason + [.integer(time.milliseconds), .integer((time + policy.keep).milliseconds)])
                : try database.run(
                    """
                    UPDATE jobs SET state = 'queued', ready = ?5, progress = 0, lease = NULL, problem_code = ?3, problem_message = ?4
                    WHERE id = ?1 AND token = ?2 AND state = 'running'
                    """, claim.key + reason + [.integer((time + policy.wait(after: claim.job.attempts)).milliseconds)])
            return try database.status(of: claim, changed: changed)
        }
        signal.announce()
        return status
    }

    package func release(_ claim: JobClaim) throws(EnlargerError) -> ClaimStatus {
        let status = try transaction { database throws(EnlargerError) in
            let changed = try database.run(
                """
                UPDATE jobs SET state = 'queued', ready = 0, attempts = attempts - 1, progress = 0, started = NULL, lease = NULL
                WHERE id = ?1 AND token = ?2 AND state = 'running'
                """, claim.key)
            return try database.status(of: claim, changed: changed)
        }
        signal.announce()
        return status
    }

    /// How long until a job becomes ready or a lease ends.
    private func nextMoment() throws(EnlargerError) -> Duration? {
        try transaction { database throws(EnlargerError) in
            let next = try database.rows(
                """
                SELECT min(moment) FROM (SELECT min(ready) AS moment FROM jobs WHERE state = 'queued'
                    UNION ALL SELECT min(lease) FROM jobs WHERE state = 'running')
                """
            ) { row in row.integer(0).map { JobTime(milliseconds: $0) } }
            return (next.first ?? nil).map { max($0 - now(), .milliseconds(1)) }
        }
    }

    package func wakeAll() { signal.wake() }
}

extension JobClaim {
    fileprivate var key: [DatabaseValue] { [.text(job.id.description), .text(token.description)] }
}

extension Database {
    fileprivate func status(of claim: JobClaim, changed: Int) throws(EnlargerError) -> ClaimStatus {
        if changed > 0 { return .held }
        let cancelled = try count(
            "SELECT count(*) FROM jobs WHERE id = ? AND token = ? AND state = 'cancelled'", claim.key)
        return cancelled > 0 ? .cancelled : .lost
    }

    /// Takes the running jobs whose lease has ended by `end` from their workers: queued again, or failed after the last attempt.
    func endLeases(until end: JobTime, now: JobTime, policy: JobQueuePolicy, cause: String) throws(EnlargerError) {
        try run(
            """
            UPDATE jobs SET state = 'failed', finished = ?2, expires = ?3, lease = NULL, problem_code = 'interrupted',
                problem_message = 'begun ' || attempts || ' times and never ended; the last time ' || ?5
            WHERE state = 'running' AND lease <= ?1 AND attempts >= ?4
            """,
            [
                .integer(end.milliseconds), .integer(now.milliseconds), .integer((now + policy.keep).milliseconds),
                .integer(Int64(policy.maximumAttempts)), .text(cause),
            ])
        try run(
            """
            UPDATE jobs SET state = 'queued', ready = 0, progress = 0, lease = NULL, problem_code = 'interrupted', problem_message = ?2
            WHERE state = 'running' AND lease <= ?1
            """, [.integer(end.milliseconds), .text(cause)])
    }
}
