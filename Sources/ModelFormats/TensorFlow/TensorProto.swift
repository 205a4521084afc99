import Tensors

/// A constant of a GraphDef: its shape and where its elements are in the file.
struct TensorProto {
    enum DataType: UInt64 { case float32 = 1, int32 = 3, quint8 = 12, bfloat16 = 14, float16 = 19 }
    enum Elements {
        /// Little-endian elements in the file, one for each element of the shape.
        case stored(offset: Int)
        /// One value for the whole shape.
        case repeated(Float)
        /// float_val written one field an element.
        case listed([Float])
    }
    let type: DataType
    let shape: [Int]
    /// Product of `shape`.
    let count: Int
    let elements: Elements

    /// - Throws: `modelInvalid` when the elements don't match the shape, `modelUnsupported` for other element types.
    init(_ storage: ByteStorage, _ range: Range<Int>, node: String) throws(EnlargerError) {
        var reader = ProtobufReader(storage, range)
        var type: UInt64 = 0, shape: [Int] = [], content: Range<Int>?, packed: Range<Int>?, listed: [Float] = []
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .varint(let value)): type = value
            case (2, .bytes(let range)): shape = try TensorProto.shape(storage, range, node: node)
            case (4, .bytes(let range)): content = range
            case (5, .bytes(let range)): packed = range
            case (5, .fixed32(let bits)): listed.append(Float(bitPattern: bits))
            default: break
            }
        }
        guard let known = DataType(rawValue: type) else { throw unsupported(node, "elements of TensorFlow type \(type)") }
        self.type = known
        self.shape = shape
        let width = switch known {
        case .float32, .int32: 4
        case .float16, .bfloat16: 2
        case .quint8: 1
        }
        var count = 1, overflow = false
        for extent in shape where !overflow { (count, overflow) = count.multipliedReportingOverflow(by: extent) }
        guard !overflow, count >= 1, count <= 1 << 40 else { throw invalid(node, "shape \(shape)") }
        self.count = count
        if let content, !content.isEmpty {
            guard content.count == count * width else {
                throw invalid(node, "\(content.count) bytes for shape \(shape), which needs \(count * width)")
            }
            elements = .stored(offset: content.lowerBound)
        } else if known == .float32, let packed, packed.count == 4 * count {
            elements = .stored(offset: packed.lowerBound)
        } else if known == .float32, let packed, packed.count == 4 {
            elements = .repeated(Float(bitPattern: UInt32(littleEndian: storage.bytes.loadUnaligned(fromByteOffset: packed.lowerBound, as: UInt32.self))))
        } else if known == .float32, listed.count == 1 {
            elements = .repeated(listed[0])
        } else if known == .float32, !listed.isEmpty, listed.count == count {
            elements = .listed(listed)
        } else {
            throw invalid(node, "its elements are missing or do not match shape \(shape)")
        }
    }

    private static func shape(_ storage: ByteStorage, _ range: Range<Int>, node: String) throws(EnlargerError) -> [Int] {
        var reader = ProtobufReader(storage, range), shape: [Int] = []
        while let (field, value) = try reader.next() {
            guard field == 2, case .bytes(let range) = value else { continue }
            var extent = 0, dimension = ProtobufReader(storage, range)
            while let (field, value) = try dimension.next() {
                if field == 1, case .varint(let value) = value { extent = Int(Int64(bitPattern: value)) }
            }
            guard extent >= 1, extent <= 1 << 32, shape.count < Limits.rank else { throw invalid(node, "extent \(extent) in dimension \(shape.count) of its shape") }
            shape.append(extent)
        }
        return shape
    }
}
