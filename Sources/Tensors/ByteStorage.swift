/// An immutable run of bytes that weights are read from: a mapped file or a heap block.
///
/// The owner frees or unmaps in `deinit`; slices of it are `TensorData`, which keep it alive.
package final class ByteStorage: @unchecked Sendable {  // immutable after init
    package let bytes: UnsafeRawBufferPointer
    /// The bytes come back from a file by themselves when they are dropped from memory.
    let isFileMapping: Bool
    private let release: @Sendable (UnsafeRawBufferPointer) -> Void

    /// Takes ownership of `bytes`; `release` runs once, when the last user is gone.
    package convenience init(owning bytes: UnsafeRawBufferPointer, release: @escaping @Sendable (UnsafeRawBufferPointer) -> Void) {
        self.init(bytes, isFileMapping: false, release: release)
    }

    init(_ bytes: UnsafeRawBufferPointer, isFileMapping: Bool, release: @escaping @Sendable (UnsafeRawBufferPointer) -> Void) {
        self.bytes = bytes
        self.isFileMapping = isFileMapping
        self.release = release
    }

    /// Copies `array` to the heap.
    package convenience init(copying array: [UInt8]) {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: max(array.count, 1), alignment: 64)
        block.copyBytes(from: array)
        self.init(owning: UnsafeRawBufferPointer(rebasing: block[..<array.count])) { $0.deallocate() }
    }

    deinit { release(bytes) }
}
