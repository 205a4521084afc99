import NetworkGraph
import Tensors

/// Makes the graph that a native file describes; every attribute is checked before it takes part in arithmetic.
struct NativeGraphReader {
    let header: SafetensorsHeader
    private var biases: [String: [Float]] = [:]

    init(header: SafetensorsHeader) { self.header = header }

    mutating func graph(_ description: NativeDescription) throws(EnlargerError) -> NetworkGraph {
        guard description.nodes.count <= Limits.nodes else { throw EnlargerError(.modelInvalid, "\(description.nodes.count) nodes; at most \(Limits.nodes) are read") }
        guard description.outputs.count <= Limits.outputs else { throw EnlargerError(.modelInvalid, "\(description.outputs.count) outputs; at most \(Limits.outputs) are read") }
        var indices: [String: Int] = [:], nodes: [NetworkGraph.Node] = []
        for record in description.nodes {
            var inputs: [Int] = []
            for name in record.inputs {
                guard let index = indices[name] else { throw invalid(record.name, "its input \"\(name.prefix(80))\" does not come before it") }
                inputs.append(index)
            }
            guard indices.updateValue(nodes.count, forKey: record.name) == nil else { throw invalid(record.name, "two nodes of this name") }
            nodes.append(.init(record.name, try operation(record), inputs: inputs))
        }
        var outputs: [NetworkGraph.Output] = []
        for output in description.outputs {
            guard let index = indices[output.node] else { throw EnlargerError(.modelInvalid, "output \"\(output.name.prefix(80))\" names a node that does not exist") }
            outputs.append(.init(name: output.name, node: index))
        }
        return try NetworkGraph(nodes: nodes, outputs: outputs)
    }

    private mutating func operation(_ node: NativeDescription.Node) throws(EnlargerError) -> Operation {
        switch node.op {
        case "input": return .input(channels: try integer(node, "channels", node.channels, 1...Limits.channels))
        case "convolution": return .convolution(try convolution(node))
        case "transposed_convolution":
            let weights = try weights(node)
            var conv = TransposedConvolution(
                weights: weights, bias: try bias(node), stride: try integer(node, "stride", node.stride, 1...16),
                padTop: try integer(node, "pad_top", node.pad_top, 0...Limits.kernel),
                padLeft: try integer(node, "pad_left", node.pad_left, 0...Limits.kernel))
            conv.activation = try activation(node)
            return .transposedConvolution(conv)
        case "activation":
            guard let activation = try activation(node) else { throw invalid(node.name, "\"activation\" is missing") }
            return .activation(activation)
        case "affine":
            return .affine(scale: try finite(node, "scale", node.scale ?? [1]), offset: try finite(node, "offset", node.offset ?? [0]))
        case "global_mean": return .globalMean
        case "add": return .add
        case "subtract": return .subtract
        case "multiply": return .multiply
        case "concatenate": return .concatenate
        case "slice":
            let start = try integer(node, "start", node.start, 0...Limits.channels - 1)
            return .slice(start..<(try integer(node, "end", node.end, start + 1...Limits.channels)))
        case "depth_to_space":
            let order: DepthToSpaceOrder
            switch node.order {
            case "block_first": order = .blockFirst
            case "channel_first": order = .channelFirst
            default: throw invalid(node.name, "order \"\((node.order ?? "").prefix(16))\"; block_first and channel_first are read")
            }
            return .depthToSpace(try integer(node, "block", node.block, 1...16), order)
        case "border":
            guard let mode = BorderMode(rawValue: node.method ?? "") else { throw invalid(node.name, "method \"\((node.method ?? "").prefix(16))\"; reflect and replicate are read") }
            return .border(mode, try integer(node, "extent", node.extent, 1...64))
        case "resize":
            guard let method = ResizeMethod(rawValue: node.method ?? "") else { throw invalid(node.name, "method \"\((node.method ?? "").prefix(16))\"; nearest, bilinear, bicubic, bicubic_sharp and bilinear_from_corner are read") }
            let factor = try integer(node, "factor", node.factor, 1...16)
            guard node.divisor != nil else { return .resize(method, factor) }
            return .resample(method, factor, try integer(node, "divisor", node.divisor, 2...16))
        default: throw unsupported(node.name, "operation \"\(node.op.prefix(80))\"")
        }
    }

