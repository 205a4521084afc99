import Tensors
import Testing

@Suite struct NpyTests {
    static func parse(_ bytes: [UInt8]) throws(EnlargerError) -> Npy { try Npy(parsing: ByteStorage(copying: bytes), name: "test") }

    @Test(arguments: [[], [0], [3], [1, 2, 3], [2, 0, 5]]) func `arrays survive`(shape: [Int]) throws {
        let array = Npy(shape: shape, values: (0..<shape.reduce(1, *)).map { Float($0) - 0.5 })
        let bytes = array.serialized()
        #expect((bytes.count - 4 * array.values.count) % 64 == 0)
        #expect(try Self.parse(bytes) == array)
    }

    @Test func `cut files are refused`() {
        let bytes = Npy(shape: [2, 3], values: [1, 2, 3, 4, 5, 6]).serialized()
        for count in 0..<bytes.count {
            #expect(throws: EnlargerError.self) { try Self.parse(Array(bytes[..<count])) }
        }
    }

    @Test func `damaged headers never crash`() {
        let bytes = Npy(shape: [2, 3], values: [1, 2, 3, 4, 5, 6]).serialized()
        for position in 0..<bytes.count - 24 {
            for value: UInt8 in [0, 0x20, 0x39, 0x7F, 0xFF] {
                var damaged = bytes
                damaged[position] = value
                _ = try? Self.parse(damaged)
            }
        }
    }

    @Test func `other types and orders are named`() {
        let text = String(decoding: Npy(shape: [1], values: [1]).serialized().dropFirst(10).dropLast(4), as: UTF8.self)
        for (from, to) in [("<f4", "<f8"), ("False", "True ")] {
            let parts = text.split(separator: from, maxSplits: 1)
            let header = Array((parts[0] + to + parts[1]).utf8)
            let bytes = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.count), 0] + header + [0, 0, 0, 0]
            let error = #expect(throws: EnlargerError.self) { try Self.parse(bytes) }
            #expect(error?.code == .pictureUnsupported)
        }
    }
}
