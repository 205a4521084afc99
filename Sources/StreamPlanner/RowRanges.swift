import NetworkGraph

extension NetworkGraph {
    /// The rows of each load and node that the enlargement of the input rows `core` depends on, in the node's own rows, from the outputs
    /// backwards; empty for nodes that nothing depends on.
    ///
    /// A tiled node makes whole tiles of the picture's grid, so that each is made of the same inputs as in the whole picture; the bytes
    /// of `core` then equal the whole picture's.
    /// - Parameter core: of the picture's `height` rows, in a network without means over the picture.
    func rowLimits(core: Range<Int>, height: Int, part: NetworkPart, isTiled: (Int) -> Bool) -> [Range<Int>] {
        precondition(part.means.isEmpty, "a mean takes all rows")
        var limits = [Range<Int>](repeating: 0..<0, count: nodes.count)
        func add(_ node: Int, _ range: Range<Int>) {
            var range = range
            if isTiled(node) {
                let tile = Schedule.tile, lag = part.lags[node]
                range = floorDivide(range.lowerBound + lag, tile) * tile - lag..<floorDivide(range.upperBound + lag + tile - 1, tile) * tile - lag
            }
            range = range.clamped(to: 0..<scales[node] * height)
            let known = limits[node]
            limits[node] = known.isEmpty ? range : min(known.lowerBound, range.lowerBound)..<max(known.upperBound, range.upperBound)
        }
        for node in part.stores + outputs.map(\.node) where part.nodes.contains(node) {
            add(node, scales[node] * core.lowerBound..<scales[node] * core.upperBound)
        }
        for n in part.visited.reversed() where part.nodes.contains(n) && !limits[n].isEmpty {
            // The last tile may reach beyond the picture's end, and reads no rows there.
            var range = limits[n]
            if isTiled(n) { range = range.lowerBound..<floorDivide(range.upperBound + part.lags[n] + Schedule.tile - 1, Schedule.tile) * Schedule.tile - part.lags[n] }
            for (index, input) in nodes[n].inputs.enumerated() where !isConstant[input] {
                add(input, nodes[n].operation.needed(.rows, input: index, for: index == 0 ? range : limits[n]))
            }
        }
        return limits
    }
}
