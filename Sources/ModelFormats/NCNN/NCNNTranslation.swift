import NetworkGraph
import Tensors

/// Builds graph nodes from ncnn layers, in the order of the file, which is the order in which they run.
struct NCNNTranslation {
    enum Value {
        case map(Int)
        /// A map with rows and columns of zeros (or of its border) around it: only a convolution takes them away again.
        case padded(Int, NCNNPadding)
        /// One number, or one for each channel.
        case constant([Float])
    }

    var weights: NCNNWeights
    private(set) var nodes: [NetworkGraph.Node] = []
    private(set) var channels: [Int] = []
    private(set) var scales: [Int] = []
    /// Rows and columns by which each node falls short of its whole map at every edge, after convolutions without padding. The
    /// graph has the whole maps: their edges are cut off at the end.
    private var margins: [Int] = []
    /// Nodes that are the same at every pixel.
    private(set) var constants: Set<Int> = []
    private var values: [String: Value] = [:]
    /// Blobs that nothing has read yet, in the order in which they were made.
    private var unread: [String] = []

    init(weights: NCNNWeights) { self.weights = weights }

    private static let read: Set<String> = [
        "Input", "Convolution", "ConvolutionDepthWise", "Deconvolution", "ReLU", "PReLU", "Clip", "Sigmoid", "TanH",
        "HardSigmoid", "AbsVal",
        "UnaryOp", "BinaryOp", "Eltwise", "Concat", "Split", "Slice", "Crop", "PixelShuffle", "Interp", "Padding",
        "Scale", "BatchNorm", "Bias",
        "MemoryData", "Noop", "Dropout", "Pooling", "InnerProduct", "Reshape",
    ]

    /// Why a kind of layer is not read; nil when it is.
    static func reasonAgainst(_ kind: String) -> String? {
        if read.contains(kind) { return nil }
        switch kind {
        case "Reduction", "LayerNorm", "InstanceNorm", "GroupNorm":
            return
                "\(kind) joins pixels from all over the picture, or makes maps smaller: the network cannot be streamed by rows"
        case "MultiHeadAttention", "MatMul", "Gemm", "Softmax":
            return "\(kind): attention and matrix products over positions cannot be streamed by rows"
        default: return "\(kind) is not read"
        }
    }

    mutating func translate(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        switch layer.kind {
        case "Input": try input(layer)
        case "Convolution", "ConvolutionDepthWise": try convolution(layer)
        case "Deconvolution": try deconvolution(layer)
        case "Pooling": try mean(layer)
        case "InnerProduct": try innerProduct(layer)
        case "Reshape": try reshape(layer)
        case "Concat": try concatenate(layer)
        case "Split", "Noop": try pass(layer)
        case "Dropout": try affine(layer, scale: [Float(layer.number(0, 1))], offset: [0])
        case "Slice": try slice(layer)
        case "Crop": try crop(layer)
        case "PixelShuffle": try pixelShuffle(layer)
        case "Interp": try interpolate(layer)
        case "Padding": try pad(layer)
        case "BinaryOp": try binary(layer)
        case "Eltwise": try eltwise(layer)
        case "UnaryOp": try unary(layer)
        case "MemoryData": try memory(layer)
        case "Scale": try scale(layer)
        case "Bias": try affine(layer, scale: [1], offset: weights.floats(try layer.integer(0, 0), node: layer.name))
        case "BatchNorm": try batchNorm(layer)
        default: try activate(layer)
        }
    }

    private mutating func input(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        guard nodes.isEmpty else { throw unsupported(layer.name, "a second input; networks of one picture are read") }
        // ncnn's files rarely say how many channels the input has; the first convolution does.
        let count = try layer.integer(2, 0)
        guard count >= 0, count <= Limits.channels else { throw invalid(layer.name, "\(count) channels") }
        nodes.append(.init(layer.name, .input(channels: max(count, 1)), inputs: []))
        channels.append(count)
        scales.append(1)
        margins.append(0)
        try set(layer, [.map(0)])
    }

    /// The first reader of an input of unknown channels says how many they are.
    mutating func settle(_ node: Int, channels count: Int) {
        guard channels[node] == 0 else { return }
        channels[node] = count
        nodes[node].operation = .input(channels: count)
    }

    // MARK: Values

    mutating func value(_ layer: NCNNParam.Layer, _ position: Int) throws(EnlargerError) -> Value {
        guard position < layer.inputs.count else {
            throw invalid(layer.name, "\(layer.inputs.count) inputs; \(position + 1) are needed")
        }
        let name = layer.inputs[position]
        guard let value = values[name] else {
            throw invalid(layer.name, "it reads \"\(name.prefix(80))\", which no layer before it makes")
        }
        unread.removeAll { $0 == name }
        return value
    }

