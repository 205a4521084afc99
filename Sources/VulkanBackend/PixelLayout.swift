/// What a picture's pixels are and how they become a network's planes and planes become pixels again.
///
/// Pixels are interleaved, native-endian, 8 or 16 bits: grey or red, green, blue, then alpha. Planes are the network's
/// channels, then Cr and Cb where it knows luma alone, then alpha: x = (p - mean) · scale, and back.
package struct PixelLayout: Sendable, Equatable {
    package enum Convention: UInt32, Sendable {
        case rgb = 0, bgr, luma
    }
    package var bits: Int
    /// Of a pixel, alpha counted.
    package var channels: Int
    package var hasAlpha: Bool
    package var convention: Convention
    /// Luma and chroma are rounded to whole levels at both ends, as OpenCV's 8-bit planes are.
    package var roundsPlanes: Bool
    /// Of the network's input and of each output.
    package var planes: Int
    /// Three, in the network's channel order.
    package var means: [Float]
    package var scale: Float

    package init(
        bits: Int, channels: Int, hasAlpha: Bool, convention: Convention, roundsPlanes: Bool, planes: Int, means: [Float], scale: Float
    ) {
        precondition(means.count == 3)
        self.bits = bits
        self.channels = channels
        self.hasAlpha = hasAlpha
        self.convention = convention
        self.roundsPlanes = roundsPlanes
        self.planes = planes
        self.means = means
        self.scale = scale
    }

    package var bytesPerPixel: Int { channels * bits / 8 }
    var constants: [UInt32] { [UInt32(bits), UInt32(channels), hasAlpha ? 1 : 0, convention.rawValue, roundsPlanes ? 1 : 0] }
}

/// What passes between host and device: rows of pixels, or planes of float32, [rows][channels][columns].
package enum HostRows: Sendable, Equatable {
    case planes
    case pixels(PixelLayout)

    /// Bytes of a column of a row that has so many channels.
    func bytes(channels: Int) -> Int {
        switch self {
        case .planes: 4 * channels
        case .pixels(let layout): layout.bytesPerPixel
        }
    }
}