    private mutating func convolution(_ node: NativeDescription.Node) throws(EnlargerError) -> Convolution {
        let weights = try weights(node)
        var conv = Convolution(
            weights: weights, bias: try bias(node), dilation: try integer(node, "dilation", node.dilation ?? 1, 1...16),
            groups: try integer(node, "groups", node.groups ?? 1, 1...Limits.channels))
        conv.padTop = try integer(node, "pad_top", node.pad_top ?? conv.padTop, 0...conv.dilation * (conv.kernelHeight - 1))
        conv.padLeft = try integer(node, "pad_left", node.pad_left ?? conv.padLeft, 0...conv.dilation * (conv.kernelWidth - 1))
        conv.activation = try activation(node)
        if let scale = node.residual_scale { conv.residualScale = try finite(node, "residual_scale", [scale])[0] }
        return conv
    }

    private func integer(_ node: NativeDescription.Node, _ key: String, _ value: Int?, _ range: ClosedRange<Int>) throws(EnlargerError) -> Int {
        guard let value else { throw invalid(node.name, "\"\(key)\" is missing") }
        guard range.contains(value) else { throw invalid(node.name, "\(key) \(value); \(range.lowerBound) to \(range.upperBound) are possible") }
        return value
    }

    private func finite(_ node: NativeDescription.Node, _ key: String, _ values: [Float]) throws(EnlargerError) -> [Float] {
        guard values.count >= 1, values.count <= Limits.channels, values.allSatisfy(\.isFinite) else { throw invalid(node.name, "\"\(key)\" has \(values.count) elements, or one that is not finite") }
        return values
    }

    private func tensor(_ node: NativeDescription.Node, _ name: String, _ quantised: ElementType?) throws(EnlargerError) -> TensorData {
        guard let entry = header.entries[name] else { throw invalid(node.name, "tensor \"\(name.prefix(80))\" does not exist") }
        let type: ElementType
        switch entry.dtype {
        case "F16": type = .float16
        case "BF16": type = .bfloat16
        case "U8":
            guard let quantised else { throw invalid(node.name, "tensor \"\(name.prefix(80))\" is U8 and needs \"zero_point\" and \"step\"") }
            type = quantised
        default: type = .float32
        }
        guard let data = TensorData(elementType: type, shape: entry.shape, storage: header.storage, offset: header.dataStart + entry.data_offsets[0]) else {
            throw invalid(node.name, "tensor \"\(name.prefix(80))\" does not lie inside the file")
        }
        return data
    }

    private func weights(_ node: NativeDescription.Node) throws(EnlargerError) -> TensorData {
        guard let name = node.weights else { throw invalid(node.name, "\"weights\" is missing") }
        var quantised: ElementType?
        if let zeroPoint = node.zero_point, let step = node.step {
            guard abs(Int64(zeroPoint)) <= 1 << 24, step.isFinite, step >= 0 else { throw invalid(node.name, "zero_point \(zeroPoint), step \(step)") }
            quantised = .uint8(zeroPoint: zeroPoint, step: step)
        }
        let weights = try tensor(node, name, quantised)
        try checkKernel(weights, node: node.name)
        return weights
    }

    private mutating func bias(_ node: NativeDescription.Node) throws(EnlargerError) -> [Float] {
        guard let name = node.bias else { return [] }
        if let known = biases[name] { return known }
        let data = try tensor(node, name, nil)
        guard data.shape.count == 1, data.count <= Limits.channels else { throw invalid(node.name, "bias of shape \(data.shape)") }
        let values = data.floats()
        biases[name] = values
        return values
    }

    private func activation(_ node: NativeDescription.Node) throws(EnlargerError) -> Activation? {
        guard let record = node.activation else { return nil }
        switch record.kind {
        case "relu": return .relu
        case "prelu": return .prelu(try finite(node, "slope", record.slope ?? []))
        case "tanh": return .tanh
        case "sigmoid": return .sigmoid
        case "absolute": return .absolute
        case "clip":
            guard let lower = record.lower, let upper = record.upper, lower <= upper else { throw invalid(node.name, "clip needs \"lower\" and \"upper\", in order") }
            return .clip(lower: lower, upper: upper)
        default: throw unsupported(node.name, "activation \"\(record.kind.prefix(16))\"")
        }
    }
}
