import NetworkGraph
import Tensors

/// What an ONNX value is while the graph is being built.
enum ONNXValue {
    /// A node of the graph, dimensions N, C, H, W.
    case map(Int)
    case view(ONNXView)
    /// A map that Pad made larger: only a convolution that takes the border away again can read it. With a border of its own
    /// the node is that border.
    case padded(Int, ONNXPadding)
    case constant(ONNXTensor)
    case small(ONNXSmall)
    /// Made by a node that cannot be read; that node has been noted.
    case unknown

    var isStatic: Bool {
        switch self {
        case .constant, .small: true
        default: false
        }
    }
}

struct ONNXPadding {
    var top = 0, left = 0, bottom = 0, right = 0
    /// nil: zeros.
    var mode: BorderMode?
}

/// Builds graph nodes from ONNX nodes, one after the other in topological order.
///
/// A node that cannot be read is noted and the rest goes on, so that all such nodes are found at once.
struct ONNXTranslation {
    let model: ONNXModel
    var constants: ONNXConstants
    private(set) var nodes: [NetworkGraph.Node] = []
    private(set) var channels: [Int] = []
    private(set) var scales: [Int] = []
    private(set) var problems: [ModelProblem] = []
    /// The input's size, where the file fixes it.
    private(set) var fixed: (height: Double, width: Double)?
    /// The input stands as N, H, W, C.
    private(set) var isChannelsLast = false
    private var values: [ONNXValue?]
    /// How often each value is used, outputs of the graph included.
    private(set) var uses: [Int]
    private var names: Set<String> = []
    private var perChannel: [Int: [Float]] = [:]
    private var smalls: [Int: ONNXSmall] = [:]
    private var smallElements = 0

    init(_ model: ONNXModel, folder: String?) throws(EnlargerError) {
        self.model = model
        constants = ONNXConstants(storage: model.storage, folder: folder)
        values = [ONNXValue?](repeating: nil, count: model.valueNames.count)
        uses = [Int](repeating: 0, count: model.valueNames.count)
        for node in model.nodes { for input in node.inputs where input >= 0 { uses[input] += 1 } }
        for output in model.outputs { uses[output] += 1 }
        for (value, tensor) in model.initializers { values[value] = .constant(tensor) }
        try addInput()
    }

    func value(_ number: Int) -> ONNXValue? { values[number] }

    private mutating func addInput() throws(EnlargerError) {
        guard model.inputs.count == 1 else {
            let names = model.inputs.prefix(8).map { "\"\(model.valueNames[$0.value].prefix(80))\"" }.joined(separator: ", ")
            throw EnlargerError(.modelUnsupported, "\(model.inputs.count) inputs (\(names)); networks of one picture are read")
        }
        let input = model.inputs[0], name = String(model.valueNames[input.value])
        guard [0, 1, 2, 10, 11, 16].contains(input.elementType) else { throw unsupported(name, "an input of ONNX type \(input.elementType)") }
        let shape = input.shape ?? [nil, nil, nil, nil]
        guard shape.count == 4 else { throw unsupported(name, "an input of \(shape.count) dimensions; pictures have four: batch, channels, height, width") }
        guard shape[0] == nil || shape[0] == 1 else { throw unsupported(name, "a batch of \(shape[0]!); networks of one picture are read") }
        func isColour(_ extent: Int?) -> Bool { extent == 1 || extent == 3 }
        isChannelsLast = isColour(shape[3]) && !isColour(shape[1])
        let (height, width) = isChannelsLast ? (shape[1], shape[2]) : (shape[2], shape[3])
        if let height, let width { fixed = (Double(height), Double(width)) }
        var channels = isChannelsLast ? shape[3] : shape[1]
        if channels == nil { channels = try channelsOfFirstConvolution() }
        guard let channels else {
            throw unsupported(name, "neither it nor a convolution says how many channels it has")
        }
        guard channels <= Limits.channels else { throw unsupported(name, "an input of \(channels) channels; 1 and 3 are read") }
        let node = try append(name, .input(channels: channels), [])
        let view = ONNXView(node: node, channels: channels, scale: 1)
        values[input.value] = isChannelsLast ? .view(view.transposed([0, 2, 3, 1])) : .map(node)
    }

    private func channelsOfFirstConvolution() throws(EnlargerError) -> Int? {
        for node in model.nodes where node.operation == "Conv" && node.inputs.count >= 2 && node.inputs[1] >= 0 {
            guard let shape = model.initializers[node.inputs[1]]?.shape, shape.count == 4 else { return nil }
            let (channels, overflow) = shape[1].multipliedReportingOverflow(by: max(1, try model.integer(node, "group") ?? 1))
            return overflow ? nil : channels
        }
        return nil
    }

