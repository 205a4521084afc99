import Tensors

/// Constants, and the shape arithmetic that exporters write around Reshape, Resize and Pad.
extension ONNXTranslation {
    mutating func constant(_ node: ONNXModel.Node) throws(EnlargerError) {
        if let tensor = try model.tensor(node, "value") {
            try set(node, .constant(tensor))
        } else if let value = try model.float(node, "value_float") {
            try set(node, .small(ONNXSmall(shape: [], values: [ONNXExtent(Double(value))], isInteger: false)))
        } else if let value = try model.integer(node, "value_int") {
            try set(node, .small(ONNXSmall(shape: [], values: [ONNXExtent(Double(value))], isInteger: true)))
        } else if let values = try model.floats(node, "value_floats"), !values.isEmpty {
            try set(node, .small(ONNXSmall(values.map { ONNXExtent(Double($0)) }, isInteger: false)))
        } else if let values = try model.integers(node, "value_ints"), !values.isEmpty {
            try set(node, .small(ONNXSmall(values.map { ONNXExtent(Double($0)) })))
        } else {
            throw unsupported(node.name, "a constant that is neither a tensor nor numbers")
        }
    }

    /// The extents of a value: numbers of channels, multiples of H and W.
    mutating func shape(_ node: ONNXModel.Node) throws(EnlargerError) {
        var extents: [ONNXExtent] = []
        switch try input(node, 0) {
        case .constant(let tensor): extents = tensor.shape.map { ONNXExtent(Double($0)) }
        case .small(let small): extents = small.shape.map { ONNXExtent(Double($0)) }
        case .view(let view):
            for dimension in view.dimensions {
                guard let extent = view.extent(of: dimension) else { throw unsupported(node.name, "the shape of a map in windows") }
                extents.append(extent)
            }
        default:
            let x = try map(node, 0), s = Double(scales[x])
            extents = [ONNXExtent(1), ONNXExtent(Double(channels[x])), ONNXExtent(height: s), ONNXExtent(width: s)]
        }
        let count = extents.count
        func place(_ key: String, _ otherwise: Int) throws(EnlargerError) -> Int {
            let position = try model.integer(node, key) ?? otherwise
            return min(max(position < 0 ? position &+ count : position, 0), count)
        }
        let start = try place("start", 0), end = try place("end", count)
        try set(node, .small(ONNXSmall(start < end ? Array(extents[start..<end]) : [])))
    }

    /// A node all of whose inputs are constants.
    mutating func staticOperation(_ node: ONNXModel.Node) throws(EnlargerError) {
        switch node.operation {
        case "Cast": try castConstant(node)
        case "Reshape", "Squeeze", "Unsqueeze": try reshapeConstant(node)
        case "Transpose":
            let x = try small(node, 0), permutation = try model.integers(node, "perm") ?? Array(x.shape.indices.reversed())
            guard permutation.sorted() == Array(x.shape.indices) else { throw invalid(node.name, "permutation \(permutation) of \(x.shape.count) dimensions") }
            try set(node, .small(x.transposed(permutation)))
        case "Concat": try concatenateConstants(node)
        case "Slice": try sliceConstant(node)
        case "Gather": try gatherConstant(node)
        case "ConstantOfShape": try constantOfShape(node)
        case "Floor", "Ceil", "Neg", "Abs":
            var x = try small(node, 0)
            for index in x.values.indices {
                switch (node.operation, x.values[index].number) {
                case ("Neg", _): x.values[index] = x.values[index].scaled(-1)
                case ("Abs", let number?): x.values[index] = ONNXExtent(abs(number))
                case ("Floor", let number?): x.values[index] = ONNXExtent(number.rounded(.down))
                case ("Ceil", let number?): x.values[index] = ONNXExtent(number.rounded(.up))
                case ("Floor", nil) where x.values[index].isIntegral, ("Ceil", nil) where x.values[index].isIntegral: break
                default: throw unsupported(node.name, "\(node.operation) of a part of the picture's size")
                }
            }
            try set(node, .small(x))
        case "Add", "Sub", "Mul", "Div":
            let a = try small(node, 0), b = try small(node, 1), isInteger = a.isInteger && b.isInteger
            let result = ONNXSmall.combine(a, b) { x, y in
                switch node.operation {
                case "Add": x + y
                case "Sub": x - y
                case "Mul": x * y
                default: ONNXTranslation.quotient(x, y, isInteger)
                }
            }
            guard let result else { throw unsupported(node.name, "\(node.operation) in the arithmetic of sizes; the result is no sum of multiples of height and width") }
            try set(node, .small(result))
        default: throw unsupported(node.name, "\(node.operation) of constants")
        }
    }

