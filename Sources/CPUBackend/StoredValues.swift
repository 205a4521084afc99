import NetworkGraph
import StreamPlanner
import Tensors

/// Values that wait in files from the pass that makes them to the last that reads them.
///
/// A file holds rows as they are in memory, without the columns beyond the picture: row after row, in it block after block
/// of 16 channels (or plane after plane), float32.
struct StoredValues {
    private let graph: NetworkGraph
    private let width: Int
    /// The last pass that reads each value.
    private let lastPass: [Int: Int]
    private var pass = -1
    private var files: [Int: SpoolFile] = [:]

    init(graph: NetworkGraph, plan: Plan) {
        self.graph = graph
        width = plan.width
        var last: [Int: Int] = [:]
        for (index, pass) in plan.passes.enumerated() { for value in pass.part.loads { last[value] = index } }
        lastPass = last
    }

    mutating func begin(_ part: NetworkPart) throws {
        pass += 1
        for value in part.stores { files[value] = try SpoolFile() }
    }

    mutating func end(_ part: NetworkPart) {
        for value in part.loads where lastPass[value] == pass { files[value] = nil }
    }

    /// - Parameter column: the picture's (enlarged) column where the view begins.
    func write(_ value: Int, _ row: Int, _ view: RowView, to column: Int) throws {
        try eachPiece(value, row, view, column) { file, offset, bytes in try file.write(UnsafeRawBufferPointer(bytes), at: offset) }
    }

    func read(_ value: Int, _ row: Int, into view: RowView, from column: Int) throws {
        try eachPiece(value, row, view, column) { file, offset, bytes in try file.read(bytes, at: offset) }
    }

    private func eachPiece(
        _ value: Int, _ row: Int, _ view: RowView, _ column: Int, _ body: (SpoolFile, Int, UnsafeMutableRawBufferPointer) throws -> Void
    ) throws {
        let rowWidth = graph.scales[value] * width
        let pieces = view.isPlanar ? graph.channels[value] : (graph.channels[value] + 15) / 16, lanes = view.isPlanar ? 1 : 16
        for piece in 0..<pieces {
            let start = view.base + piece * view.blockStride + view.firstColumn * lanes
            let bytes = UnsafeMutableRawBufferPointer(start: start, count: view.count * lanes * 4)
            try body(files[value]!, ((row * pieces + piece) * rowWidth + column) * lanes * 4, bytes)
        }
    }
}
