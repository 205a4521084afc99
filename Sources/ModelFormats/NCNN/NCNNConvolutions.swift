import NetworkGraph
import Tensors

extension NCNNTranslation {
    /// Kernel, dilation and stride: the second dimension's, where it is not given, is the first's.
    private struct Window {
        var height, width, dilation, stride: Int

        init(_ layer: NCNNParam.Layer) throws(EnlargerError) {
            width = try layer.integer(1, 0)
            height = try layer.integer(11, width)
            guard width >= 1, height >= 1, width <= Limits.kernel, height <= Limits.kernel else {
                throw invalid(layer.name, "a kernel of \(width) x \(height)")
            }
            dilation = try layer.integer(2, 1)
            stride = try layer.integer(3, 1)
            guard try layer.integer(12, dilation) == dilation, try layer.integer(13, stride) == stride else {
                throw unsupported(layer.name, "dilation or stride that differ between rows and columns")
            }
            guard dilation >= 1, dilation <= 16, stride >= 1, stride <= 16 else {
                throw unsupported(layer.name, "dilation \(dilation), stride \(stride)")
            }
        }
    }

    private func padding(_ layer: NCNNParam.Layer, rows: Int, columns: Int) throws(EnlargerError) -> NCNNPadding {
        let left = try layer.integer(4, 0)
        if left == -233 {
            return NCNNPadding(top: rows / 2, left: columns / 2, bottom: rows - rows / 2, right: columns - columns / 2)
        }
        if left == -234 {
            return NCNNPadding(top: rows - rows / 2, left: columns - columns / 2, bottom: rows / 2, right: columns / 2)
        }
        let top = try layer.integer(14, left)
        let pads = NCNNPadding(
            top: top, left: left, bottom: try layer.integer(16, top), right: try layer.integer(15, left))
        guard min(pads.top, pads.left, pads.bottom, pads.right) >= 0 else {
            throw invalid(layer.name, "a negative padding")
        }
        guard layer.number(18, 0) == 0 else {
            throw unsupported(layer.name, "padding with \(layer.number(18, 0)); zeros are read")
        }
        return pads
    }

    private func outputChannels(_ layer: NCNNParam.Layer) throws(EnlargerError) -> Int {
        let count = try layer.integer(0, 0)
        guard count >= 1, count <= Limits.channels else {
            throw invalid(layer.name, "\(count) output channels; at most \(Limits.channels) are read")
        }
        return count
    }

    /// Input channels of a group, from the number of weights.
    private func inputChannels(_ layer: NCNNParam.Layer, _ window: Window, outputs: Int) throws(EnlargerError) -> Int {
        let size = try layer.integer(6, 0)
        let each = outputs * window.height * window.width
        guard size >= each, size % each == 0, size / each <= Limits.channels else {
            throw invalid(
                layer.name, "\(size) weights for \(outputs) channels and a kernel of \(window.width) x \(window.height)"
            )
        }
        return size / each
    }

    /// Weights [O, I / groups, H, W], read in place as [H, W, I / groups, O].
    mutating func convolution(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        guard layer.inputs.count == 1, try layer.integer(19, 0) == 0 else {
            throw unsupported(layer.name, "weights that another layer makes")
        }
        guard try layer.integer(8, 0) == 0 else {
            throw unsupported(layer.name, "weights and data of 8 bits; fp32 and fp16 are read")
        }
        let window = try Window(layer)
        let outputs = try outputChannels(layer)
        let inputs = try inputChannels(layer, window, outputs: outputs)
        guard window.stride == 1 else {
            throw unsupported(
                layer.name, "stride \(window.stride): maps smaller than the picture cannot be represented")
        }
        let groups = layer.kind == "ConvolutionDepthWise" ? try layer.integer(7, 1) : 1
        guard groups >= 1, outputs % groups == 0, inputs * groups <= Limits.channels else {
            throw invalid(layer.name, "\(groups) groups for \(outputs) channels")
        }
        let rows = window.dilation * (window.height - 1)
        let columns = window.dilation * (window.width - 1)
        var pads = try padding(layer, rows: rows, columns: columns)
        var source: Int
        switch try value(layer, 0) {
        case .map(let node): source = node
        case .padded(let node, let around):
            source = node
            if let mode = around.mode {
                guard max(pads.top, pads.left, pads.bottom, pads.right) == 0 else {
                    throw unsupported(layer.name, "zeros around a border of mode \(mode.rawValue)")
                }
                guard mode == .replicate || around.top == around.bottom else {
                    throw unsupported(layer.name, "unequal mirrored rows above and below")
                }
                source = try append(
                    layer.name, .border(mode, max(around.top, around.left, around.bottom, around.right)), [node])
            }
            pads = NCNNPadding(
                top: pads.top + around.top, left: pads.left + around.left, bottom: pads.bottom + around.bottom,
                right: pads.right + around.right)
        case .constant: throw unsupported(layer.name, "a convolution of a constant")
        }
        let isPadded = max(pads.top, pads.bottom, pads.left, pads.right) > 0
        // Without padding the edges go: the whole map is computed, and what they would have been is cut off at the end.
        let cut = !isPadded && rows == columns && rows % 2 == 0 ? rows / 2 : 0
        if cut > 0 { pads = NCNNPadding(top: cut, left: cut, bottom: cut, right: cut) }
        guard pads.top + pads.bottom == rows, pads.left + pads.right == columns else {
            throw unsupported(
                layer.name,
                "padding \(pads.top) above, \(pads.bottom) below, \(pads.left) left, \(pads.right) right of a \(window.height) x \(window.width) kernel changes the map's size; padding that keeps it is read"
            )
        }
        let tensor = try weights.tensor(
            [window.height, window.width, inputs, outputs], storedOrder: [3, 2, 0, 1], node: layer.name)
        try checkKernel(tensor, node: layer.name)
        let bias = try layer.integer(5, 0) != 0 ? weights.floats(outputs, node: layer.name) : []
        var conv = Convolution(weights: tensor, bias: bias, dilation: window.dilation, groups: groups)
        settle(source, channels: inputs * groups)
        guard !isPadded || !isCut(source) else {
            throw unsupported(layer.name, "padding of a map that convolutions without padding have made smaller")
        }
        (conv.padTop, conv.padLeft) = (pads.top, pads.left)
        let node = try append(layer.name, .convolution(conv), [source])
        self.cut(node, by: cut)
        try set(layer, [.map(try fusedActivation(layer, of: node))])
    }

