package import Tensors

extension NetworkGraph {
    /// Largest channel count and scale that a file may ask for: far above any published network, far below overflow.
    static let channelLimit = 16_384, scaleLimit = 64, nodeLimit = 100_000, kernelLimit = 63

    static func infer(nodes: [Node], outputs: [Output]) throws(EnlargerError) -> (channels: [Int], scales: [Int]) {
        guard nodes.count <= nodeLimit else { throw EnlargerError(.modelInvalid, "the network has \(nodes.count) nodes; at most \(nodeLimit) are read") }
        var channels: [Int] = [], scales: [Int] = [], inputCount = 0
        for (index, node) in nodes.enumerated() {
            func fail(_ reason: String) -> EnlargerError { EnlargerError(.modelInvalid, "node \"\(node.name)\": \(reason)") }
            guard node.inputs.allSatisfy({ $0 >= 0 && $0 < index }) else { throw fail("its inputs do not come before it") }
            if case .input = node.operation { inputCount += 1 }
            let (c, s) = try node.inferShape(channels: node.inputs.map { channels[$0] }, scales: node.inputs.map { scales[$0] })
            guard c >= 1, c <= channelLimit else { throw fail("\(c) channels; 1 to \(channelLimit) are possible") }
            guard s >= 1, s <= scaleLimit else { throw fail("enlarges \(s) times; at most \(scaleLimit) is possible") }
            channels.append(c)
            scales.append(s)
            for (position, input) in node.inputs.enumerated() {
                guard case .border(let mode, let extent) = nodes[input].operation else { continue }
                guard position == 0, case .convolution(let conv) = node.operation else { throw fail("reads a border; only convolutions can") }
                guard max(conv.padTop, conv.padBottom, conv.padLeft, conv.padRight) <= extent, mode == .replicate || conv.padTop == conv.padBottom else {
                    throw fail("its padding does not suit a border of \(extent), mode \(mode.rawValue)")
                }
            }
        }
        guard inputCount == 1 else { throw EnlargerError(.modelInvalid, "the network has \(inputCount) inputs; exactly one is possible") }
        guard !outputs.isEmpty else { throw EnlargerError(.modelInvalid, "the network has no output") }
        for output in outputs where output.node < 0 || output.node >= nodes.count {
            throw EnlargerError(.modelInvalid, "output \"\(output.name)\" names a node that does not exist")
        }
        for output in outputs {
            if case .border = nodes[output.node].operation { throw EnlargerError(.modelInvalid, "output \"\(output.name)\" is a border") }
        }
        return (channels, scales)
    }
}

