import Enlarger
import NetworkGraph
import TestSupport
import Testing

@Suite struct `Test-time augmentation` {
    private let picture: PixelPicture = {
        var random = SeededGenerator(seed: 3)
        return PixelPicture(
            width: 23, height: 14, kind: PictureKind(colourChannels: 3, hasAlpha: true), pixels: (0..<23 * 14 * 4).map { _ in UInt8.random(in: 115...135, using: &random) })
    }()

    private func upscaler(_ change: (inout UpscaleOptions) -> Void = { _ in }) throws -> Upscaler {
        var options = UpscaleOptions()
        change(&options)
        let processing = Processing(channels: .rgb, mean: [125, 122, 128], inputScale: 1 / 10)
        return try Upscaler(model: Model(architecture: "edsr", graph: TestGraphs.make("edsr"), processing: processing), name: "test", options: options)
    }

    @Test func `is the mean over the eight orientations`() throws {
        let plain = try upscaler()
        var sums = [Double](repeating: 0, count: 46 * 28 * 4)
        for orientation in 0..<8 {
            let result = try plain.upscale(turned(picture, orientation)).pixels
            let back = turnedBack(result, width: 46, height: 28, orientation)
            for i in sums.indices { sums[i] += Double(back[i]) / 8 }
        }
        let augmented = try upscaler { $0.testTimeAugmentation = true }.upscale(picture)
        // Its rounding comes once, after the mean; theirs before it, and values are clipped there.
        let worst = zip(augmented.pixels, sums).map { abs(Double($0.0) - $0.1) }.max()!
        #expect(worst <= 1.01)
    }

    @Test func `gives the same bytes for every budget and thread count`() throws {
        let expected = try upscaler { $0.testTimeAugmentation = true }.upscale(picture)
        for memory in [1_200_000, 1_500_000, 1 << 30] {
            for threads in [1, 3] {
                let result = try upscaler {
                    $0.testTimeAugmentation = true
                    $0.memory = memory
                    $0.threads = threads
                }.upscale(picture)
                #expect(result == expected, "\(memory) bytes, \(threads) threads")
            }
        }
    }

    /// Pixel (x, y) of an orientation of a width x height picture, in the picture.
    private func position(_ x: Int, _ y: Int, _ width: Int, _ height: Int, _ orientation: Int) -> (x: Int, y: Int) {
        let isTransposed = orientation >= 4
        let (w, h) = isTransposed ? (height, width) : (width, height)
        let u = orientation & 1 != 0 ? w - 1 - x : x, v = orientation & 2 != 0 ? h - 1 - y : y
        return isTransposed ? (v, u) : (u, v)
    }

    private func turned(_ picture: PixelPicture, _ orientation: Int) -> PixelPicture {
        let (w, h) = orientation >= 4 ? (picture.height, picture.width) : (picture.width, picture.height)
        var pixels: [UInt8] = []
        for y in 0..<h {
            for x in 0..<w {
                let p = position(x, y, picture.width, picture.height, orientation)
                pixels += picture.pixels[(p.y * picture.width + p.x) * 4..<(p.y * picture.width + p.x) * 4 + 4]
            }
        }
        return PixelPicture(width: w, height: h, kind: picture.kind, pixels: pixels)
    }

    private func turnedBack(_ pixels: [UInt8], width: Int, height: Int, _ orientation: Int) -> [UInt8] {
        let (w, h) = orientation >= 4 ? (height, width) : (width, height)
        var result = [UInt8](repeating: 0, count: pixels.count)
        for y in 0..<h {
            for x in 0..<w {
                let p = position(x, y, width, height, orientation)
                for c in 0..<4 { result[(p.y * width + p.x) * 4 + c] = pixels[(y * w + x) * 4 + c] }
            }
        }
        return result
    }
}
