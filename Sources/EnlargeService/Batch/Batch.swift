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
    private let follower: JobFollower
    /// Picture files on their way here and there.
    private let transfers = WorkThreads(count: 8)

    struct State {
        var entries: [Entry] = []
        /// Which entry a job belongs to.
        var entryOfJob: [JobIdentifier: Int] = [:]
        var isEnding = false
    }
    struct Entry {
        /// `postponed`: the queue or the store had no room for it, or was away.
        enum Stage { case waiting, starting, postponed, running, fetching, ended }
        var stage = Stage.waiting
        /// When one that is postponed is started again, and for how long it is postponed the next time.
        var due = 0.0
        var pause = 0.2
        /// The picture's job; of a picture in parts the one that puts them together, which comes to be when they are done.
        var job: JobIdentifier?
        var parts: [JobIdentifier] = []
        var progress: [JobIdentifier: Double] = [:]
        /// When its jobs were looked at last.
        var seen = 0.0
        var part: Double {
            guard !parts.isEmpty else { return job.flatMap { progress[$0] } ?? 0 }
            let parts = parts.reduce(0) { $0 + (progress[$1] ?? 0) } / Double(parts.count)
            return 0.95 * parts + 0.05 * (job.flatMap { progress[$0] } ?? 0)
        }
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
        let state = state
        follower = queue.follow(owner: "batch " + name) { job in
            state.change { state in
                guard let entry = state.entryOfJob[job.id] else { return }
                state.entries[entry].progress[job.id] = job.state == .done ? 1 : job.progress
                if job.state.isFinished { state.entries[entry].seen = 0 }
            }
        }
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
        let tell: @Sendable (Int, Result<BatchResult, EnlargerError>) -> Void = { index, result in telling.withLock { _ in ended(index, result) } }
        state.change { $0.entries = Array(repeating: Entry(), count: pictures.count) }
        var next = 0
        while true {
            if isInterrupted() {
                state.change { $0.isEnding = true }
                let end = monotonicSeconds() + 10
                _ = state.wait(until: end) { state in state.entries.contains { $0.stage == .starting || $0.stage == .fetching } ? nil : true }
                return false
            }
            let now = monotonicSeconds()
            let (room, due, again, done, part) = state.change { state -> (Int, [Int], [Int], Int, Double) in
                var room = configuration.window, due: [Int] = [], again: [Int] = [], done = 0, part = 0.0, isPostponed = false
                for (index, entry) in state.entries.enumerated() {
                    switch entry.stage {
                    case .waiting: continue
                    case .ended:
                        done += 1
                        part += 1
                    default:
                        room -= max(1, entry.parts.count)
                        part += entry.part
                        if entry.stage == .running, now - entry.seen > Batch.silence { due.append(index) }
                        guard entry.stage == .postponed else { continue }
                        isPostponed = true
                        if entry.due <= now { again.append(index) }
                    }
                }
                for index in due { state.entries[index].seen = now }
                for index in again { state.entries[index].stage = .starting }
                return (isPostponed ? 0 : room, due, again, done, part)
            }
            progress(part / Double(max(pictures.count, 1)), done)
            if done == pictures.count { break }
            for index in due { transfers.run { self.look(at: index, pictures[index], tell) } }
            for index in again { transfers.run { self.start(index, pictures[index], waits: waits, tell) } }
            for _ in 0..<max(0, min(room, pictures.count - next)) {
                let index = next
                next += 1
                state.change { $0.entries[index].stage = .starting }
                transfers.run { self.start(index, pictures[index], waits: waits, tell) }
            }
            _ = state.wait(until: monotonicSeconds() + 0.1) { state -> Bool? in
                state.entries.contains { $0.stage == .running && $0.seen == 0 } || (next < pictures.count && room > 0) ? true : nil
            }
        }
        if waits { forget() }
        return true
    }

    /// The jobs of a batch that came to its end are not asked for again.
    private func forget() {
        let jobs = state.withLock { state in state.entries.flatMap { $0.parts + [$0.job].compactMap { $0 } } }
        for job in jobs {
            guard let gone = (try? queue.remove(job, owner: owner)) ?? nil else { continue }
            // A worker that was cut off may have stored its result when another one's had been fetched already. From now on
            // such a worker finds no job, and takes its result away itself.
            if gone.attempts > 1 { StorePictures(store: store).removeAll(of: gone.request.wholeID) }
        }
    }

    func end(_ index: Int) { state.change { $0.entries[index].stage = .ended } }
}

/// 32 hexadecimal digits of texts; others for other texts.
func digits(_ texts: [String]) -> String {
    var sum = SHA256()
    for text in texts { Array("\(text.utf8.count):\(text)".utf8).withUnsafeBytes { sum.update($0) } }
    return String(sum.finish().prefix(32))
}
