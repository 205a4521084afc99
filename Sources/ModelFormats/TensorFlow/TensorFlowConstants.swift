import Tensors

/// The constants of a graph: read once, shared by their users, expansion bounded over the whole file.
struct TensorFlowConstants {
    let graph: GraphDef
    private var tensors: [Int: TensorData] = [:]
    private var vectors: [Int: [Float]] = [:]
    private var expanded = 0

    private var smallIntegers: [Int: [Int]] = [:]
    /// For each node the one that it is the identity of, itself for most.
    private let sources: [Int]

    init(_ graph: GraphDef) {
        self.graph = graph
        sources = TensorFlowConstants.sources(graph)
    }

    /// Follows chains of Identity nodes, each once: a file may have long ones, and rings that no output reaches.
    private static func sources(_ graph: GraphDef) -> [Int] {
        var sources = [Int](repeating: -1, count: graph.nodes.count)
        for start in graph.nodes.indices {
            var path: [Int] = [], node = start
            while sources[node] < 0 {
                sources[node] = node  // until the chain's end is known; ends rings
                path.append(node)
                guard graph.nodes[node].operation == "Identity", let input = graph.nodes[node].inputs.first else { break }
                node = input
            }
            for step in path { sources[step] = sources[node] }
        }
        return sources
    }

    /// Identity nodes passed over.
    func source(_ node: Int) -> Int { sources[node] }

    func isConstant(_ node: Int) -> Bool {
        let operation = graph.nodes[source(node)].operation
        return operation == "Const" || operation == "Dequantize"
    }

    private func proto(_ node: Int) throws(EnlargerError) -> TensorProto {
        let name = graph.nodes[node].name
        guard graph.nodes[node].operation == "Const" else { throw unsupported(name, "\(graph.nodes[node].operation) where a constant is needed") }
        guard let range = try graph.tensor(node, "value") else { throw invalid(name, "a constant without a value") }
        return try TensorProto(graph.storage, range, node: name)
    }

    private mutating func expand(_ count: Int, node: String) throws(EnlargerError) {
        guard count <= Limits.expandedElements - expanded else { throw invalid(node, "\(count) elements to expand; at most \(Limits.expandedElements) are, in the whole file") }
        expanded += count
    }

    /// Weights in their stored encoding, a slice of the file unless the file repeats one value.
    mutating func tensor(_ user: Int) throws(EnlargerError) -> TensorData {
        let node = source(user), name = graph.nodes[node].name
        if let known = tensors[node] { return known }
        let result: TensorData
        if graph.nodes[node].operation == "Dequantize" {
            result = try dequantized(node)
        } else {
            let proto = try proto(node)
            switch proto.elements {
            case .listed(let values): result = TensorData(values, shape: proto.shape)
            case .repeated(let value):
                try expand(proto.count, node: name)
                result = TensorData([Float](repeating: value, count: proto.count), shape: proto.shape)
            case .stored(let offset):
                let type: ElementType
                switch proto.type {
                case .float32: type = .float32
                case .float16: type = .float16
                case .bfloat16: type = .bfloat16
                case .int32, .quint8: throw unsupported(name, "\(proto.type) constant where floating-point numbers are needed")
                }
                guard let data = TensorData(elementType: type, shape: proto.shape, storage: graph.storage, offset: offset) else {
                    throw invalid(name, "shape \(proto.shape) does not lie inside the file")
                }
                result = data
            }
        }
        tensors[node] = result
        return result
    }

    /// Dequantize, mode MIN_FIRST: step = (max - min) / 255, value = (q + round(min / step)) · step.
    private mutating func dequantized(_ node: Int) throws(EnlargerError) -> TensorData {
        let name = graph.nodes[node].name, inputs = graph.nodes[node].inputs
        let mode = try graph.text(node, "mode") ?? "MIN_COMBINED"
        guard mode == "MIN_FIRST" else { throw unsupported(name, "Dequantize mode \(mode); only MIN_FIRST is read") }
        guard inputs.count == 3 else { throw invalid(name, "has \(inputs.count) inputs, needs 3") }
        let proto = try proto(source(inputs[0]))
        guard proto.type == .quint8, case .stored(let offset) = proto.elements else { throw unsupported(name, "Dequantize of \(proto.type)") }
        let low = try scalar(inputs[1]), high = try scalar(inputs[2])
        let step = (high - low) / 255
        guard step.isFinite, step > 0 || (low == 0 && high == 0) else { throw invalid(name, "range \(low) to \(high)") }
        let zero = step > 0 ? (low / step).rounded() : 0
        guard abs(zero) <= 16_777_216 else { throw invalid(name, "range \(low) to \(high)") }
        guard let data = TensorData(elementType: .uint8(zeroPoint: Int32(zero), step: step), shape: proto.shape, storage: graph.storage, offset: offset) else {
            throw invalid(name, "shape \(proto.shape) does not lie inside the file")
        }
        return data
    }

