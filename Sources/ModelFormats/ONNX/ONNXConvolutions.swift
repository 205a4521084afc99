import NetworkGraph
import Tensors

/// Conv, ConvTranspose, BatchNormalization and the paddings before them.
extension ONNXTranslation {
    /// The attribute as two equal numbers; 1 when absent.
    private func square(_ node: ONNXModel.Node, _ key: String) throws(EnlargerError) -> Int {
        guard let list = try model.integers(node, key) else { return 1 }
        guard list.count == 2 else { throw unsupported(node.name, "\(key) \(list); two are read") }
        guard list[0] >= 1 else { throw invalid(node.name, "\(key) \(list)") }
        guard list[0] == list[1] else { throw unsupported(node.name, "\(key) \(list); only equal ones are read") }
        return list[0]
    }

    /// The attribute "pads" (top, left, bottom, right), or what auto_pad means where the paddings add up to `total`.
    private func padding(_ node: ONNXModel.Node, total: (rows: Int, columns: Int)) throws(EnlargerError) -> ONNXPadding {
        let rows = max(0, total.rows), columns = max(0, total.columns)
        switch try model.text(node, "auto_pad") ?? "NOTSET" {
        case "NOTSET", "":
            guard let pads = try model.integers(node, "pads") else { return ONNXPadding() }
            guard pads.count == 4 else { throw unsupported(node.name, "pads \(pads); four are read") }
            guard pads.allSatisfy({ $0 >= 0 && $0 <= 1 << 16 }) else { throw unsupported(node.name, "pads \(pads)") }
            return ONNXPadding(top: pads[0], left: pads[1], bottom: pads[2], right: pads[3])
        case "VALID": return ONNXPadding()
        case "SAME_UPPER": return ONNXPadding(top: rows / 2, left: columns / 2, bottom: rows - rows / 2, right: columns - columns / 2)
        case "SAME_LOWER": return ONNXPadding(top: rows - rows / 2, left: columns - columns / 2, bottom: rows / 2, right: columns / 2)
        case let other: throw invalid(node.name, "auto_pad \(other)")
        }
    }

    private func checkKernelShape(_ node: ONNXModel.Node, _ shape: [Int]) throws(EnlargerError) {
        guard shape.count == 4 else { throw invalid(node.name, "weights of shape \(shape); four extents are read") }
        if let kernel = try model.integers(node, "kernel_shape") {
            guard kernel == Array(shape[2...]) else { throw invalid(node.name, "kernel_shape \(kernel) for weights of shape \(shape)") }
        }
    }

    private mutating func bias(_ node: ONNXModel.Node, count: Int) throws(EnlargerError) -> [Float] {
        guard has(node, 2) else { return [] }
        let bias = try vector(node, 2)
        guard bias.count == count else { throw invalid(node.name, "bias has \(bias.count) elements for \(count) channels") }
        return bias
    }

    /// Weights [O, I / groups, H, W], read in place as [H, W, I / groups, O].
    mutating func convolution(_ node: ONNXModel.Node) throws(EnlargerError) {
        let shape = try tensor(node, 1).shape
        try checkKernelShape(node, shape)
        let stride = try square(node, "strides")
        guard stride == 1 else { throw unsupported(node.name, "stride \(stride): maps smaller than the picture cannot be represented") }
        let stored = try constants.data(try tensor(node, 1))
        guard let weights = TensorData(
            elementType: stored.elementType, shape: [shape[2], shape[3], shape[1], shape[0]], storage: stored.storage, offset: stored.offset,
            storedOrder: [3, 2, 0, 1])
        else { throw invalid(node.name, "weights of shape \(shape)") }
        try checkKernel(weights, node: node.name)
        let dilation = try square(node, "dilations"), groups = try model.integer(node, "group") ?? 1
        guard dilation <= 16 else { throw unsupported(node.name, "dilation \(dilation); at most 16 is read") }
        guard groups >= 1, groups <= Limits.channels, shape[0] % groups == 0 else { throw invalid(node.name, "\(groups) groups for \(shape[0]) channels") }
        var conv = Convolution(weights: weights, bias: try bias(node, count: shape[0]), dilation: dilation, groups: groups)
        let total = (rows: dilation * (shape[2] - 1), columns: dilation * (shape[3] - 1))
        var pads = try padding(node, total: total), source: Int
        if case .padded(let map, let around) = try input(node, 0) {
            source = map
            if let mode = around.mode {
                guard max(pads.top, pads.left, pads.bottom, pads.right) == 0 else { throw unsupported(node.name, "zeros around a border of mode \(mode.rawValue)") }
                guard mode == .replicate || around.top == around.bottom else {
                    throw unsupported(node.name, "\(around.top) mirrored rows above and \(around.bottom) below; equal numbers are read")
                }
            }
            pads = ONNXPadding(top: pads.top + around.top, left: pads.left + around.left, bottom: pads.bottom + around.bottom, right: pads.right + around.right)
        } else {
            source = try map(node, 0)
        }
        guard pads.top + pads.bottom == total.rows, pads.left + pads.right == total.columns else {
            throw unsupported(
                node.name,
                "padding \(pads.top) above, \(pads.bottom) below, \(pads.left) left, \(pads.right) right of a \(shape[2]) x \(shape[3]) kernel"
                    + (dilation > 1 ? " of dilation \(dilation)" : "") + " changes the map's size; padding that keeps it is read")
        }
        (conv.padTop, conv.padLeft) = (pads.top, pads.left)
        try set(node, .map(append(node.name, .convolution(conv), [source])))
    }

