import NetworkGraph

/// A vertical part of the picture that is run on its own, with the columns around it that its output depends on.
package struct Strip: Sendable, Equatable {
    /// Input columns whose enlargement this strip delivers.
    package let core: Range<Int>
    /// Input columns it reads: the core and its halo, clipped to the picture.
    package let input: Range<Int>
    /// Columns each node computes, in the node's own columns.
    package let columns: [Range<Int>]
}

extension NetworkGraph {
    /// The strip that delivers `core`: the columns each node must compute for it, from the outputs backwards.
    ///
    /// A tiled node's rounding depends on its whole tile, so what it reads is counted by whole tiles of its grid,
    /// which stands at phase -lag mod 4; the strip's bytes then equal the whole picture's.
    func strip(core: Range<Int>, width: Int, columnLags: [Int], isTiled: (Int) -> Bool) -> Strip {
        var needed = [Range<Int>?](repeating: nil, count: nodes.count)
        func add(_ node: Int, _ range: Range<Int>) {
            let clipped = range.clamped(to: 0..<scales[node] * width)
            needed[node] = needed[node].map { min($0.lowerBound, clipped.lowerBound)..<max($0.upperBound, clipped.upperBound) } ?? clipped
        }
        for output in outputs {
            let s = scales[output.node]
            add(output.node, s * core.lowerBound..<s * core.upperBound)
        }
        for n in nodes.indices.reversed() {
            guard let range = needed[n] else { continue }
            for (index, input) in nodes[n].inputs.enumerated() {
                let reads = isTiled(n) && index == 0 ? wholeTiles(range, lag: columnLags[n]) : range
                add(input, nodes[n].operation.needed(.columns, input: index, for: reads))
            }
        }
        let all = needed.map { $0 ?? 0..<0 }
        // Buffers of one scale share one origin, so the input must span what any node holds.
        var low = all[inputNode].lowerBound, high = all[inputNode].upperBound
        for n in nodes.indices where !all[n].isEmpty {
            low = min(low, floorDivide(all[n].lowerBound, scales[n]))
            high = max(high, (all[n].upperBound + scales[n] - 1) / scales[n])
        }
        return Strip(core: core, input: low..<high, columns: all)
    }

    private func wholeTiles(_ range: Range<Int>, lag: Int) -> Range<Int> {
        let first = firstTileColumn(range.lowerBound, lag: lag)
        let count = (range.upperBound - first + Schedule.tile - 1) / Schedule.tile
        return first..<first + count * Schedule.tile
    }
}

/// The column at or left of `column` where a tile of the node's grid begins: a multiple of 4, less the lag.
package func firstTileColumn(_ column: Int, lag: Int) -> Int {
    floorDivide(column + lag, Schedule.tile) * Schedule.tile - lag
}
