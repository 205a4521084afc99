/// Estimates of the bytes that encoding holds, libvips' buffers counted; upper bounds found by measurement.
enum EncoderMemory {
    /// Rows in libvips' two write buffers, its line cache and the codec's strip.
    static let streamingRows = 96
    static let fixedBytes = 3 << 20

    static func bytes(format: PictureFormat, width: Int, height: Int, rowBytes: Int, ringRows: Int) -> Int {
        var total = fixedBytes.addingOrMax(rowBytes.multipliedOrMax(by: min(height, ringRows + streamingRows)))
        if format.isWholePicture {
            // WebP: ARGB and the planes of the encoder; AVIF: planes, reconstruction, references.
            let pixel = format == .webp ? 12 : 72
            total = total.addingOrMax(width.multipliedOrMax(by: height).multipliedOrMax(by: pixel))
        }
        return total
    }
}
