/// Estimates, from the header alone, of the bytes that libvips and the codec under it hold while decoding.
/// They are upper bounds found by measurement, not promises of those libraries.
enum DecoderMemory {
    /// Rows that libvips keeps between a sequential decoder and its reader, buffers of the codec counted.
    static let streamingRows = 64
    static let fixedBytes = 3 << 20

    /// - Parameters:
    ///   - rowBytes: bytes of a decoded row as the loader makes it.
    ///   - wholePicture: bytes a pixel that the codec holds for the whole picture, 0 for a streaming codec.
    ///   - tiff: bytes of its strips or rows of tiles.
    static func bytes(width: Int, height: Int, rowBytes: Int, wholePicture: Int, tiff: Int) -> Int {
        var total = fixedBytes
        for (a, b) in [(rowBytes, min(streamingRows, height)), (width, height.multipliedOrMax(by: wholePicture)), (tiff, 1)] {
            total = total.addingOrMax(a.multipliedOrMax(by: b))
        }
        return total
    }

    /// Bytes a pixel held for the whole picture.
    static func wholePicture(format: PictureFormat, multiscan: Bool, chromaFull: Bool, bands: Int, bits: Int) -> Int {
        switch format {
        // libjpeg: coefficients of 16 bits; 4:2:0 halves the chroma twice.
        case .jpg: multiscan ? (chromaFull ? 2 * bands : 3) : 0
        case .png: multiscan ? bands * max(bits, 8) / 8 : 0
        // Planes of the decoder, a frame of RGBA, and libvips' copy of it.
        case .webp: 10
        case .avif, .heic: bits > 8 ? 20 : 12
        case .gif: 16
        case .tiff, .pnm, .szi: 0
        }
    }
}

extension Int {
    func multipliedOrMax(by other: Int) -> Int {
        let (value, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max : value
    }
    func addingOrMax(_ other: Int) -> Int {
        let (value, overflow) = addingReportingOverflow(other)
        return overflow ? .max : value
    }
}
