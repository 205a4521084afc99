import CPUBackend
import Enlarger
import Glibc
import NetworkGraph
import PictureIO
import StreamPlanner
import Synchronization
import Tensors

/// A picture that was submitted: waits, runs, and can be cancelled.
final class RunTask: Sendable {
    let picture: PreparedPicture
    /// Of the result; duplicated.
    let output: Int32
    let observer: RunObserver
    let submitted: Double
    private let cancelled = Atomic<Bool>(false)

    /// - Throws: `outputFailed` when there are no more descriptors.
    init(picture: PreparedPicture, output: Int32, observer: RunObserver, now: Double) throws(EnlargerError) {
        self.picture = picture
        self.observer = observer
        submitted = now
        self.output = fcntl(output, F_DUPFD_CLOEXEC, 0)
        guard self.output >= 0 else { throw EnlargerError(.outputFailed, "too many open files") }
    }

    deinit { close(output) }

    /// Stops the run at the next band.
    func cancel() { cancelled.store(true, ordering: .relaxed) }

    static let cancellation = EnlargerError(.cancelled, "the picture was cancelled")

    func checkCancellation() throws(EnlargerError) {
        if cancelled.load(ordering: .relaxed) { throw Self.cancellation }
    }

    /// The plans within `bytes` (codecs counted, weights not): for `threads` threads, or for one where those do not fit.
    func plans(bytes: Int, threads: Int, cache: PlanCache) throws(EnlargerError) -> (plans: [Plan], how: PictureProcessing) {
        let budget = bytes - picture.codecBytes + picture.request.weightsBytes
        do throws(EnlargerError) {
            return try plans(budget: budget, threads: threads, cache)
        } catch {
            guard error.code == .doesNotFit, threads > 1 else { throw error }
            return try plans(budget: budget, threads: 1, cache)
        }
    }

    private func plans(budget: Int, threads: Int, _ cache: PlanCache) throws(EnlargerError) -> (plans: [Plan], how: PictureProcessing) {
        let how = try picture.parameters.processing(threads: threads), info = picture.info, kind = kind
        let key = PlanCache.Key(
            model: picture.model.key, kind: kind, bits: info.bits, width: info.width, height: info.height, threads: threads,
            usesBFloat16: how.device.usesBFloat16, isBilinear: how.chroma == .bilinear, isAugmented: how.isAugmented, isForRows: picture.task.isPart, budget: budget)
        let plans = try cache.plans(key) { () throws(EnlargerError) in
            try picture.model.model.plans(width: info.width, height: info.height, kind: kind, bits: info.bits, how: how, budget: budget, isForRows: picture.task.isPart)
        }
        return (plans, how)
    }

    private var kind: PictureKind { PictureKind(colourChannels: picture.info.colourChannels, hasAlpha: picture.info.hasAlpha) }

    /// Decodes, enlarges, encodes. Everything that it takes is given back when it returns.
    func run(_ plans: [Plan], how: PictureProcessing, weights: LoadedWeights, pool: ThreadPool, start: RunStart) throws -> RunResult {
        let begin = monotonicSeconds(), info = picture.info
        var decode = 0.0, encode = 0.0
        func timed(_ seconds: inout Double, _ body: () throws -> Void) rethrows {
            let start = monotonicSeconds()
            defer { seconds += monotonicSeconds() - start }
            try body()
        }
        try checkCancellation()
        let reader = try PictureReader(
            descriptor: picture.descriptor, name: picture.name, formats: [info.format],
            limits: PictureLimits(maxPixels: .max, decoderBytes: info.decoderBytes))
        guard reader.info == info else { throw EnlargerError(.pictureInvalid, "\(picture.name) has changed while it waited") }
        if case .part(let parts, let index) = picture.task {
            return try runPart(plans, rows: parts.rows(index), reader: reader, how: how, weights: weights, pool: pool, start: start)
        }
        let writer = try PictureWriter(
            descriptor: output, name: picture.name, format: picture.format, width: picture.width, height: picture.height, bits: info.bits,
            colourChannels: info.colourChannels, hasAlpha: info.hasAlpha, metadataFrom: reader)
        defer { writer.cancel() }
        decode = monotonicSeconds() - begin
        try picture.model.model.execute(
            plans, width: info.width, height: info.height, weights: weights, pool: pool, kind: kind, bits: info.bits, how: how,
            source: { target, row, count in
                try self.checkCancellation()
                try timed(&decode) { try reader.readRows(into: target, from: row, count: count) }
            },
            sinks: [{ rows, count in try timed(&encode) { try writer.writeRows(rows, count: count) } }],
            progress: { part in
                try self.checkCancellation()
                self.observer.progressed(part)
            })
        try timed(&encode) { try writer.finish() }
        let seconds = monotonicSeconds() - begin
        var status = stat()
        fstat(output, &status)
        return RunResult(
            start: start, width: picture.width, height: picture.height, seconds: seconds, decodeSeconds: decode,
            computeSeconds: max(0, seconds - decode - encode), encodeSeconds: encode, resultBytes: Int(status.st_size),
            notes: info.notes + writer.notes + LoadedModel.notes(on: plans))
    }
}
