package import NetworkGraph

/// Which rows every node of a part makes in every step: the streaming rule, as arithmetic.
///
/// Step k feeds input rows [kR, (k+1)R). A node of scale s that lags by L rows then makes rows
/// [s·k·R - L, s·(k+1)·R - L), clipped to the picture. The picture's end is drained by further steps
/// without input, so that no step ever makes more rows than a steady one. With R a multiple of 4, every
/// step of a node starts at the same phase, -L mod 4, which is where its tile grid is anchored; that is
/// why R does not change a single bit of the output.
package struct Schedule: Sendable {
    package let graph: NetworkGraph
    package let part: NetworkPart
    package let height: Int
    package let bandRows: Int
    /// In order; a range of rows begins with a later one than the whole picture does.
    package let steps: Range<Int>
    /// The rows that each node makes in all steps together.
    private let limits: [Range<Int>]

    /// - Parameters:
    ///   - bandRows: R, input rows of a step; a multiple of 4.
    ///   - core: input rows whose enlargement is made, with no more rows around them than it depends on; nil: the whole picture.
    ///   - isTiled: of a node, for `core` alone: it is computed in tiles of rows.
    package init(
        graph: NetworkGraph, part: NetworkPart, height: Int, bandRows: Int, core: Range<Int>? = nil, isTiled: (Int) -> Bool = { _ in false }
    ) {
        precondition(bandRows > 0 && bandRows % Schedule.tile == 0)
        self.graph = graph
        self.part = part
        self.height = height
        self.bandRows = bandRows
        let ends = part.stores + part.means + graph.outputs.map(\.node).filter(part.nodes.contains)
        let limits =
            core.map { graph.rowLimits(core: $0, height: height, part: part, isTiled: isTiled) } ?? graph.scales.map { 0..<$0 * height }
        self.limits = limits
        func step(of row: Int, _ node: Int) -> Int { (row + part.lags[node]) / (graph.scales[node] * bandRows) }
        let first = core == nil ? 0 : part.visited.filter { !limits[$0].isEmpty }.map { step(of: limits[$0].lowerBound, $0) }.min()!
        steps = first..<ends.map { step(of: limits[$0].upperBound - 1, $0) + 1 }.max()!
    }

    /// The rows that a node makes.
    package func allRows(_ node: Int) -> Range<Int> { limits[node] }

    /// Tiles are tile x tile outputs (Winograd F(4x4,3x3)); bands are multiples of it.
    package static let tile = 4

    /// The first row of the step before clipping to the picture; the tile grid of the node starts here.
    package func unclippedStart(_ node: Int, step: Int) -> Int {
        graph.scales[node] * step * bandRows - part.lags[node]
    }

    package func rows(_ node: Int, step: Int) -> Range<Int> {
        let start = unclippedStart(node, step: step)
        return clamp(start, node)..<clamp(start + graph.scales[node] * bandRows, node)
    }

    /// The lowest row of input `index` that `node` reads in `step` or any later one; `Int.max` when it is done.
    package func lowestNeeded(_ node: Int, input index: Int, step: Int) -> Int {
        let start = clamp(unclippedStart(node, step: step), node)
        guard start < limits[node].upperBound else { return .max }
        return max(0, graph.nodes[node].operation.needed(.rows, input: index, for: start..<start + 1).lowerBound)
    }

    private func clamp(_ row: Int, _ node: Int) -> Int { min(max(row, limits[node].lowerBound), limits[node].upperBound) }
}

extension NetworkGraph {
    /// How far each node's rows (columns) lag behind the input, in units of the node's own rows.
    ///
    /// A resize is delayed to the moment its slowest consumer needs it: waiting as small input rows costs less memory
    /// than waiting as large output rows.
    package func lags(_ axis: Axis) -> [Int] {
        var lags = [Int](repeating: 0, count: nodes.count)
        for (n, node) in nodes.enumerated() {
            for (index, input) in node.inputs.enumerated() {
                lags[n] = max(lags[n], node.operation.lag(axis, input: index, inputLag: lags[input]))
            }
        }
        for n in nodes.indices.reversed() {
            guard case .resize = nodes[n].operation else { continue }
            var latest = Int.max
            for (c, consumer) in nodes.enumerated() {
                for (index, input) in consumer.inputs.enumerated() where input == n {
                    // Only consumers of the same scale shift their lag one to one with their input's.
                    guard scales[c] == scales[n] else { latest = 0; continue }
                    latest = min(latest, lags[c] - consumer.operation.lag(axis, input: index, inputLag: 0))
                }
            }
            if latest != .max { lags[n] = max(lags[n], latest) }
        }
        return lags
    }
}
