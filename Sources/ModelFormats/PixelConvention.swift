package import NetworkGraph
package import Tensors

/// What somebody knows of the pixels that a network takes; nil: not known.
package struct PixelConvention: Sendable, Equatable {
    package var channels: Processing.Channels?
    /// The network's value for white, 255 in a picture of 8 bits.
    package var white: Float?
    /// Subtracted from pixels of 0...255 before anything else: one number, or one for each network channel.
    package var mean: [Float]?

    package init(channels: Processing.Channels? = nil, white: Float? = nil, mean: [Float]? = nil) {
        (self.channels, self.white, self.mean) = (channels, white, mean)
    }

    package var isEmpty: Bool { self == PixelConvention() }

    package func overridden(by other: PixelConvention) -> PixelConvention {
        PixelConvention(channels: other.channels ?? channels, white: other.white ?? white, mean: other.mean ?? mean)
    }

    /// The processing for a network of `count` channels; what is not known is that of `known`, else RGB or luma, 0...1, no mean.
    /// - Throws: `usage` when it does not suit so many channels.
    package func processing(channels count: Int, known: Processing? = nil) throws(EnlargerError) -> Processing {
        let channels = channels ?? known?.channels ?? (count == 1 ? .luma : .rgb)
        guard (channels == .luma) == (count == 1) else { throw EnlargerError(.usage, "pixels as \(channels.rawValue) for a network of \(count) channels") }
        if let white { guard white.isFinite, white > 0 else { throw EnlargerError(.usage, "white as \(white)") } }
        let mean = mean ?? known?.mean ?? [0]
        guard mean.count == 1 || mean.count == count else { throw EnlargerError(.usage, "\(mean.count) means for a network of \(count) channels") }
        return Processing(
            channels: channels, mean: mean.count == count ? mean : [Float](repeating: mean[0], count: count),
            inputScale: white.map { $0 / 255 } ?? known?.inputScale ?? 1 / 255,
            margin: known?.margin ?? 0)
    }
}
