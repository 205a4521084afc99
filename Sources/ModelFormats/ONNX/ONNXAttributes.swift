import Tensors

/// Attributes of a node, decoded when asked for.
extension ONNXModel {
    /// Field `field` of the AttributeProto `key`; nil when the attribute or the field is absent.
    private func attribute(_ node: Node, _ key: String, _ field: Int) throws(EnlargerError) -> ProtobufReader.Value? {
        guard let range = node.attributes[key] else { return nil }
        var reader = ProtobufReader(storage, range), found: ProtobufReader.Value?
        while let (number, value) = try reader.next() {
            if number == field { found = value }
        }
        return found
    }

    func integer(_ node: Node, _ key: String) throws(EnlargerError) -> Int? {
        guard case .varint(let value) = try attribute(node, key, 3) else { return nil }
        return Int(Int64(bitPattern: value))
    }

    func float(_ node: Node, _ key: String) throws(EnlargerError) -> Float? {
        guard case .fixed32(let bits) = try attribute(node, key, 2) else { return nil }
        return Float(bitPattern: bits)
    }

    func text(_ node: Node, _ key: String) throws(EnlargerError) -> String? {
        guard case .bytes(let range) = try attribute(node, key, 4) else { return nil }
        return String(decoding: storage.bytes[range.prefix(64)], as: UTF8.self)
    }

    /// The TensorProto in attribute `key`.
    func tensor(_ node: Node, _ key: String) throws(EnlargerError) -> ONNXTensor? {
        guard case .bytes(let range) = try attribute(node, key, 5) else { return nil }
        return try ONNXTensor(storage, range, name: node.name)
    }

    static let listLimit = 64

    /// A list of integers, packed or not.
    func integers(_ node: Node, _ key: String) throws(EnlargerError) -> [Int]? {
        guard let range = node.attributes[key] else { return nil }
        var reader = ProtobufReader(storage, range), values: [Int] = []
        while let (field, value) = try reader.next() {
            guard field == 8 else { continue }
            switch value {
            case .varint(let value): values.append(Int(Int64(bitPattern: value)))
            case .bytes(let range):
                var packed = ProtobufReader(storage, range)
                while packed.position < packed.end, values.count <= ONNXModel.listLimit { values.append(Int(Int64(bitPattern: try packed.varint()))) }
            default: break
            }
            guard values.count <= ONNXModel.listLimit else { throw invalid(node.name, "\"\(key)\" has more than \(ONNXModel.listLimit) elements") }
        }
        return values
    }

    /// A list of floats, packed or not.
    func floats(_ node: Node, _ key: String) throws(EnlargerError) -> [Float]? {
        guard let range = node.attributes[key] else { return nil }
        var reader = ProtobufReader(storage, range), values: [Float] = []
        while let (field, value) = try reader.next() {
            guard field == 7 else { continue }
            switch value {
            case .fixed32(let bits): values.append(Float(bitPattern: bits))
            case .bytes(let range):
                guard range.count <= 4 * ONNXModel.listLimit, range.count % 4 == 0 else { throw invalid(node.name, "\"\(key)\" has \(range.count) bytes") }
                for position in stride(from: range.lowerBound, to: range.upperBound, by: 4) {
                    values.append(Float(bitPattern: UInt32(littleEndian: storage.bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))))
                }
            default: break
            }
            guard values.count <= ONNXModel.listLimit else { throw invalid(node.name, "\"\(key)\" has more than \(ONNXModel.listLimit) elements") }
        }
        return values
    }
}
