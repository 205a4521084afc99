package import Tensors

/// Jobs, and who works on them. Everything that returned without an error outlives a crash.
///
/// A worker claims the oldest job that is ready, extends its lease with heartbeats, and ends with exactly one of
/// `complete`, `fail` and `release`. A lease that runs out gives the job to whoever claims next. Every attempt counts;
/// after the last one the job is `failed`, with the reason: the dead letters are the failed jobs.
///
/// All methods may be called from any thread, and block while the storage works. They throw `diskFull` when the
/// storage has no room, `dataUnusable` when it is found damaged, `queueUnavailable` when it is elsewhere and does not
/// answer, and `outputFailed` for its other failures; then nothing was changed, or what was asked for comes to be later.
package protocol JobQueue: Sendable {
    /// Accepts a job. It is durable when this returns.
    /// - Throws: `queueFull` when too many jobs are unfinished.
    func submit(_ request: JobRequest) throws(EnlargerError) -> Job

    /// The oldest job that is ready, now `running`. Waits for one; one thread at a time does so.
    /// - Parameters:
    ///   - worker: who asks; for people who look into the queue.
    ///   - timeout: how long to wait; zero or less looks once.
    /// - Returns: nil when the time is over, or `wakeAll` was called.
    func claim(worker: String, timeout: Duration) throws(EnlargerError) -> JobClaim?

    /// Says that the worker lives, and how far it is (0...1). The lease starts anew with its full length.
    func heartbeat(_ claim: JobClaim, progress: Double) throws(EnlargerError) -> ClaimStatus

    /// Ends the job as `done`, unless the claim is lost.
    func complete(_ claim: JobClaim, resultBytes: Int, seconds: Double) throws(EnlargerError) -> ClaimStatus

    /// Ends the attempt. With `retry` and attempts left the job waits a while and is queued again; else it is `failed`.
    func fail(_ claim: JobClaim, _ problem: JobProblem, retry: Bool) throws(EnlargerError) -> ClaimStatus

    /// Gives the job back as if it had not been begun.
    func release(_ claim: JobClaim) throws(EnlargerError) -> ClaimStatus

    /// Makes an unfinished job `cancelled`; a finished one stays as it is.
    /// - Returns: the job as it is now, nil where the owner has no such job.
    func cancel(_ id: JobIdentifier, owner: String) throws(EnlargerError) -> Job?

    /// Forgets a finished job; an unfinished one stays as it is.
    /// - Returns: the job as it was, nil where the owner has no such job.
    func remove(_ id: JobIdentifier, owner: String) throws(EnlargerError) -> Job?

    func job(_ id: JobIdentifier, owner: String) throws(EnlargerError) -> Job?

    /// The owner's jobs, newest first.
    /// - Parameter after: begins behind this job.
    /// - Returns: nil where the owner has no job `after`.
    func jobs(owner: String, limit: Int, after: JobIdentifier?) throws(EnlargerError) -> [Job]?

    /// How many jobs there are of every state, less those that are parts of others (`JobRequest.ownersOfParts`).
    func counts() throws(EnlargerError) -> [JobState: Int]

    /// How long the oldest queued job has been there.
    func oldestQueuedAge() throws(EnlargerError) -> Duration?

    /// Forgets the finished jobs whose time is over.
    /// - Returns: the identifiers of those that went.
    func expire() throws(EnlargerError) -> [JobIdentifier]

    /// Ends the `claim` that waits.
    func wakeAll()

    /// Brings the storage to rest at a service's end. Nothing is lost without it.
    func settle() throws(EnlargerError)

    /// Asks nobody.
    /// - Throws: `queueUnavailable` while the storage is known to be out of reach.
    func checkConnected() throws(EnlargerError)

    /// Writes something, to see that it can be written.
    func checkWritable() throws(EnlargerError)
}

package struct JobQueuePolicy: Sendable {
    package var maximumUnfinished = 10_000
    package var maximumAttempts = 3
    /// How long a worker may be silent before its job goes to another.
    package var lease = Duration.seconds(60)
    /// Before the second attempt; four times as long before every further one.
    package var backoff = Duration.seconds(1)
    /// How long finished jobs stay.
    package var keep = Duration.seconds(24 * 3600)

    package init() {}

    /// From the end of failed attempt number `attempt` (from 1) to the next.
    package func wait(after attempt: Int) -> Duration { backoff * (1 << (2 * min(max(attempt - 1, 0), 10))) }
}
