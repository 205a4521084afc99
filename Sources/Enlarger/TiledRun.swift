import StreamPlanner
import Tensors

/// A picture in overlapping tiles, each run as a picture of its own and blended with its neighbours.
///
/// Not exact: a tile does not see beyond its edge. The picture waits in a temporary file, sums of weighted outputs in
/// another, as float32; the memory is that of one tile and of some rows.
final class TiledRun {
    private let graph: PictureGraph
    private let run: any NetworkRun
    private let columns: TileGrid
    private let rows: TileGrid
    private let width: Int
    private let height: Int
    private let source: PictureSource
    private let sink: PictureSink
    private let pixels: PixelRows
    private let bytesPerPixel: Int
    private let arena: Arena

    /// Bytes that stand outside the network, for the planner: a row of the result on its way, as pixels and as planes.
    static func bufferBytes(width: Int, graph: PictureGraph, bits: Int) -> Int {
        let row = graph.scale * width
        return PixelRows.temporaryBytes(longestRow: row) + (row * graph.kind.channels * bits / 8 + 63) / 64 * 64 + graph.planes * row * 4
    }

    /// - Parameter run: of a plan for one tile; its size is that of the grids.
    init(
        graph: PictureGraph, run: any NetworkRun, width: Int, height: Int, tiling: Tiling, bits: Int, roundsPlanes: Bool,
        source: @escaping PictureSource, sink: @escaping PictureSink
    ) throws(EnlargerError) {
        self.graph = graph
        self.run = run
        self.width = width
        self.height = height
        self.source = source
        self.sink = sink
        columns = TileGrid(length: width, size: tiling.size, overlap: tiling.overlap, scale: graph.scale)
        rows = TileGrid(length: height, size: tiling.size, overlap: tiling.overlap, scale: graph.scale)
        precondition(run.plan.width == columns.size && run.plan.height == rows.size, "the plan is for tiles of another size")
        bytesPerPixel = graph.kind.channels * bits / 8
        arena = try Arena(byteCount: TiledRun.bufferBytes(width: width, graph: graph, bits: bits))
        pixels = PixelRows(
            graph: graph, bits: bits, roundsPlanes: roundsPlanes, temporary: arena.base.assumingMemoryBound(to: Float.self),
            longestRow: graph.scale * width)
    }

    private var pixelRow: UnsafeMutableRawPointer { arena.base + PixelRows.temporaryBytes(longestRow: graph.scale * width) }
    private var planes: UnsafeMutablePointer<Float> {
        (pixelRow + (graph.scale * width * bytesPerPixel + 63) / 64 * 64).assumingMemoryBound(to: Float.self)
    }

    func execute(progress: ((Double) throws -> Void)?) throws {
        let picture = try SpoolFile(), sums = try SpoolFile(), rowBytes = width * bytesPerPixel
        for row in 0..<height {
            let room = UnsafeMutableRawBufferPointer(start: pixelRow, count: rowBytes)
            try source(room, row, 1)
            try picture.write(UnsafeRawBufferPointer(room), at: row * rowBytes)
        }
        try sums.extend(to: graph.planes * graph.scale * graph.scale * width * height * 4)
        let count = Double(rows.starts.count * columns.starts.count)
        var done = 0.0
        for row in rows.starts.indices {
            for column in columns.starts.indices {
                try runTile(row, column, from: picture, into: sums) { try progress?((done + $0) / (count + 1)) }
                done += 1
            }
        }
        try deliver(sums)
        try progress?(1)
    }

    private func runTile(_ tileRow: Int, _ tileColumn: Int, from picture: SpoolFile, into sums: SpoolFile, progress: (Double) throws -> Void) throws {
        let scale = graph.scale, (left, top) = (columns.starts[tileColumn], rows.starts[tileRow])
        let weights = (0..<columns.size * scale).map { columns.weight(tileColumn, at: $0) }
        try run.run(
            fill: { strip, y, view in
                let room = UnsafeMutableRawBufferPointer(start: pixelRow, count: strip.input.count * bytesPerPixel)
                try picture.read(room, at: ((top + y) * width + left + strip.input.lowerBound) * bytesPerPixel)
                pixels.decode(pixelRow, into: view)
            },
            deliver: { strip, _, y, view in
                let rowWeight = rows.weight(tileRow, at: y), first = scale * strip.core.lowerBound
                for plane in 0..<graph.planes {
                    let room = UnsafeMutableRawBufferPointer(start: planes, count: view.count * 4), values = view.plane(plane)
                    let offset = (((top * scale + y) * graph.planes + plane) * width * scale + left * scale + first) * 4
                    try sums.read(room, at: offset)
                    for x in 0..<view.count { planes[x] += rowWeight * weights[first + x] * values[x] }
                    try sums.write(UnsafeRawBufferPointer(room), at: offset)
                }
            }, progress: progress)
    }

    private func deliver(_ sums: SpoolFile) throws {
        let length = width * graph.scale
        for y in 0..<height * graph.scale {
            try sums.read(UnsafeMutableRawBufferPointer(start: planes, count: graph.planes * length * 4), at: y * graph.planes * length * 4)
            guard pixels.encode(RowView(planes: planes, stride: length, count: length), into: pixelRow) else {
                throw EnlargerError(.badResult, "the network made values that are not finite in row \(y); nothing was written")
            }
            try sink(UnsafeRawBufferPointer(start: pixelRow, count: length * bytesPerPixel), 1)
        }
    }
}
