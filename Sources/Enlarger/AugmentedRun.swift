import StreamPlanner
import Tensors

/// Test-time augmentation: the network over the eight orientations of a picture (four flips, upright and transposed),
/// its outputs turned back and averaged (Timofte et al., "Seven ways to improve example-based single image super resolution").
///
/// Runs read bottom-up and by columns, so the picture waits in a temporary file, upright and transposed; sums of outputs
/// wait in two more, as float32. Memory stays what the plans say, and the result the same for every budget.
final class AugmentedRun {
    private let graph: PictureGraph
    private let makeRun: (Plan) throws(EnlargerError) -> any NetworkRun
    private let upright: Plan
    private let transposed: Plan
    private let source: PictureRun.Source
    private let sink: PictureRun.Sink
    private let pixels: PixelRows
    private let bytesPerPixel: Int
    private let arena: Arena
    private let buffers: Buffers

    /// Rows that are turned at a time.
    private static let block = 16

    /// Where the parts of the arena begin.
    private struct Buffers {
        var temporary = 0
        var pixelRows: Int
        var sums: Int
        var columns: Int
        var byteCount: Int

        init(longestSide: Int, scale: Int, planes: Int, bytesPerPixel: Int) {
            let longestRow = longestSide * scale
            pixelRows = PixelRows.temporaryBytes(longestRow: longestRow)
            // A block of input rows and its turned copy, or one row of output pixels.
            sums = pixelRows + max(block * longestSide + block, longestRow) * bytesPerPixel / 64 * 64 + 64
            columns = sums + block * planes * longestRow * 4
            byteCount = columns + longestRow * 4
        }
    }

    /// Bytes that stand outside the network, for the planner.
    static func bufferBytes(width: Int, height: Int, graph: PictureGraph, bits: Int) -> Int {
        Buffers(longestSide: max(width, height), scale: graph.scale, planes: graph.planes, bytesPerPixel: graph.kind.channels * bits / 8).byteCount
    }

    /// - Parameters:
    ///   - upright: a plan for the picture's size; `transposed`: one for height and width exchanged. They run one after the other.
    init(
        graph: PictureGraph, makeRun: @escaping (Plan) throws(EnlargerError) -> any NetworkRun, upright: Plan, transposed: Plan, bits: Int, roundsPlanes: Bool,
        source: @escaping PictureRun.Source, sink: @escaping PictureRun.Sink
    ) throws(EnlargerError) {
        self.graph = graph
        self.makeRun = makeRun
        self.upright = upright
        self.transposed = transposed
        self.source = source
        self.sink = sink
        bytesPerPixel = graph.kind.channels * bits / 8
        let side = max(upright.width, upright.height)
        buffers = Buffers(longestSide: side, scale: graph.scale, planes: graph.planes, bytesPerPixel: bytesPerPixel)
        arena = try Arena(byteCount: buffers.byteCount)
        pixels = PixelRows(
            graph: graph, bits: bits, roundsPlanes: roundsPlanes, temporary: arena.base.assumingMemoryBound(to: Float.self), longestRow: side * graph.scale)
    }

    func execute(progress: ((Double) throws -> Void)?) throws {
        let input = try SpoolFile(), turned = try SpoolFile()
        try readPicture(to: input, turned)
        let sums = try SpoolFile(), turnedSums = try SpoolFile()
        for isTurned in [false, true] {
            let run = try makeRun(isTurned ? transposed : upright)
            for flips in 0..<4 {
                try runOnce(
                    run, flipsColumns: flips & 1 != 0, flipsRows: flips & 2 != 0, isFirst: flips == 0, from: isTurned ? turned : input,
                    into: isTurned ? turnedSums : sums, progress: { try progress?((Double((isTurned ? 4 : 0) + flips) + $0) / 9) })
            }
        }
        try deliver(sums, turnedSums)
        try progress?(1)
    }

