import Tensors

/// Reads the fields of one protobuf message in place; every position is checked against the message's range.
///
/// Wire format: https://protobuf.dev/programming-guides/encoding. Groups (deprecated) are refused. Messages are opened
/// one level at a time by their reader, so nesting is bounded by the schema, not by the file.
struct ProtobufReader {
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        /// Offsets in the storage.
        case bytes(Range<Int>)
        case fixed32(UInt32)
    }

    let storage: ByteStorage
    private(set) var position: Int
    let end: Int

    /// - Precondition: `range` lies inside the storage.
    init(_ storage: ByteStorage, _ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= storage.bytes.count)
        self.storage = storage
        position = range.lowerBound
        end = range.upperBound
    }

    /// The next field; nil at the end of the message.
    mutating func next() throws(EnlargerError) -> (field: Int, value: Value)? {
        guard position < end else { return nil }
        let start = position
        let tag = try varint()
        guard tag >> 3 >= 1, tag >> 3 <= 1 << 29 - 1 else { throw malformed(start, "field number \(tag >> 3)") }
        let field = Int(tag >> 3)
        switch tag & 7 {
        case 0: return (field, .varint(try varint()))
        case 1: return (field, .fixed64(UInt64(littleEndian: try fixed(UInt64.self))))
        case 2:
            let count = try varint()
            guard count <= UInt64(end - position) else {
                throw malformed(start, "\(count) bytes in a message with \(end - position) left")
            }
            defer { position += Int(count) }
            return (field, .bytes(position..<position + Int(count)))
        case 5: return (field, .fixed32(UInt32(littleEndian: try fixed(UInt32.self))))
        default: throw malformed(start, "wire type \(tag & 7)")
        }
    }

    /// A varint of at most ten bytes.
    mutating func varint() throws(EnlargerError) -> UInt64 {
        var value: UInt64 = 0
        let start = position
        for shift in stride(from: 0, to: 70, by: 7) {
            guard position < end else { throw malformed(start, "cut short") }
            let byte = storage.bytes[position]
            position += 1
            guard shift < 63 || byte <= 1 else { break }
            value |= UInt64(byte & 127) << UInt64(shift)
            if byte < 128 { return value }
        }
        throw malformed(start, "a varint of more than 64 bits")
    }

    private mutating func fixed<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) throws(EnlargerError) -> T {
        guard end - position >= MemoryLayout<T>.size else { throw malformed(position, "cut short") }
        defer { position += MemoryLayout<T>.size }
        return storage.bytes.loadUnaligned(fromByteOffset: position, as: T.self)
    }

    func malformed(_ position: Int, _ reason: String) -> EnlargerError {
        EnlargerError(.modelInvalid, "malformed protobuf at byte \(position): \(reason)")
    }

    /// The text of a string field, at most `limit` bytes long.
    func text(_ range: Range<Int>, limit: Int = 1024) throws(EnlargerError) -> String {
        guard range.count <= limit else { throw malformed(range.lowerBound, "a string of \(range.count) bytes") }
        return String(decoding: storage.bytes[range], as: UTF8.self)
    }
}
