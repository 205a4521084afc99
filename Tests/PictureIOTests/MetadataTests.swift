import CVips
import Foundation
import PictureIO
import Tensors
import Testing

extension PictureTests {
    struct MetadataTests {
        @Test(arguments: 1...8)
        func `every EXIF orientation is applied once`(orientation: Int) throws {
            let folder = Folder()
            for (width, height) in [(70, 150), (150, 70), (1, 9), (64, 128)] {
                let picture = Picture.made(width, height, 3)
                try fixture(picture, folder.file("o.tif"), orientation: orientation)
                let (info, back) = try read(folder.file("o.tif"), rowsAtOnce: 41)
                #expect(info.orientation == orientation)
                #expect(back == picture.oriented(orientation))
                #expect(info.notes.contains { $0.contains("temporary file") } == (orientation > 2))
                for name in ["w.png", "w.tif", "w.jpg"] {
                    try write(back, folder.file(name), metadataFrom: PictureReader(path: folder.file("o.tif")))
                    #expect(try PictureReader(path: folder.file(name)).info.orientation == 1)
                }
            }
        }

        @Test func `orientation of a JPEG with alpha-free grey rows matches too`() throws {
            let folder = Folder()
            let picture = Picture.made(48, 80, 1)
            try fixture(picture, folder.file("a.jpg[Q=100]"))
            let upright = try read(folder.file("a.jpg")).1
            for n in 1...8 {
                try fixture(picture, folder.file("o.jpg[Q=100]"), orientation: n)
                #expect(try read(folder.file("o.jpg")).1 == upright.oriented(n))
            }
        }

        @Test(arguments: ["png", "jpg", "webp", "tif"])
        func `profile, EXIF, XMP and resolution reach the output`(kind: String) throws {
            let folder = Folder()
            let source = folder.file("s.jpg")
            try fixture(Picture.made(60, 40, 3), source, orientation: 6, profile: "p3", comment: "grazing sheep")
            let reader = try PictureReader(path: source)
            #expect(reader.info.hasProfile)
            let out = folder.file("o." + kind)
            try write(Picture.made(80, 120, 3), out, metadataFrom: reader)
            let back = try PictureReader(path: out)
            #expect(back.info.hasProfile && back.info.orientation == 1)
            let data = bytes(of: out)
            func holds(_ text: String) -> Bool { Data(data).range(of: Data(text.utf8)) != nil }
            #expect(holds("grazing sheep") || kind == "png")
            let again = folder.file("again.jpg")
            try write(Picture.made(80, 120, 3), again, metadataFrom: back)
            #expect(Data(bytes(of: again)).range(of: Data("grazing sheep".utf8)) != nil)
        }

        @Test func `the profile of grey samples does not go to RGB samples`() throws {
            let folder = Folder()
            try fixture(Picture.made(20, 20, 1), folder.file("g.png"), profile: "/usr/share/color/icc/ghostscript/sgray.icc")
            let reader = try PictureReader(path: folder.file("g.png"))
            guard reader.info.hasProfile else { return }
            let notes = try write(Picture.made(20, 20, 3), folder.file("c.png"), metadataFrom: reader).notes
            #expect(notes.contains { $0.contains("profile") })
            #expect(try !PictureReader(path: folder.file("c.png")).info.hasProfile)
        }
    }
}
