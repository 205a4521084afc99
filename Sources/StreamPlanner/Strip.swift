package import NetworkGraph

/// A vertical part of the picture that is run on its own, with the columns around it that its output depends on.
package struct Strip: Sendable, Equatable {
    /// Input columns whose enlargement this strip delivers.
    package let core: Range<Int>
    /// Input columns it reads: the core and its halo, clipped to the picture.
    package let input: Range<Int>
    /// Of each load and each node of the part, in order.
    private let ranges: [Range<Int>]
    private let part: NetworkPart

    fileprivate init(core: Range<Int>, input: Range<Int>, ranges: [Range<Int>], part: NetworkPart) {
        self.core = core
        self.input = input
        self.ranges = ranges
        self.part = part
    }

    /// Columns that a node of the part computes, or that are read of a load, in the node's own columns.
    package func columns(_ node: Int) -> Range<Int> { ranges[part.position(of: node)] }
}

extension NetworkPart {
    /// Where a load or a node stands in `visited`.
    fileprivate func position(of node: Int) -> Int {
        nodes.contains(node) ? loads.count + node - nodes.lowerBound : loads.firstIndex(of: node)!
    }
}

extension NetworkGraph {
    /// The strip of a part that delivers `core`: the columns each node must compute for it, from the outputs backwards.
    ///
    /// A tiled node's rounding depends on its whole tile, so what it reads is counted by whole tiles; the strip's bytes then
    /// equal the whole picture's.
    package func strip(core: Range<Int>, width: Int, part: NetworkPart, isTiled: (Int) -> Bool) -> Strip {
        var ranges = [Range<Int>](repeating: 0..<0, count: part.loads.count + part.nodes.count)
        func add(_ node: Int, _ range: Range<Int>) {
            let clipped = range.clamped(to: 0..<scales[node] * width), position = part.position(of: node)
            let known = ranges[position]
            ranges[position] = known.isEmpty ? clipped : min(known.lowerBound, clipped.lowerBound)..<max(known.upperBound, clipped.upperBound)
        }
        for node in part.stores + part.means + outputs.map(\.node) where part.nodes.contains(node) {
            add(node, scales[node] * core.lowerBound..<scales[node] * core.upperBound)
        }
        for n in part.visited.reversed() where part.nodes.contains(n) {
            let range = ranges[part.position(of: n)]
            guard !range.isEmpty else { continue }
            for (index, input) in nodes[n].inputs.enumerated() where !isConstant[input] {
                let reads = isTiled(n) && index == 0 ? wholeTiles(range) : range
                add(input, nodes[n].operation.needed(.columns, input: index, for: reads))
            }
        }
        // Buffers of one scale share one origin, so the input must span what any node holds.
        var low = core.lowerBound, high = core.upperBound
        for n in part.visited {
            let range = ranges[part.position(of: n)]
            if range.isEmpty { continue }
            low = min(low, floorDivide(range.lowerBound, scales[n]))
            high = max(high, (range.upperBound + scales[n] - 1) / scales[n])
        }
        return Strip(core: core, input: low..<high, ranges: ranges, part: part)
    }

    private func wholeTiles(_ range: Range<Int>) -> Range<Int> {
        let first = firstTileColumn(range.lowerBound)
        let count = (range.upperBound - first + Schedule.tile - 1) / Schedule.tile
        return first..<first + count * Schedule.tile
    }
}

/// The column at or left of `column` where a tile begins: the grid stands at the picture's left edge in every layer.
package func firstTileColumn(_ column: Int) -> Int { floorDivide(column, Schedule.tile) * Schedule.tile }
