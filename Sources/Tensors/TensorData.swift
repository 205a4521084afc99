/// How an element of a stored tensor is encoded. All are little-endian.
package enum ElementType: Sendable, Equatable {
    case float32, float16, bfloat16
    /// value = (q + zeroPoint) · step, in float32 (TensorFlow's MIN_FIRST dequantization).
    case uint8(zeroPoint: Int32, step: Float)

    package var byteCount: Int {
        switch self {
        case .float32: 4
        case .float16, .bfloat16: 2
        case .uint8: 1
        }
    }
}

/// A constant tensor: a typed, shaped slice of a `ByteStorage`, kept in its stored encoding.
///
/// Row-major (last index fastest). Bytes may be unaligned. The bounds are checked in `init`,
/// so every element of a `TensorData` that exists can be read.
package struct TensorData: Sendable {
    package let elementType: ElementType
    package let shape: [Int]
    package let storage: ByteStorage
    package let offset: Int

    package var count: Int { shape.reduce(1, *) }
    package var byteCount: Int { count * elementType.byteCount }

    /// - Returns: nil when the shape's bytes overflow or do not lie inside `storage`.
    package init?(elementType: ElementType, shape: [Int], storage: ByteStorage, offset: Int = 0) {
        var bytes = elementType.byteCount
        for extent in shape {
            guard extent >= 0 else { return nil }
            let (product, overflow) = bytes.multipliedReportingOverflow(by: extent)
            guard !overflow else { return nil }
            bytes = product
        }
        guard offset >= 0, bytes <= storage.bytes.count, offset <= storage.bytes.count - bytes else { return nil }
        self.elementType = elementType
        self.shape = shape
        self.storage = storage
        self.offset = offset
    }

    /// A float32 tensor on the heap.
    /// - Precondition: `values.count` is the product of `shape`.
    package init(_ values: [Float], shape: [Int]) {
        precondition(values.count == shape.reduce(1, *))
        let bytes = values.withUnsafeBytes { Array($0) }
        self.init(elementType: .float32, shape: shape, storage: ByteStorage(copying: bytes))!
    }

    /// The tensor's own bytes, valid inside `body` only.
    package func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(rebasing: storage.bytes[offset..<offset + byteCount]))
    }

    /// All elements as float32, in order. O(count) time and memory.
    package func floats() -> [Float] {
        withBytes { bytes in
            (0..<count).map { i in
                switch elementType {
                case .float32: bytes.loadUnaligned(fromByteOffset: 4 * i, as: Float.self)
                case .float16: Float(Float16(bitPattern: bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)))
                case .bfloat16: Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)) << 16)
                case .uint8(let zeroPoint, let step): Float(Int32(bytes[i]) + zeroPoint) * step
                }
            }
        }
    }
}
