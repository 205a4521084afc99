import Enlarger
import PictureIO
import TestSupport
import Testing

/// OpenCV's recorded 8-bit pictures, through files and the whole program.
@Suite(.serialized) struct `Pictures against OpenCV` {
    @Test(arguments: SharedData.available(SharedData.tensorFlowNames, suffix: ".png", in: ["golden"]))
    func `look as OpenCV's do`(name: String) throws {
        var options = UpscaleOptions()
        options.model = try #require(SharedData.model(name))
        options.chroma = .bilinear
        let upscaler = try Upscaler(options: options)
        let folder = TemporaryFolder()
        let output = folder.file("out.png")
        try upscaler.upscale(#require(SharedData.path("golden/input.png")), to: output)
        let made = try pixels(output), expected = try pixels(#require(SharedData.path("golden/\(name).png")))
        #expect(made.count == expected.count)
        let difference = zip(made, expected).reduce(0) { max($0, abs(Int($1.0) - Int($1.1))) }
        #expect(difference <= 1)
    }

    private func pixels(_ path: String) throws -> [UInt8] {
        let reader = try PictureReader(path: path, limits: PictureLimits())
        var bytes = [UInt8](repeating: 0, count: reader.info.bytesPerRow * reader.info.height)
        try bytes.withUnsafeMutableBytes { try reader.readRows(into: $0, from: 0, count: reader.info.height) }
        return bytes
    }
}
