import BlobStore
import Enlarger
import Glibc
import Jobs
import NATSQueue
import PictureIO
import Synchronization
public import Tensors

/// Many pictures on their way through a queue: submits them, follows them, fetches the results.
///
/// A batch that is begun again goes on: every picture's job bears a name that is made of the picture and of what is asked for, so
/// that those which are under way or done are found again.
public final class Batch: Sendable {
    let configuration: BatchConfiguration
    public let name: String
    let model: ServedModel
    let store: any BlobStore
    let queue: JetStreamJobQueue
    let models: ModelStore
    /// The memory that jobs are planned for: that of the largest worker.
    let memory: Int
    let state = Monitor(State())
    let log: @Sendable (String) -> Void
    /// Picture files on their way here and there.
    let transfers = WorkThreads(count: 8)

    /// How far a batch is. What it holds of a picture goes with the picture's end, but for the names of its jobs.
    struct State {
        /// Of the first picture that has not begun.
        var next = 0
        var endedCount = 0
        /// Pictures on their way.
        var entries: [Int: Entry] = [:]
        /// Which entry a job belongs to.
        var entryOfJob: [JobIdentifier: Int] = [:]
        /// To be forgotten in the end.
        var endedJobs: [JobIdentifier] = []
        var isEnding = false
    }
    struct Entry {
        /// `postponed`: the queue or the store had no room for it, or was away.
        enum Stage { case starting, postponed, running, fetching }
        var stage = Stage.starting
        /// When one that is postponed is started again, and for how long it is postponed the next time.
        var due = 0.0
        var pause = 0.2
        var job: JobIdentifier?
        /// Into how many it is cut.
        var parts = 1
        var progress = 0.0
        /// The job, where its end was heard of before `running`.
        var finished: Job?
        /// When its job was looked at last.
        var seen = 0.0
    }

    /// What a run is about.
    struct Course: Sendable {
        var pictures: [BatchPicture]
        var waits: Bool
        var tell: @Sendable (Int, Result<BatchResult, EnlargerError>) -> Void
    }

    /// A job is looked at when nothing was heard of it for so long.
    private static let silence = 5.0

    /// - Parameters:
    ///   - identity: what makes the batch another one than others, where it has no name.
    ///   - log: told what people should know.
    public init(_ configuration: BatchConfiguration, identity: [String], log: @escaping @Sendable (String) -> Void) throws(EnlargerError) {
        self.configuration = configuration
        self.log = log
        let messages = ServiceLog(messages: log)
        name = configuration.name ?? String(digits(identity).prefix(12))
        models = ModelStore(library: ModelLibrary(extraFolders: configuration.modelFolders))
        model = try models.model(configuration.parameters.model ?? "lite", scale: configuration.parameters.scale)
        store = try configuration.remote.openStore(messages)
        queue = try configuration.remote.openQueue(
            name: "enlarge submit \(name)", policy: configuration.remote.policy, capacity: nil, log: messages, patience: .seconds(60))
        memory = try WorkerRegistry(queue.connection).workers().map(\.budgetBytes).max() ?? 1 << 30
    }

    public var scale: Int { model.model.scale }
    var owner: String { "batch " + name }

