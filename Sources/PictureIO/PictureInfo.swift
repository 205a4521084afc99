/// What an input picture may cost. Checked from its header, before anything is decoded.
package struct PictureLimits: Sendable, Equatable {
    /// Width times height. Default: a thousand million.
    package var maxPixels: Int
    /// Bytes that a decoder may hold for itself: whole pictures for progressive JPEG, interlaced PNG, WebP, AVIF, HEIF
    /// and GIF, a few rows for the rest. Default: 512 MiB.
    package var decoderBytes: Int

    package init(maxPixels: Int = 1_000_000_000, decoderBytes: Int = 512 << 20) {
        self.maxPixels = maxPixels
        self.decoderBytes = decoderBytes
    }
}

/// What a `PictureReader` delivers.
package struct PictureInfo: Sendable, Equatable {
    /// In pixels, after the EXIF orientation.
    package var width: Int
    package var height: Int
    /// 1 for grey, 3 for RGB.
    package var colourChannels: Int
    package var hasAlpha: Bool
    /// 8 or 16 a sample.
    package var bits: Int
    /// The file's own format.
    package var format: PictureFormat
    /// An ICC profile goes with the samples, and with the output.
    package var hasProfile: Bool
    package var hasEXIF: Bool
    /// As found in the file, 1...8; the rows come oriented already.
    package var orientation: Int
    /// An upper bound on the bytes that the decoder holds, estimated from the header.
    package var decoderBytes: Int
    /// What happens to this picture that its owner may want to know, a sentence each.
    package var notes: [String]

    /// Samples a pixel, alpha counted.
    package var channels: Int { colourChannels + (hasAlpha ? 1 : 0) }
    package var bytesPerPixel: Int { channels * bits / 8 }
    package var bytesPerRow: Int { width * bytesPerPixel }
}
