import Tensors

/// The binary half of an ncnn network: the layers' numbers, one layer after the other, nothing between them.
struct NCNNWeights {
    private let storage: ByteStorage
    private var position = 0

    init(_ storage: ByteStorage) { self.storage = storage }

    private mutating func take(_ count: Int, _ elementBytes: Int, _ node: String) throws(EnlargerError) -> Int {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: elementBytes)
        guard !overflow, count >= 0, bytes <= storage.bytes.count - position else {
            throw invalid(
                node, "\(count) numbers from byte \(position) on; the file of weights has \(storage.bytes.count) bytes")
        }
        defer { position += bytes }
        return position
    }

    /// Numbers behind a tag that says how they are stored.
    /// - Throws: `modelUnsupported` for weights of 8 bits.
    mutating func tagged(_ count: Int, node: String) throws(EnlargerError) -> (type: ElementType, offset: Int) {
        let tag = storage.bytes.loadUnaligned(fromByteOffset: try take(1, 4, node), as: UInt32.self).littleEndian
        switch tag {
        case 0, 0x0002_C056: return (.float32, try take(count, 4, node))
        case 0x0130_6B47:
            let offset = try take(count, 2, node)
            if count % 2 == 1 { _ = try take(1, 2, node) }
            return (.float16, offset)
        case 0x000D_4B38: throw unsupported(node, "weights of 8 bits; fp32 and fp16 are read")
        default:
            throw unsupported(
                node, "weights through a table of 256 values (tag \(String(tag, radix: 16))); fp32 and fp16 are read")
        }
    }

    /// A tensor of weights that stays a slice of the file: `shape` as the engine sees it, stored in the order of `storedOrder`.
    mutating func tensor(_ shape: [Int], storedOrder: [Int], node: String) throws(EnlargerError) -> TensorData {
        let (type, offset) = try tagged(shape.reduce(1, *), node: node)
        guard
            let data = TensorData(
                elementType: type, shape: shape, storage: storage, offset: offset, storedOrder: storedOrder)
        else {
            throw invalid(node, "weights of shape \(shape)")
        }
        return data
    }

    /// fp32 numbers without a tag.
    mutating func floats(_ count: Int, node: String) throws(EnlargerError) -> [Float] {
        guard count <= Limits.channels else {
            throw invalid(node, "\(count) numbers; at most \(Limits.channels) are read")
        }
        let offset = try take(count, 4, node)
        return (0..<count).map {
            Float(
                bitPattern: storage.bytes.loadUnaligned(fromByteOffset: offset + 4 * $0, as: UInt32.self).littleEndian)
        }
    }

    func finish() throws(EnlargerError) {
        guard position == storage.bytes.count else {
            throw EnlargerError(
                .modelInvalid, "the file of weights has \(storage.bytes.count) bytes; the layers take \(position)")
        }
    }
}
