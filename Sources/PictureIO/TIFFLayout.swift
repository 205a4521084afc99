/// The few tags of a TIFF's first directory that decide how much of it must be decoded at once.
struct TIFFLayout {
    private(set) var width = 0, height = 0, bits = 1, samples = 1, compression = 1
    private(set) var rowsPerStrip: Int?
    private(set) var tileWidth: Int?, tileHeight: Int?

    /// nil for files that libtiff will refuse too.
    init?(_ file: borrowing InputFile) {
        let start = file.peek(16)
        guard start.count == 16 else { return nil }
        let big = start[0] == 0x4D
        func number(_ bytes: ArraySlice<UInt8>) -> Int {
            let value = (big ? Array(bytes) : bytes.reversed()).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return Int(clamping: value)
        }
        let isBigTIFF = number(start[2..<4]) == 43
        let directory = isBigTIFF ? number(start[8..<16]) : number(start[4..<8])
        let (countBytes, entryBytes, valueAt) = isBigTIFF ? (8, 20, 12) : (2, 12, 8)
        guard directory > 0, directory < file.bytes else { return nil }
        let countField = file.peek(countBytes, at: directory)
        guard countField.count == countBytes else { return nil }
        let count = min(number(countField[...]), 4096)
        let entries = file.peek(count * entryBytes, at: directory + countBytes)
        for i in 0..<(entries.count / entryBytes) {
            let entry = entries[(i * entryBytes)..<((i + 1) * entryBytes)]
            let base = entry.startIndex
            let size: Int
            switch number(entry[(base + 2)..<(base + 4)]) {
            case 1: size = 1
            case 3: size = 2
            case 16: size = 8
            default: size = 4
            }
            guard valueAt + size <= entryBytes else { continue }
            var value = number(entry[(base + valueAt)..<(base + valueAt + size)])
            let tag = number(entry[base..<(base + 2)])
            let items = number(isBigTIFF ? entry[(base + 4)..<(base + 12)] : entry[(base + 4)..<(base + 8)])
            if items > (isBigTIFF ? 4 : 2), tag == 258 {
                let there = number(entry[(base + valueAt)..<(base + valueAt + (isBigTIFF ? 8 : 4))])
                value = number(file.peek(2, at: there)[...])
            }
            switch tag {
            case 256: width = value
            case 257: height = value
            case 258: bits = value
            case 259: compression = value
            case 277: samples = value
            case 278: rowsPerStrip = value
            case 322: tileWidth = value
            case 323: tileHeight = value
            default: break
            }
        }
    }

    /// Two rows of tiles, or three strips as decoded. Strips of more than 128 rows are decoded row by row.
    var decoderBytes: Int {
        let pixel = max(1, samples.multipliedOrMax(by: bits).addingOrMax(7) / 8)
        if let tileWidth, let tileHeight, tileWidth > 0 {
            let across = (width + tileWidth - 1) / tileWidth
            return (2 * across + 2).multipliedOrMax(by: tileWidth).multipliedOrMax(by: tileHeight).multipliedOrMax(by: pixel)
        }
        let rows = min(rowsPerStrip ?? height, height)
        return width.multipliedOrMax(by: pixel).multipliedOrMax(by: min(rows, 128)).multipliedOrMax(by: 3)
    }
}