    // MARK: Nodes

    mutating func translate(_ index: Int) throws(EnlargerError) {
        let node = model.nodes[index]
        let isKnown = node.domain.isEmpty && ONNXTranslation.read.contains(node.operation)
        let reachesUnknown = node.inputs.contains { input in if input >= 0, case .unknown? = values[input] { true } else { false } }
        guard isKnown, !reachesUnknown else {
            if let reason = isKnown ? try reasonOfItsOwn(node) : ONNXTranslation.reason(node) { note(node, reason) }
            for output in node.outputs where output >= 0 { values[output] = .unknown }
            return
        }
        do throws(EnlargerError) {
            try dispatch(node)
        } catch {
            guard error.code == .modelUnsupported else { throw error }
            note(node, error.message)
            for output in node.outputs where output >= 0 { values[output] = .unknown }
        }
    }

    private mutating func note(_ node: ONNXModel.Node, _ reason: String) {
        let prefix = "node \"\(node.name.prefix(80))\": "
        let text = reason.hasPrefix(prefix) ? String(reason.dropFirst(prefix.count)) : reason
        problems.append(ModelProblem(node: String(node.name.prefix(80)), operation: String(node.operation.prefix(80)), reason: text))
    }

    /// Adds a graph node; its name is made unique.
    mutating func append(_ name: String, _ operation: Operation, _ inputs: [Int]) throws(EnlargerError) -> Int {
        guard nodes.count < Limits.nodes else { throw invalid(name, "more than \(Limits.nodes) nodes") }
        var unique = String(name.prefix(200)), count = 2
        while !names.insert(unique).inserted {
            unique = "\(name.prefix(200)) \(nodes.count)" + (count > 2 ? " \(count)" : "")
            count += 1
        }
        let node = NetworkGraph.Node(unique, operation, inputs: inputs)
        let (c, s) = try node.inferShape(channels: inputs.map { channels[$0] }, scales: inputs.map { scales[$0] })
        guard c >= 1, c <= Limits.channels, s >= 1, s <= 64 else { throw invalid(name, "\(c) channels, enlarged \(s) times") }
        nodes.append(node)
        channels.append(c)
        scales.append(s)
        return nodes.count - 1
    }

    /// Puts another operation of the same shape in place of a node's.
    mutating func replace(_ index: Int, _ operation: Operation) { nodes[index].operation = operation }

    mutating func set(_ node: ONNXModel.Node, _ value: ONNXValue, output: Int = 0) throws(EnlargerError) {
        guard output < node.outputs.count, node.outputs[output] >= 0 else { return }
        if case .small(let small) = value {
            guard small.values.count <= ONNXSmall.limit else { throw unsupported(node.name, "shape arithmetic on \(small.values.count) elements") }
            smallElements += small.values.count + 8
            guard smallElements <= Limits.expandedElements else { throw invalid(node.name, "more than \(Limits.expandedElements) elements of shape arithmetic") }
        }
        values[node.outputs[output]] = value
    }

    /// A graph node with one input and output.
    mutating func unary(_ node: ONNXModel.Node, _ operation: Operation) throws(EnlargerError) {
        let input = try map(node, 0)
        try set(node, .map(append(node.name, operation, [input])))
    }

    // MARK: Inputs

    func has(_ node: ONNXModel.Node, _ position: Int) -> Bool { position < node.inputs.count && node.inputs[position] >= 0 }

    func input(_ node: ONNXModel.Node, _ position: Int) throws(EnlargerError) -> ONNXValue {
        guard has(node, position) else { throw invalid(node.name, "\(node.operation) without input \(position)") }
        guard let value = values[node.inputs[position]] else { throw invalid(node.name, "its input \"\(nameOfInput(node, position))\" has no value") }
        return value
    }

    func nameOfInput(_ node: ONNXModel.Node, _ position: Int) -> String { String(model.valueNames[node.inputs[position]].prefix(80)) }

    /// The graph node that an input stands for; pixel shuffles that were spelled out become nodes here.
    mutating func map(_ node: ONNXModel.Node, _ position: Int) throws(EnlargerError) -> Int {
        switch try input(node, position) {
        case .map(let index): return index
        case .view(let view):
            guard let index = try resolved(view, name: nameOfInput(node, position)) else {
                throw unsupported(node.name, "reads \"\(nameOfInput(node, position))\", whose dimensions are not batch, channels, height, width")
            }
            values[node.inputs[position]] = .map(index)
            return index
        case .padded: throw unsupported(node.name, "reads \"\(nameOfInput(node, position))\", a padded map; only a convolution that takes the border away again can")
        case .constant, .small: throw unsupported(node.name, "reads \"\(nameOfInput(node, position))\", a constant, where a map is needed")
        case .unknown: throw unsupported(node.name, "reads a value that cannot be read")
        }
    }

