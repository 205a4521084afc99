import NetworkGraph
import Tensors

extension ONNXTranslation {
    /// Operations that are read, in one form or another.
    static let read: Set<String> = [
        "Abs", "Add", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "DepthToSpace",
        "Div", "Dropout", "Floor", "Gather", "GlobalAveragePool", "HardSigmoid", "Identity", "LeakyRelu", "Mul", "Neg", "PRelu", "Pad", "ReduceMean", "Relu", "Reshape", "Resize", "Shape",
        "Sigmoid", "Slice", "Split", "Squeeze", "Sub", "Sum", "Tanh", "Transpose", "Unsqueeze", "Upsample",
    ]

    /// Why a node of another kind cannot be read.
    static func reason(_ node: ONNXModel.Node) -> String {
        let name = (node.domain.isEmpty ? "" : node.domain.prefix(40) + ".") + node.operation.prefix(80)
        guard node.domain.isEmpty else { return "operation \(name)" }
        switch node.operation {
        case "GlobalMaxPool", "GlobalLpPool", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL2", "ReduceSumSquare":
            return "\(name) sums up the whole picture before any row of the result is known, and is not a mean: the network cannot stream"
        case "InstanceNormalization", "GroupNormalization", "MeanVarianceNormalization", "LpNormalization":
            return "\(name) needs statistics of the whole picture before any row of the result is known: the network cannot stream"
        case "MatMul", "Gemm", "Einsum", "Softmax", "LogSoftmax", "Attention", "MultiHeadAttention", "LayerNormalization", "RMSNormalization":
            return "\(name): attention over windows or the whole picture, or a fully connected layer: the network cannot stream"
        case "SpaceToDepth", "AveragePool", "MaxPool", "LpPool": return "\(name): maps smaller than the picture cannot be represented"
        case "LSTM", "GRU", "RNN", "Loop", "If", "Scan": return "\(name): control flow and recurrence are not read"
        default: return "operation \(name)"
        }
    }

    /// Why a node cannot be read whatever its inputs are; nil: that depends on them.
    func reasonOfItsOwn(_ node: ONNXModel.Node) throws(EnlargerError) -> String? {
        switch node.operation {
        case "Conv":
            let strides = try model.integers(node, "strides") ?? []
            return strides.contains { $0 != 1 } ? "strides \(strides): maps smaller than the picture cannot be represented" : nil
        case "Resize" where try model.text(node, "coordinate_transformation_mode") == "align_corners":
            return "coordinate_transformation_mode align_corners: it depends on the picture's size and cannot stream"
        default: return nil
        }
    }

    mutating func dispatch(_ node: ONNXModel.Node) throws(EnlargerError) {
        switch node.operation {
        case "Constant": try constant(node)
        case "Shape": try shape(node)
        case "Identity", "Dropout":
            try set(node, try input(node, 0))
        default:
            var isStatic = true
            for position in node.inputs.indices where has(node, position) && isStatic { isStatic = try input(node, position).isStatic }
            if isStatic, !node.inputs.isEmpty { try staticOperation(node) } else { try mapOperation(node) }
        }
    }

    private mutating func mapOperation(_ node: ONNXModel.Node) throws(EnlargerError) {
        switch node.operation {
        case "Conv": try convolution(node)
        case "ConvTranspose": try transposedConvolution(node)
        case "BatchNormalization": try batchNormalization(node)
        case "Pad": try pad(node)
        case "Relu": try unary(node, .activation(.relu))
        case "Tanh": try unary(node, .activation(.tanh))
        case "Sigmoid": try unary(node, .activation(.sigmoid))
        case "Abs": try unary(node, .activation(.absolute))
        case "Neg": try unary(node, .affine(scale: [-1], offset: [0]))
        case "LeakyRelu": try unary(node, .activation(.prelu([try finite(node, "alpha", 0.01)])))
        case "PRelu": try prelu(node)
        case "Clip": try clip(node)
        case "HardSigmoid": try hardSigmoid(node)
        case "Add", "Sub", "Mul", "Div": try arithmetic(node)
        case "Sum": try sum(node)
        case "GlobalAveragePool": try unary(node, .globalMean)
        case "ReduceMean": try mean(node)
        case "Cast": try cast(node)
        case "Concat": try concatenate(node)
        case "Split": try split(node)
        case "Slice": try slice(node)
        case "Gather": try gather(node)
        case "DepthToSpace": try depthToSpace(node)
        case "Reshape", "Transpose", "Squeeze", "Unsqueeze": try rearrange(node)
        case "Resize", "Upsample": try resize(node)
        default: throw unsupported(node.name, "\(node.operation) of a map")
        }
    }

    /// A mean over rows and columns together, which stay as dimensions of one.
    private mutating func mean(_ node: ONNXModel.Node) throws(EnlargerError) {
        let axes = try has(node, 1) ? integers(node, 1) : model.integers(node, "axes") ?? []
        guard Set(axes.map { $0 < 0 ? $0 + 4 : $0 }) == [2, 3], axes.count == 2, try model.integer(node, "keepdims") ?? 1 == 1 else {
            throw unsupported(node.name, "a mean over dimensions \(axes); over rows and columns, kept as dimensions of one, it is read")
        }
        try unary(node, .globalMean)
    }

    func finite(_ node: ONNXModel.Node, _ key: String, _ otherwise: Float) throws(EnlargerError) -> Float {
        let value = try model.float(node, key) ?? otherwise
        guard value.isFinite else { throw invalid(node.name, "\(key) \(value)") }
        return value
    }
}