    private static func quotient(_ x: ONNXExtent, _ y: ONNXExtent, _ isInteger: Bool) -> ONNXExtent? {
        if let a = x.number, let b = y.number {
            guard b != 0 else { return nil }
            return ONNXExtent(isInteger ? (a / b).rounded(.towardZero) : a / b)
        }
        if let b = y.number, b != 0 {
            let result = x.scaled(1 / b)
            return !isInteger || result.isIntegral ? result : nil
        }
        guard let ratio = x.ratio(to: y), !isInteger || ratio == ratio.rounded() else { return nil }
        return ONNXExtent(ratio)
    }

    private mutating func castConstant(_ node: ONNXModel.Node) throws(EnlargerError) {
        let type = try model.integer(node, "to") ?? 0
        guard let target = ONNXTensor.DataType(rawValue: type) else { throw unsupported(node.name, "a cast to ONNX type \(type)") }
        if case .constant(let tensor) = try input(node, 0), tensor.type?.isInteger == false, !target.isInteger { return try set(node, .constant(tensor)) }
        var x = try small(node, 0)
        if target.isInteger, !x.isInteger {
            for index in x.values.indices {
                if let number = x.values[index].number {
                    x.values[index] = ONNXExtent(number.rounded(.towardZero))
                } else if !x.values[index].isIntegral {
                    throw unsupported(node.name, "a part of the picture's size cast to whole numbers")
                }
            }
        }
        x.isInteger = target.isInteger
        try set(node, .small(x))
    }

    private mutating func reshapeConstant(_ node: ONNXModel.Node) throws(EnlargerError) {
        let value = try input(node, 0), shape: [Int], count: Int
        switch value {
        case .constant(let tensor): (shape, count) = (tensor.shape, tensor.count)
        case .small(let small): (shape, count) = (small.shape, small.values.count)
        default: return
        }
        var target = shape
        switch node.operation {
        case "Reshape":
            target = try integers(node, 1)
            guard target.count <= Limits.rank, target.filter({ $0 == -1 }).count <= 1 else { throw invalid(node.name, "shape \(target)") }
            for index in target.indices where target[index] == 0 && index < shape.count { target[index] = shape[index] }
            if let inferred = target.firstIndex(of: -1) {
                let rest = ONNXTranslation.product(target.filter { $0 != -1 })
                guard let rest, rest > 0, count % rest == 0 else { throw invalid(node.name, "shape \(target) for \(count) elements") }
                target[inferred] = count / rest
            }
        case "Unsqueeze":
            let axes = try axesList(node)
            guard shape.count + axes.count <= Limits.rank else { throw invalid(node.name, "\(shape.count + axes.count) dimensions") }
            var places: [Int] = []
            for dimension in axes { places.append(try axis(node, dimension, rank: shape.count + axes.count)) }
            for place in places.sorted() {
                guard place <= target.count else { throw invalid(node.name, "dimensions \(axes)") }
                target.insert(1, at: place)
            }
        default:
            if !has(node, 1), try model.integers(node, "axes") == nil {
                target = shape.filter { $0 != 1 }
            } else {
                var places: [Int] = []
                for dimension in try axesList(node) { places.append(try axis(node, dimension, rank: shape.count)) }
                for place in Set(places).sorted().reversed() {
                    guard target[place] == 1 else { throw invalid(node.name, "dimension \(place) has \(target[place]) elements") }
                    target.remove(at: place)
                }
            }
        }
        guard ONNXTranslation.product(target) == count else { throw invalid(node.name, "shape \(target) for \(count) elements") }
        switch value {
        case .constant(let tensor): try set(node, .constant(tensor.reshaped(target)))
        case .small(let small): try set(node, .small(ONNXSmall(shape: target, values: small.values, isInteger: small.isInteger)))
        default: break
        }
    }

