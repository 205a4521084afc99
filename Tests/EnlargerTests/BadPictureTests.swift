import Foundation
import Glibc
import PictureIO
import Testing

extension CommandTests {
    /// Pictures and places that fail: a line for people, an object for scripts, a status, and nothing left behind.
    struct BadPictureTests {
        let folder = Folder()

        /// Runs, and checks everything that all failures have in common.
        private func fails(
            _ arguments: [String], code: String, status: Int32 = 1, names input: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let before = folder.contents
            let result = try Enlarge.run(arguments + ["-m", "tiny-x2", "--json"], in: folder)
            #expect(result.status == status, "\(arguments): \(result.errors)", sourceLocation: sourceLocation)
            #expect(result.errors.hasPrefix("enlarge: ") && result.errors.hasSuffix("\n"), sourceLocation: sourceLocation)
            #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)", sourceLocation: sourceLocation)
            #expect(result.objects.count == 1 && result.error?["code"] as? String == code, "\(result.text)", sourceLocation: sourceLocation)
            #expect((result.error?["message"] as? String)?.isEmpty == false, sourceLocation: sourceLocation)
            if let input {
                #expect(result.objects.first?["input"] as? String == input, sourceLocation: sourceLocation)
                #expect(result.errors.contains(input), sourceLocation: sourceLocation)
            }
            #expect(folder.contents == before, sourceLocation: sourceLocation)
            // Without --json standard output stays empty.
            #expect(try Enlarge.run(arguments + ["-m", "tiny-x2"], in: folder).output.isEmpty, sourceLocation: sourceLocation)
        }

        @Test func `what is no picture`() throws {
            try fails(["none.png"], code: "picture_not_found", names: "none.png")
            try fails(["none*.png"], code: "picture_not_found")
            folder.write([], "empty.png")
            try fails(["empty.png"], code: "picture_invalid", names: "empty.png")
            folder.write(Array("hello, this is text\n".utf8), "text.png")
            try fails(["text.png"], code: "picture_invalid", names: "text.png")
            try fails(["/dev/null", "-o", "o.png"], code: "picture_invalid", names: "/dev/null")
            try folder.make("nothing")
            try fails(["nothing"], code: "picture_not_found")
            try fails(["-", "-o", "o.png"], code: "picture_invalid", names: "-")
        }

        @Test(arguments: ["png", "png[interlace]", "jpg", "jpg[interlace]", "webp", "tif", "tif[compression=deflate]"])
        func `a picture cut short`(kind: String) throws {
            try Picture.made(120, 200).save(folder.file("a." + kind))
            let name = "a." + kind.prefix { $0 != "[" }
            let whole = try #require(folder.data(name))
            for percent in [1, 30, 70, 97] {
                folder.write(whole.prefix(max(20, whole.count * percent / 100)), name)
                // Of several strips, rows are read before anything is written; of one, while it is.
                for memory in ["1G", "1M"] { try fails([name, "--memory", memory], code: "picture_invalid", names: name) }
            }
        }

        @Test func `a bomb is refused from its header`() throws {
            try Picture.made(16, 16).save(folder.file("a.png"))
            var bytes = try #require(folder.data("a.png"))
            for (offset, side) in [(16, UInt32(60_000)), (20, 60_000)] {
                withUnsafeBytes(of: side.bigEndian) { bytes.replaceSubrange(offset..<offset + 4, with: $0) }
            }
            var check = UInt32.max
            for byte in bytes[12..<29] {
                check ^= UInt32(byte)
                for _ in 0..<8 { check = check >> 1 ^ (check & 1 == 1 ? 0xEDB8_8320 : 0) }
            }
            withUnsafeBytes(of: (~check).bigEndian) { bytes.replaceSubrange(29..<33, with: $0) }
            folder.write(bytes, "bomb.png")
            let start = Date()
            try fails(["bomb.png"], code: "picture_too_large", names: "bomb.png")
            #expect(Date().timeIntervalSince(start) < 20)
        }

