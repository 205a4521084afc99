import Jobs
import PictureIO
import Synchronization
import Tensors

/// The way of a picture that is cut: its parts are submitted and followed, and put together when all are there.
///
/// Until then it takes nothing of the worker but a thread. When the worker is lost, the one that is given the picture's job next
/// finds the parts by their names, and goes on.
final class PartsRun: PreparedJob {
    private let engine: UpscaleEngine
    /// The picture of its parts.
    private let assembly: PreparedPicture
    private let parts: PartJobs
    private let runs: PartsRuns
    private let state = Monitor(State())

    private struct State {
        var isCancelled = false
        /// In the engine.
        var run: Int?
        var problem: JobProblem?
    }

    /// What of the progress is the parts'.
    private static let shareOfParts = 0.95
    /// Between two looks at the parts.
    private static let pause = 1.0

    init(engine: UpscaleEngine, assembly: PreparedPicture, parts: PartJobs, runs: PartsRuns) {
        (self.engine, self.assembly, self.parts, self.runs) = (engine, assembly, parts, runs)
    }

    var isElsewhere: Bool { true }
    var finalProblem: JobProblem? { state.withLock { $0.problem } }

    func start(
        _ result: any JobResult, progressed: @escaping @Sendable (Double, Bool) -> Void,
        finished: @escaping @Sendable (Result<RunResult, EnlargerError>) -> Void
    ) -> Int {
        let number = runs.add(self)
        let ended = { @Sendable (outcome: Result<RunResult, EnlargerError>) in
            self.runs.remove(number)
            finished(outcome)
        }
        detachThread {
            do {
                if try self.awaitParts({ progressed($0 * PartsRun.shareOfParts, false) }) {
                    try self.run(self.assembly, result, { progressed(PartsRun.shareOfParts + $0 * (1 - PartsRun.shareOfParts), $1) }, ended)
                } else {
                    try self.run(self.engine.prepareWhole(self.assembly), result, progressed, ended)
                }
            } catch {
                ended(.failure(error as? EnlargerError ?? RunTask.cancellation))
            }
        }
        return number
    }

    func cancel() {
        let run = state.change { state in
            state.isCancelled = true
            return state.run
        }
        if let run { engine.cancel(run) }
    }

    /// Returns when all parts are there.
    /// - Returns: false where the queue has no room for them: then they are forgotten, and the picture is better not cut.
    private func awaitParts(_ progressed: (Double) -> Void) throws(EnlargerError) -> Bool {
        var done: Set<Int> = [], isSubmitted = false, looks = 0
        while true {
            do throws(EnlargerError) {
                guard try parts.isWanted, !state.withLock({ $0.isCancelled }) else { throw RunTask.cancellation }
                if !isSubmitted { done = try parts.submitMissing() }
                // A part that is there is done, also where the queue has lost that it is.
                if looks % 30 == 29 { done.formUnion(try parts.stored()) }
                let standing = try parts.standing(known: done)
                if let problem = standing.problem { throw failure(problem) }
                (done, isSubmitted) = (standing.done, !standing.isMissing)
                if done.count == parts.count { return true }
                progressed(standing.progress)
            } catch {
                switch error.code {
                case .queueFull, .diskFull:
                    parts.remove()
                    return false
                case .queueUnavailable, .storeUnavailable: break
                case .cancelled:
                    leave()
                    throw error
                default: throw error
                }
            }
            rest()
            looks += 1
        }
    }

    /// For good: the part was tried as often as it may be.
    private func failure(_ problem: JobProblem) -> EnlargerError {
        state.change { $0.problem = problem }
        parts.remove()
        return EnlargerError(.outputFailed, problem.message)
    }

    /// This worker has to do with it no more. The parts go where nobody wants them; where the job was only given back, whoever is
    /// given it next goes on with them.
    private func leave() {
        if (try? parts.isWanted) == false { parts.remove() }
    }

    private func rest() {
        let end = monotonicSeconds() + PartsRun.pause * .random(in: 0.5...1.5)
        _ = state.wait(until: end) { $0.isCancelled ? true : nil }
    }

    private func run(
        _ picture: PreparedPicture, _ result: any JobResult, _ progressed: @escaping @Sendable (Double, Bool) -> Void,
        _ ended: @escaping @Sendable (Result<RunResult, EnlargerError>) -> Void
    ) throws {
        let isInOrder = picture.format.isWrittenInOrder
        let observer = RunObserver(
            progressed: { progressed($0, isInOrder) },
            finished: { outcome in
                guard case .failure(let error) = outcome, error.code == .cancelled else { return ended(outcome) }
                // The queue is asked, which may take long.
                detachThread {
                    self.leave()
                    ended(outcome)
                }
            })
        while true {
            if state.withLock({ $0.isCancelled }) {
                leave()
                throw RunTask.cancellation
            }
            do {
                let number = try engine.submit(picture, output: result.descriptor, observer: observer)
                let isCancelled = state.change { state in
                    state.run = number
                    return state.isCancelled
                }
                if isCancelled { engine.cancel(number) }
                return
            } catch SubmitError.queueFull {
                rest()
            }
        }
    }
}

/// The pictures in parts that one worker follows, under negative numbers: the engine's are positive.
final class PartsRuns: Sendable {
    private let state = Mutex((last: 0, runs: [Int: PartsRun]()))

    /// Each has a thread and two open files.
    private static let limit = 16

    var hasRoom: Bool { state.withLock { $0.runs.count < PartsRuns.limit } }

    func add(_ run: PartsRun) -> Int {
        state.withLock { state in
            state.last -= 1
            state.runs[state.last] = run
            return state.last
        }
    }

    func remove(_ number: Int) { state.withLock { $0.runs[number] = nil } }

    func cancel(_ number: Int) { state.withLock { $0.runs[number] }?.cancel() }
}
