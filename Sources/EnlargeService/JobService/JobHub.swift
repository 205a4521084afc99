import Jobs
import Synchronization

/// Tells those who follow a job what becomes of it.
final class JobHub: Sendable {
    private struct State {
        var followers: [JobIdentifier: [ObjectIdentifier: EventStream]] = [:]
        /// How far the jobs are that run.
        var progress: [JobIdentifier: Double] = [:]
    }
    private let state = Mutex(State())

    func join(_ stream: EventStream) {
        state.withLock { $0.followers[stream.job, default: [:]][ObjectIdentifier(stream)] = stream }
    }

    func leave(_ stream: EventStream) {
        state.withLock { state in
            state.followers[stream.job]?[ObjectIdentifier(stream)] = nil
            if state.followers[stream.job]?.isEmpty == true { state.followers[stream.job] = nil }
        }
    }

    func publish(_ job: Job) {
        let streams = state.withLock { state in
            state.progress[job.id] = job.state == .running ? job.progress : nil
            return state.followers[job.id].map { Array($0.values) } ?? []
        }
        for stream in streams { stream.add(job) }
    }

    /// An attempt is over.
    /// - Parameter job: what the queue says of it; asked where somebody follows it.
    func ended(_ id: JobIdentifier, _ job: () -> Job?) {
        let isFollowed = state.withLock { state in
            state.progress[id] = nil
            return state.followers[id] != nil
        }
        if isFollowed, let job = job() { publish(job) }
    }

    /// The job with the progress that the database does not know yet.
    func current(_ job: Job) -> Job {
        guard job.state == .running, let progress = state.withLock({ $0.progress[job.id] }) else { return job }
        var job = job
        job.progress = max(job.progress, progress)
        return job
    }

    var streams: [EventStream] { state.withLock { $0.followers.values.flatMap(\.values) } }
}
