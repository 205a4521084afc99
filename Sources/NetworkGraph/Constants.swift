import Tensors

extension NetworkGraph {
    /// Which values are constant over the picture.
    /// - Throws: `modelUnsupported`, naming the node, where a constant goes into an operation that takes none.
    static func findConstants(nodes: [Node], outputs: [Output], channels: [Int]) throws(EnlargerError) -> [Bool] {
        var constants = [Bool](repeating: false, count: nodes.count)
        for (index, node) in nodes.enumerated() {
            func fail(_ reason: String) -> EnlargerError { EnlargerError(.modelUnsupported, "node \"\(node.name)\": \(reason)") }
            let of = node.inputs.map { constants[$0] }
            if case .globalMean = node.operation {
                if of[0] { throw fail("the mean of a value that is constant already") }
                constants[index] = true
                continue
            }
            guard of.contains(true) else { continue }
            let allConstant = !of.contains(false)
            switch node.operation {
            case .add, .subtract, .multiply:
                let map = of.firstIndex(of: false), constant = of.firstIndex(of: true)
                if let map, let constant, channels[node.inputs[constant]] > channels[node.inputs[map]] {
                    throw fail("a constant of more channels than the map that it goes with")
                }
            case .convolution(let conv) where allConstant && conv.kernelHeight == 1 && conv.kernelWidth == 1: break
            case .activation, .affine, .slice: break
            case .concatenate where allConstant: break
            default: throw fail("takes a mean over the picture; 1x1 convolutions, activations and arithmetic can")
            }
            constants[index] = allConstant
        }
        for output in outputs where constants[output.node] {
            throw EnlargerError(.modelUnsupported, "output \"\(output.name)\" is the same at every pixel")
        }
        try checkBorders(nodes)
        return constants
    }

    /// A mean ends a pass over the picture, and rows that go on beyond its edges do not outlive a pass.
    private static func checkBorders(_ nodes: [Node]) throws(EnlargerError) {
        var lastMean = -1
        for (index, node) in nodes.enumerated() {
            if case .globalMean = node.operation { lastMean = index }
            for input in node.inputs where input < lastMean {
                guard case .border = nodes[input].operation else { continue }
                throw EnlargerError(.modelUnsupported, "node \"\(node.name)\": a mean over the picture stands between it and its border")
            }
        }
    }
}