        @Test func `a folder that cannot be written to`() throws {
            try Picture.made(20, 20).save(folder.file("a.png"))
            folder.write([1], "file")
            try fails(["a.png", "-o", "file/b.png"], code: "output_failed", names: "a.png")
            try fails(["a.png", "-o", "file/"], code: "output_failed", names: "a.png")
            try fails(["a.png", "-o", "none/b.png"], code: "output_failed", names: "a.png")
            try fails(["a.png", "-o", "/proc/b.png"], code: "output_failed", names: "a.png")
            try fails(["a.png", "-o", "b.gif"], code: "usage", status: 2)
            try fails(["a.png", "-o", "b"], code: "usage", status: 2)
            // The description of a pyramid is not the pyramid.
            try fails(["a.png", "-o", "b.dzi"], code: "usage", status: 2)
        }

        @Test func `a picture that the format cannot hold`() throws {
            try Picture.made(9000, 1).save(folder.file("a.png"))
            try fails(["a.png", "-o", "b.webp"], code: "output_failed", names: "a.png")
        }

        @Test(arguments: ["png", "jpg", "webp", "tiff", "szi"])
        func `a device that is full`(format: String) throws {
            try Picture.made(200, 200).save(folder.file("a.png"))
            try fails(["a.png", "-f", format, "-o", "/dev/full"], code: "output_failed", names: "a.png")
            let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
            let run = try Enlarge.start(["a.png", "-m", "tiny-x2", "-f", format, "-o", "-"], in: folder, standardOutput: full)
            #expect(try run.wait().status == 1)
        }

        @Test func `a disk that fills up`() throws {
            try Picture.made(300, 300).save(folder.file("a.png"))
            try folder.make("disk")
            guard mount("tmpfs", folder.file("disk"), "tmpfs", 0, "size=32k") == 0 else {
                print("skipped: mounting a small disk is not permitted here")
                return
            }
            defer { umount2(folder.file("disk"), Int32(MNT_DETACH)) }
            for name in ["b.png", "b.jpg", "b.webp", "b.tif", "b.szi"] {
                try fails(["a.png", "-o", "disk/" + name], code: "output_failed", names: "a.png")
            }
        }

        @Test func `a reader that goes away`() throws {
            try Picture.made(300, 300).save(folder.file("a.png"))
            let pipe = Pipe()
            let run = try Enlarge.start(["a.png", "-m", "tiny-x2", "-o", "-"], in: folder, standardOutput: pipe.fileHandleForWriting)
            try pipe.fileHandleForWriting.close()
            try pipe.fileHandleForReading.close()
            #expect(try run.wait().status == 1)
        }

        @Test func `one bad picture of several leaves the others alone`() throws {
            for name in ["a.png", "c.png"] { try Picture.made(20, 20).save(folder.file(name)) }
            folder.write([1, 2, 3], "b.png")
            let result = try Enlarge.run("a.png", "b.png", "none.png", "c.png", "-m", "tiny-x2", "--json", in: folder)
            #expect(result.status == 1 && result.objects.count == 4)
            #expect(result.objects.map { $0["input"] as? String } == ["a.png", "b.png", "none.png", "c.png"])
            #expect(result.objects.map { $0["error"] != nil } == [false, true, true, false])
            #expect(folder.contents == ["a.png", "a_x2.png", "b.png", "c.png", "c_x2.png"])
        }

        @Test func `a file that was there before outlives a failure`() throws {
            try Picture.made(120, 200).save(folder.file("a.png"))
            folder.write(try #require(folder.data("a.png")).prefix(5000), "a.png")
            folder.write([1, 2, 3], "a_x2.png")
            #expect(try Enlarge.run("a.png", "-m", "tiny-x2", in: folder).status == 1)
            #expect(folder.data("a_x2.png") == Data([1, 2, 3]) && folder.contents.count == 2)
        }
    }
}