    private static func product(_ shape: [Int]) -> Int? {
        var product = 1
        for extent in shape {
            let (next, overflow) = product.multipliedReportingOverflow(by: extent)
            guard !overflow, extent >= 0 else { return nil }
            product = next
        }
        return product
    }

    private mutating func concatenateConstants(_ node: ONNXModel.Node) throws(EnlargerError) {
        var parts: [ONNXSmall] = [], count = 0
        for position in node.inputs.indices {
            parts.append(try small(node, position))
            count += parts[position].values.count
            guard count <= ONNXSmall.limit else { throw unsupported(node.name, "shape arithmetic on \(count) elements") }
        }
        let rank = parts[0].shape.count
        guard rank == 1, parts.allSatisfy({ $0.shape.count == 1 }) else { throw unsupported(node.name, "Concat of constants of \(rank) dimensions; lists are read") }
        try set(node, .small(ONNXSmall(parts.flatMap(\.values), isInteger: parts.allSatisfy(\.isInteger))))
    }

    private mutating func sliceConstant(_ node: ONNXModel.Node) throws(EnlargerError) {
        var x = try small(node, 0)
        let starts = try sliceList(node, 1, "starts") ?? [], ends = try sliceList(node, 2, "ends") ?? []
        let axes = try sliceList(node, 3, "axes") ?? Array(starts.indices), steps = try sliceList(node, 4, "steps") ?? [Int](repeating: 1, count: starts.count)
        guard starts.count == ends.count, axes.count == starts.count, steps.count == starts.count else { throw invalid(node.name, "starts, ends, axes and steps differ in number") }
        for i in starts.indices {
            let dimension = try axis(node, axes[i], rank: x.shape.count), extent = x.shape[dimension], step = steps[i]
            guard step != 0, step > Int.min else { throw invalid(node.name, "step \(step)") }
            func place(_ position: Int) -> Int {
                let counted = position < 0 ? position + extent : position
                return step > 0 ? min(max(counted, 0), extent) : min(max(counted, -1), extent - 1)
            }
            let positions = Array(stride(from: place(starts[i]), to: place(ends[i]), by: min(max(step, -extent - 1), extent + 1)))
            x = x.selecting(axis: dimension, positions)
        }
        try set(node, .small(x))
    }

    private mutating func gatherConstant(_ node: ONNXModel.Node) throws(EnlargerError) {
        let x = try small(node, 0), indices = try small(node, 1)
        guard !x.shape.isEmpty else { throw invalid(node.name, "Gather of a single number") }
        let dimension = try axis(node, try model.integer(node, "axis") ?? 0, rank: x.shape.count)
        var positions: [Int] = []
        for index in try integers(node, 1) {
            let position = index < 0 ? index &+ x.shape[dimension] : index
            guard position >= 0, position < x.shape[dimension] else { throw invalid(node.name, "element \(index) of \(x.shape[dimension])") }
            positions.append(position)
        }
        let count = x.values.count / max(x.shape[dimension], 1) * positions.count
        guard count <= ONNXSmall.limit else { throw unsupported(node.name, "shape arithmetic on \(count) elements") }
        let picked = x.selecting(axis: dimension, positions)
        let shape = Array(x.shape[..<dimension]) + indices.shape + Array(x.shape[(dimension + 1)...])
        guard shape.count <= Limits.rank else { throw invalid(node.name, "\(shape.count) dimensions") }
        try set(node, .small(ONNXSmall(shape: shape, values: picked.values, isInteger: x.isInteger)))
    }

    private mutating func constantOfShape(_ node: ONNXModel.Node) throws(EnlargerError) {
        let shape = try integers(node, 0)
        guard shape.count <= Limits.rank, let count = ONNXTranslation.product(shape), count <= ONNXSmall.limit else {
            throw unsupported(node.name, "ConstantOfShape \(shape); at most \(ONNXSmall.limit) elements are read")
        }
        var value = ONNXExtent(0), isInteger = false
        if let tensor = try model.tensor(node, "value") {
            guard tensor.count == 1 else { throw invalid(node.name, "a value of \(tensor.count) elements") }
            value = ONNXExtent(try constants.numbers(tensor)[0])
            isInteger = tensor.type?.isInteger ?? false
        }
        try set(node, .small(ONNXSmall(shape: shape, values: [ONNXExtent](repeating: value, count: count), isInteger: isInteger)))
    }
}
