import CPUBackend
import StreamPlanner
import Tensors

/// One picture through one run: pixel rows in order from the source, enlarged pixel rows in order to the sink of each output.
///
/// With one strip rows flow straight through. With several, the picture's pixels and the result's pass through
/// temporary files, because every strip reads all rows, and a row of the result is complete with the last strip only.
final class PictureRun {
    typealias Source = PictureSource
    typealias Sink = PictureSink

    private let graph: PictureGraph
    private let run: CPURun
    private let source: Source
    private let sinks: [Sink]
    private let pixels: PixelRows
    private let bytesPerPixel: Int
    private let inputRows: UnsafeMutableRawPointer
    /// Room for `inputCapacity` times its scale of each output's rows.
    private let outputRows: [UnsafeMutableRawPointer]
    private let inputCapacity: Int
    /// Input rows whose enlargement goes to the sinks, and those that are read for it.
    private let core: Range<Int>
    private let read: Range<Int>
    /// As the run takes it: nil for the whole picture.
    private let range: Range<Int>?
    private let arena: Arena
    private var plan: Plan { run.plan }

    /// - Parameter rows: input rows whose enlargement goes to the sinks; nil: all. The source is asked for rows around them too.
    init(
        graph: PictureGraph, run: CPURun, rows: Range<Int>? = nil, bits: Int, roundsPlanes: Bool = false, source: @escaping Source, sinks: [Sink]
    ) throws(EnlargerError) {
        self.graph = graph
        self.run = run
        self.sinks = sinks
        let plan = run.plan
        range = rows
        core = rows ?? 0..<plan.height
        read = rows.map { run.inputRows(for: $0) } ?? 0..<plan.height
        bytesPerPixel = graph.kind.channels * bits / 8
        inputCapacity = min(plan.bandRows, plan.height)
        arena = try Arena(byteCount: plan.ioBytes)
        let longestRow = graph.scale * plan.width
        pixels = PixelRows(
            graph: graph, bits: bits, roundsPlanes: roundsPlanes, temporary: arena.base.assumingMemoryBound(to: Float.self), longestRow: longestRow)
        var next = arena.base + PixelRows.temporaryBytes(longestRow: longestRow)
        if graph.kind.hasAlpha {
            let fill = TransparentFill(
                width: plan.width, height: plan.height, startingAt: read.lowerBound, kind: graph.kind, bits: bits, memory: next, upstream: source)
            next += TransparentFill.bytes(width: plan.width, kind: graph.kind, bits: bits)
            self.source = fill.read
        } else {
            self.source = source
        }
        inputRows = next
        next += inputCapacity * plan.widestInput * bytesPerPixel
        outputRows = graph.scales.map { [inputCapacity, bytesPerPixel] scale in
            defer { next += inputCapacity * scale * scale * plan.width * bytesPerPixel }
            return next
        }
    }

    func execute(progress: ((Double) throws -> Void)?) throws {
        if plan.stripCount == 1 { try stream(progress) } else { try stripByStrip(progress) }
    }

    private func notFinite(_ row: Int) -> EnlargerError {
        EnlargerError(.badResult, "the network made values that are not finite in row \(row); nothing was written")
    }

    private func stream(_ progress: ((Double) throws -> Void)?) throws {
        let rowBytes = plan.width * bytesPerPixel
        var next = read.lowerBound, firstRead = next, waiting = [Int](repeating: 0, count: sinks.count)
        try run.run(
            rows: range,
            fill: { _, row, view in
                if row == next {
                    firstRead = next
                    let count = min(inputCapacity, read.upperBound - next)
                    try source(UnsafeMutableRawBufferPointer(start: inputRows, count: count * rowBytes), next, count)
                    next += count
                }
                pixels.decode(inputRows + (row - firstRead) * rowBytes, into: view)
            },
            deliver: { _, output, row, view in
                let scale = graph.scales[output], outBytes = scale * rowBytes
                guard pixels.encode(view, into: outputRows[output] + waiting[output] * outBytes) else { throw notFinite(row) }
                waiting[output] += 1
                guard waiting[output] == inputCapacity * scale || row == core.upperBound * scale - 1 else { return }
                try sinks[output](UnsafeRawBufferPointer(start: outputRows[output], count: waiting[output] * outBytes), waiting[output])
                waiting[output] = 0
            }, progress: { try progress?($0) })
    }

    private func stripByStrip(_ progress: ((Double) throws -> Void)?) throws {
        let rowBytes = plan.width * bytesPerPixel
        let input = try SpoolFile(), outputs = try sinks.map { _ in try SpoolFile() }
        // An output's rows have room for whole input rows, being at least `scale` times as large.
        for row in read {
            let room = UnsafeMutableRawBufferPointer(start: outputRows[0], count: rowBytes)
            try source(room, row, 1)
            try input.write(UnsafeRawBufferPointer(room), at: (row - read.lowerBound) * rowBytes)
        }
        try run.run(
            rows: range,
            fill: { strip, row, view in
                let columns = strip.input
                try input.read(
                    UnsafeMutableRawBufferPointer(start: inputRows, count: columns.count * bytesPerPixel),
                    at: (row - read.lowerBound) * rowBytes + columns.lowerBound * bytesPerPixel)
                pixels.decode(inputRows, into: view)
            },
            deliver: { strip, output, row, view in
                let scale = graph.scales[output]
                guard pixels.encode(view, into: outputRows[output]) else { throw notFinite(row) }
                try outputs[output].write(
                    UnsafeRawBufferPointer(start: outputRows[output], count: view.count * bytesPerPixel),
                    at: (row - core.lowerBound * scale) * scale * rowBytes + strip.core.lowerBound * scale * bytesPerPixel)
            }, progress: { try progress?($0) })
        for (output, scale) in graph.scales.enumerated() {
            for row in 0..<core.count * scale {
                let room = UnsafeMutableRawBufferPointer(start: outputRows[output], count: scale * rowBytes)
                try outputs[output].read(room, at: row * scale * rowBytes)
                try sinks[output](UnsafeRawBufferPointer(room), 1)
            }
        }
        try progress?(1)
    }
}