    /// Submits the pictures and, where it waits, gives each its result.
    /// - Parameters:
    ///   - waits: false: the results stay in the store until the batch is begun again, and waited for.
    ///   - isInterrupted: asked again and again.
    ///   - progress: told the finished part, 0...1, and how many pictures have ended.
    ///   - ended: told of every picture once, from several threads, one at a time.
    /// - Returns: whether it came to its end.
    public func run(
        _ pictures: [BatchPicture], waits: Bool, isInterrupted: () -> Bool, progress: (Double, Int) -> Void,
        ended: @escaping @Sendable (Int, Result<BatchResult, EnlargerError>) -> Void
    ) -> Bool {
        let telling = Mutex(())
        let course = Course(pictures: pictures, waits: waits) { index, result in telling.withLock { _ in ended(index, result) } }
        let follower = waits ? queue.follow(owner: owner) { self.heard($0, course) } : nil
        defer { withExtendedLifetime(follower) {} }
        fill(course)
        while true {
            if isInterrupted() {
                state.change { $0.isEnding = true }
                let end = monotonicSeconds() + 10
                _ = state.wait(until: end) { state in state.entries.values.contains { $0.stage == .starting || $0.stage == .fetching } ? nil : true }
                return false
            }
            let now = monotonicSeconds()
            let (due, again, done, part) = state.withLock { state -> ([Int], [Int], Int, Double) in
                let again = state.entries.filter { $0.value.stage == .postponed && $0.value.due <= now }.map(\.key)
                for index in again { state.entries[index]!.stage = .starting }
                let due = state.entries.filter { $0.value.stage == .running && now - $0.value.seen > Batch.silence }.map(\.key)
                for index in due { state.entries[index]!.seen = now }
                return (due, again, state.endedCount, state.entries.values.reduce(Double(state.endedCount)) { $0 + $1.progress })
            }
            progress(part / Double(max(pictures.count, 1)), done)
            if done == pictures.count { break }
            for index in due { transfers.run { self.look(at: index, course) } }
            for index in again { transfers.run { self.start(index, course) } }
            fill(course)
            _ = state.wait(until: now + 0.1) { $0.endedCount == pictures.count ? true : nil }
        }
        if waits { forget() }
        return true
    }

    /// Begins as many pictures as there is room for; none while some are postponed.
    func fill(_ course: Course) {
        let begun = state.withLock { state -> Range<Int> in
            guard !state.isEnding, !state.entries.values.contains(where: { $0.stage == .postponed }) else { return 0..<0 }
            let room = state.entries.values.reduce(configuration.window) { $0 - $1.parts }
            let first = state.next
            state.next = min(first + max(room, 0), course.pictures.count)
            for index in first..<state.next { state.entries[index] = Entry() }
            return first..<state.next
        }
        for index in begun { transfers.run { self.start(index, course) } }
    }

    /// A job has changed.
    private func heard(_ job: Job, _ course: Course) {
        let ended = state.withLock { state -> Int? in
            guard let index = state.entryOfJob[job.id], var entry = state.entries[index] else { return nil }
            defer { state.entries[index] = entry }
            entry.progress = job.progress
            guard job.state.isFinished else { return nil }
            guard entry.stage == .running else {
                entry.finished = job
                return nil
            }
            return index
        }
        if let ended { transfers.run { self.finish(ended, job, course) } }
    }

    /// A picture has ended, however it did.
    func end(_ index: Int, _ result: Result<BatchResult, EnlargerError>, _ course: Course) {
        course.tell(index, result)
        let isLast = state.withLock { state in
            if let job = state.entries.removeValue(forKey: index)?.job {
                state.entryOfJob[job] = nil
                state.endedJobs.append(job)
            }
            state.endedCount += 1
            return state.endedCount == course.pictures.count || state.isEnding
        }
        if isLast { state.change { _ in } } else { fill(course) }
    }

    /// The jobs of a batch that came to its end are not asked for again.
    private func forget() {
        let jobs = state.withLock { $0.endedJobs }, left = Monitor(jobs.count), hasTickets = (try? queue.hasTickets()) ?? true
        for job in jobs {
            transfers.run {
                let gone = (try? self.queue.remove(job, owner: self.owner, hasTickets: hasTickets)) ?? nil
                // A worker that was cut off may have stored its result when another one's had been fetched already. From now on
                // such a worker finds no job, and takes its result away itself.
                if let gone, gone.attempts > 1 { StorePictures(store: self.store).removeAll(of: gone.request.wholeID) }
                left.change { $0 -= 1 }
            }
        }
        _ = left.wait { $0 == 0 ? true : nil }
    }
}

/// 32 hexadecimal digits of texts; others for other texts.
func digits(_ texts: [String]) -> String {
    var sum = SHA256()
    for text in texts { Array("\(text.utf8.count):\(text)".utf8).withUnsafeBytes { sum.update($0) } }
    return String(sum.finish().prefix(32))
}