extension NetworkGraph.Node {
    /// Channels and scale of the value, from those of the inputs.
    /// - Throws: `modelInvalid`, naming the node, when the operation does not take such inputs.
    package func inferShape(channels: [Int], scales: [Int]) throws(EnlargerError) -> (channels: Int, scale: Int) {
        func fail(_ reason: String) -> EnlargerError { EnlargerError(.modelInvalid, "node \"\(name)\": \(reason)") }
        func expectInputs(_ count: Int) throws(EnlargerError) {
            guard channels.count == count else { throw fail("has \(channels.count) inputs, needs \(count)") }
        }
        func checkPerChannel(_ values: [Float], _ c: Int, _ what: String) throws(EnlargerError) {
            guard values.count == c || values.count == 1 else { throw fail("\(what) has \(values.count) elements for \(c) channels") }
        }
        func checkActivation(_ activation: Activation?, _ c: Int) throws(EnlargerError) {
            if case .prelu(let slope) = activation { try checkPerChannel(slope, c, "slope") }
        }
        switch operation {
        case .input(let c):
            try expectInputs(0)
            return (c, 1)
        case .convolution(let conv):
            try expectInputs(conv.residualScale == nil ? 1 : 2)
            try checkKernel(conv.weights)
            guard conv.groups >= 1, conv.outputChannels % conv.groups == 0 else { throw fail("\(conv.groups) groups for \(conv.outputChannels) channels") }
            guard conv.dilation >= 1, conv.dilation <= 16 else { throw fail("dilation \(conv.dilation); 1 to 16 are possible") }
            guard conv.inputChannels == channels[0] else { throw fail("weights are for \(conv.inputChannels) channels, the input has \(channels[0])") }
            guard conv.padTop >= 0, conv.padLeft >= 0, conv.padBottom >= 0, conv.padRight >= 0 else { throw fail("padding is outside the kernel") }
            if !conv.bias.isEmpty, conv.bias.count != conv.outputChannels { throw fail("bias has \(conv.bias.count) elements for \(conv.outputChannels) channels") }
            try checkActivation(conv.activation, conv.outputChannels)
            if conv.residualScale != nil {
                guard conv.activation == nil else { throw fail("a residual add takes no activation") }
                guard channels[1] == conv.outputChannels, scales[1] == scales[0] else { throw fail("the residual's shape differs from the output's") }
            }
            return (conv.outputChannels, scales[0])
        case .transposedConvolution(let conv):
            try expectInputs(1)
            try checkKernel(conv.weights)
            guard conv.inputChannels == channels[0] else { throw fail("weights are for \(conv.inputChannels) channels, the input has \(channels[0])") }
            guard conv.stride >= 1, conv.stride <= 16 else { throw fail("stride \(conv.stride); 1 to 16 are possible") }
            guard conv.padTop >= 0, conv.padTop < conv.kernelHeight, conv.padLeft >= 0, conv.padLeft < conv.kernelWidth else { throw fail("padding is outside the kernel") }
            if !conv.bias.isEmpty, conv.bias.count != conv.outputChannels { throw fail("bias has \(conv.bias.count) elements for \(conv.outputChannels) channels") }
            try checkActivation(conv.activation, conv.outputChannels)
            return (conv.outputChannels, scales[0] * conv.stride)
        case .activation(let activation):
            try expectInputs(1)
            try checkActivation(activation, channels[0])
            return (channels[0], scales[0])
        case .affine(let scale, let offset):
            try expectInputs(1)
            try checkPerChannel(scale, channels[0], "scale")
            try checkPerChannel(offset, channels[0], "offset")
            return (channels[0], scales[0])
        case .add, .subtract, .multiply:
            try expectInputs(2)
            guard scales[0] == scales[1] else { throw fail("its inputs are enlarged \(scales[0]) and \(scales[1]) times") }
            guard channels[0] == channels[1] || channels.contains(1) else { throw fail("its inputs have \(channels[0]) and \(channels[1]) channels") }
            return (max(channels[0], channels[1]), scales[0])
        case .concatenate:
            guard let scale = scales.first, scales.allSatisfy({ $0 == scale }) else { throw fail("its inputs are not enlarged alike") }
            return (channels.reduce(0, +), scale)
        case .slice(let range):
            try expectInputs(1)
            guard range.lowerBound >= 0, range.upperBound <= channels[0], !range.isEmpty else { throw fail("channels \(range) of \(channels[0])") }
            return (range.count, scales[0])
        case .depthToSpace(let s, _):
            try expectInputs(1)
            guard s >= 1, s <= 16, channels[0] % (s * s) == 0 else { throw fail("block \(s) for \(channels[0]) channels") }
            return (channels[0] / (s * s), scales[0] * s)
        case .border(_, let extent):
            try expectInputs(1)
            guard extent >= 1, extent <= 64 else { throw fail("a border of \(extent); 1 to 64 are possible") }
            return (channels[0], scales[0])
        case .globalMean:
            try expectInputs(1)
            return (channels[0], scales[0])
        case .resample(let method, let numerator, let divisor):
            try expectInputs(1)
            guard [.bilinear, .bicubic, .bicubicSharp].contains(method), numerator >= 1, numerator < divisor, divisor <= 16,
                scales[0] * numerator % divisor == 0
            else { throw fail("factor \(numerator)/\(divisor) for a map \(scales[0]) times the picture") }
            return (channels[0], scales[0] * numerator / divisor)
        case .resize(_, let s):
            try expectInputs(1)
            guard s >= 1, s <= 16 else { throw fail("factor \(s); 1 to 16 are possible") }
            return (channels[0], scales[0] * s)
        }
    }

    private func checkKernel(_ weights: TensorData) throws(EnlargerError) {
        func fail(_ reason: String) -> EnlargerError { EnlargerError(.modelInvalid, "node \"\(name)\": \(reason)") }
        guard weights.shape.count == 4, weights.shape.allSatisfy({ $0 >= 1 }) else { throw fail("weights have shape \(weights.shape); four extents are needed") }
        guard weights.shape[0] <= NetworkGraph.kernelLimit, weights.shape[1] <= NetworkGraph.kernelLimit else { throw fail("a kernel of \(weights.shape[0]) x \(weights.shape[1])") }
    }
}
