import CKernels
import Enlarger
import NetworkGraph
import PictureIO
import Tensors
import TestSupport
import Testing

extension PixelPicture {
    static func noise(_ width: Int, _ height: Int, channels: Int = 3, seed: UInt64, spread: Int = 100) -> PixelPicture {
        var random = SeededGenerator(seed: seed)
        let pixels = (0..<width * height * channels).map { _ in UInt8(clamping: 128 + Int.random(in: -spread...spread, using: &random)) }
        return PixelPicture(width: width, height: height, kind: .init(colourChannels: channels, hasAlpha: false), pixels: pixels)
    }

    func write(_ path: String) throws {
        let writer = try PictureWriter(
            path: path, format: .png, width: width, height: height, bits: 8, colourChannels: kind.colourChannels, hasAlpha: kind.hasAlpha,
            metadataFrom: nil)
        try pixels.withUnsafeBytes { try writer.writeRows($0, count: height) }
        try writer.finish()
    }
}

struct EvaluationTests {
    @Test func `the border is left out, and the rest counts from the top-left corner`() throws {
        let original = PixelPicture.noise(33, 32, seed: 3)
        var result = PixelPicture.noise(32, 30, seed: 4)
        for y in 3..<27 {
            for x in 3..<29 {
                for c in 0..<3 { result.pixels[(y * 32 + x) * 3 + c] = original.pixels[(y * 33 + x) * 3 + c] }
            }
        }
        #expect(try Evaluation.score(name: "a", result: result, original: original, scale: 3).psnr == .infinity)
        result.pixels[(3 * 32 + 3) * 3] ^= 64
        #expect(try Evaluation.score(name: "a", result: result, original: original, scale: 3).psnr.isFinite)
    }

    @Test func `pairs that do not belong together are refused`() throws {
        let folder = TemporaryFolder()
        func failure(_ path: String) -> EnlargerError.Code? {
            (#expect(throws: EnlargerError.self) { try Evaluation(folder: path, scale: 2, enlarge: { $0 }) })?.code
        }
        #expect(failure(folder.path) == .pictureNotFound)
        #expect(failure(folder.file("no")) == .pictureNotFound)
        try PixelPicture.noise(20, 20, seed: 5).write(folder.file("a_HR.png"))
        #expect(failure(folder.path) == .pictureNotFound)
        try PixelPicture.noise(18, 20, seed: 6).write(folder.file("a_LR.png"))
        #expect(failure(folder.path) == .pictureInvalid)
        let small = PixelPicture.noise(12, 40, seed: 7)
        #expect(throws: EnlargerError.self) { try Evaluation.score(name: "a", result: small, original: small, scale: 2) }
    }

    @Test func `equal pictures have an infinite PSNR`() throws {
        let folder = TemporaryFolder(), picture = PixelPicture.noise(20, 20, channels: 1, seed: 5)
        try picture.write(folder.file("a_LR.png"))
        try picture.write(folder.file("a_HR.png"))
        let result = try Evaluation(folder: folder.path, scale: 2, enlarge: { $0 })
        #expect(result.psnr == .infinity && abs(result.ssim - 1) < 1e-12)
    }

    @Test func `a folder is measured through the network, and its mean is that of its pictures`() throws {
        // A network that repeats pixels: what comes out is known.
        let graph = try NetworkGraph(
            nodes: [.init("in", .input(channels: 3), inputs: []), .init("large", .resize(.nearest, 2), inputs: [0])],
            outputs: [.init(name: "out", node: 1)])
        let model = Model(architecture: "nearest", graph: graph, processing: Processing(channels: .rgb, mean: [0, 0, 0], inputScale: 1))
        var options = UpscaleOptions()
        options.threads = 1
        let upscaler = try Upscaler(model: model, name: "nearest", options: options)
        let folder = TemporaryFolder()
        var expected: [Double] = []
        for (index, channels) in [3, 1].enumerated() {
            let small = PixelPicture.noise(16, 17, channels: channels, seed: UInt64(index))
            let large = PixelPicture.noise(32, 34, channels: channels, seed: UInt64(index + 9))
            var repeated = large
            for i in repeated.pixels.indices {
                let (y, x, c) = (i / channels / 32, i / channels % 32, i % channels)
                repeated.pixels[i] = small.pixels[(y / 2 * 16 + x / 2) * channels + c]
            }
            #expect(try upscaler.upscale(small) == repeated)
            try small.write(folder.file("\(index)_LR.png"))
            try large.write(folder.file("\(index)_HR.png"))
            expected.append(try Evaluation.score(name: "", result: repeated, original: large, scale: 2).psnr)
        }
        var reported: [String] = []
        let result = try Evaluation(folder: folder.path, scale: 2, enlarge: { try upscaler.upscale($0) }, report: { reported.append($0.name) })
        #expect(reported == ["0", "1"] && result.scores.map(\.psnr) == expected)
        #expect(result.psnr == (expected[0] + expected[1]) / 2)
    }

    /// Published for MATLAB's own low-resolution pictures: 33.66, 30.39 and 28.42 dB.
    @Test(arguments: [(2, 33.66), (3, 30.39), (4, 28.42)])
    func `bicubic on Set5 gives the published numbers`(scale: Int, published: Double) throws {
        guard let folder = SharedData.path("eval/Set5/x\(scale)") else { return }
        let result = try Evaluation(folder: folder, scale: scale, enlarge: { $0.enlargedBicubically(scale) })
        #expect(result.scores.count == 5 && abs(result.psnr - published) < 0.05)
    }

    /// Needs a processor with AVX512-BF16.
    @Test(.enabled(if: ek_best_isa() == EK_AVX512_BF16), arguments: [("Set5", 2), ("Set5", 4)])
    func `bf16 products change the PSNR of the shipped models by at most 0.02 dB`(set: String, scale: Int) throws {
        guard let folder = SharedData.path("eval/\(set)/x\(scale)") else { return }
        func psnr(_ precision: UpscaleOptions.Precision) throws -> Double {
            var options = UpscaleOptions()
            (options.scale, options.precision) = (scale, precision)
            options.modelFolders = [#filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/models"]
            let upscaler = try Upscaler(options: options)
            return try Evaluation(folder: folder, scale: scale, enlarge: { try upscaler.upscale($0) }).psnr
        }
        #expect(abs(try psnr(.bf16) - psnr(.fp32)) <= 0.02)
    }
}
