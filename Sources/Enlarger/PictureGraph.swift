package import NetworkGraph
import StreamPlanner
package import Tensors

/// What a picture's samples are.
package struct PictureKind: Sendable, Hashable {
    /// 1: grey, 3: red, green, blue.
    package var colourChannels: Int
    package var hasAlpha: Bool
    package var channels: Int { colourChannels + (hasAlpha ? 1 : 0) }

    package init(colourChannels: Int, hasAlpha: Bool) {
        self.colourChannels = colourChannels
        self.hasAlpha = hasAlpha
    }
}

/// A model's network with the planes that go around it: chroma of luma-only networks, and alpha, enlarged by resizing.
///
/// One graph for all of it, so that the planner counts every plane and the executor keeps them in step.
/// Input and output planes: the network's channels, then Cr and Cb where the network knows only luma, then alpha.
package struct PictureGraph: Sendable {
    package let graph: NetworkGraph
    package let kind: PictureKind
    package let processing: Processing
    /// One for each output of the graph.
    package let scales: [Int]
    package var scale: Int { scales.max()! }
    package let networkChannels: Int
    package let hasChroma: Bool
    package var planes: Int { networkChannels + (hasChroma ? 2 : 0) + (kind.hasAlpha ? 1 : 0) }

    /// - Throws: `modelUnsupported` when the network's channels are neither colour nor luma; `usage` for a scale it does not have.
    package init(model: Model, scales: [Int], kind: PictureKind, chroma: ResizeMethod) throws(EnlargerError) {
        let network = model.graph
        let wanted = try scales.map { scale throws(EnlargerError) in
            guard let output = network.outputs.first(where: { network.scales[$0.node] == scale }) else {
                let scales = Set(model.scales).sorted().map { "x\($0)" }.joined(separator: ", ")
                throw EnlargerError(.usage, "the model enlarges \(scales), not x\(scale)")
            }
            return output
        }
        networkChannels = network.channels[network.inputNode]
        let expected = model.processing.channels == .luma ? 1 : 3
        for output in wanted {
            guard networkChannels == expected, network.channels[output.node] == expected else {
                throw EnlargerError(.modelUnsupported, "the network takes \(networkChannels) and makes \(network.channels[output.node]) channels; pictures need \(expected)")
            }
        }
        self.kind = kind
        self.scales = scales
        processing = model.processing
        hasChroma = model.processing.channels == .luma && kind.colourChannels == 3
        let extra = (hasChroma ? 2 : 0) + (kind.hasAlpha ? 1 : 0)
        guard extra > 0 else {
            let pruned = try network.pruned(to: wanted)
            var nodes = pruned.nodes
            // Pixels are made from planes.
            let outputs = pruned.outputs.map { output in
                guard !pruned.isPlanar(output.node) else { return output }
                nodes.append(.init("planes", .slice(0..<expected), inputs: [output.node]))
                return .init(name: output.name, node: nodes.count - 1)
            }
            graph = try NetworkGraph(nodes: nodes, outputs: outputs)
            return
        }
        let n = networkChannels
        var nodes: [NetworkGraph.Node] = [.init("picture", .input(channels: n + extra), inputs: [])]
        nodes.append(.init("network planes", .slice(0..<n), inputs: [0]))
        // The network's own input becomes the slice; everything else moves behind it.
        var place = [Int](repeating: -1, count: network.nodes.count)
        let pruned = try network.pruned(to: wanted)
        for (index, node) in pruned.nodes.enumerated() {
            if case .input = node.operation {
                place[index] = 1
            } else {
                place[index] = nodes.count
                nodes.append(.init(node.name, node.operation, inputs: node.inputs.map { place[$0] }))
            }
        }
        var sides: [(name: String, node: Int, method: ResizeMethod)] = []
        func addSide(_ name: String, _ range: Range<Int>, _ method: ResizeMethod) {
            nodes.append(.init(name, .slice(range), inputs: [0]))
            sides.append((name, nodes.count - 1, method))
        }
        if hasChroma { addSide("chroma", n..<n + 2, chroma) }
        if kind.hasAlpha { addSide("alpha", n + extra - 1..<n + extra, .bicubic) }
        var outputs: [NetworkGraph.Output] = []
        for (scale, output) in zip(scales, pruned.outputs) {
            var parts = [place[output.node]]
            for side in sides {
                nodes.append(.init("\(side.name), enlarged", .resize(side.method, scale), inputs: [side.node]))
                parts.append(nodes.count - 1)
            }
            nodes.append(.init("planes", .concatenate, inputs: parts))
            outputs.append(.init(name: "x\(scale)", node: nodes.count - 1))
        }
        graph = try NetworkGraph(nodes: nodes, outputs: outputs)
    }
}

extension NetworkGraph {
    /// The part of the graph that the given outputs depend on.
    package func pruned(to kept: [Output]) throws(EnlargerError) -> NetworkGraph {
        var needed = [Bool](repeating: false, count: nodes.count)
        for output in kept { needed[output.node] = true }
        for n in nodes.indices.reversed() where needed[n] {
            for input in nodes[n].inputs { needed[input] = true }
        }
        needed[inputNode] = true
        var place = [Int](repeating: -1, count: nodes.count), result: [Node] = []
        for n in nodes.indices where needed[n] {
            place[n] = result.count
            result.append(.init(nodes[n].name, nodes[n].operation, inputs: nodes[n].inputs.map { place[$0] }))
        }
        return try NetworkGraph(nodes: result, outputs: kept.map { .init(name: $0.name, node: place[$0.node]) })
    }
}