    /// Spools the picture upright and transposed, some rows at a time.
    private func readPicture(to upright: SpoolFile, _ turned: SpoolFile) throws {
        let (width, height) = (self.upright.width, self.upright.height), pel = bytesPerPixel
        let rows = arena.base + buffers.pixelRows, column = rows + AugmentedRun.block * width * pel
        for y in stride(from: 0, to: height, by: AugmentedRun.block) {
            let count = min(AugmentedRun.block, height - y)
            let room = UnsafeMutableRawBufferPointer(start: rows, count: count * width * pel)
            try source(room, y, count)
            try upright.write(UnsafeRawBufferPointer(room), at: y * width * pel)
            for x in 0..<width {
                for i in 0..<count { (column + i * pel).copyMemory(from: rows + (i * width + x) * pel, byteCount: pel) }
                try turned.write(UnsafeRawBufferPointer(start: column, count: count * pel), at: (x * height + y) * pel)
            }
        }
    }

    private func runOnce(
        _ run: any NetworkRun, flipsColumns: Bool, flipsRows: Bool, isFirst: Bool, from input: SpoolFile, into sums: SpoolFile,
        progress: (Double) throws -> Void
    ) throws {
        let plan = run.plan, (width, height) = (plan.width, plan.height), pel = bytesPerPixel, scale = graph.scale
        let row = arena.base + buffers.pixelRows
        let line = (arena.base + buffers.sums).assumingMemoryBound(to: Float.self)
        try run.run(
            fill: { strip, y, view in
                let columns = strip.input
                let first = flipsColumns ? width - columns.upperBound : columns.lowerBound
                let room = UnsafeMutableRawBufferPointer(start: row, count: columns.count * pel)
                try input.read(room, at: ((flipsRows ? height - 1 - y : y) * width + first) * pel)
                if flipsColumns { reversePixels(room, pel) }
                pixels.decode(row, into: view)
            },
            deliver: { strip, _, y, view in
                let core = strip.core
                let first = scale * (flipsColumns ? width - core.upperBound : core.lowerBound)
                let target = flipsRows ? height * scale - 1 - y : y
                for plane in 0..<graph.planes {
                    let offset = ((target * graph.planes + plane) * width * scale + first) * 4
                    let room = UnsafeMutableRawBufferPointer(start: line, count: view.count * 4)
                    let values = view.plane(plane), last = view.count - 1
                    if isFirst {
                        for x in 0...last { line[x] = values[x] }
                    } else {
                        try sums.read(room, at: offset)
                        if flipsColumns {
                            for x in 0...last { line[x] += values[last - x] }
                        } else {
                            for x in 0...last { line[x] += values[x] }
                        }
                    }
                    try sums.write(UnsafeRawBufferPointer(room), at: offset)
                }
            }, progress: progress)
    }

    private func reversePixels(_ row: UnsafeMutableRawBufferPointer, _ pel: Int) {
        var low = 0, high = row.count - pel
        while low < high {
            for i in 0..<pel { row.swapAt(low + i, high + i) }
            low += pel
            high -= pel
        }
    }

    /// Adds the turned sums to the upright ones, a block of rows at a time, and hands on the mean as pixels.
    private func deliver(_ sums: SpoolFile, _ turnedSums: SpoolFile) throws {
        let width = upright.width * graph.scale, height = upright.height * graph.scale, planes = graph.planes
        let lines = (arena.base + buffers.sums).assumingMemoryBound(to: Float.self)
        let column = (arena.base + buffers.columns).assumingMemoryBound(to: Float.self)
        let row = arena.base + buffers.pixelRows
        for y in stride(from: 0, to: height, by: AugmentedRun.block) {
            let count = min(AugmentedRun.block, height - y)
            try sums.read(UnsafeMutableRawBufferPointer(start: lines, count: count * planes * width * 4), at: y * planes * width * 4)
            for x in 0..<width {
                for plane in 0..<planes {
                    try turnedSums.read(UnsafeMutableRawBufferPointer(start: column, count: count * 4), at: ((x * planes + plane) * height + y) * 4)
                    for i in 0..<count {
                        let at = (i * planes + plane) * width + x
                        lines[at] = (lines[at] + column[i]) / 8
                    }
                }
            }
            for i in 0..<count {
                let view = RowView(planes: lines + i * planes * width, stride: width, count: width)
                guard pixels.encode(view, into: row) else {
                    throw EnlargerError(.badResult, "the network made values that are not finite in row \(y + i); nothing was written")
                }
                try sink(UnsafeRawBufferPointer(start: row, count: width * bytesPerPixel), 1)
            }
        }
    }
}
