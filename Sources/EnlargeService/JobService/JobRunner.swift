import Glibc
import Jobs
import PictureIO
import Tensors

/// What does the work of jobs.
protocol JobRunner: Sendable {
    /// Jobs that can run at once.
    var slots: Int { get }

    /// Looks at a job and its picture, without the work.
    /// - Parameter input: closed by the caller afterwards.
    /// - Throws: what is wrong with the picture or its parameters.
    func prepare(_ job: Job, input: Int32) throws -> any PreparedJob

    /// Ends a run soon: it is told `cancelled`.
    func cancel(_ run: Int)

    /// The job is over, with its result in its place where that is wanted.
    func completed(_ job: Job)
}

/// A job that can be run.
protocol PreparedJob: Sendable {
    /// Others do the most of it: it takes none of the places of jobs that run here, and is given back at once when the worker stops.
    var isElsewhere: Bool { get }

    /// After a failure: its reason, where no further attempt is to be made whatever the error.
    var finalProblem: JobProblem? { get }

    /// Begins the work.
    /// - Parameters:
    ///   - progressed: told the finished part, 0...1, and whether the file grows in order.
    ///   - finished: told once, and last.
    /// - Returns: its number, for `cancel`.
    /// - Throws: `SubmitError`, `EnlargerError`.
    func start(
        _ result: any JobResult, progressed: @escaping @Sendable (_ part: Double, _ isInOrder: Bool) -> Void,
        finished: @escaping @Sendable (Result<RunResult, EnlargerError>) -> Void
    ) throws -> Int
}

extension PreparedJob {
    var isElsewhere: Bool { false }
    var finalProblem: JobProblem? { nil }
}

/// Jobs in the engine.
struct EngineRunner: JobRunner {
    let engine: UpscaleEngine

    var slots: Int { engine.statistics.slots }

    func prepare(_ job: Job, input: Int32) throws -> any PreparedJob {
        let picture = try engine.prepare(
            descriptor: input, name: job.request.name ?? "the picture", parameters: PictureParameters(job.request))
        return PreparedRun(engine: engine, picture: picture)
    }

    func cancel(_ run: Int) { engine.cancel(run) }
    func completed(_ job: Job) {}
}

struct PreparedRun: PreparedJob {
    let engine: UpscaleEngine
    let picture: PreparedPicture

    func start(
        _ result: any JobResult, progressed: @escaping @Sendable (Double, Bool) -> Void,
        finished: @escaping @Sendable (Result<RunResult, EnlargerError>) -> Void
    ) throws -> Int {
        let isInOrder = picture.task.isPart || picture.format.isWrittenInOrder
        return try engine.submit(
            picture, output: result.descriptor,
            observer: RunObserver(progressed: { progressed($0, isInOrder) }, finished: finished))
    }
}
