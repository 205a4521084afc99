import Foundation
import Testing

/// The entries of a zip file without compression, and of fewer than 65,535 entries.
struct StoredZip {
    struct Entry {
        var content: Range<Int>
        /// The fields of time and date, here and in the central directory.
        var times: Set<[UInt8]>
    }
    let bytes: [UInt8]
    private(set) var entries: [String: Entry] = [:]

    init(_ path: String) throws {
        bytes = PictureIOTests.bytes(of: path)
        let end = bytes.count - 22
        try #require(end >= 0 && number(end, 4) == 0x0605_4B50)
        var place = number(end + 16, 4)
        for _ in 0..<number(end + 10, 2) {
            try #require(number(place, 4) == 0x0201_4B50 && number(place + 10, 2) == 0, "an entry that is not stored")
            let count = number(place + 24, 4), nameBytes = number(place + 28, 2), local = number(place + 42, 4)
            let name = String(decoding: bytes[place + 46..<place + 46 + nameBytes], as: UTF8.self)
            try #require(number(local, 4) == 0x0403_4B50)
            let start = local + 30 + number(local + 26, 2) + number(local + 28, 2)
            entries[name] = Entry(content: start..<start + count, times: [Array(bytes[place + 12..<place + 16]), Array(bytes[local + 10..<local + 14])])
            place += 46 + nameBytes + number(place + 30, 2) + number(place + 32, 2)
        }
    }

    private func number(_ place: Int, _ count: Int) -> Int { bytes[place..<place + count].reversed().reduce(0) { $0 << 8 | Int($1) } }

    func content(_ name: String) throws -> [UInt8] { Array(bytes[try #require(entries[name], "there is no \(name)").content]) }
}
