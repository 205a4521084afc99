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
/// Row-major (last index fastest), unless `storedOrder` says otherwise. Bytes may be unaligned. The bounds are checked
/// in `init`, so every element of a `TensorData` that exists can be read.
package struct TensorData: Sendable {
    package let elementType: ElementType
    package let shape: [Int]
    package let storage: ByteStorage
    package let offset: Int
    /// The dimensions in the order in which the file nests them, outermost first; nil: as in `shape`.
    /// Weights [O, I, H, W] that are used as [H, W, I, O] have [3, 2, 0, 1]: they need not be copied to be read.
    package let storedOrder: [Int]?

    package var count: Int { shape.reduce(1, *) }
    package var byteCount: Int { count * elementType.byteCount }

    /// - Parameter storedOrder: a permutation of the dimensions.
    /// - Returns: nil when the shape's bytes overflow or do not lie inside `storage`.
    package init?(elementType: ElementType, shape: [Int], storage: ByteStorage, offset: Int = 0, storedOrder: [Int]? = nil) {
        if let storedOrder { precondition(storedOrder.sorted() == Array(shape.indices)) }
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
        self.storedOrder = storedOrder.flatMap { $0 == Array(shape.indices) ? nil : $0 }
    }

    /// A float32 tensor on the heap.
    /// - Precondition: `values.count` is the product of `shape`.
    package init(_ values: [Float], shape: [Int]) {
        precondition(values.count == shape.reduce(1, *))
        let bytes = values.withUnsafeBytes { Array($0) }
        self.init(elementType: .float32, shape: shape, storage: ByteStorage(copying: bytes))!
    }

    /// The tensor's own bytes, row-major, valid inside `body` only. What is stored in another order is copied for that long.
    package func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        let stored = UnsafeRawBufferPointer(rebasing: storage.bytes[offset..<offset + byteCount])
        guard let storedOrder else { return try body(stored) }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
        defer { copy.deallocate() }
        rearrange(stored, from: storedOrder, to: copy)
        return try body(UnsafeRawBufferPointer(rebasing: copy[..<byteCount]))
    }

    /// Walks the target in order, the source by its strides.
    private func rearrange(_ source: UnsafeRawBufferPointer, from storedOrder: [Int], to target: UnsafeMutableRawBufferPointer) {
        guard count > 0 else { return }
        let width = elementType.byteCount, rank = shape.count
        var strides = [Int](repeating: 0, count: rank), stride = width
        for dimension in storedOrder.reversed() {
            strides[dimension] = stride
            stride *= shape[dimension]
        }
        let inner = shape[rank - 1], step = strides[rank - 1]
        var position = [Int](repeating: 0, count: rank - 1), from = 0, to = 0
        while true {
            var element = from
            for _ in 0..<inner {
                switch width {
                case 4: target.storeBytes(of: source.loadUnaligned(fromByteOffset: element, as: UInt32.self), toByteOffset: to, as: UInt32.self)
                case 2: target.storeBytes(of: source.loadUnaligned(fromByteOffset: element, as: UInt16.self), toByteOffset: to, as: UInt16.self)
                default: target[to] = source[element]
                }
                element += step
                to += width
            }
            var dimension = rank - 2
            while dimension >= 0 {
                position[dimension] += 1
                from += strides[dimension]
                if position[dimension] < shape[dimension] { break }
                from -= strides[dimension] * shape[dimension]
                position[dimension] = 0
                dimension -= 1
            }
            if dimension < 0 { return }
        }
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
