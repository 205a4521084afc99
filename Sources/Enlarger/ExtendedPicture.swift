import Tensors

/// A picture with its edge pixels repeated beyond its edges, and results without what they became.
final class ExtendedPicture {
    private let width: Int
    private let height: Int
    private let margin: Int
    private let pixelBytes: Int
    private let source: PictureSource
    private let arena: Arena
    /// The picture's row that stands in the arena.
    private var held = -1

    /// Bytes of one row, where rows are extended.
    static func bytes(width: Int, margin: Int, pixelBytes: Int) -> Int { margin > 0 ? width * pixelBytes : 0 }

    /// - Parameters:
    ///   - width, height: of the picture.
    ///   - source: of the picture's rows.
    init(width: Int, height: Int, margin: Int, pixelBytes: Int, source: @escaping PictureSource) throws(EnlargerError) {
        self.width = width
        self.height = height
        self.margin = margin
        self.pixelBytes = pixelBytes
        self.source = source
        arena = try Arena(byteCount: ExtendedPicture.bytes(width: width, margin: margin, pixelBytes: pixelBytes))
    }

    /// Rows of the extended picture, in order.
    func read(into target: UnsafeMutableRawBufferPointer, from row: Int, count: Int) throws {
        let rowBytes = width * pixelBytes, extended = (width + 2 * margin) * pixelBytes
        for i in 0..<count {
            let wanted = min(max(row + i - margin, 0), height - 1)
            while held < wanted {
                try source(UnsafeMutableRawBufferPointer(start: arena.base, count: rowBytes), held + 1, 1)
                held += 1
            }
            let start = target.baseAddress! + i * extended
            for x in 0..<margin {
                (start + x * pixelBytes).copyMemory(from: arena.base, byteCount: pixelBytes)
                (start + (margin + width + x) * pixelBytes).copyMemory(from: arena.base + rowBytes - pixelBytes, byteCount: pixelBytes)
            }
            (start + margin * pixelBytes).copyMemory(from: arena.base, byteCount: rowBytes)
        }
    }

    /// Takes rows of the extended result and hands on those of the picture's.
    func sink(scale: Int, to sink: @escaping PictureSink) -> PictureSink {
        let rowBytes = scale * (width + 2 * margin) * pixelBytes, first = scale * margin * pixelBytes
        let rows = scale * margin..<scale * (margin + height)
        var row = 0
        return { [width, pixelBytes] pixels, count in
            for i in 0..<count {
                if rows.contains(row) { try sink(UnsafeRawBufferPointer(rebasing: pixels[i * rowBytes + first..<i * rowBytes + first + scale * width * pixelBytes]), 1) }
                row += 1
            }
        }
    }
}
