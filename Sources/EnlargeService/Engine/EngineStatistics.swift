import PictureIO
import Tensors

/// The engine at one moment, and sums since it began.
package struct EngineStatistics: Sendable, Equatable {
    package struct Totals: Sendable, Equatable {
        package var finished = 0
        package var failed = 0
        package var cancelled = 0
        /// For a full queue.
        package var refused = 0
        /// Of finished pictures.
        package var queueSeconds = 0.0
        package var decodeSeconds = 0.0
        package var computeSeconds = 0.0
        package var encodeSeconds = 0.0
        package var inputPixels = 0
        package var outputPixels = 0

        mutating func add(_ result: Result<RunResult, EnlargerError>, picture: PreparedPicture) {
            switch result {
            case .success(let run):
                finished += 1
                queueSeconds += run.start.queueSeconds
                decodeSeconds += run.decodeSeconds
                computeSeconds += run.computeSeconds
                encodeSeconds += run.encodeSeconds
                inputPixels += picture.info.width * picture.info.height
                outputPixels += run.width * run.height
            case .failure(let error) where error.code == .cancelled: cancelled += 1
            case .failure: failed += 1
            }
        }
    }

    package var budgetBytes: Int
    /// Granted to runs, codecs counted, and held by weights.
    package var runBytes: Int
    package var weightsBytes: Int
    /// What arenas hold: the part of the granted bytes that this process allocates itself.
    package var arenaBytes: Int
    package var waiting: Int
    package var running: Int
    package var slots: Int
    package var totals: Totals

    init(_ admission: Admission, totals: Totals) {
        budgetBytes = admission.ledger.budget
        runBytes = admission.ledger.runBytes
        weightsBytes = admission.ledger.weightsBytes
        arenaBytes = MemoryAccount.bytes
        waiting = admission.waitingCount
        running = admission.runningCount
        slots = admission.slots
        self.totals = totals
    }
}
