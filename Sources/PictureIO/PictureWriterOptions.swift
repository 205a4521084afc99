/// How pictures are encoded.
package struct PictureWriterOptions: Sendable, Equatable {
    package enum TIFFCompression: Sendable { case none, deflate }

    /// 1...100, for JPEG, WebP and AVIF. Default 92, at which JPEG keeps full chroma.
    package var quality = 92
    /// For WebP and AVIF. Default false.
    package var lossless = false
    /// 0...9, zlib's level, of PNG and of a pyramid's tiles. Default 3: for filtered photographs higher levels take longer and gain nothing.
    package var pngCompression = 3
    /// Default deflate, with horizontal differences.
    package var tiffCompression = TIFFCompression.deflate
    /// Offsets of 64 bits in TIFF. Default nil: when the samples take more than two thousand million bytes.
    package var bigTIFF: Bool?

    package init() {}
}
