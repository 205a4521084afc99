import Foundation
import Glibc
import PictureIO
import Tensors
import Testing

extension PictureTests {
    /// Pictures from and to files that are open already.
    struct OpenFileTests {
        let folder = Folder()

        private func save(_ picture: Picture, to descriptor: Int32, _ format: PictureFormat) throws {
            let writer = try PictureWriter(
                descriptor: descriptor, name: "the result", format: format, width: picture.width, height: picture.height, bits: picture.bits,
                colourChannels: 3, hasAlpha: picture.channels == 4)
            try picture.bytes.withUnsafeBytes { try writer.writeRows($0, count: picture.height) }
            try writer.finish()
        }

        @Test(arguments: PictureFormat.available)
        func `an open file becomes the same bytes as a path, and reads the same`(format: PictureFormat) throws {
            let picture = Picture.made(70, 50, 3)
            let named = folder.file("a.\(format.fileExtension)"), other = folder.file("b")
            try write(picture, named)
            let file = open(other, O_RDWR | O_CREAT, 0o600)
            defer { close(file) }
            try save(picture, to: file, format)
            #expect(FileManager.default.contents(atPath: named) == FileManager.default.contents(atPath: other))
            guard format.isReadable else { return }
            // Wherever the caller's offset stands, and twice.
            for _ in 0..<2 {
                let reader = try PictureReader(descriptor: file, name: "b", formats: [format])
                var bytes = [UInt8](repeating: 0, count: picture.bytes.count)
                try bytes.withUnsafeMutableBytes { try reader.readRows(into: $0, from: 0, count: 50) }
                #expect(try bytes == read(named).1.bytes)
            }
        }

        @Test func `a format that is not accepted is unsupported, whatever the name says`() throws {
            try write(Picture.made(8, 8, 3), folder.file("a.png"))
            let file = open(folder.file("a.png"), O_RDONLY)
            defer { close(file) }
            let error = #expect(throws: EnlargerError.self) { try PictureReader(descriptor: file, name: "a.jpg", formats: [.jpg, .tiff]) }
            #expect(error == EnlargerError(.pictureUnsupported, "a.jpg is PNG; accepted are JPEG, TIFF"))
        }

        @Test func `what is no file, empty or closed is invalid`() throws {
            var pipes: [Int32] = [0, 0]
            pipe(&pipes)
            let empty = open(folder.write([], "empty"), O_RDONLY)
            defer { for file in pipes + [empty] { close(file) } }
            for file in [pipes[0], empty, -1] {
                let error = #expect(throws: EnlargerError.self) { try PictureReader(descriptor: file, name: "it") }
                #expect(error?.code == .pictureInvalid)
            }
            #expect(throws: EnlargerError.self) { try save(Picture.made(8, 8, 3), to: -1, .png) }
        }

        @Test func `the encoder's bytes are known before there is a writer`() throws {
            for format in PictureFormat.available {
                for (bits, colours, alpha) in [(8, 1, false), (8, 3, true), (16, 3, false)] {
                    let writer = try PictureWriter(
                        path: folder.file("a.\(format.fileExtension)"), width: 300, height: 20, bits: bits, colourChannels: colours, hasAlpha: alpha)
                    let known = PictureWriter.encoderBytes(
                        format: format, width: 300, height: 20, bits: bits, colourChannels: colours, hasAlpha: alpha)
                    #expect(writer.encoderBytes == known)
                    writer.cancel()
                }
            }
            #expect(folder.contents.isEmpty)
            #expect(throws: EnlargerError.self) { try PictureWriter.check(.jpg, name: "a", width: 65_501, height: 1) }
            #expect(throws: EnlargerError.self) { try PictureWriter.check(.gif, name: "a", width: 1, height: 1) }
        }
    }
}