    /// nil for a view that is no map.
    mutating func resolved(_ view: ONNXView, name: String) throws(EnlargerError) -> Int? {
        switch view.meaning {
        case .map?: return view.node
        case .blockFirst(let s)?: return try append(name, .depthToSpace(s, .blockFirst), [view.node])
        case .channelFirst(let s)?: return try append(name, .depthToSpace(s, .channelFirst), [view.node])
        case nil: return nil
        }
    }

    /// A constant tensor, not yet read.
    func tensor(_ node: ONNXModel.Node, _ position: Int) throws(EnlargerError) -> ONNXTensor {
        guard case .constant(let tensor) = try input(node, position) else {
            throw unsupported(node.name, "\"\(nameOfInput(node, position))\" is computed; \(node.operation) needs a constant there")
        }
        return tensor
    }

    /// A few numbers.
    mutating func small(_ node: ONNXModel.Node, _ position: Int) throws(EnlargerError) -> ONNXSmall {
        let value = try input(node, position), number = node.inputs[position]
        if case .small(let small) = value { return small }
        if let known = smalls[number] { return known }
        guard case .constant(let tensor) = value, tensor.count <= ONNXSmall.limit else {
            throw unsupported(node.name, "\"\(nameOfInput(node, position))\" is not a few constant numbers, as \(node.operation) needs there")
        }
        let values = try constants.numbers(tensor).map { ONNXExtent($0) }
        let small = ONNXSmall(shape: tensor.shape, values: values, isInteger: tensor.type?.isInteger ?? false)
        smalls[number] = small
        return small
    }

    /// Constant integers.
    mutating func integers(_ node: ONNXModel.Node, _ position: Int) throws(EnlargerError) -> [Int] {
        var result: [Int] = []
        for extent in try small(node, position).values {
            guard let number = extent.number else { throw unsupported(node.name, "\"\(nameOfInput(node, position))\" depends on the picture's size") }
            result.append(Int(exactly: number) ?? (number > 0 ? .max : .min))
        }
        return result
    }

    /// Values that broadcast over N, C, H, W: one, or one a channel.
    mutating func perChannel(_ node: ONNXModel.Node, _ position: Int, channels: Int) throws(EnlargerError) -> [Float] {
        let shape: [Int]
        switch try input(node, position) {
        case .constant(let tensor): shape = tensor.shape
        case .small(let small): shape = small.shape
        default: throw unsupported(node.name, "\"\(nameOfInput(node, position))\" is computed; \(node.operation) needs a constant there")
        }
        let padded = [Int](repeating: 1, count: max(0, 4 - shape.count)) + shape
        guard padded.count == 4, padded[0] == 1, padded[2] == 1, padded[3] == 1, padded[1] == 1 || padded[1] == channels else {
            throw unsupported(node.name, "a constant of shape \(shape) where one value, or one for each of \(channels) channels, is needed")
        }
        return try vector(node, position)
    }

    /// All elements of a constant of at most as many as there can be channels.
    mutating func vector(_ node: ONNXModel.Node, _ position: Int) throws(EnlargerError) -> [Float] {
        let number = node.inputs[position]
        if let known = perChannel[number] { return known }
        let result: [Float]
        switch try input(node, position) {
        case .constant(let tensor):
            guard tensor.count >= 1, tensor.count <= Limits.channels else { throw unsupported(node.name, "a constant of shape \(tensor.shape)") }
            result = try constants.numbers(tensor).map { Float($0) }
        default:
            var values: [Float] = []
            for extent in try small(node, position).values {
                guard let number = extent.number else { throw unsupported(node.name, "\"\(nameOfInput(node, position))\" depends on the picture's size") }
                values.append(Float(number))
            }
            result = values
        }
        guard result.allSatisfy(\.isFinite) else { throw invalid(node.name, "\"\(nameOfInput(node, position))\" holds numbers that are not finite") }
        perChannel[number] = result
        return result
    }

    mutating func scalar(_ node: ONNXModel.Node, _ position: Int) throws(EnlargerError) -> Double {
        let small = try small(node, position)
        guard small.values.count == 1, let number = small.values[0].number else { throw unsupported(node.name, "\"\(nameOfInput(node, position))\" is not one constant number") }
        return number
    }

    /// A dimension of a value of `rank` dimensions, counted from the end where negative.
    func axis(_ node: ONNXModel.Node, _ axis: Int, rank: Int) throws(EnlargerError) -> Int {
        guard axis >= -rank, axis < rank else { throw invalid(node.name, "dimension \(axis) of \(rank)") }
        return axis < 0 ? axis + rank : axis
    }
}
