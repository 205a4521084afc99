import NetworkGraph
import Tensors

/// Arithmetic, activations and constants.
extension NCNNTranslation {
    mutating func affine(_ layer: NCNNParam.Layer, scale: [Float], offset: [Float]) throws(EnlargerError) {
        let source = try map(layer)
        let isFinite = scale.allSatisfy(\.isFinite) && offset.allSatisfy(\.isFinite)
        guard isFinite else { throw invalid(layer.name, "a factor or an offset that is not finite") }
        let node = try append(layer.name, .affine(scale: scale, offset: offset), [source])
        try set(layer, [.map(node)])
    }

    mutating func scale(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        let count = try layer.integer(0, 0)
        guard count >= 0 else { throw unsupported(layer.name, "factors that another layer makes") }
        let factors = try weights.floats(count, node: layer.name)
        try affine(
            layer, scale: factors, offset: try layer.integer(1, 0) != 0 ? weights.floats(count, node: layer.name) : [0])
    }

    /// (x - mean) / sqrt(variance + eps) · slope + bias
    mutating func batchNorm(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        let count = try layer.integer(0, 0)
        let eps = Float(layer.number(1, 0))
        guard count >= 1 else { throw invalid(layer.name, "\(count) channels") }
        let slope = try weights.floats(count, node: layer.name)
        let mean = try weights.floats(count, node: layer.name)
        let variance = try weights.floats(count, node: layer.name)
        let bias = try weights.floats(count, node: layer.name)
        let factor = (0..<count).map { slope[$0] / (variance[$0] + eps).squareRoot() }
        try affine(layer, scale: factor, offset: (0..<count).map { bias[$0] - mean[$0] * factor[$0] })
    }

    mutating func memory(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        let (width, height, count) = (try layer.integer(0, 0), try layer.integer(1, 0), try layer.integer(2, 0))
        let sides = [width, height, count, try layer.integer(11, 0)].filter { $0 != 0 }
        guard sides.allSatisfy({ $0 > 0 && $0 <= Limits.channels }), sides.filter({ $0 > 1 }).count <= 1 else {
            throw unsupported(
                layer.name,
                "a constant of \(width) x \(height) x \(count); one number, or one for each channel, is read")
        }
        guard count > 0 || sides.allSatisfy({ $0 == 1 }) || sides.count == 1 else {
            throw unsupported(layer.name, "a constant along rows or columns")
        }
        try set(layer, [.constant(weights.floats(sides.reduce(1, *), node: layer.name))])
    }

    mutating func binary(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        let kind = try layer.integer(0, 0)
        if try layer.integer(1, 0) != 0 {
            return try combine(layer, kind, map(layer), [Float(layer.number(2, 0))], constantFirst: false)
        }
        let (a, b) = (try value(layer, 0), try value(layer, 1))
        switch (a, b) {
        case (.map(let x), .constant(let values)): try combine(layer, kind, x, values, constantFirst: false)
        case (.constant(let values), .map(let x)): try combine(layer, kind, x, values, constantFirst: true)
        case (.map(let x), .map(let y)):
            let operations: [Int: (Operation, swapped: Bool)] = [
                0: (.add, false), 1: (.subtract, false), 2: (.multiply, false), 7: (.subtract, true),
            ]
            guard let (operation, isSwapped) = operations[kind] else {
                throw unsupported(layer.name, "BinaryOp \(kind) of two maps; add, subtract and multiply are read")
            }
            try result(layer, operation, isSwapped ? [y, x] : [x, y])
        default: throw unsupported(layer.name, "BinaryOp of a padded map or of constants")
        }
    }

