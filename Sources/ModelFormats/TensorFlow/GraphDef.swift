import Tensors

/// The nodes of a TensorFlow GraphDef as written, attributes not yet decoded.
///
/// Schema: tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape}.proto.
struct GraphDef {
    struct Node {
        var name = ""
        var operation = ""
        /// Indices into `nodes`; control inputs are left out.
        var inputs: [Int] = []
        /// AttrValue messages by name.
        fileprivate(set) var attributes: [String: Range<Int>] = [:]
        fileprivate var inputNames: [String] = []
    }
    let storage: ByteStorage
    private(set) var nodes: [Node] = []

    /// - Throws: `modelInvalid` for malformed messages, duplicate names, inputs that don't exist.
    init(_ storage: ByteStorage) throws(EnlargerError) {
        self.storage = storage
        var reader = ProtobufReader(storage, 0..<storage.bytes.count)
        var indices: [String: Int] = [:]
        while let (field, value) = try reader.next() {
            guard field == 1, case .bytes(let range) = value else { continue }
            guard nodes.count < Limits.nodes else { throw EnlargerError(.modelInvalid, "more than \(Limits.nodes) nodes") }
            let node = try GraphDef.node(storage, range)
            guard indices.updateValue(nodes.count, forKey: node.name) == nil else { throw invalid(node.name, "two nodes of this name") }
            nodes.append(node)
        }
        guard !nodes.isEmpty else { throw EnlargerError(.modelInvalid, "a graph without nodes") }
        for index in nodes.indices {
            for input in nodes[index].inputNames {
                guard let source = indices[input] else { throw invalid(nodes[index].name, "its input \"\(input.prefix(80))\" does not exist") }
                nodes[index].inputs.append(source)
            }
            nodes[index].inputNames = []
        }
    }

    private static func node(_ storage: ByteStorage, _ range: Range<Int>) throws(EnlargerError) -> Node {
        var reader = ProtobufReader(storage, range), node = Node()
        while let (field, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            switch field {
            case 1: node.name = try reader.text(range)
            case 2: node.operation = try reader.text(range)
            case 3:
                var name = try reader.text(range)
                if name.hasPrefix("^") { continue }
                if name.hasSuffix(":0") { name.removeLast(2) }
                node.inputNames.append(name)
            case 5:
                var entry = ProtobufReader(storage, range), key = "", attribute = range.upperBound..<range.upperBound
                while let (field, value) = try entry.next() {
                    guard case .bytes(let range) = value else { continue }
                    if field == 1 { key = try entry.text(range) }
                    if field == 2 { attribute = range }
                }
                guard node.attributes.count < 64 else { throw invalid(node.name, "more than 64 attributes") }
                node.attributes[key] = attribute
            default: break
            }
        }
        guard !node.name.isEmpty else { throw reader.malformed(range.lowerBound, "a node without a name") }
        return node
    }

    /// Field `field` of the AttrValue `key`; nil when the attribute or the field is absent.
    private func attribute(_ node: Int, _ key: String, _ field: Int) throws(EnlargerError) -> ProtobufReader.Value? {
        guard let range = nodes[node].attributes[key] else { return nil }
        var reader = ProtobufReader(storage, range), found: ProtobufReader.Value?
        while let (number, value) = try reader.next() {
            if number == field { found = value }
        }
        return found
    }

    func text(_ node: Int, _ key: String) throws(EnlargerError) -> String? {
        guard case .bytes(let range) = try attribute(node, key, 2) else { return nil }
        return String(decoding: storage.bytes[range.prefix(64)], as: UTF8.self)
    }

    func integer(_ node: Int, _ key: String) throws(EnlargerError) -> Int? {
        guard case .varint(let value) = try attribute(node, key, 3) else { return nil }
        return Int(Int64(bitPattern: value))
    }

    func float(_ node: Int, _ key: String) throws(EnlargerError) -> Float? {
        guard case .fixed32(let bits) = try attribute(node, key, 4) else { return nil }
        return Float(bitPattern: bits)
    }

    /// A list(int) attribute, packed or not, of at most 16 elements.
    func integers(_ node: Int, _ key: String) throws(EnlargerError) -> [Int]? {
        guard case .bytes(let range) = try attribute(node, key, 1) else { return nil }
        var list = ProtobufReader(storage, range), values: [Int] = []
        while let (field, value) = try list.next() {
            guard field == 3 else { continue }
            switch value {
            case .varint(let value): values.append(Int(Int64(bitPattern: value)))
            case .bytes(let range):
                var packed = ProtobufReader(storage, range)
                while packed.position < packed.end, values.count <= 16 { values.append(Int(Int64(bitPattern: try packed.varint()))) }
            default: break
            }
            guard values.count <= 16 else { throw invalid(nodes[node].name, "\"\(key)\" has more than 16 elements") }
        }
        return values
    }

    /// The TensorProto in attribute `key`.
    func tensor(_ node: Int, _ key: String) throws(EnlargerError) -> Range<Int>? {
        guard case .bytes(let range) = try attribute(node, key, 8) else { return nil }
        return range
    }
}
