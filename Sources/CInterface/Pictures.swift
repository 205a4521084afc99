public import CEnlarger
import Enlarger
import Tensors

/// A caller's picture: where its rows begin.
private struct Memory {
    let base: UnsafeMutableRawPointer
    let step, rowBytes, height: Int

    init(_ picture: enlarger_picture, _ format: PixelFormat, what: String) throws(EnlargerError) {
        guard let base = picture.pixels else { throw usage("\(what) has no pixels") }
        (rowBytes, height) = (Int(picture.width) * format.bytesPerPixel, Int(picture.height))
        step = picture.row_bytes == 0 ? rowBytes : Int(picture.row_bytes)
        let span = step.magnitude.multipliedReportingOverflow(by: UInt(max(height, 1)))
        guard step.magnitude >= UInt(rowBytes), !span.overflow, span.partialValue < 1 << 62 else {
            throw usage("\(what) has \(step) bytes from row to row; a row of \(picture.width) pixels takes \(rowBytes)")
        }
        guard format.bits == 8 || (UInt(bitPattern: base) % 2 == 0 && step % 2 == 0) else { throw usage("\(what): samples of 16 bits at an odd address") }
        self.base = base
    }

    func row(_ index: Int) -> UnsafeMutableRawPointer { base + index * step }

    /// Every address from the first to the last.
    private var extent: Range<UInt> {
        let first = UInt(bitPattern: row(0)), last = UInt(bitPattern: row(height - 1))
        return min(first, last)..<max(first, last) + UInt(rowBytes)
    }
    func overlaps(_ other: Memory) -> Bool { extent.overlaps(other.extent) }
}

@c @implementation public func enlarger_upscale_pixels(
    _ upscaler: OpaquePointer?, _ format: enlarger_format, _ input: UnsafePointer<enlarger_picture>?, _ outputs: UnsafePointer<enlarger_picture>?,
    _ output_count: Int32, _ progress: enlarger_progress?, _ context: UnsafeMutableRawPointer?
) -> enlarger_status {
    answer {
        let handle = try Handles.get(upscaler, UpscalerHandle.self), format = try PixelFormat(format)
        guard let input = input?.pointee, let outputs else { throw usage("a picture is NULL") }
        try checkCount(output_count, handle)
        guard input.width >= 1, input.height >= 1, Int(max(input.width, input.height)) <= Upscaler.sideLimit else {
            throw usage("a picture of \(input.width) x \(input.height); sides of 1 to \(Upscaler.sideLimit) are possible")
        }
        let from = try Memory(input, format, what: "the input")
        var targets: [Memory] = []
        for (index, scale) in handle.scales.enumerated() {
            let output = outputs[index]
            guard Int(output.width) == Int(input.width) * scale, Int(output.height) == Int(input.height) * scale else {
                throw usage("output \(index) has \(output.width) x \(output.height); x\(scale) of \(input.width) x \(input.height) is needed")
            }
            let memory = try Memory(output, format, what: "output \(index)")
            guard !([from] + targets).contains(where: { $0.overlaps(memory) }) else { throw usage("output \(index) overlaps another picture") }
            targets.append(memory)
        }
        try handle.use { upscaler in
            try upscaler.upscaleRows(
                width: Int(input.width), height: Int(input.height), format: format,
                source: { target, row, count in
                    for i in 0..<count { (target.baseAddress! + i * from.rowBytes).copyMemory(from: from.row(row + i), byteCount: from.rowBytes) }
                },
                sinks: targets.map { memory in
                    var next = 0
                    return { rows, count in
                        for i in 0..<count {
                            memory.row(next + i).copyMemory(from: rows.baseAddress! + i * memory.rowBytes, byteCount: memory.rowBytes)
                        }
                        next += count
                    }
                }, progress: handle.progress(progress, context))
        }
    }
}
