import Tensors

/// A TensorProto: its shape and where its elements are.
struct ONNXTensor {
    /// TensorProto.DataType, those that are read.
    enum DataType: Int {
        case float32 = 1, uint8 = 2, int8 = 3, int32 = 6, int64 = 7, bool = 9, float16 = 10, float64 = 11, bfloat16 = 16
        var width: Int {
            switch self {
            case .uint8, .int8, .bool: 1
            case .float16, .bfloat16: 2
            case .float32, .int32: 4
            case .int64, .float64: 8
            }
        }
        var isInteger: Bool {
            switch self {
            case .uint8, .int8, .int32, .int64, .bool: true
            default: false
            }
        }
    }
    enum Elements {
        /// Little-endian elements in the model file, one for each element of the shape.
        case stored(offset: Int)
        /// In a file beside the model.
        case external(location: String, offset: Int, length: Int?)
        /// Written one field an element; few.
        case listed([Double])
        /// The file holds none.
        case missing
    }
    let name: String
    private(set) var shape: [Int]
    /// Product of `shape`; 0 for an empty tensor.
    let count: Int
    let rawType: Int
    let elements: Elements

    var type: DataType? { DataType(rawValue: rawType) }

    /// - Precondition: as many elements.
    func reshaped(_ shape: [Int]) -> ONNXTensor {
        precondition(shape.reduce(1, *) == count)
        var tensor = self
        tensor.shape = shape
        return tensor
    }

    static let listLimit = 1 << 16

    /// - Parameter name: nil: the tensor's own.
    /// - Throws: `modelInvalid` when the elements don't match the shape.
    init(_ storage: ByteStorage, _ range: Range<Int>, name given: String?) throws(EnlargerError) {
        var reader = ProtobufReader(storage, range)
        var name = given ?? "", shape: [Int] = [], rawType = 0, raw: Range<Int>?, packed: [Int: Range<Int>] = [:], isExternal = false
        var listed: [Double] = [], entries: [String: String] = [:]
        func extent(_ value: UInt64) throws(EnlargerError) {
            guard value <= 1 << 40, shape.count < Limits.rank else { throw invalid(name, "extent \(Int64(bitPattern: value)) in dimension \(shape.count) of its shape") }
            shape.append(Int(value))
        }
        func list(_ value: Double) throws(EnlargerError) {
            guard listed.count < ONNXTensor.listLimit else { throw invalid(name, "more than \(ONNXTensor.listLimit) elements that are not packed") }
            listed.append(value)
        }
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .varint(let value)): try extent(value)
            case (1, .bytes(let range)):
                var dims = ProtobufReader(storage, range)
                while dims.position < dims.end { try extent(try dims.varint()) }
            case (2, .varint(let value)): rawType = Int(clamping: value)
            case (4, .bytes(let range)), (5, .bytes(let range)), (7, .bytes(let range)), (10, .bytes(let range)): packed[field] = range
            case (4, .fixed32(let bits)): try list(Double(Float(bitPattern: bits)))
            case (10, .fixed64(let bits)): try list(Double(bitPattern: bits))
            case (5, .varint(let value)), (7, .varint(let value)): try list(Double(Int64(bitPattern: value)))
            case (8, .bytes(let range)) where given == nil: name = try reader.text(range)
            case (9, .bytes(let range)): raw = range
            case (13, .bytes(let range)):
                let (key, text) = try ONNXModel.entry(storage, range)
                guard entries.count < 16 else { throw invalid(name, "more than 16 entries about external data") }
                entries[key] = text
            case (14, .varint(let value)): isExternal = value == 1
            default: break
            }
        }
        var count = 1, overflow = false
        for extent in shape where !overflow { (count, overflow) = count.multipliedReportingOverflow(by: extent) }
        guard !overflow, count <= 1 << 40 else { throw invalid(name, "a tensor of shape \(shape)") }
        (self.name, self.shape, self.count, self.rawType) = (name, shape, count, rawType)

        guard let type = DataType(rawValue: rawType) else {
            elements = .missing  // an error where it is used
            return
        }
        if isExternal {
            elements = try ONNXTensor.external(entries, name)
        } else if let raw {
            guard raw.count == count * type.width else { throw invalid(name, "\(raw.count) bytes for a tensor of shape \(shape), which needs \(count * type.width)") }
            elements = .stored(offset: raw.lowerBound)
        } else if type == .float32, let range = packed[4] {
            guard range.count == count * 4 else { throw invalid(name, "\(range.count / 4) elements for a tensor of shape \(shape)") }
            elements = .stored(offset: range.lowerBound)
        } else if type == .float64, let range = packed[10] {
            guard range.count == count * 8 else { throw invalid(name, "\(range.count / 8) elements for a tensor of shape \(shape)") }
            elements = .stored(offset: range.lowerBound)
        } else {
            if let range = packed[type == .int64 ? 7 : 5] {
                var integers = ProtobufReader(storage, range)
                while integers.position < integers.end { try list(Double(Int64(bitPattern: try integers.varint()))) }
            }
            guard listed.count == count else { throw invalid(name, "\(listed.count) elements for a tensor of shape \(shape)") }
            // 16-bit floats are their bits, as integers.
            switch type {
            case .float16: listed = listed.map { Double(Float(Float16(bitPattern: UInt16(truncatingIfNeeded: Int64($0))))) }
            case .bfloat16: listed = listed.map { Double(Float(bitPattern: UInt32(truncatingIfNeeded: Int64($0)) << 16)) }
            default: break
            }
            elements = .listed(listed)
        }
    }

    private static func external(_ entries: [String: String], _ name: String) throws(EnlargerError) -> Elements {
        guard let location = entries["location"], !location.isEmpty else { throw invalid(name, "external data without a location") }
        func number(_ key: String) throws(EnlargerError) -> Int? {
            guard let text = entries[key] else { return nil }
            guard let value = Int(text), value >= 0, value <= 1 << 48 else { throw invalid(name, "external data of \(key) \"\(text.prefix(24))\"") }
            return value
        }
        return .external(location: location, offset: try number("offset") ?? 0, length: try number("length"))
    }
}
