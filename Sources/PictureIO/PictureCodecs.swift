/// What decoding and encoding take beside the network.
package enum PictureCodecs {
    /// An estimate of the bytes of a decoder and an encoder that stream, as those of PNG, before there is a file.
    /// - Parameters:
    ///   - width: of the picture that is read; `scale` times as wide is written.
    ///   - bits: 8 or 16.
    ///   - colourChannels: 1 or 3.
    package static func streamingBytes(
        width: Int, height: Int, scale: Int, bits: Int, colourChannels: Int, hasAlpha: Bool
    ) -> Int {
        let pixel = (colourChannels + (hasAlpha ? 1 : 0)) * bits / 8
        return DecoderMemory.bytes(width: width, height: height, rowBytes: width * pixel, wholePicture: 0, tiff: 0)
            .addingOrMax(
                PictureWriter.encoderBytes(
                    format: .png, width: width * scale, height: height * scale, bits: bits, colourChannels: colourChannels,
                    hasAlpha: hasAlpha))
    }
}