    mutating func map(_ layer: NCNNParam.Layer, _ position: Int = 0) throws(EnlargerError) -> Int {
        switch try value(layer, position) {
        case .map(let node): return node
        case .padded:
            throw unsupported(
                layer.name,
                "\(layer.kind) of a padded map; only a convolution that takes the padding away again is read")
        case .constant: throw unsupported(layer.name, "\(layer.kind) of a constant")
        }
    }

    mutating func set(_ layer: NCNNParam.Layer, _ results: [Value]) throws(EnlargerError) {
        guard layer.outputs.count == results.count else {
            throw invalid(layer.name, "\(layer.outputs.count) outputs; \(results.count) are meant")
        }
        for (name, value) in zip(layer.outputs, results) {
            guard values.updateValue(value, forKey: name) == nil else {
                throw invalid(layer.name, "a second blob \"\(name.prefix(80))\"")
            }
            unread.append(name)
        }
    }

    mutating func append(_ name: String, _ operation: Operation, _ inputs: [Int]) throws(EnlargerError) -> Int {
        // Luma and colour are what pictures have; an input that only elementwise layers read is colour.
        for input in inputs { settle(input, channels: 3) }
        let node = NetworkGraph.Node(name, operation, inputs: inputs)
        let shape = try node.inferShape(channels: inputs.map { channels[$0] }, scales: inputs.map { scales[$0] })
        margins.append(try margin(name, operation, inputs, scale: shape.scale))
        if case .globalMean = operation { constants.insert(nodes.count) }
        if constants.isSuperset(of: inputs) { constants.insert(nodes.count) }
        nodes.append(node)
        channels.append(shape.channels)
        scales.append(shape.scale)
        return nodes.count - 1
    }

    /// What the inputs fall short by, enlarged.
    private func margin(_ name: String, _ operation: Operation, _ inputs: [Int], scale: Int) throws(EnlargerError) -> Int {
        let short = Set(inputs.filter { !constants.contains($0) }.map { margins[$0] * scale / scales[$0] })
        guard short.count <= 1 else {
            throw unsupported(name, "joins maps of which convolutions without padding have cut off different numbers of rows")
        }
        guard let margin = short.first, margin > 0 else { return 0 }
        switch operation {
        case .globalMean, .border, .resample: break
        case .resize(let method, _) where method != .nearest: break
        default: return margin
        }
        throw unsupported(name, "depends on where a map ends that convolutions without padding have made smaller")
    }

    func isCut(_ node: Int) -> Bool { margins[node] > 0 }

    /// A node falls short of its whole map by `count` more rows and columns at every edge.
    mutating func cut(_ node: Int, by count: Int) { margins[node] += count }

    mutating func result(_ layer: NCNNParam.Layer, _ operation: Operation, _ inputs: [Int]) throws(EnlargerError) {
        let node = try append(layer.name, operation, inputs)
        try set(layer, [.map(node)])
    }

    /// Every output is the input.
    private mutating func pass(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        let value = try value(layer, 0)
        try set(layer, layer.outputs.map { _ in value })
    }

    /// - Returns: the network, and the pixels of its input that it cuts off at every edge.
    func finished() throws(EnlargerError) -> (graph: NetworkGraph, margin: Int) {
        try weights.finish()
        var outputs: [NetworkGraph.Output] = []
        let used = Set(nodes.flatMap(\.inputs))
        for name in unread {
            guard case .map(let node)? = values[name] else {
                throw unsupported(name, "the network ends in a padded map or a constant")
            }
            // A blob of a Split that nothing reads is no output, where others are read.
            if used.contains(node) || outputs.contains(where: { $0.node == node }) { continue }
            outputs.append(.init(name: name, node: node))
        }
        guard outputs.count <= Limits.outputs else {
            throw EnlargerError(.modelInvalid, "\(outputs.count) outputs; at most \(Limits.outputs) are read")
        }
        let margin = (outputs.map { margins[$0.node] / scales[$0.node] }).first ?? 0
        for output in outputs where margins[output.node] != margin * scales[output.node] {
            throw unsupported(output.name, "\(margins[output.node]) rows are cut off an output \(scales[output.node]) times as large; whole pixels of the picture are read")
        }
        guard margin <= Limits.margin else { throw unsupported("outputs", "\(margin) pixels are cut off each edge; \(Limits.margin) are read") }
        return (try NetworkGraph(nodes: nodes, outputs: outputs.sorted { scales[$0.node] < scales[$1.node] }), margin)
    }
}

struct NCNNPadding {
    var top = 0, left = 0, bottom = 0, right = 0
    /// nil: zeros.
    var mode: BorderMode?
}
