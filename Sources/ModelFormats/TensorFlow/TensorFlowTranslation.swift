import NetworkGraph
import Tensors

/// Builds graph nodes from GraphDef nodes, one after the other in topological order.
struct TensorFlowTranslation {
    let definition: GraphDef
    var constants: TensorFlowConstants
    private(set) var nodes: [NetworkGraph.Node] = []
    /// For each GraphDef node the index of its value in `nodes`; -1 for constants.
    private var values: [Int]
    /// GraphDef nodes whose value is NCHW: outputs, of no use as inputs.
    private var transposed: Set<Int> = []
    private let inputChannels: Int

    init(_ definition: GraphDef, order: [Int]) throws(EnlargerError) {
        self.definition = definition
        constants = TensorFlowConstants(definition)
        values = [Int](repeating: -1, count: definition.nodes.count)
        // Only elementwise operations can stand between the input and the first convolution.
        guard let first = order.first(where: { definition.nodes[$0].operation == "Conv2D" && definition.nodes[$0].inputs.count == 2 }) else {
            throw EnlargerError(.modelUnsupported, "no convolution; the number of input channels is unknown")
        }
        let weights = try constants.tensor(definition.nodes[first].inputs[1])
        try checkKernel(weights, node: definition.nodes[first].name)
        inputChannels = weights.shape[2]
    }

    /// Index in `nodes` of a GraphDef node's value; nil for constants.
    func value(of node: Int) -> Int? { values[node] < 0 ? nil : values[node] }

    mutating func translate(_ index: Int) throws(EnlargerError) {
        let node = definition.nodes[index]
        switch node.operation {
        case "Const", "Dequantize": return
        case "Placeholder": append(index, .input(channels: inputChannels), [])
        case "Identity":
            try expect(index, 1)
            if !constants.isConstant(index) { values[index] = try input(index, 0) }
        case "Conv2D": try convolution(index)
        case "Conv2DBackpropInput": try transposedConvolution(index)
        case "Add", "AddV2", "AddN", "BiasAdd", "Sub", "Mul": try arithmetic(index)
        case "Abs": try activation(index, .absolute)
        case "Relu": try activation(index, .relu)
        case "Relu6": try activation(index, .clip(lower: 0, upper: 6))
        case "Tanh": try activation(index, .tanh)
        case "Sigmoid": try activation(index, .sigmoid)
        case "LeakyRelu": try activation(index, .prelu([try definition.float(index, "alpha") ?? 0.2]))
        case "DepthToSpace":
            try expect(index, 1)
            try checkLayout(index)
            let block = try definition.integer(index, "block_size") ?? 0
            guard block >= 1, block <= 16 else { throw invalid(node.name, "block size \(block); 1 to 16 are read") }
            append(index, .depthToSpace(block, .blockFirst), [try input(index, 0)])
        case "Transpose":
            try expect(index, 2)
            let permutation = try constants.integers(node.inputs[1])
            guard permutation == [0, 3, 1, 2] else { throw unsupported(node.name, "permutation \(permutation); only [0, 3, 1, 2], NHWC to NCHW, is read") }
            values[index] = try input(index, 0)
            transposed.insert(index)
        case "ConcatV2":
            guard node.inputs.count >= 2 else { throw invalid(node.name, "has \(node.inputs.count) inputs") }
            let axis = try constants.integers(node.inputs[node.inputs.count - 1])
            guard axis == [3] || axis == [-1] else { throw unsupported(node.name, "axis \(axis); only channels (3) are read") }
            var inputs: [Int] = []
            for position in 0..<node.inputs.count - 1 { inputs.append(try input(index, position)) }
            append(index, .concatenate, inputs)
        default: throw unsupported(node.name, "operation \(node.operation.prefix(80))")
        }
    }

    mutating func append(_ index: Int, _ operation: Operation, _ inputs: [Int]) {
        values[index] = nodes.count
        nodes.append(.init(definition.nodes[index].name, operation, inputs: inputs))
    }

    func expect(_ index: Int, _ count: Int) throws(EnlargerError) {
        let node = definition.nodes[index]
        guard node.inputs.count == count else { throw invalid(node.name, "has \(node.inputs.count) inputs, needs \(count)") }
    }

