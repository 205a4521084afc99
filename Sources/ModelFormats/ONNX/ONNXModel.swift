import Tensors

/// A ModelProto as written: nodes, initializers, inputs and outputs, attributes not yet decoded.
///
/// Schema: onnx.proto3 of the ONNX specification (https://onnx.ai). Values are numbered; a name is kept once.
struct ONNXModel {
    struct Node {
        /// The file's name; where it has none, that of the first output.
        var name = ""
        var operation = ""
        var domain = ""
        /// Value numbers; -1 where an optional input or output is left out.
        var inputs: [Int] = []
        var outputs: [Int] = []
        /// AttributeProto messages by name.
        fileprivate(set) var attributes: [String: Range<Int>] = [:]
    }
    struct Input {
        var value: Int
        /// TensorProto.DataType; 0 when the file does not say.
        var elementType = 0
        /// Extents; nil where symbolic. The whole list is nil when the file gives no shape.
        var shape: [Int?]?
    }

    let storage: ByteStorage
    private(set) var opset = 0
    private(set) var producer = ""
    private(set) var metadata: [String: String] = [:]
    private(set) var nodes: [Node] = []
    /// Inputs that are no initializers.
    private(set) var inputs: [Input] = []
    private(set) var outputs: [Int] = []
    private(set) var initializers: [Int: ONNXTensor] = [:]
    /// The node that makes each value; -1 for inputs and initializers.
    private(set) var producers: [Int] = []
    private(set) var valueNames: [String] = []
    private var numbers: [String: Int] = [:]

    /// A ModelProto begins with ir_version; other writers may begin with the graph or the operator sets.
    static func recognises(_ storage: ByteStorage) -> Bool {
        guard storage.bytes.count >= 2 else { return false }
        return [0x08, 0x3A, 0x42].contains(storage.bytes[0])
    }

    /// - Throws: `modelInvalid` for malformed messages, values made twice or never, tensors whose bytes contradict their shape;
    ///   `modelUnsupported` for operator sets that are not read.
    init(_ storage: ByteStorage) throws(EnlargerError) {
        self.storage = storage
        var reader = ProtobufReader(storage, 0..<storage.bytes.count), graph: Range<Int>?
        while let (field, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            switch field {
            case 2: producer = try reader.text(range)
            case 7: graph = range
            case 8: try readOperatorSet(range)
            case 14:
                let (key, text) = try ONNXModel.entry(storage, range)
                guard metadata.count < 256 else { throw EnlargerError(.modelInvalid, "more than 256 metadata entries") }
                metadata[key] = text
            default: break
            }
        }
        guard let graph else { throw EnlargerError(.modelInvalid, "an ONNX model without a graph") }
        guard opset != 0 else { throw EnlargerError(.modelInvalid, "an ONNX model that names no operator set") }
        guard (9...25).contains(opset) else { throw EnlargerError(.modelUnsupported, "ONNX operator set \(opset); 9 to 25 are read") }
        try readGraph(graph)
        try connect()
    }

    private mutating func readOperatorSet(_ range: Range<Int>) throws(EnlargerError) {
        var reader = ProtobufReader(storage, range), domain = "", version: UInt64 = 0
        while let (field, value) = try reader.next() {
            if field == 1, case .bytes(let range) = value { domain = try reader.text(range) }
            if field == 2, case .varint(let value) = value { version = value }
        }
        if domain.isEmpty || domain == "ai.onnx" { opset = Int(clamping: version) }
    }

    /// A StringStringEntryProto.
    static func entry(_ storage: ByteStorage, _ range: Range<Int>) throws(EnlargerError) -> (String, String) {
        var reader = ProtobufReader(storage, range), key = "", text = ""
        while let (field, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            if field == 1 { key = try reader.text(range) }
            if field == 2 { text = range.count <= 4096 ? try reader.text(range, limit: 4096) : "" }
        }
        return (key, text)
    }

    private mutating func number(_ name: String) -> Int {
        if let known = numbers[name] { return known }
        numbers[name] = valueNames.count
        valueNames.append(name)
        return valueNames.count - 1
    }

    private mutating func readGraph(_ range: Range<Int>) throws(EnlargerError) {
        var reader = ProtobufReader(storage, range), listed: [Input] = []
        while let (field, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            switch field {
            case 1:
                guard nodes.count < Limits.nodes else { throw EnlargerError(.modelInvalid, "more than \(Limits.nodes) nodes") }
                nodes.append(try node(range))
            case 5:
                let tensor = try ONNXTensor(storage, range, name: nil)
                guard initializers.updateValue(tensor, forKey: number(tensor.name)) == nil else {
                    throw EnlargerError(.modelInvalid, "two tensors are called \"\(tensor.name.prefix(80))\"")
                }
            case 11: listed.append(try valueInfo(range))
            case 12: outputs.append(try valueInfo(range).value)
            case 15: throw EnlargerError(.modelUnsupported, "a sparse tensor; only dense ones are read")
            default: break
            }
        }
        guard !nodes.isEmpty else { throw EnlargerError(.modelInvalid, "an ONNX graph without nodes") }
        guard !outputs.isEmpty else { throw EnlargerError(.modelInvalid, "an ONNX graph without outputs") }
        guard outputs.count <= Limits.outputs else { throw EnlargerError(.modelUnsupported, "\(outputs.count) outputs; at most \(Limits.outputs) are read") }
        inputs = listed.filter { initializers[$0.value] == nil }
    }

