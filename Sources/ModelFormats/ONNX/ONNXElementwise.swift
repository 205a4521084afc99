import NetworkGraph
import Tensors

/// Arithmetic and activations on maps.
extension ONNXTranslation {
    /// Two maps, or a map and a constant for each channel.
    mutating func arithmetic(_ node: ONNXModel.Node) throws(EnlargerError) {
        let left = try input(node, 0).isStatic, right = try input(node, 1).isStatic
        guard left || right else {
            let operation: Operation
            switch node.operation {
            case "Add": operation = .add
            case "Sub": operation = .subtract
            case "Mul": operation = .multiply
            default: throw unsupported(node.name, "Div of two maps; only division by constants is read")
            }
            let (a, b) = (try map(node, 0), try map(node, 1))
            return try set(node, .map(append(node.name, operation, [a, b])))
        }
        let x = try map(node, left ? 1 : 0), values = try perChannel(node, left ? 0 : 1, channels: channels[x])
        func derived(_ body: (Float) -> Float) throws(EnlargerError) -> [Float] {
            try constants.expand(values.count, node.name)
            return values.map(body)
        }
        let operation: Operation
        switch (node.operation, left) {
        case ("Mul", _): operation = .affine(scale: values, offset: [0])
        case ("Sub", true): operation = .affine(scale: [-1], offset: values)
        case ("Sub", false): operation = .affine(scale: [1], offset: try derived { -$0 })
        case ("Div", true): throw unsupported(node.name, "Div of a constant by a map")
        case ("Div", false):
            guard values.allSatisfy({ $0 != 0 && (1 / $0).isFinite }) else { throw invalid(node.name, "division by zero") }
            operation = .affine(scale: try derived { 1 / $0 }, offset: [0])
        default: operation = .affine(scale: [1], offset: values)
        }
        try set(node, .map(append(node.name, operation, [x])))
    }

    /// Any number of maps.
    mutating func sum(_ node: ONNXModel.Node) throws(EnlargerError) {
        var total = try map(node, 0)
        for position in node.inputs.indices.dropFirst() {
            let next = try map(node, position)
            total = try append(node.name, .add, [total, next])
        }
        try set(node, .map(total))
    }

    mutating func prelu(_ node: ONNXModel.Node) throws(EnlargerError) {
        let x = try map(node, 0)
        guard has(node, 1) else { throw invalid(node.name, "PRelu without slopes") }
        let slope = try perChannel(node, 1, channels: channels[x])
        try set(node, .map(append(node.name, .activation(.prelu(slope)), [x])))
    }

    /// Bounds are inputs, attributes before operator set 11; either may be absent.
    mutating func clip(_ node: ONNXModel.Node) throws(EnlargerError) {
        var bounds: [Float] = []
        for (position, key, none) in [(1, "min", -Float.greatestFiniteMagnitude), (2, "max", Float.greatestFiniteMagnitude)] {
            let bound = try has(node, position) ? Float(scalar(node, position)) : model.float(node, key) ?? none
            guard !bound.isNaN else { throw invalid(node.name, "a bound that is no number") }
            bounds.append(min(max(bound, -.greatestFiniteMagnitude), .greatestFiniteMagnitude))
        }
        guard bounds[0] <= bounds[1] else { throw invalid(node.name, "bounds \(bounds[0]) and \(bounds[1])") }
        let isRelu = bounds[0] == 0 && bounds[1] == .greatestFiniteMagnitude
        try unary(node, .activation(isRelu ? .relu : .clip(lower: bounds[0], upper: bounds[1])))
    }

    /// max(0, min(1, alpha · x + beta))
    mutating func hardSigmoid(_ node: ONNXModel.Node) throws(EnlargerError) {
        let x = try map(node, 0)
        let line = try append(node.name, .affine(scale: [try finite(node, "alpha", 0.2)], offset: [try finite(node, "beta", 0.5)]), [x])
        try set(node, .map(append(node.name, .activation(.clip(lower: 0, upper: 1)), [line])))
    }

    /// Between floating-point types a cast changes nothing here: maps are float32.
    mutating func cast(_ node: ONNXModel.Node) throws(EnlargerError) {
        let type = try model.integer(node, "to") ?? 0
        guard [1, 10, 11, 16].contains(type) else { throw unsupported(node.name, "a map cast to ONNX type \(type); maps are floating-point numbers") }
        try set(node, try input(node, 0))
    }
}
