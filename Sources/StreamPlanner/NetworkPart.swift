package import NetworkGraph

/// Nodes of a network that run together over the whole picture, before the nodes behind them begin.
///
/// Mostly all nodes are one part. Where memory is short a network runs in several parts, one after the other, and the values
/// that cross from one to the next wait in files: each part then holds the rows of its own layers alone.
package struct NetworkPart: Sendable, Equatable {
    package let nodes: Range<Int>
    /// Values of earlier parts that this one reads, ascending; it takes their rows from files as it takes a picture's.
    package let loads: [Int]
    /// Values of this part that later ones read.
    package let stores: [Int]
    /// How far rows lag behind the input, for `loads` and `nodes`; see `NetworkGraph.lags(_:)`. Modulo the tile they are the
    /// whole network's, so that every layer's tile grid stands where it would stand without parts.
    package let lags: [Int]
    /// Loads and nodes, in the order in which a step visits them; what is constant over the picture has no rows.
    package let visited: [Int]
    /// Nodes that are constant, and known before the first step; in order.
    package let constants: [Int]
    /// Nodes that sum up the rows of the part and are known after its last step.
    package let means: [Int]
}

extension NetworkGraph {
    /// The parts that begin at node 0, at each of `cuts`, and behind every mean over the picture.
    /// - Parameter cuts: inside 1 ..< nodes.count.
    package func parts(cutAt cuts: [Int], rowLags: [Int]) -> [NetworkPart] {
        let starts = [0] + Set(cuts + neededCuts).sorted()
        return zip(starts, starts.dropFirst() + [nodes.count]).map { part($0..<$1, rowLags: rowLags) }
    }

    /// Where a part must end, because what comes next depends on all rows before.
    package var neededCuts: [Int] {
        nodes.indices.filter { if case .globalMean = nodes[$0].operation { true } else { false } }.map { $0 + 1 }
    }

    func part(_ range: Range<Int>, rowLags: [Int]) -> NetworkPart {
        let lastReaders = lastReaders
        let loads = Set(range.flatMap { nodes[$0].inputs.filter { $0 < range.lowerBound && !isConstant[$0] } })
        let means = range.filter { if case .globalMean = nodes[$0].operation { true } else { false } }
        return NetworkPart(
            nodes: range, loads: loads.sorted(), stores: range.filter { !isConstant[$0] && lastReaders[$0] >= range.upperBound },
            lags: lags(of: range, loads: loads, whole: rowLags), visited: loads.sorted() + range.filter { !isConstant[$0] || means.contains($0) },
            constants: range.filter { isConstant[$0] && !means.contains($0) }, means: means)
    }

    /// The whole network's lags less what all nodes of the part have in common; loads as late as their first reader allows.
    private func lags(of range: Range<Int>, loads: Set<Int>, whole: [Int]) -> [Int] {
        guard !loads.isEmpty else { return whole }
        let range = range.filter { !isConstant[$0] || nodes[$0].inputs.contains(where: { !isConstant[$0] }) }
        func readers(of load: Int) -> [(node: Int, input: Int)] {
            range.flatMap { n in nodes[n].inputs.enumerated().filter { $0.element == load }.map { (n, $0.offset) } }
        }
        var common = Int.max
        for load in loads {
            for (n, input) in readers(of: load) {
                let spare = whole[n] - nodes[n].operation.lag(.rows, input: input, inputLag: 0)
                common = min(common, floorDivide(spare, scales[n] * Schedule.tile) * Schedule.tile)
            }
        }
        var lags = [Int](repeating: 0, count: nodes.count)
        for n in range { lags[n] = whole[n] - scales[n] * common }
        for load in loads {
            let readers = readers(of: load)
            func suits(_ lag: Int) -> Bool {
                readers.allSatisfy { nodes[$0.node].operation.lag(.rows, input: $0.input, inputLag: lag) <= lags[$0.node] }
            }
            while suits(lags[load] + 1) { lags[load] += 1 }
        }
        return lags
    }

    /// Where the network may be cut, ascending: places that fewer elements cross than their neighbours.
    var cuts: [Cut] {
        var sizes = [Int](repeating: 0, count: nodes.count + 2), borders = sizes
        for (value, last) in lastReaders.enumerated() where last > value && !isConstant[value] {
            // The value crosses every cut from the one after it to the one before its last reader.
            let size = channels[value] * scales[value] * scales[value]
            sizes[value + 1] += size
            sizes[last + 1] -= size
            if case .border = nodes[value].operation {
                borders[value + 1] += 1
                borders[last + 1] -= 1
            }
        }
        for cut in 1..<sizes.count {
            sizes[cut] += sizes[cut - 1]
            borders[cut] += borders[cut - 1]
        }
        // A border's rows go on beyond the picture, which files do not hold; and every part has rows.
        let needed = Set(neededCuts)
        return nodes.indices.dropFirst().filter { cut in
            needed.contains(cut) || !isConstant[cut - 1] && borders[cut] == 0 && (cut == 1 || sizes[cut] <= sizes[cut - 1]) && (cut == nodes.count - 1 || sizes[cut] <= sizes[cut + 1])
        }.map { Cut(node: $0, size: sizes[$0]) }
    }

    struct Cut: Sendable {
        /// The first node behind the cut.
        var node: Int
        /// Elements that cross it, for a pixel of the input.
        var size: Int
    }

    /// For each node the last that reads it; -1 where none does.
    private var lastReaders: [Int] {
        var last = [Int](repeating: -1, count: nodes.count)
        for (n, node) in nodes.enumerated() { for input in node.inputs { last[input] = n } }
        return last
    }
}