    private mutating func scalar(_ node: Int) throws(EnlargerError) -> Float {
        let values = try perChannel(node)
        guard values.count == 1 else { throw invalid(graph.nodes[node].name, "\(values.count) elements where one is needed") }
        return values[0]
    }

    /// Values that broadcast over the last (channel) dimension of NHWC: shape [], [C] or [1, ..., 1, C].
    mutating func perChannel(_ user: Int) throws(EnlargerError) -> [Float] {
        let node = source(user), name = graph.nodes[node].name
        if let known = vectors[node] { return known }
        var result: [Float]
        if graph.nodes[node].operation == "Const" {
            let proto = try proto(node)
            guard proto.count <= Limits.channels, proto.shape.count <= 4, proto.shape.dropLast().allSatisfy({ $0 == 1 }) else {
                throw unsupported(name, "a constant of shape \(proto.shape) where one value a channel is needed")
            }
            if case .repeated(let value) = proto.elements { result = [value] } else { result = try tensor(node).floats() }
        } else {
            let data = try tensor(node)
            guard data.count <= Limits.channels, data.shape.dropLast().allSatisfy({ $0 == 1 }) else { throw unsupported(name, "a constant of shape \(data.shape) where one value a channel is needed") }
            result = data.floats()
        }
        vectors[node] = result
        return result
    }

    /// A small int32 constant: a permutation, an axis, a size.
    mutating func integers(_ user: Int) throws(EnlargerError) -> [Int] {
        let node = source(user)
        if let known = smallIntegers[node] { return known }
        let values = try readIntegers(node)
        smallIntegers[node] = values
        return values
    }

    private func readIntegers(_ node: Int) throws(EnlargerError) -> [Int] {
        let name = graph.nodes[node].name
        guard graph.nodes[node].operation == "Const", let range = try graph.tensor(node, "value") else {
            throw unsupported(name, "\(graph.nodes[node].operation) where constant integers are needed")
        }
        if let short = try shortInteger(range) { return [short] }
        let proto = try TensorProto(graph.storage, range, node: name)
        guard proto.type == .int32, proto.count <= 16, case .stored(let offset) = proto.elements else {
            throw unsupported(name, "\(proto.type) constant of shape \(proto.shape) where a few integers are needed")
        }
        return (0..<proto.count).map { Int(Int32(littleEndian: graph.storage.bytes.loadUnaligned(fromByteOffset: offset + 4 * $0, as: Int32.self))) }
    }

    /// A scalar in int_val, as TensorFlow writes axes.
    private func shortInteger(_ range: Range<Int>) throws(EnlargerError) -> Int? {
        var reader = ProtobufReader(graph.storage, range), values: [UInt64] = []
        while let (field, value) = try reader.next() {
            guard field == 7, values.count < 2 else { continue }
            switch value {
            case .varint(let value): values.append(value)
            case .bytes(let range):
                var packed = ProtobufReader(graph.storage, range)
                while packed.position < packed.end, values.count < 2 { values.append(try packed.varint()) }
            default: break
            }
        }
        return values.count == 1 ? Int(Int32(truncatingIfNeeded: values[0])) : nil
    }

    /// Conv2DBackpropInput keeps [kh, kw, out, in]; the graph wants [kh, kw, in, out].
    mutating func transposedKernel(_ user: Int, node: String) throws(EnlargerError) -> TensorData {
        let weights = try tensor(user)
        try checkKernel(weights, node: node)
        try expand(weights.count, node: node)
        let s = weights.shape, values = weights.floats()
        var result = [Float](repeating: 0, count: values.count)
        for tap in 0..<s[0] * s[1] {
            for o in 0..<s[2] {
                for i in 0..<s[3] { result[(tap * s[3] + i) * s[2] + o] = values[(tap * s[2] + o) * s[3] + i] }
            }
        }
        return TensorData(result, shape: [s[0], s[1], s[3], s[2]])
    }
}