    private mutating func node(_ range: Range<Int>) throws(EnlargerError) -> Node {
        var reader = ProtobufReader(storage, range), node = Node()
        while let (field, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            switch field {
            case 1, 2:
                let name = try reader.text(range), value = name.isEmpty ? -1 : number(name)
                if field == 1 { node.inputs.append(value) } else { node.outputs.append(value) }
            case 3: node.name = try reader.text(range)
            case 4: node.operation = try reader.text(range)
            case 5:
                var attribute = ProtobufReader(storage, range), key = ""
                while let (field, value) = try attribute.next() {
                    if field == 1, case .bytes(let range) = value { key = try attribute.text(range) }
                }
                guard node.attributes.count < 64 else { throw invalid(node.name, "more than 64 attributes") }
                node.attributes[key] = range
            case 7:
                let domain = try reader.text(range)
                node.domain = domain == "ai.onnx" ? "" : domain
            default: break
            }
        }
        if node.name.isEmpty, let output = node.outputs.first, output >= 0 { node.name = valueNames[output] }
        guard node.outputs.contains(where: { $0 >= 0 }) else { throw invalid(node.name, "\(node.operation.prefix(80)) without an output") }
        return node
    }

    /// A ValueInfoProto of a tensor.
    private mutating func valueInfo(_ range: Range<Int>) throws(EnlargerError) -> Input {
        var reader = ProtobufReader(storage, range), name = "", elementType = 0, shape: [Int?]?
        while let (field, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            if field == 1 { name = try reader.text(range) }
            guard field == 2 else { continue }
            var type = ProtobufReader(storage, range)
            while let (field, value) = try type.next() {
                guard field == 1, case .bytes(let range) = value else { continue }
                var tensor = ProtobufReader(storage, range)
                while let (field, value) = try tensor.next() {
                    if field == 1, case .varint(let value) = value { elementType = Int(clamping: value) }
                    if field == 2, case .bytes(let range) = value { shape = try ONNXModel.shape(storage, range) }
                }
            }
        }
        return Input(value: number(name), elementType: elementType, shape: shape)
    }

    /// A TensorShapeProto; extents below 1 count as unknown.
    private static func shape(_ storage: ByteStorage, _ range: Range<Int>) throws(EnlargerError) -> [Int?] {
        var reader = ProtobufReader(storage, range), shape: [Int?] = []
        while let (field, value) = try reader.next() {
            guard field == 1, case .bytes(let range) = value else { continue }
            guard shape.count < Limits.rank else { throw EnlargerError(.modelInvalid, "a shape of more than \(Limits.rank) dimensions") }
            var dimension = ProtobufReader(storage, range), extent: Int?
            while let (field, value) = try dimension.next() {
                if field == 1, case .varint(let value) = value, value >= 1, value <= 1 << 32 { extent = Int(value) }
            }
            shape.append(extent)
        }
        return shape
    }

    /// Finds the producer of every value and checks that what is used exists.
    private mutating func connect() throws(EnlargerError) {
        producers = [Int](repeating: -1, count: valueNames.count)
        let given = Set(inputs.map(\.value))
        for (index, node) in nodes.enumerated() {
            for output in node.outputs where output >= 0 {
                guard producers[output] < 0, initializers[output] == nil, !given.contains(output) else {
                    throw invalid(node.name, "the value \"\(valueNames[output].prefix(80))\" is made twice")
                }
                producers[output] = index
            }
        }
        func exists(_ value: Int) -> Bool { producers[value] >= 0 || initializers[value] != nil || given.contains(value) }
        for node in nodes {
            for input in node.inputs where input >= 0 && !exists(input) {
                throw invalid(node.name, "its input \"\(valueNames[input].prefix(80))\" does not exist")
            }
        }
        for output in outputs where !exists(output) {
            throw EnlargerError(.modelInvalid, "the output \"\(valueNames[output].prefix(80))\" does not exist")
        }
    }

    /// Nodes that the outputs depend on, each after those that it depends on.
    func order() throws(EnlargerError) -> [Int] {
        let sources = nodes.map { node in node.inputs.compactMap { $0 >= 0 && producers[$0] >= 0 ? producers[$0] : nil } }
        return try topologicalOrder(from: outputs.map { producers[$0] }.filter { $0 >= 0 }, inputs: sources) { nodes[$0].name }
    }
}
