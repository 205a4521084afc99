import CPUBackend
import StreamPlanner
public import Tensors

extension Upscaler {
    /// Writes the rows `row ..< row + count` of the picture to `target`, without gaps. Rows are asked for in order, each once.
    public typealias RowSource = (_ target: UnsafeMutableRawBufferPointer, _ row: Int, _ count: Int) throws -> Void
    /// Takes the next `count` rows of a result, without gaps; they are valid during the call.
    public typealias RowSink = (_ rows: UnsafeRawBufferPointer, _ count: Int) throws -> Void

    /// The largest width and height of a picture.
    public static var sideLimit: Int { Planner.sideLimit }

    /// What a picture of this size takes within `options.memory`.
    /// - Throws: `doesNotFit` with the bytes it would take, `usage` for a size that is none.
    public func plan(width: Int, height: Int, format: PixelFormat = PixelFormat(.rgb)) throws(EnlargerError) -> UpscalePlan {
        try checkSize(width, height)
        let plans = try plans(width: width, height: height, kind: format.kind, bits: format.bits)
        let planner = try planner(width: width, height: height, kind: format.kind, bits: format.bits)
        let side = options.tiling?.size ?? .max
        var minimum = planner.minimumBytes(width: min(width, side), height: min(height, side))
        if plans.count > 1 { minimum = max(minimum, planner.minimumBytes(width: height, height: width)) }
        let largest = plans.max { $0.plannedBytes < $1.plannedBytes }!
        // The augmented picture runs four times upright and four times transposed.
        let tiles = options.tiling?.tileCount(width: width, height: height) ?? 1
        let seconds = plans.count > 1 ? plans.reduce(0) { $0 + 4 * $1.seconds } : Double(tiles) * largest.seconds
        return UpscalePlan(
            plannedBytes: largest.plannedBytes, minimumBytes: minimum, weightsBytes: largest.weightsBytes,
            activationBytes: largest.activationBytes + largest.constantBytes, scratchBytes: largest.scratchBytes, ioBytes: largest.ioBytes,
            temporaryBytes: plans.map(\.temporaryBytes).max()!, bandRows: largest.bandRows, strips: largest.stripCount, passes: largest.passes.count,
            expectedSeconds: seconds * device.slowness)
    }

    /// Enlarges a picture that is read and delivered by rows, in memory that does not grow with its height.
    ///
    /// - Parameters:
    ///   - width: of the picture, in pixels.
    ///   - height: of the picture.
    ///   - format: of its pixels and of the results'.
    ///   - source: asked for the picture's rows from the top.
    ///   - sinks: one for each scale of `scales`; each gets `scale` times the height in rows of `scale` times the width.
    ///   - progress: told the finished part, 0...1, after every band; a thrown error stops the run.
    /// - Throws: `EnlargerError`, or what the closures throw. Rows that were delivered before are not taken back.
    public func upscaleRows(
        width: Int, height: Int, format: PixelFormat, source: @escaping RowSource, sinks: [RowSink], progress: ((Double) throws -> Void)? = nil
    ) throws {
        precondition(sinks.count == scales.count, "a sink for each scale")
        try checkSize(width, height)
        let plans = try plans(width: width, height: height, kind: format.kind, bits: format.bits)
        guard format.order == .bgr else {
            try execute(plans, width: width, height: height, kind: format.kind, bits: format.bits, source: source, sinks: sinks, progress: progress)
            return
        }
        try execute(
            plans, width: width, height: height, kind: format.kind, bits: format.bits,
            source: { target, row, count in
                try source(target, row, count)
                format.exchangeRedAndBlue(target.baseAddress!, count: count * width)
            },
            sinks: zip(scales, sinks).map { scale, sink in
                { rows, count in
                    // The run's own buffer, which it fills anew afterwards.
                    format.exchangeRedAndBlue(UnsafeMutableRawPointer(mutating: rows.baseAddress!), count: count * width * scale)
                    try sink(rows, count)
                }
            }, progress: progress)
    }

    /// Enlarges a picture in memory to every scale of `scales`.
    ///
    /// - Parameters:
    ///   - pixels: `width` x `height` pixels, rows from the top without gaps.
    ///   - width: of the picture, in pixels.
    ///   - height: of the picture.
    ///   - format: of `pixels` and of the results.
    ///   - progress: told the finished part, 0...1, after every band; a thrown error stops the run.
    /// - Returns: for each scale its pixels, in the same format.
    /// - Throws: `EnlargerError`; `usage` when `pixels` has another size.
    public func upscale(_ pixels: [UInt8], width: Int, height: Int, format: PixelFormat, progress: ((Double) throws -> Void)? = nil) throws -> [[UInt8]] {
        try checkSize(width, height)
        let rowBytes = width * format.bytesPerPixel
        guard pixels.count == rowBytes * height else {
            throw EnlargerError(.usage, "\(pixels.count) bytes of pixels; \(width) x \(height) of \(format.bytesPerPixel) bytes are \(rowBytes * height)")
        }
        var results = scales.map { scale in
            var result: [UInt8] = []
            result.reserveCapacity(rowBytes * height * scale * scale)
            return result
        }
        return try orOnProcessor {
            try upscaleRows(
                width: width, height: height, format: format,
                source: { target, row, count in target.copyBytes(from: pixels[row * rowBytes..<(row + count) * rowBytes]) },
                sinks: scales.indices.map { index in { rows, _ in results[index] += rows } }, progress: progress)
            return results
        } instead: {
            try $0.upscale(pixels, width: width, height: height, format: format, progress: progress)
        }
    }

    private func checkSize(_ width: Int, _ height: Int) throws(EnlargerError) {
        guard width >= 1, height >= 1, width <= Upscaler.sideLimit, height <= Upscaler.sideLimit else {
            throw EnlargerError(.usage, "a picture of \(width) x \(height); sides of 1 to \(Upscaler.sideLimit) are possible")
        }
    }
}
