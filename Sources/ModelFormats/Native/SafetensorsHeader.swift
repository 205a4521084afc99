#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif
import Tensors

/// The header of a safetensors file: named tensors and free text.
///
/// Format: https://github.com/huggingface/safetensors#format. Eight bytes of length, little-endian; JSON; the tensors,
/// which cover the rest of the file without gaps or overlaps.
struct SafetensorsHeader {
    struct Entry: Codable {
        var dtype: String
        var shape: [Int]
        var data_offsets: [Int]
    }
    /// Largest header that is read.
    static let limit = 8 << 20
    let storage: ByteStorage
    let dataStart: Int
    private(set) var metadata: [String: String] = [:]
    private(set) var entries: [String: Entry] = [:]

    /// - Throws: `modelInvalid` for everything that contradicts the format.
    init(_ storage: ByteStorage) throws(EnlargerError) {
        func fail(_ reason: String) -> EnlargerError { EnlargerError(.modelInvalid, "safetensors: \(reason)") }
        self.storage = storage
        guard storage.bytes.count >= 10 else { throw fail("\(storage.bytes.count) bytes") }
        let count = UInt64(littleEndian: storage.bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
        guard count <= UInt64(storage.bytes.count - 8), count <= UInt64(SafetensorsHeader.limit) else {
            throw fail("a header of \(count) bytes in a file of \(storage.bytes.count); at most \(SafetensorsHeader.limit) are read")
        }
        dataStart = 8 + Int(count)
        let records: [String: Record]
        do {
            records = try JSONDecoder().decode([String: Record].self, from: Data(storage.bytes[8..<dataStart]))
        } catch {
            throw fail("its header is not the JSON that the format asks for")
        }
        for (name, record) in records {
            switch record {
            case .metadata(let text):
                guard name == "__metadata__" else { throw fail("tensor \"\(name.prefix(80))\" without dtype, shape and data_offsets") }
                metadata = text
            case .tensor(let entry): entries[name] = entry
            }
        }
        var end = 0
        for (name, entry) in entries.sorted(by: { ($0.value.data_offsets, $0.key) < ($1.value.data_offsets, $1.key) }) {
            let width = try SafetensorsHeader.width(entry.dtype, name)
            guard entry.data_offsets.count == 2, entry.shape.count <= Limits.rank else { throw fail("tensor \"\(name.prefix(80))\": offsets \(entry.data_offsets.prefix(3)), \(entry.shape.count) dimensions") }
            var size = width, overflow = false
            for extent in entry.shape {
                guard extent >= 1, !overflow else { throw fail("tensor \"\(name.prefix(80))\": shape \(entry.shape)") }
                (size, overflow) = size.multipliedReportingOverflow(by: extent)
            }
            let first = entry.data_offsets[0], last = entry.data_offsets[1]
            guard !overflow, first == end, last >= first, last - first == size, last <= storage.bytes.count - dataStart else {
                throw fail("tensor \"\(name.prefix(80))\" of shape \(entry.shape) at \(first)..<\(last); expected \(size) bytes from \(end)")
            }
            end = last
        }
        guard end == storage.bytes.count - dataStart else { throw fail("\(storage.bytes.count - dataStart - end) bytes after the last tensor") }
    }

    static func width(_ dtype: String, _ name: String) throws(EnlargerError) -> Int {
        switch dtype {
        case "F32": return 4
        case "F16", "BF16": return 2
        case "U8": return 1
        default: throw EnlargerError(.modelUnsupported, "safetensors: tensor \"\(name.prefix(80))\" has type \(dtype.prefix(16)); F32, F16, BF16 and U8 are read")
        }
    }

    /// Either of the two kinds of values that a header has.
    private enum Record: Decodable {
        case tensor(Entry), metadata([String: String])
        init(from decoder: any Decoder) throws {
            if let entry = try? Entry(from: decoder) { self = .tensor(entry) } else { self = .metadata(try [String: String](from: decoder)) }
        }
    }
}

func < (a: ([Int], String), b: ([Int], String)) -> Bool {
    a.0 == b.0 ? a.1 < b.1 : a.0.lexicographicallyPrecedes(b.0)
}