    /// Weights [O, I, H, W], read in place as [H, W, I, O].
    mutating func deconvolution(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        let window = try Window(layer)
        let outputs = try outputChannels(layer)
        let inputs = try inputChannels(layer, window, outputs: outputs)
        guard window.dilation == 1 else {
            throw unsupported(layer.name, "a transposed convolution of dilation \(window.dilation)")
        }
        var pads = try padding(layer, rows: window.height - window.stride, columns: window.width - window.stride)
        let extra = (right: try layer.integer(18, 0), bottom: try layer.integer(19, 0))
        // More is taken away than the kernel reaches beyond the map: edges go, as with convolutions without padding.
        let whole = (window.height - window.stride) / 2, isEven = window.height == window.width && (window.height - window.stride) % 2 == 0
        let isAlike = Set([pads.top, pads.left, pads.bottom, pads.right]).count == 1 && extra == (0, 0)
        let cut = isEven && isAlike && whole >= 0 ? max(0, pads.top - whole) : 0
        if cut > 0 { pads = NCNNPadding(top: whole, left: whole, bottom: whole, right: whole) }
        guard pads.top + pads.bottom - extra.bottom == window.height - window.stride,
            pads.left + pads.right - extra.right == window.width - window.stride,
            pads.top < window.height, pads.left < window.width, try layer.integer(20, 0) == 0,
            try layer.integer(21, 0) == 0
        else {
            throw unsupported(
                layer.name, "a transposed convolution whose result is not \(window.stride) times as large")
        }
        let tensor = try weights.tensor(
            [window.height, window.width, inputs, outputs], storedOrder: [3, 2, 0, 1], node: layer.name)
        try checkKernel(tensor, node: layer.name)
        let bias = try layer.integer(5, 0) != 0 ? weights.floats(outputs, node: layer.name) : []
        let source = try map(layer)
        settle(source, channels: inputs)
        guard !isCut(source) || pads.top + cut >= window.height - window.stride else {
            throw unsupported(layer.name, "reads beyond a map that convolutions without padding have made smaller")
        }
        let conv = TransposedConvolution(
            weights: tensor, bias: bias, stride: window.stride, padTop: pads.top, padLeft: pads.left)
        let node = try append(layer.name, .transposedConvolution(conv), [source])
        self.cut(node, by: cut)
        try set(layer, [.map(try fusedActivation(layer, of: node))])
    }

    /// activation_type and activation_params.
    mutating func fusedActivation(_ layer: NCNNParam.Layer, of node: Int) throws(EnlargerError) -> Int {
        let numbers = (layer.list(10) ?? []).map { Float($0) }
        func number(_ index: Int) throws(EnlargerError) -> Float {
            guard index < numbers.count else {
                throw invalid(layer.name, "activation_params has \(numbers.count) numbers")
            }
            return numbers[index]
        }
        let activation: Activation
        switch try layer.integer(9, 0) {
        case 0: return node
        case 1: activation = .relu
        case 2: activation = .prelu([try number(0)])
        case 3: activation = try clip(layer, try number(0), try number(1))
        case 4: activation = .sigmoid
        case let other:
            throw unsupported(layer.name, "activation \(other); none, relu, leaky relu, clip and sigmoid are read")
        }
        return try append(layer.name, .activation(activation), [node])
    }

    func clip(_ layer: NCNNParam.Layer, _ lower: Float, _ upper: Float) throws(EnlargerError) -> Activation {
        guard lower <= upper else { throw invalid(layer.name, "bounds \(lower) and \(upper)") }
        return .clip(lower: lower, upper: upper)
    }

    /// Rows and columns around a map.
    mutating func pad(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        let top = try layer.integer(0, 0)
        let bottom = try layer.integer(1, 0)
        let left = try layer.integer(2, 0)
        let right = try layer.integer(3, 0)
        guard min(top, bottom, left, right) >= 0, max(top, bottom, left, right) <= Limits.kernel else {
            throw unsupported(layer.name, "padding \(top), \(bottom), \(left), \(right)")
        }
        guard try layer.integer(7, 0) == 0, try layer.integer(8, 0) == 0, try layer.integer(6, 0) == 0 else {
            throw unsupported(layer.name, "padding of channels")
        }
        var pads = NCNNPadding(top: top, left: left, bottom: bottom, right: right)
        switch try layer.integer(4, 0) {
        case 0:
            guard layer.number(5, 0) == 0 else {
                throw unsupported(layer.name, "padding with \(layer.number(5, 0)); zeros are read")
            }
        case 1: pads.mode = .replicate
        case 2: pads.mode = .reflect
        case let other: throw unsupported(layer.name, "padding of type \(other)")
        }
        let source = try map(layer)
        try set(layer, [max(top, bottom, left, right) == 0 ? .map(source) : .padded(source, pads)])
    }
}
