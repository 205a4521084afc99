import PictureIO
package import Tensors

/// A whole picture in memory, 8 bits a sample: for measuring, not for large pictures.
package struct PixelPicture: Sendable, Equatable {
    package var width: Int
    package var height: Int
    package var kind: PictureKind
    /// Interleaved: colour, then alpha.
    package var pixels: [UInt8]

    package init(width: Int, height: Int, kind: PictureKind, pixels: [UInt8]) {
        precondition(pixels.count == width * height * kind.channels)
        self.width = width
        self.height = height
        self.kind = kind
        self.pixels = pixels
    }

    /// - Throws: what `PictureReader` throws, and `pictureUnsupported` for 16 bits, for which the protocol has no meaning.
    package init(path: String) throws(EnlargerError) {
        let reader = try PictureReader(path: path)
        let info = reader.info
        guard info.bits == 8 else { throw EnlargerError(.pictureUnsupported, "\(path) has \(info.bits) bits a sample; 8 are measured") }
        var bytes = [UInt8](repeating: 0, count: info.bytesPerRow * info.height)
        var failure: EnlargerError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(EnlargerError) {
                try reader.readRows(into: buffer, from: 0, count: info.height)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        self.init(
            width: info.width, height: info.height, kind: PictureKind(colourChannels: info.colourChannels, hasAlpha: info.hasAlpha),
            pixels: bytes)
    }

    package var luma: LumaPlane {
        LumaPlane(pixels: pixels, width: width, height: height, channels: kind.channels, colourChannels: kind.colourChannels)
    }

    /// MATLAB's imresize(picture, scale) for uint8 pictures and whole scales: Keys' cubic with a = -0.5, the picture
    /// mirrored at its edges, columns first, rounded to 8 bits once at the end.
    package func enlargedBicubically(_ scale: Int) -> PixelPicture {
        let channels = kind.channels
        let (wide, high) = (width * scale, height * scale)
        let rows = PixelPicture.taps(height, scale), columns = PixelPicture.taps(width, scale)
        var tall = [Double](repeating: 0, count: width * channels * high)
        for y in 0..<high {
            for i in 0..<width * channels {
                var sum = 0.0
                for t in rows[y] { sum += t.weight * Double(pixels[t.index * width * channels + i]) }
                tall[y * width * channels + i] = sum
            }
        }
        var result = [UInt8](repeating: 0, count: wide * channels * high)
        for y in 0..<high {
            for x in 0..<wide {
                for c in 0..<channels {
                    var sum = 0.0
                    for t in columns[x] { sum += t.weight * tall[(y * width + t.index) * channels + c] }
                    result[(y * wide + x) * channels + c] = UInt8(min(max(sum.rounded(), 0), 255))
                }
            }
        }
        return PixelPicture(width: wide, height: high, kind: kind, pixels: result)
    }

    /// The four source positions of every target position, and their weights.
    private static func taps(_ count: Int, _ scale: Int) -> [[(index: Int, weight: Double)]] {
        func cubic(_ distance: Double) -> Double {
            let x = abs(distance)
            return x <= 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
        }
        return (0..<count * scale).map { position in
            let centre = (Double(position) + 0.5) / Double(scale) - 0.5
            let first = Int(centre.rounded(.down)) - 1
            return (first..<first + 4).map { source in
                let folded = (source % (2 * count) + 2 * count) % (2 * count)
                return (index: folded < count ? folded : 2 * count - 1 - folded, weight: cubic(centre - Double(source)))
            }
        }
    }
}

extension Upscaler {
    /// The same path as files take, in memory.
    package func upscale(_ picture: PixelPicture) throws -> PixelPicture {
        try orOnProcessor { try upscaleHere(picture) } instead: { try $0.upscaleHere(picture) }
    }

    private func upscaleHere(_ picture: PixelPicture) throws -> PixelPicture {
        let plans = try plans(width: picture.width, height: picture.height, kind: picture.kind, bits: 8)
        let rowBytes = picture.width * picture.kind.channels
        var result: [UInt8] = []
        result.reserveCapacity(rowBytes * scale * picture.height * scale)
        try execute(
            plans, width: picture.width, height: picture.height, kind: picture.kind, bits: 8,
            source: { target, row, count in target.copyBytes(from: picture.pixels[row * rowBytes..<(row + count) * rowBytes]) },
            sinks: [{ rows, _ in result += rows }], progress: nil)
        return PixelPicture(width: picture.width * scale, height: picture.height * scale, kind: picture.kind, pixels: result)
    }
}