    /// The value that input `position` names.
    /// - Precondition: the node has that input; topological order has translated it.
    func input(_ index: Int, _ position: Int) throws(EnlargerError) -> Int {
        let node = definition.nodes[index], source = node.inputs[position]
        guard !transposed.contains(source) else { throw unsupported(node.name, "reads \"\(definition.nodes[source].name)\", which is NCHW") }
        guard values[source] >= 0 else { throw unsupported(node.name, "\"\(definition.nodes[source].name)\" is a constant where a value is needed") }
        return values[source]
    }

    private mutating func activation(_ index: Int, _ activation: Activation) throws(EnlargerError) {
        try expect(index, 1)
        append(index, .activation(activation), [try input(index, 0)])
    }

    func checkLayout(_ index: Int) throws(EnlargerError) {
        let layout = try definition.text(index, "data_format") ?? "NHWC"
        guard layout == "NHWC" else { throw unsupported(definition.nodes[index].name, "layout \(layout); only NHWC is read") }
    }

    /// The attribute as [1, n, n, 1]; 1 when absent.
    private func square(_ index: Int, _ key: String) throws(EnlargerError) -> Int {
        guard let list = try definition.integers(index, key), !list.isEmpty else { return 1 }
        guard list.count == 4, list[0] == 1, list[3] == 1, list[1] == list[2], list[1] >= 1, list[1] <= 16 else {
            throw unsupported(definition.nodes[index].name, "\(key) \(list)")
        }
        return list[1]
    }

    private func checkPadding(_ index: Int) throws(EnlargerError) {
        let padding = try definition.text(index, "padding") ?? ""
        guard padding == "SAME" else { throw unsupported(definition.nodes[index].name, "padding \"\(padding)\"; only SAME is read") }
    }

    private mutating func convolution(_ index: Int) throws(EnlargerError) {
        let node = definition.nodes[index]
        try expect(index, 2)
        try checkLayout(index)
        try checkPadding(index)
        let stride = try square(index, "strides")
        guard stride == 1 else { throw unsupported(node.name, "stride \(stride); only 1 is read") }
        let weights = try constants.tensor(node.inputs[1])
        try checkKernel(weights, node: node.name)
        append(index, .convolution(Convolution(weights: weights, dilation: try square(index, "dilations"))), [try input(index, 0)])
    }

    /// SAME, with an output of exactly stride times the input: the padding before is (kernel - stride) / 2.
    private mutating func transposedConvolution(_ index: Int) throws(EnlargerError) {
        let node = definition.nodes[index]
        try expect(index, 3)
        try checkLayout(index)
        try checkPadding(index)
        guard try square(index, "dilations") == 1 else { throw unsupported(node.name, "a dilated transposed convolution") }
        let stride = try square(index, "strides")
        let size = try constants.integers(node.inputs[0])
        let weights = try constants.transposedKernel(node.inputs[1], node: node.name)
        guard size.count == 4, size[3] == weights.shape[3] else { throw invalid(node.name, "output size \(size) for weights of \(weights.shape[3]) channels") }
        let conv = TransposedConvolution(
            weights: weights, stride: stride, padTop: max(weights.shape[0] - stride, 0) / 2, padLeft: max(weights.shape[1] - stride, 0) / 2)
        append(index, .transposedConvolution(conv), [try input(index, 2)])
    }

    /// Two values, or a value and a constant for each channel.
    private mutating func arithmetic(_ index: Int) throws(EnlargerError) {
        let node = definition.nodes[index]
        try expect(index, 2)
        if node.operation == "BiasAdd" { try checkLayout(index) }
        let left = constants.isConstant(node.inputs[0]), right = constants.isConstant(node.inputs[1])
        guard !(left && right) else { throw unsupported(node.name, "\(node.operation) of two constants") }
        guard left || right else {
            let operation: Operation = switch node.operation {
            case "Sub": .subtract
            case "Mul": .multiply
            default: .add
            }
            append(index, operation, [try input(index, 0), try input(index, 1)])
            return
        }
        let values = try constants.perChannel(node.inputs[left ? 0 : 1])
        let operation: Operation = switch (node.operation, left) {
        case ("Mul", _): .affine(scale: values, offset: [0])
        case ("Sub", true): .affine(scale: [-1], offset: values)
        case ("Sub", false): .affine(scale: [1], offset: values.map { -$0 })
        default: .affine(scale: [1], offset: values)
        }
        append(index, operation, [try input(index, left ? 1 : 0)])
    }
}
