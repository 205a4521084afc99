import CVips
import Foundation
import PictureIO
import Tensors
import Testing

extension PictureTests {
    struct BadInputTests {
        func code(_ path: String, limits: PictureLimits = PictureLimits()) -> EnlargerError.Code? {
            do {
                _ = try read(path, limits: limits)
                return nil
            } catch {
                #expect(error.message.contains(path) && !error.message.contains("\n"))
                return error.code
            }
        }

        @Test func `what is no picture is told apart in one line`() throws {
            let folder = Folder()
            #expect(code(folder.file("none.png")) == .pictureNotFound)
            #expect(code(folder.path) == .pictureInvalid)
            #expect(code("/dev/null") == .pictureInvalid)
            #expect(code(folder.write([], "empty.png")) == .pictureInvalid)
            #expect(code(folder.write(Array("hello, this is text".utf8), "text.png")) == .pictureInvalid)
            #expect(code(folder.write([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], "short.png")) == .pictureInvalid)
            #expect(code(folder.write(Array("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>".utf8), "a.svg")) == .pictureInvalid)
        }

        @Test(arguments: ["png", "png[interlace]", "jpg", "jpg[interlace]", "webp", "tif", "tif[compression=deflate]", "tif[tile]", "gif", "ppm", "avif"])
        func `a file cut short is an error, wherever it is cut`(kind: String) throws {
            let folder = Folder()
            let name = "a." + kind.prefix { $0 != "[" }
            guard let format = PictureFormat(path: name), PictureFormat.readable.contains(format),
                format != .avif || PictureFormat.available.contains(.avif)
            else { return }
            try fixture(Picture.made(200, 300, 3, noise: 60), folder.file("a." + kind))
            let whole = bytes(of: folder.file(name))
            #expect(code(folder.file(name)) == nil)
            for percent in [1, 5, 20, 50, 80, 95] {
                let cut = folder.write(Array(whole[..<max(20, whole.count * percent / 100)]), "cut-\(percent)-" + name)
                #expect(code(cut) == .pictureInvalid, "\(kind) cut at \(percent) %")
            }
        }

        @Test func `damage that a decoder notices is an error, junk before the end of a JPEG is not`() throws {
            let folder = Folder()
            try fixture(Picture.made(300, 200, 3, noise: 60), folder.file("a.jpg"))
            let whole = bytes(of: folder.file("a.jpg"))
            var damaged = whole
            damaged[whole.count / 2] = 0xFF
            damaged[whole.count / 2 + 1] = 0xC0  // a marker where samples should be
            #expect(code(folder.write(damaged, "damaged.jpg")) == .pictureInvalid)
            let padded = whole.dropLast(2) + [0, 0, 0, 0xFF, 0xD9]
            #expect(code(folder.write(Array(padded), "padded.jpg")) == nil)
            try fixture(Picture.made(300, 200, 3, noise: 60), folder.file("a.png"))
            var flipped = bytes(of: folder.file("a.png"))
            flipped[flipped.count / 2] ^= 0x10
            #expect(code(folder.write(flipped, "flipped.png")) == .pictureInvalid)
        }

        @Test func `huge pictures are refused from the header`() throws {
            let folder = Folder()
            try fixture(Picture.made(16, 16, 3), folder.file("a.png"))
            var bomb = bytes(of: folder.file("a.png"))
            for (offset, value) in [(16, 60_000), (20, 60_000)] {
                for i in 0..<4 { bomb[offset + i] = UInt8(value >> (24 - 8 * i) & 255) }
            }
            var crc = ~UInt32(0)
            for byte in bomb[12..<29] {
                crc ^= UInt32(byte)
                for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
            }
            for i in 0..<4 { bomb[29 + i] = UInt8(~crc >> (24 - 8 * UInt32(i)) & 255) }
            let clock = ContinuousClock()
            let took = clock.measure { #expect(code(folder.write(bomb, "bomb.png")) == .pictureTooLarge) }
            #expect(took < .seconds(1))
            #expect(code(folder.file("a.png"), limits: PictureLimits(maxPixels: 255)) == .pictureTooLarge)
        }

        @Test func `decoders of whole pictures keep to their limit`() throws {
            let folder = Folder()
            for kind in ["png[interlace]", "jpg[interlace]", "webp"] {
                try fixture(Picture.made(2000, 1000, 3), folder.file("a." + kind))
                let path = folder.file("a." + kind.prefix { $0 != "[" })
                #expect(code(path, limits: PictureLimits(decoderBytes: 5 << 20)) == .pictureTooLarge)
                #expect(code(path) == nil)
            }
        }
    }
}
