import Enlarger
import ModelFormats
import NetworkGraph
import Tensors
import TestSupport
import Testing

@Suite struct `Pictures in tiles` {
    @Test(arguments: [(1, 16, 4), (16, 16, 4), (17, 16, 4), (100, 32, 7), (64, 16, 0), (50, 20, 10), (1000, 96, 32)])
    func `weights of tiles add up to 1 at every pixel`(length: Int, size: Int, overlap: Int) {
        for scale in [1, 3] {
            let grid = TileGrid(length: length, size: size, overlap: overlap, scale: scale)
            var sums = [Float](repeating: 0, count: length * scale)
            for (index, start) in grid.starts.enumerated() {
                #expect(start >= 0 && start + grid.size <= length)
                for offset in 0..<grid.size * scale { sums[start * scale + offset] += grid.weight(index, at: offset) }
            }
            #expect(sums.allSatisfy { abs($0 - 1) < 1e-5 })
        }
    }

    private func upscaled(_ picture: PixelPicture, _ change: (inout UpscaleOptions) throws -> Void) throws -> PixelPicture {
        var options = UpscaleOptions()
        options.threads = 2
        try change(&options)
        return try Upscaler(model: SmallModels.edsr(scale: 2), name: "small", options: options).upscale(picture)
    }

    @Test(arguments: [PictureKind(colourChannels: 3, hasAlpha: false), PictureKind(colourChannels: 1, hasAlpha: false), PictureKind(colourChannels: 3, hasAlpha: true)])
    func `away from the edges of tiles the result is the exact one`(kind: PictureKind) throws {
        var random = SeededGenerator(seed: 3)
        let (width, height) = (70, 61)
        let pixels = (0..<width * height * kind.channels).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let picture = PixelPicture(width: width, height: height, kind: kind, pixels: pixels)
        let exact = try upscaled(picture) { _ in }
        let tiled = try upscaled(picture) { $0.tiling = try Tiling(size: 32, overlap: 16) }
        #expect(tiled.width == exact.width && tiled.height == exact.height)
        // Where one tile alone counts, and its edge is farther than the network sees.
        let clear = 24..<30
        var differences = 0
        for y in 0..<exact.height {
            for x in 0..<exact.width {
                for c in 0..<kind.channels {
                    let at = (y * exact.width + x) * kind.channels + c
                    if clear.contains(x), clear.contains(y) { #expect(tiled.pixels[at] == exact.pixels[at]) }
                    differences += tiled.pixels[at] == exact.pixels[at] ? 0 : 1
                }
            }
        }
        #expect(differences > 0, "tiles that make no difference are no test")
    }

    @Test func `one tile that holds the picture is exact, whatever the budget`() throws {
        var random = SeededGenerator(seed: 4)
        let kind = PictureKind(colourChannels: 3, hasAlpha: false)
        let picture = PixelPicture(width: 41, height: 37, kind: kind, pixels: (0..<41 * 37 * 3).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        let exact = try upscaled(picture) { _ in }
        #expect(try upscaled(picture) { $0.tiling = try Tiling(size: 64) }.pixels == exact.pixels)
        let tiled = try upscaled(picture) { $0.tiling = try Tiling(size: 24, overlap: 6) }
        #expect(try upscaled(picture) { $0.tiling = try Tiling(size: 24, overlap: 6); $0.memory = 400_000; $0.threads = 1 }.pixels == tiled.pixels)
    }

    @Test func `the plan in tiles is that of one tile, as often as there are tiles`() throws {
        var options = UpscaleOptions()
        options.threads = 1
        func plan(_ width: Int, _ height: Int) throws -> UpscalePlan {
            try Upscaler(model: SmallModels.edsr(scale: 2), name: "small", options: options).plan(width: width, height: height)
        }
        options.tiling = try Tiling(size: 32, overlap: 8)
        let one = try plan(32, 32), row = try plan(80, 32), grid = try plan(80, 56)
        #expect(options.tiling!.tileCount(width: 80, height: 56) == 6)
        #expect(abs(row.expectedSeconds - 3 * one.expectedSeconds) < 1e-9 && abs(grid.expectedSeconds - 6 * one.expectedSeconds) < 1e-9)
        // The rows of the whole picture that wait are wider; nothing depends on its height.
        #expect(row.plannedBytes == grid.plannedBytes && one.minimumBytes <= row.minimumBytes && row.minimumBytes <= row.plannedBytes)
        options.memory = grid.minimumBytes
        #expect(try plan(80, 56).plannedBytes <= grid.minimumBytes)
    }

    @Test func `tiles that make no sense are refused`() {
        for (size, overlap) in [(8, nil), (64, 33), (64, -1), (100_000, nil)] as [(Int, Int?)] {
            let error = #expect(throws: EnlargerError.self) { try Tiling(size: size, overlap: overlap) }
            #expect(error?.code == .usage)
        }
    }
}
