import Tensors

/// A number in shape arithmetic while the picture's size is unknown: one + height · H + width · W + area · H·W.
struct ONNXExtent: Equatable {
    var one = 0.0, height = 0.0, width = 0.0, area = 0.0

    init(_ number: Double) { one = number }
    init(one: Double = 0, height: Double = 0, width: Double = 0, area: Double = 0) {
        (self.one, self.height, self.width, self.area) = (one, height, width, area)
    }

    /// The value, when it does not depend on the size.
    var number: Double? { height == 0 && width == 0 && area == 0 ? one : nil }
    var integer: Int? { number.flatMap { Int(exactly: $0) } }

    static func + (a: ONNXExtent, b: ONNXExtent) -> ONNXExtent {
        ONNXExtent(one: a.one + b.one, height: a.height + b.height, width: a.width + b.width, area: a.area + b.area)
    }
    static func - (a: ONNXExtent, b: ONNXExtent) -> ONNXExtent { a + b.scaled(-1) }
    func scaled(_ factor: Double) -> ONNXExtent { ONNXExtent(one: one * factor, height: height * factor, width: width * factor, area: area * factor) }

    /// nil where squares of H or W would arise.
    static func * (a: ONNXExtent, b: ONNXExtent) -> ONNXExtent? {
        if let number = a.number { return b.scaled(number) }
        if let number = b.number { return a.scaled(number) }
        if a == ONNXExtent(height: a.height), b == ONNXExtent(width: b.width) { return ONNXExtent(area: a.height * b.width) }
        if a == ONNXExtent(width: a.width), b == ONNXExtent(height: b.height) { return ONNXExtent(area: a.width * b.height) }
        return nil
    }

    /// What `self` is `other` times: a number, when their ratio does not depend on the size.
    func ratio(to other: ONNXExtent) -> Double? {
        let pairs = [(one, other.one), (height, other.height), (width, other.width), (area, other.area)]
        var ratio: Double?
        for (a, b) in pairs where a != 0 || b != 0 {
            guard b != 0, ratio == nil || ratio == a / b else { return nil }
            ratio = a / b
        }
        return ratio
    }

    func value(height h: Double, width w: Double) -> Double { one + height * h + width * w + area * h * w }

    var isFinite: Bool { one.isFinite && height.isFinite && width.isFinite && area.isFinite }
    var isIntegral: Bool { [one, height, width, area].allSatisfy { $0 == $0.rounded() } }
}

/// A small tensor of such numbers: what exporters compute shapes, scales and paddings with.
struct ONNXSmall {
    /// At most `limit` elements.
    var shape: [Int]
    var values: [ONNXExtent]
    var isInteger: Bool
    static let limit = 64

    init(shape: [Int], values: [ONNXExtent], isInteger: Bool) {
        precondition(values.count == shape.reduce(1, *))
        (self.shape, self.values, self.isInteger) = (shape, values, isInteger)
    }

    /// A list of numbers.
    init(_ values: [ONNXExtent], isInteger: Bool = true) { self.init(shape: [values.count], values: values, isInteger: isInteger) }

    /// Element by element, shapes broadcast from the right.
    static func combine(_ a: ONNXSmall, _ b: ONNXSmall, _ operation: (ONNXExtent, ONNXExtent) -> ONNXExtent?) -> ONNXSmall? {
        let rank = max(a.shape.count, b.shape.count)
        let (x, y) = ([Int](repeating: 1, count: rank - a.shape.count) + a.shape, [Int](repeating: 1, count: rank - b.shape.count) + b.shape)
        guard zip(x, y).allSatisfy({ $0 == $1 || $0 == 1 || $1 == 1 }) else { return nil }
        let shape = zip(x, y).map { $0 == 1 ? $1 : $0 }, count = shape.reduce(1, *)
        guard count <= limit else { return nil }
        var values: [ONNXExtent] = []
        for index in 0..<count {
            var rest = index, i = 0, j = 0, strideX = 1, strideY = 1
            for d in (0..<rank).reversed() {
                let position = rest % shape[d]
                rest /= shape[d]
                if x[d] > 1 { i += position * strideX }
                if y[d] > 1 { j += position * strideY }
                strideX *= x[d]
                strideY *= y[d]
            }
            guard let value = operation(a.values[i], b.values[j]), value.isFinite else { return nil }
            values.append(value)
        }
        return ONNXSmall(shape: shape, values: values, isInteger: a.isInteger && b.isInteger)
    }

    /// The elements at `positions` of dimension `axis`.
    func selecting(axis: Int, _ positions: [Int]) -> ONNXSmall {
        let inner = shape[(axis + 1)...].reduce(1, *), outer = shape[..<axis].reduce(1, *)
        var values: [ONNXExtent] = []
        for o in 0..<outer {
            for position in positions {
                let start = (o * shape[axis] + position) * inner
                values += self.values[start..<start + inner]
            }
        }
        var shape = shape
        shape[axis] = positions.count
        return ONNXSmall(shape: shape, values: values, isInteger: isInteger)
    }

    func transposed(_ permutation: [Int]) -> ONNXSmall {
        var strides = [Int](repeating: 1, count: shape.count)
        for d in shape.indices.dropLast().reversed() { strides[d] = strides[d + 1] * shape[d + 1] }
        let target = permutation.map { shape[$0] }, count = values.count
        let result = (0..<count).map { index -> ONNXExtent in
            var rest = index, from = 0
            for d in target.indices.reversed() {
                from += rest % target[d] * strides[permutation[d]]
                rest /= target[d]
            }
            return values[from]
        }
        return ONNXSmall(shape: target, values: result, isInteger: isInteger)
    }
}
