import Foundation
import PictureIO
import Testing

extension CommandTests {
    /// What kinds of pictures become. A network that repeats pixels says exactly what must come out.
    struct KindTests {
        let folder = Folder()

        private func enlarge(_ input: String, _ output: String, model: String = "nearest-x2", _ more: String...) throws -> CommandResult {
            let result = try Enlarge.run([input, "-o", output, "-m", model] + more, in: folder)
            #expect(result.status == 0, "\(input): \(result.errors)")
            return result
        }

        @Test(arguments: [(1, 8), (1, 16), (3, 8), (3, 16)])
        func `grey and colour of 8 and 16 bits keep every sample`(channels: Int, bits: Int) throws {
            let picture = Picture.made(37, 23, channels, bits: bits)
            for name in bits == 8 ? ["a.png", "a.tif", "a.ppm"] : ["a.png", "a.tif"] {
                try picture.save(folder.file(name))
                let output = name.hasSuffix("tif") ? "b.tif" : "b.png"
                _ = try enlarge(name, output)
                #expect(try Picture.read(folder.file(output)) == Picture.read(folder.file(name)).repeated(2), "\(name)")
                if name != "a.ppm" { #expect(try Picture.read(folder.file(name)) == picture) }
            }
        }

        @Test(arguments: [(2, 8), (2, 16), (4, 8), (4, 16)])
        func `alpha is enlarged with the picture`(channels: Int, bits: Int) throws {
            let picture = Picture.made(37, 33, channels, bits: bits)
            try picture.save(folder.file("a.png"))
            _ = try enlarge("a.png", "b.png")
            let back = try Picture.read(folder.file("b.png")), want = picture.repeated(2)
            #expect((back.width, back.height, back.channels, back.bits) == (74, 66, channels, bits))
            let white = bits == 8 ? 255 : 65535
            #expect(back[0, 0, channels - 1] == white && back[73, 65, channels - 1] == white)
            #expect(back[37, 33, channels - 1] == 0)
            // Where the picture is opaque its colour is untouched.
            for c in 0..<channels - 1 { #expect(back[3, 5, c] == want[3, 5, c]) }
        }

        @Test func `palettes, bitmaps and interlacing are read as what they show`() throws {
            let picture = Picture.made(40, 30)
            for options in ["palette", "interlace", "palette,bitdepth=4"] {
                try picture.save(folder.file("a.png[\(options)]"))
                let shown = try Picture.read(folder.file("a.png"))
                _ = try enlarge("a.png", "b.png")
                #expect(try Picture.read(folder.file("b.png")) == shown.repeated(2), "\(options)")
            }
            try Picture.made(40, 30, 1).save(folder.file("bit.png[bitdepth=1]"))
            _ = try enlarge("bit.png", "b.png")
            #expect(try Picture.read(folder.file("b.png")) == Picture.read(folder.file("bit.png")).repeated(2))
        }

        @Test func `CMYK becomes RGB, and that is said`() throws {
            try Picture.made(40, 30, 4).save(folder.file("a.jpg"), cmyk: true)
            let result = try enlarge("a.jpg", "b.png")
            #expect(result.errors.contains("CMYK"))
            let back = try Picture.read(folder.file("b.png"))
            #expect((back.width, back.height, back.channels, back.bits) == (80, 60, 3, 8))
            #expect(try back == Picture.read(folder.file("a.jpg")).repeated(2))
        }

        @Test func `what a format cannot hold is said`() throws {
            try Picture.made(40, 30, 4, bits: 16).save(folder.file("a.png"))
            let result = try enlarge("a.png", "b.jpg")
            #expect(result.errors.contains("8 bits") && result.errors.contains("alpha"))
            let info = try PictureReader(path: folder.file("b.jpg")).info
            #expect((info.channels, info.bits) == (3, 8))
        }

        @Test(arguments: ["png", "jpg", "tif", "webp"])
        func `profile, EXIF and orientation are kept`(kind: String) throws {
            let picture = Picture.made(40, 20)
            try picture.save(folder.file("a.jpg[Q=100]"), orientation: 6, profile: "p3", comment: "grazing sheep")
            _ = try enlarge("a.jpg", "b." + kind)
            let info = try PictureReader(path: folder.file("b." + kind)).info
            #expect((info.width, info.height, info.orientation, info.hasProfile) == (40, 80, 1, true))
            _ = try enlarge("b." + kind, "c.jpg")
            #expect(try #require(folder.data("c.jpg")).range(of: Data("grazing sheep".utf8)) != nil)
        }

        @Test func `a luma network enlarges grey, colour and alpha`() throws {
            for channels in 1...4 {
                let picture = Picture.made(40, 30, channels)
                try picture.save(folder.file("a.png"))
                _ = try enlarge("a.png", "b.png", model: "luma-x2")
                let back = try Picture.read(folder.file("b.png"))
                #expect((back.width, back.height, back.channels) == (80, 60, channels))
                if channels == 1 { #expect(back == picture.repeated(2)) }
            }
            var colourful = Picture.made(40, 30)
            for i in colourful.samples.indices { colourful.samples[i] = colourful.samples[i] * (i / 3 % 7) * (i % 3 + 1) / 18 }
            try colourful.save(folder.file("a.png"))
            _ = try enlarge("a.png", "bicubic.png", model: "luma-x2", "--chroma", "bicubic")
            _ = try enlarge("a.png", "bilinear.png", model: "luma-x2", "--chroma", "bilinear")
            let distance = try Picture.read(folder.file("bicubic.png")).distance(to: Picture.read(folder.file("bilinear.png")))
            #expect((1..<60).contains(try #require(distance)))
        }

        @Test func `the smallest pictures are enlarged`() throws {
            for (width, height) in [(1, 1), (1, 40), (40, 1), (2, 3)] {
                let picture = Picture.made(width, height)
                try picture.save(folder.file("a.png"))
                _ = try enlarge("a.png", "b.png")
                #expect(try Picture.read(folder.file("b.png")) == picture.repeated(2))
                _ = try enlarge("a.png", "c.png", model: "tiny-x3")
                #expect(try Picture.read(folder.file("c.png")).width == 3 * width)
            }
        }
    }
}
