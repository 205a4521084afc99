import CPUBackend
import StreamPlanner
import Tensors

/// One picture through one run: pixel rows in order to the source's right, enlarged pixel rows in order to the sink.
///
/// With one strip rows flow straight through. With several, the picture's pixels and the result's pass through
/// temporary files, because every strip reads all rows, and a row of the result is complete with the last strip only.
final class PictureRun {
    typealias Source = PictureSource
    typealias Sink = PictureSink

    private let graph: PictureGraph
    private let run: CPURun
    private let source: Source
    private let sink: Sink
    private let pixels: PixelRows
    private let bytesPerPixel: Int
    private let inputRows: UnsafeMutableRawPointer
    private let outputRows: UnsafeMutableRawPointer
    private let inputCapacity: Int
    private let outputCapacity: Int
    private let arena: Arena
    private var plan: Plan { run.plan }

    init(graph: PictureGraph, run: CPURun, bits: Int, roundsPlanes: Bool = false, source: @escaping Source, sink: @escaping Sink) throws(EnlargerError) {
        self.graph = graph
        self.run = run
        self.sink = sink
        let plan = run.plan
        bytesPerPixel = graph.kind.channels * bits / 8
        inputCapacity = min(plan.bandRows, plan.height)
        outputCapacity = inputCapacity * graph.scale
        arena = try Arena(byteCount: plan.ioBytes)
        let longestRow = graph.scale * plan.width
        pixels = PixelRows(
            graph: graph, bits: bits, roundsPlanes: roundsPlanes, temporary: arena.base.assumingMemoryBound(to: Float.self), longestRow: longestRow)
        var next = arena.base + PixelRows.temporaryBytes(longestRow: longestRow)
        if graph.kind.hasAlpha {
            let fill = TransparentFill(
                width: plan.width, height: plan.height, kind: graph.kind, bits: bits, memory: next, upstream: source)
            next += TransparentFill.bytes(width: plan.width, kind: graph.kind, bits: bits)
            self.source = fill.read
        } else {
            self.source = source
        }
        inputRows = next
        outputRows = inputRows + inputCapacity * plan.strips.map(\.input.count).max()! * bytesPerPixel
    }

    func execute(progress: ((Double) throws -> Void)?) throws {
        if plan.strips.count == 1 { try stream(progress) } else { try stripByStrip(progress) }
    }

    private func notFinite(_ row: Int) -> EnlargerError {
        EnlargerError(.badResult, "the network made values that are not finite in row \(row); nothing was written")
    }

    private func stream(_ progress: ((Double) throws -> Void)?) throws {
        let rowBytes = plan.width * bytesPerPixel, outBytes = graph.scale * rowBytes
        let height = plan.height
        var read = 0, firstRead = 0, waiting = 0
        try run.run(
            fill: { _, row, view in
                if row == read {
                    firstRead = read
                    let count = min(inputCapacity, height - read)
                    try source(UnsafeMutableRawBufferPointer(start: inputRows, count: count * rowBytes), read, count)
                    read += count
                }
                pixels.decode(inputRows + (row - firstRead) * rowBytes, into: view)
            },
            deliver: { _, _, row, view in
                guard pixels.encode(view, into: outputRows + waiting * outBytes) else { throw notFinite(row) }
                waiting += 1
                guard waiting == outputCapacity || row == height * graph.scale - 1 else { return }
                try sink(UnsafeRawBufferPointer(start: outputRows, count: waiting * outBytes), waiting)
                waiting = 0
                try progress?(Double(row + 1) / Double(height * graph.scale))
            })
    }

    private func stripByStrip(_ progress: ((Double) throws -> Void)?) throws {
        let height = plan.height, scale = graph.scale
        let rowBytes = plan.width * bytesPerPixel, outBytes = scale * rowBytes
        let input = try SpoolFile(), output = try SpoolFile()
        // The output rows' room serves for whole input rows, being at least `scale` times as large.
        for row in 0..<height {
            let room = UnsafeMutableRawBufferPointer(start: outputRows, count: rowBytes)
            try source(room, row, 1)
            try input.write(UnsafeRawBufferPointer(room), at: row * rowBytes)
        }
        let total = Double(height * scale * plan.strips.count)
        try run.run(
            fill: { s, row, view in
                let columns = plan.strips[s].input
                try input.read(
                    UnsafeMutableRawBufferPointer(start: inputRows, count: columns.count * bytesPerPixel),
                    at: row * rowBytes + columns.lowerBound * bytesPerPixel)
                pixels.decode(inputRows, into: view)
            },
            deliver: { s, _, row, view in
                guard pixels.encode(view, into: outputRows) else { throw notFinite(row) }
                try output.write(
                    UnsafeRawBufferPointer(start: outputRows, count: view.count * bytesPerPixel),
                    at: row * outBytes + plan.strips[s].core.lowerBound * scale * bytesPerPixel)
                if row % 16 == 15 { try progress?(Double(s * height * scale + row + 1) / total) }
            })
        for row in 0..<height * scale {
            let room = UnsafeMutableRawBufferPointer(start: outputRows, count: outBytes)
            try output.read(room, at: row * outBytes)
            try sink(UnsafeRawBufferPointer(room), 1)
        }
        try progress?(1)
    }
}