    /// Adds, subtracts, multiplies, divides a map and a constant, or takes the larger or smaller.
    private mutating func combine(
        _ layer: NCNNParam.Layer, _ kind: Int, _ x: Int, _ values: [Float], constantFirst: Bool
    ) throws(EnlargerError) {
        guard values.count == 1 || values.count == channels[x] else {
            throw invalid(layer.name, "\(values.count) numbers for \(channels[x]) channels")
        }
        guard values.allSatisfy(\.isFinite) else { throw invalid(layer.name, "a constant that is not finite") }
        switch (kind, constantFirst) {
        case (0, _): try result(layer, .affine(scale: [1], offset: values), [x])
        case (1, false), (7, true): try result(layer, .affine(scale: [1], offset: values.map { -$0 }), [x])
        case (1, true), (7, false): try result(layer, .affine(scale: [-1], offset: values), [x])
        case (2, _): try result(layer, .affine(scale: values, offset: [0]), [x])
        case (3, false), (8, true):
            guard values.allSatisfy({ $0 != 0 && (1 / $0).isFinite }) else {
                throw invalid(layer.name, "division by zero")
            }
            try result(layer, .affine(scale: values.map { 1 / $0 }, offset: [0]), [x])
        case (4, _) where values.count == 1:
            try result(layer, .activation(.clip(lower: values[0], upper: .greatestFiniteMagnitude)), [x])
        case (5, _) where values.count == 1:
            try result(layer, .activation(.clip(lower: -.greatestFiniteMagnitude, upper: values[0])), [x])
        default: throw unsupported(layer.name, "BinaryOp \(kind) of a map and a constant")
        }
    }

    /// Products, or sums with a factor for each input.
    mutating func eltwise(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        let kind = try layer.integer(0, 0)
        let factors = layer.list(1)?.map { Float($0) } ?? []
        guard kind == 0 || kind == 1, layer.inputs.count >= 2 else {
            throw unsupported(
                layer.name, "Eltwise \(kind) of \(layer.inputs.count) maps; products and sums of several are read")
        }
        guard factors.isEmpty || (kind == 1 && factors.count == layer.inputs.count && factors.allSatisfy(\.isFinite))
        else {
            throw invalid(layer.name, "\(factors.count) factors for \(layer.inputs.count) inputs")
        }
        var total: Int?
        for position in layer.inputs.indices {
            var next = try map(layer, position)
            if !factors.isEmpty, factors[position] != 1 {
                next = try append(layer.name, .affine(scale: [factors[position]], offset: [0]), [next])
            }
            total =
                try total.map { sum throws(EnlargerError) in
                    try append(layer.name, kind == 0 ? .multiply : .add, [sum, next])
                } ?? next
        }
        try set(layer, [.map(total!)])
    }

    mutating func unary(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        switch try layer.integer(0, 0) {
        case 0: try result(layer, .activation(.absolute), [map(layer)])
        case 1: try affine(layer, scale: [-1], offset: [0])
        case 4:
            let x = try map(layer)
            try result(layer, .multiply, [x, x])
        case 16: try result(layer, .activation(.tanh), [map(layer)])
        case let kind:
            throw unsupported(layer.name, "UnaryOp \(kind); absolute value, negation, square and tanh are read")
        }
    }

    mutating func activate(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        let source = try map(layer)
        let activation: Activation
        switch layer.kind {
        case "ReLU":
            let slope = Float(layer.number(0, 0))
            activation = slope == 0 ? .relu : .prelu([slope])
        case "PReLU": activation = .prelu(try weights.floats(try layer.integer(0, 0), node: layer.name))
        case "Clip":
            activation = try clip(
                layer, Float(layer.number(0, -Double(Float.greatestFiniteMagnitude))),
                Float(layer.number(1, Double(Float.greatestFiniteMagnitude))))
        case "Sigmoid": activation = .sigmoid
        case "TanH": activation = .tanh
        case "HardSigmoid":
            let line = try append(
                layer.name, .affine(scale: [Float(layer.number(0, 0.2))], offset: [Float(layer.number(1, 0.5))]),
                [source])
            return try result(layer, .activation(.clip(lower: 0, upper: 1)), [line])
        default: activation = .absolute
        }
        try result(layer, .activation(activation), [source])
    }
}
