import CVips
import Tensors

/// A decoded picture in a temporary file without a name, read back in the row order of EXIF orientations 3 to 8.
///
/// Orientations 3 and 4 store rows as they are. Orientations 5 to 8 exchange rows and columns: the file holds bands of
/// 64 rows, each band column by column, so that a few output rows are one short contiguous piece of every band.
struct OrientedSpool: ~Copyable {
    private static let bandRows = 64
    private static let readRows = 32
    private let file: UnnamedFile
    private let orientation: Int
    /// Of the picture as decoded.
    private let width: Int
    private let height: Int
    private let pixel: Int

    /// Peak memory of filling and reading, in bytes; 0 for orientations that need no spool.
    static func bytes(orientation: Int, width: Int, height: Int, pixel: Int) -> Int {
        orientation < 3 ? 0 : 2 * bandRows * width * pixel + readRows * bandRows * pixel
    }

    /// Decodes everything.
    /// - Parameter decode: (first row, count, destination): rows in the file's own order.
    init(
        info: PictureInfo, decode: (Int, Int, UnsafeMutableRawPointer) throws(EnlargerError) -> Void
    ) throws(EnlargerError) {
        let transposed = info.orientation > 4
        let (width, height) = transposed ? (info.height, info.width) : (info.width, info.height)
        let pixel = info.bytesPerPixel
        let file = try UnnamedFile()
        let bandBytes = Self.bandRows * width * pixel
        let rows = UnsafeMutableRawBufferPointer.allocate(byteCount: bandBytes, alignment: 64)
        let columns = UnsafeMutableRawBufferPointer.allocate(byteCount: transposed ? bandBytes : 0, alignment: 64)
        defer {
            rows.deallocate()
            columns.deallocate()
        }
        for top in stride(from: 0, to: height, by: Self.bandRows) {
            let count = min(Self.bandRows, height - top)
            let bytes = count * width * pixel
            try decode(top, count, rows.baseAddress!)
            if transposed {
                ev_transpose(rows.baseAddress!, count, width, width, columns.baseAddress!, count, pixel)
            }
            try file.write(
                UnsafeRawBufferPointer(start: transposed ? columns.baseAddress! : rows.baseAddress!, count: bytes),
                at: top * width * pixel)
        }
        self.file = file
        orientation = info.orientation
        self.width = width
        self.height = height
        self.pixel = pixel
    }

    /// Output rows `row ..< row + count`.
    func read(into out: UnsafeMutableRawPointer, from row: Int, count: Int) throws(EnlargerError) {
        if orientation < 5 {
            try readFlipped(into: out, from: row, count: count)
            return
        }
        for first in stride(from: 0, to: count, by: Self.readRows) {
            let n = min(Self.readRows, count - first)
            try readTransposed(into: out + first * height * pixel, from: row + first, count: n)
        }
    }

    private func readFlipped(into out: UnsafeMutableRawPointer, from row: Int, count: Int) throws(EnlargerError) {
        let rowBytes = width * pixel
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: rowBytes, alignment: 64)
        defer { copy.deallocate() }
        for y in 0..<count {
            let offset = (height - 1 - row - y) * rowBytes
            if orientation == 4 {
                try file.read(into: UnsafeMutableRawBufferPointer(start: out + y * rowBytes, count: rowBytes), at: offset)
            } else {
                try file.read(into: copy, at: offset)
                ev_reverse(copy.baseAddress!, out + y * rowBytes, width, pixel)
            }
        }
    }

    /// Output row y is column y of the picture (5, 6) or the y-th from its right (7, 8); output column x is row x (5, 8)
    /// or the x-th from its bottom (6, 7).
    private func readTransposed(into out: UnsafeMutableRawPointer, from row: Int, count: Int) throws(EnlargerError) {
        let rightward = orientation < 7
        let downward = orientation == 5 || orientation == 8
        let firstColumn = rightward ? row : width - row - count
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: count * Self.bandRows * pixel, alignment: 64)
        defer { piece.deallocate() }
        for top in stride(from: 0, to: height, by: Self.bandRows) {
            let rows = min(Self.bandRows, height - top)
            try file.read(
                into: UnsafeMutableRawBufferPointer(rebasing: piece[0..<(count * rows * pixel)]),
                at: (top * width + firstColumn * rows) * pixel)
            for k in 0..<count {
                let from = piece.baseAddress! + k * rows * pixel
                let line = out + (rightward ? k : count - 1 - k) * height * pixel
                if downward {
                    (line + top * pixel).copyMemory(from: from, byteCount: rows * pixel)
                } else {
                    ev_reverse(from, line + (height - top - rows) * pixel, rows, pixel)
                }
            }
        }
    }
}