    /// Weights [I, O / groups, H, W], read in place as [H, W, I, O]; groups become zeros between channels of different ones.
    mutating func transposedConvolution(_ node: ONNXModel.Node) throws(EnlargerError) {
        let shape = try tensor(node, 1).shape
        try checkKernelShape(node, shape)
        let stride = try square(node, "strides"), dilation = try square(node, "dilations"), groups = try model.integer(node, "group") ?? 1
        guard dilation == 1 else { throw unsupported(node.name, "a transposed convolution of dilation \(dilation)") }
        guard stride <= 16 else { throw unsupported(node.name, "stride \(stride); at most 16 is read") }
        guard groups >= 1, groups <= shape[0], shape[0] % groups == 0 else { throw invalid(node.name, "\(groups) groups for \(shape[0]) channels") }
        let stored = try constants.data(try tensor(node, 1))
        guard let inPlace = TensorData(
            elementType: stored.elementType, shape: [shape[2], shape[3], shape[0], shape[1]], storage: stored.storage, offset: stored.offset,
            storedOrder: [2, 3, 0, 1])
        else { throw invalid(node.name, "weights of shape \(shape)") }
        try checkKernel(inPlace, node: node.name)
        let weights = groups == 1 ? inPlace : try ungrouped(inPlace, groups, node)
        if try model.integers(node, "output_shape") != nil { throw unsupported(node.name, "an output_shape") }
        let extra = try model.integers(node, "output_padding") ?? [0, 0]
        guard extra.count == 2, extra.allSatisfy({ $0 >= 0 && $0 < 64 }) else { throw invalid(node.name, "output_padding \(extra)") }
        let total = (rows: shape[2] + extra[0] - stride, columns: shape[3] + extra[1] - stride)
        let pads = try padding(node, total: total)
        guard pads.top + pads.bottom == total.rows, pads.left + pads.right == total.columns else {
            throw unsupported(
                node.name,
                "a \(shape[2]) x \(shape[3]) kernel of stride \(stride) with padding \([pads.top, pads.left, pads.bottom, pads.right])"
                    + " and output_padding \(extra) does not enlarge exactly \(stride) times")
        }
        let conv = TransposedConvolution(
            weights: weights, bias: try bias(node, count: weights.shape[3]), stride: stride, padTop: pads.top, padLeft: pads.left)
        let source = try map(node, 0)
        try set(node, .map(append(node.name, .transposedConvolution(conv), [source])))
    }

    private mutating func ungrouped(_ weights: TensorData, _ groups: Int, _ node: ONNXModel.Node) throws(EnlargerError) -> TensorData {
        let (taps, inputs, part) = (weights.shape[0] * weights.shape[1], weights.shape[2], weights.shape[3])
        let (outputs, overflow) = part.multipliedReportingOverflow(by: groups)
        guard !overflow, outputs <= Limits.channels else { throw invalid(node.name, "\(part) x \(groups) channels") }
        try constants.expand(taps * inputs * outputs, node.name)
        let values = weights.floats()
        var result = [Float](repeating: 0, count: taps * inputs * outputs)
        for tap in 0..<taps {
            for i in 0..<inputs {
                let group = i / (inputs / groups)
                for o in 0..<part { result[(tap * inputs + i) * outputs + group * part + o] = values[(tap * inputs + i) * part + o] }
            }
        }
        return TensorData(result, shape: [weights.shape[0], weights.shape[1], inputs, outputs])
    }

