package import Tensors

/// What a run was started with.
package struct RunStart: Sendable, Equatable {
    package var queueSeconds: Double
    /// Weights and codecs counted.
    package var plannedBytes: Int
    package var threads: Int
    package var bandRows: Int
    package var strips: Int
    package var expectedSeconds: Double
}

/// What a finished picture took.
package struct RunResult: Sendable, Equatable {
    package var start: RunStart
    /// Of the result.
    package var width: Int
    package var height: Int
    /// From the start of the run, and of that: waiting for the decoder, for the encoder, and the rest.
    package var seconds: Double
    package var decodeSeconds: Double
    package var computeSeconds: Double
    package var encodeSeconds: Double
    package var resultBytes: Int
    /// What the picture's owner should know, a sentence each.
    package var notes: [String]
}

/// Whom the engine tells of one picture. Called from the engine's threads, in this order; `finished` once and last,
/// also where `started` was never called. They should return soon.
package struct RunObserver: Sendable {
    package var started: @Sendable (RunStart) -> Void
    /// The finished part, 0...1, after every band; the output file may have grown.
    package var progressed: @Sendable (Double) -> Void
    package var finished: @Sendable (Result<RunResult, EnlargerError>) -> Void

    package init(
        started: @escaping @Sendable (RunStart) -> Void = { _ in }, progressed: @escaping @Sendable (Double) -> Void = { _ in },
        finished: @escaping @Sendable (Result<RunResult, EnlargerError>) -> Void
    ) {
        self.started = started
        self.progressed = progressed
        self.finished = finished
    }
}

/// Why a picture was not taken.
package enum SubmitError: Error, Equatable {
    /// As many wait as may; there may be room again after so many seconds.
    case queueFull(retryAfterSeconds: Int)
    case shuttingDown
}
