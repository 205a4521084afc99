import Enlarger
import NetworkGraph
import StreamPlanner
import Tensors
import TestSupport
import Testing

@Suite struct `Networks that cut off edges` {
    private func upscaler(margin: Int, _ change: (inout UpscaleOptions) -> Void = { _ in }) throws -> Upscaler {
        var model = try SmallModels.edsr(scale: 2), options = UpscaleOptions()
        model.processing.margin = margin
        options.threads = 2
        change(&options)
        return try Upscaler(model: model, name: "small", options: options)
    }

    private func noise(_ width: Int, _ height: Int, _ kind: PictureKind) -> PixelPicture {
        var random = SeededGenerator(seed: 9)
        return PixelPicture(width: width, height: height, kind: kind, pixels: (0..<width * height * kind.channels).map { _ in UInt8.random(in: 60...190, using: &random) })
    }

    private func extended(_ picture: PixelPicture, by margin: Int) -> PixelPicture {
        let (width, height, c) = (picture.width + 2 * margin, picture.height + 2 * margin, picture.kind.channels)
        var pixels: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width {
                let from = (min(max(y - margin, 0), picture.height - 1) * picture.width + min(max(x - margin, 0), picture.width - 1)) * c
                pixels += picture.pixels[from..<from + c]
            }
        }
        return PixelPicture(width: width, height: height, kind: picture.kind, pixels: pixels)
    }

    private func cut(_ picture: PixelPicture, by margin: Int) -> PixelPicture {
        let (width, height, c) = (picture.width - 2 * margin, picture.height - 2 * margin, picture.kind.channels)
        var pixels: [UInt8] = []
        for y in 0..<height {
            let start = ((y + margin) * picture.width + margin) * c
            pixels += picture.pixels[start..<start + width * c]
        }
        return PixelPicture(width: width, height: height, kind: picture.kind, pixels: pixels)
    }

    @Test(arguments: [PictureKind(colourChannels: 3, hasAlpha: false), PictureKind(colourChannels: 1, hasAlpha: true)], [(1, 1), (2, 9), (23, 14)])
    func `see the picture extended by its edge pixels`(kind: PictureKind, size: (Int, Int)) throws {
        let picture = noise(size.0, size.1, kind)
        for augmented in [false, true] {
            let whole = try upscaler(margin: 0) { $0.testTimeAugmentation = augmented }.upscale(extended(picture, by: 5))
            let result = try upscaler(margin: 5) { $0.testTimeAugmentation = augmented }.upscale(picture)
            #expect(result == cut(whole, by: 10))
        }
        let whole = try upscaler(margin: 0) { $0.tiling = try? Tiling(size: 16, overlap: 6) }.upscale(extended(picture, by: 5))
        #expect(try upscaler(margin: 5) { $0.tiling = try? Tiling(size: 16, overlap: 6) }.upscale(picture) == cut(whole, by: 10))
    }

    @Test func `give the same for every budget, and hold it`() throws {
        let picture = noise(40, 30, PictureKind(colourChannels: 3, hasAlpha: false))
        let expected = try upscaler(margin: 7).upscale(picture)
        let planner = try upscaler(margin: 7).planner(width: 40, height: 30, kind: picture.kind, bits: 8)
        let minimum = planner.minimumBytes(width: 40, height: 30)
        #expect(try upscaler(margin: 7) { $0.memory = minimum }.upscale(picture) == expected)
        #expect(throws: EnlargerError.self) { try upscaler(margin: 7) { $0.memory = minimum - 1 }.upscale(picture) }
    }
}
