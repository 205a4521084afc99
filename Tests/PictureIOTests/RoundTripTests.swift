import CVips
import PictureIO
import Tensors
import Testing

extension PictureTests {
    struct RoundTripTests {
        @Test(arguments: [PictureFormat.png, .tiff], [1, 2, 3, 4])
        func `lossless formats give back every sample`(format: PictureFormat, channels: Int) throws {
            let folder = Folder()
            for bits in [8, 16] {
                for (width, height) in [(1, 1), (37, 23), (130, 300)] {
                    let picture = Picture.made(width, height, channels, bits)
                    let path = folder.file("a.\(format.fileExtension)")
                    let writer = try write(picture, path)
                    #expect(writer.notes.isEmpty)
                    let (info, back) = try read(path)
                    #expect(back == picture)
                    #expect(info.format == format && info.notes.isEmpty && info.orientation == 1)
                    #expect(folder.contents.count == 1)
                }
            }
        }

        @Test func `an uncompressed BigTIFF comes back`() throws {
            let folder = Folder()
            var options = PictureWriterOptions()
            options.tiffCompression = .none
            options.bigTIFF = true
            let picture = Picture.made(50, 400, 3, 16)
            try write(picture, folder.file("a.btf"), options: options)
            #expect(Array(bytes(of: folder.file("a.btf"))[..<4]) == [0x49, 0x49, 43, 0])
            #expect(try read(folder.file("a.btf")).1 == picture)
        }

        @Test(arguments: [PictureFormat.jpg, .webp, .avif].filter(PictureFormat.available.contains), [1, 2, 3, 4])
        func `lossy formats come close, and say what they change`(format: PictureFormat, channels: Int) throws {
            let folder = Folder()
            for bits in [8, 16] {
                let picture = Picture.made(90, 70, channels, bits, noise: 1)
                let path = folder.file("a.\(format.fileExtension)")
                let notes = try write(picture, path).notes
                let (info, back) = try read(path)
                let alpha = channels % 2 == 0 && format != .jpg
                #expect(info.colourChannels == (format.holdsGrey && channels < 3 ? 1 : 3) && info.hasAlpha == alpha)
                #expect(notes.isEmpty == (bits == 8 && (alpha == (channels % 2 == 0))))
                #expect(back.bits == (bits == 16 && format == .avif ? 16 : 8))
                guard channels % 2 == 1 else { continue }
                var worst = 0
                for i in 0..<(90 * 70) {
                    let there = picture.sample(i * channels) >> (bits - 8)
                    worst = max(worst, abs((back.sample(i * back.channels) >> (back.bits - 8)) - there))
                }
                #expect(worst < 24)
            }
        }

        @Test func `16 bits round to 8, and alpha flattens onto white`() {
            let deep: [UInt16] = [0, 128, 129, 385, 386, 65535]
            var out = [UInt8](repeating: 9, count: 6)
            ev_convert_samples(deep, 1, 16, &out, 1, 8, 6)
            #expect(out == [0, 0, 1, 1, 2, 255])
            let veiled: [UInt8] = [10, 0, 10, 255, 100, 128]
            ev_convert_samples(veiled, 2, 8, &out, 1, 8, 3)
            #expect(Array(out[..<3]) == [255, 10, 177])
            ev_convert_samples(veiled, 2, 8, &out, 3, 8, 2)
            #expect(out == [255, 255, 255, 10, 10, 10])
        }

        @Test func `palette, 1-bit and interlaced pictures read as 8 bits`() throws {
            let folder = Folder()
            var picture = Picture.made(40, 30, 3)
            picture.bytes = (0..<1200).flatMap { $0 / 40 % 2 == 0 ? [255, 0, 0] : [0, 0, 255] }
            try fixture(picture, folder.file("p.png[palette]"))
            #expect(try #require(read(folder.file("p.png")).1.distance(to: picture)) < 3)

            var mask = Picture.made(41, 30, 1)
            mask.bytes = mask.bytes.map { $0 % 3 == 0 ? 255 : 0 }
            try fixture(mask, folder.file("m.png[bitdepth=1]"))
            #expect(try read(folder.file("m.png")).1 == mask)
            try fixture(mask, folder.file("m.tif[bitdepth=1]"))
            #expect(try read(folder.file("m.tif")).1 == mask)

            try fixture(picture, folder.file("i.png[interlace]"))
            let (info, back) = try read(folder.file("i.png"))
            #expect(back == picture && info.notes.contains { $0.contains("interlaced PNG") })
            #expect(info.decoderBytes >= 40 * 30 * 3)
        }

        @Test func `progressive JPEG and GIF and PNM are read`() throws {
            let folder = Folder()
            let picture = Picture.made(64, 48, 3)
            try fixture(picture, folder.file("p.jpg[interlace,Q=95,subsample-mode=off]"))
            let (info, back) = try read(folder.file("p.jpg"))
            #expect(info.notes.contains { $0.contains("progressive JPEG") } && info.decoderBytes >= 64 * 48 * 6)
            #expect(try #require(back.distance(to: picture)) < 24)
            try fixture(picture, folder.file("a.ppm"))
            #expect(try read(folder.file("a.ppm")).1 == picture)
            try fixture(Picture.made(30, 30, 1, 16), folder.file("a.pgm"))
            #expect(try read(folder.file("a.pgm")).1 == Picture.made(30, 30, 1, 16))
            try fixture(picture, folder.file("a.gif"))
            #expect(try read(folder.file("a.gif")).0.width == 64)
        }

        @Test func `CMYK becomes sRGB with a profile of sRGB`() throws {
            let folder = Folder()
            var ink = Picture.made(20, 10, 4)
            ink.bytes = (0..<200).flatMap { _ in [UInt8(0), 255, 255, 0] }  // magenta and yellow: red
            for (name, profile) in [("a.tif", nil), ("b.tif", "cmyk"), ("c.jpg", "cmyk")] as [(String, String?)] {
                try fixture(ink, folder.file(name), colour: Int(EV_COLOUR_CMYK), profile: profile)
                let (info, back) = try read(folder.file(name))
                #expect(info.colourChannels == 3 && !info.hasAlpha && info.bits == 8 && info.hasProfile)
                #expect(info.notes.contains { $0.contains("CMYK") })
                #expect(back.bytes[0] > 180 && back.bytes[1] < 90 && back.bytes[2] < 90, "\(name): \(back.bytes[..<3])")
            }
        }

        @Test func `Lab becomes RGB of 16 bits, floating grey is refused`() throws {
            let folder = Folder()
            let lab = [Float](repeating: 0, count: 300).enumerated().map { $0.offset % 3 == 0 ? Float(50) : 0 }
            let picture = Picture(width: 10, height: 10, channels: 3, bits: 32, bytes: lab.withUnsafeBytes { Array($0) })
            try fixture(picture, folder.file("l.tif"), colour: Int(EV_COLOUR_CONVERTIBLE))
            let (info, back) = try read(folder.file("l.tif"))
            #expect(info.bits == 16 && info.colourChannels == 3 && abs(back.sample(0) - back.sample(1)) < 300)
            let grey = Picture(width: 10, height: 10, channels: 1, bits: 32, bytes: Array(picture.bytes[..<400]))
            try fixture(grey, folder.file("g.tif"), colour: Int(EV_COLOUR_GREY))
            let error = #expect(throws: EnlargerError.self) { try PictureReader(path: folder.file("g.tif")) }
            #expect(error?.code == .pictureUnsupported)
        }
    }
}