    /// x · a + b with a = scale / sqrt(variance + epsilon); folded into a convolution before it that nothing else reads.
    mutating func batchNormalization(_ node: ONNXModel.Node) throws(EnlargerError) {
        guard try model.integer(node, "training_mode") ?? 0 == 0 else { throw unsupported(node.name, "a BatchNormalization in training mode") }
        let x = try map(node, 0), epsilon = Double(try finite(node, "epsilon", 1e-5))
        var parameters: [[Float]] = []
        for position in 1...4 {
            guard has(node, position) else { throw invalid(node.name, "BatchNormalization without input \(position)") }
            let values = try vector(node, position)
            guard values.count == channels[x] else { throw invalid(node.name, "\"\(nameOfInput(node, position))\" has \(values.count) elements for \(channels[x]) channels") }
            parameters.append(values)
        }
        try constants.expand(2 * channels[x], node.name)
        var scale: [Float] = [], offset: [Float] = []
        for c in 0..<channels[x] {
            let variance = Double(parameters[3][c]) + epsilon
            guard variance > 0 else { throw invalid(node.name, "variance \(parameters[3][c]) of channel \(c)") }
            let factor = Double(parameters[0][c]) / variance.squareRoot()
            scale.append(Float(factor))
            offset.append(Float(Double(parameters[1][c]) - Double(parameters[2][c]) * factor))
        }
        guard scale.allSatisfy(\.isFinite), offset.allSatisfy(\.isFinite) else { throw invalid(node.name, "factors that are not finite") }
        if uses[node.inputs[0]] == 1, x == nodes.count - 1, case .convolution(let conv) = nodes[x].operation, let folded = try scaled(conv, scale, offset) {
            replace(x, .convolution(folded))
            try set(node, .map(x))
        } else {
            try set(node, .map(append(node.name, .affine(scale: scale, offset: offset), [x])))
        }
    }

    /// The convolution with its outputs scaled and shifted; nil when its weights are too many to be rewritten.
    private mutating func scaled(_ conv: Convolution, _ scale: [Float], _ offset: [Float]) throws(EnlargerError) -> Convolution? {
        guard conv.weights.count <= Limits.expandedElements / 16 else { return nil }
        try constants.expand(conv.weights.count, "BatchNormalization")
        var values = conv.weights.floats()
        for index in values.indices { values[index] *= scale[index % conv.outputChannels] }
        var folded = conv
        folded.weights = TensorData(values, shape: conv.weights.shape)
        folded.bias = (0..<conv.outputChannels).map { offset[$0] + (conv.bias.isEmpty ? 0 : conv.bias[$0] * scale[$0]) }
        return folded
    }

    /// Padding is not applied but handed to the convolution that follows.
    mutating func pad(_ node: ONNXModel.Node) throws(EnlargerError) {
        let mode = try model.text(node, "mode") ?? "constant"
        var pads = try has(node, 1) ? integers(node, 1) : model.integers(node, "pads") ?? []
        if has(node, 3) {
            let axes = try integers(node, 3)
            guard pads.count == 2 * axes.count else { throw invalid(node.name, "\(pads.count) pads for \(axes.count) dimensions") }
            var all = [Int](repeating: 0, count: 8)
            for (position, dimension) in axes.enumerated() {
                let dimension = try axis(node, dimension, rank: 4)
                (all[dimension], all[4 + dimension]) = (pads[position], pads[axes.count + position])
            }
            pads = all
        }
        guard pads.count == 8 else { throw invalid(node.name, "\(pads.count) pads for four dimensions") }
        guard pads.allSatisfy({ $0 >= 0 && $0 <= 1 << 16 }) else { throw unsupported(node.name, "pads \(pads); a map's border cannot be cut off") }
        guard pads[0] == 0, pads[1] == 0, pads[4] == 0, pads[5] == 0 else { throw unsupported(node.name, "pads \(pads); only rows and columns can be padded") }
        let x = try map(node, 0)
        if pads.allSatisfy({ $0 == 0 }) { return try set(node, .map(x)) }
        var padding = ONNXPadding(top: pads[2], left: pads[3], bottom: pads[6], right: pads[7])
        if mode == "reflect" || mode == "edge" {
            padding.mode = mode == "reflect" ? .reflect : .replicate
            let extent = max(padding.top, padding.left, padding.bottom, padding.right)
            guard extent <= 64 else { throw unsupported(node.name, "a border of \(extent); at most 64 is read") }
            return try set(node, .padded(append(node.name, .border(padding.mode!, extent), [x]), padding))
        }
        guard mode == "constant" else { throw unsupported(node.name, "padding in mode \"\(mode)\"") }
        let value = try has(node, 2) ? scalar(node, 2) : Double(model.float(node, "value") ?? 0)
        guard value == 0 else { throw unsupported(node.name, "padding with \(value); only zeros are read") }
        try set(node, .padded(x, padding))
    }
}
