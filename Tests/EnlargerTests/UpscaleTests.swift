import Foundation
import Glibc
import PictureIO
import Testing

extension CommandTests {
    /// Where results go, and what is said about them.
    struct UpscaleTests {
        let folder = Folder()

        @Test func `the result stands beside the picture`() throws {
            try Picture.made(20, 14).save(folder.file("a.png"))
            try Picture.made(20, 14).save(folder.file("b.c.jpg"))
            let result = try Enlarge.run("a.png", "b.c.jpg", "-m", "tiny", "-s", "3", in: folder)
            #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
            #expect(folder.contents == ["a.png", "a_x3.png", "b.c.jpg", "b.c_x3.jpg"])
            let back = try Picture.read(folder.file("a_x3.png"))
            #expect((back.width, back.height, back.channels, back.bits) == (60, 42, 3, 8))
            #expect(result.text.split(separator: "\n").count == 2)
        }

        @Test func `the word upscale may be left out`() throws {
            try Picture.made(9, 9).save(folder.file("a.png"))
            #expect(try Enlarge.run("upscale", "a.png", "-m", "tiny-x2", "-o", "b.png", in: folder).status == 0)
            #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "-o", "c.png", in: folder).status == 0)
            #expect(folder.data("b.png") != nil && folder.data("b.png") == folder.data("c.png"))
        }

        @Test func `a model is a name, a name and a scale, or a file`() throws {
            try Picture.made(9, 9).save(folder.file("a.png"))
            let file = Enlarge.models + "/tiny-x2.safetensors"
            for model in [["tiny-x2"], ["tiny", "-s", "2"], ["tiny-x2", "--scale=2"], [file], ["tiny-x2.safetensors"]] {
                let result = try Enlarge.run(["a.png", "-o", "b.png", "--json", "-m"] + model, in: folder)
                #expect(result.status == 0 && result.objects.first?["model"] as? String == "tiny-x2", "\(model): \(result.errors)")
            }
        }

        @Test func `an output may be a file of another format`() throws {
            try Picture.made(20, 14).save(folder.file("a.png"))
            for name in ["o.png", "o.jpg", "o.tif", "o.webp"] {
                #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "-o", name, in: folder).status == 0)
                #expect(try PictureReader(path: folder.file(name)).info.format == PictureFormat(path: name))
            }
            #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "-f", "tiff", in: folder).status == 0)
            #expect(try PictureReader(path: folder.file("a_x2.tiff")).info.format == .tiff)
            #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "-f", "webp", "-o", "named.png", in: folder).status == 0)
            #expect(try PictureReader(path: folder.file("named.png")).info.format == .webp)
        }

        @Test func `a pyramid is written, and is no input`() throws {
            try Picture.made(200, 140).save(folder.file("a.png"))
            #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "-f", "szi", in: folder).status == 0)
            #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "-o", "b.szi", in: folder).status == 0)
            let pyramid = try #require(folder.data("a_x2.szi"))
            #expect(pyramid.starts(with: [0x50, 0x4B, 3, 4]) && pyramid == folder.data("b.szi"))
            #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "-f", "szi", "-o", "-", in: folder).output == pyramid)
            #expect(try Enlarge.run("b.szi", "-m", "tiny-x2", in: folder).status == 1)
            // In a folder it is passed over.
            #expect(try Enlarge.run(".", "-m", "tiny-x2", "-o", "out", in: folder).status == 0)
            #expect(folder.contents == ["a.png", "a_x2.szi", "b.szi", "out/a_x2.png"])
        }

        @Test func `a picture of a format that is only read becomes PNG`() throws {
            try Picture.made(20, 14).save(folder.file("a.ppm"))
            #expect(try Enlarge.run("a.ppm", "-m", "tiny-x2", in: folder).status == 0)
            #expect(try PictureReader(path: folder.file("a_x2.png")).info.format == .png)
        }

        @Test func `several pictures go to a folder, which is made`() throws {
            for name in ["a.png", "b.png"] { try Picture.made(9, 9).save(folder.file(name)) }
            #expect(try Enlarge.run("a.png", "b.png", "-m", "tiny-x2", "-o", "out", in: folder).status == 0)
            #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "-o", "new/deep/", in: folder).status == 0)
            #expect(folder.contents == ["a.png", "b.png", "new/deep/a_x2.png", "out/a_x2.png", "out/b_x2.png"])
        }

        @Test func `folders are walked, and results of earlier runs are no pictures`() throws {
            try folder.make("in/deep")
            for name in ["in/a.png", "in/deep/b.jpg", "in/.hidden.png"] { try Picture.made(9, 9).save(folder.file(name)) }
            folder.write(Array("text".utf8), "in/notes.txt")
            #expect(try Enlarge.run("in", "-m", "tiny-x2", "-o", "flat", in: folder).status == 0)
            #expect(folder.contents.filter { $0.hasPrefix("flat") } == ["flat/a_x2.png"])
            #expect(try Enlarge.run("in", "-r", "-m", "tiny-x2", "-o", "all", in: folder).status == 0)
            #expect(folder.contents.filter { $0.hasPrefix("all") } == ["all/a_x2.png", "all/deep/b_x2.jpg"])
            for _ in 0..<2 { #expect(try Enlarge.run("in", "-r", "-m", "tiny-x2", in: folder).status == 0) }
            #expect(
                folder.contents.filter { $0.hasPrefix("in/") }
                    == ["in/.hidden.png", "in/a.png", "in/a_x2.png", "in/deep/b.jpg", "in/deep/b_x2.jpg", "in/notes.txt"])
        }

        @Test func `a glob that the shell left alone is expanded`() throws {
            for name in ["a1.png", "a2.png", "b1.png"] { try Picture.made(9, 9).save(folder.file(name)) }
            #expect(try Enlarge.run("a*.png", "-m", "tiny-x2", in: folder).status == 0)
            #expect(folder.contents == ["a1.png", "a1_x2.png", "a2.png", "a2_x2.png", "b1.png"])
        }

        @Test func `standard input and output take the place of files`() throws {
            let picture = Picture.made(20, 14)
            try picture.save(folder.file("a.png"))
            let input = try #require(folder.data("a.png"))
            let piped = try Enlarge.run("-", "-m", "tiny-x2", in: folder, input: input)
            #expect(piped.status == 0)
            #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "-o", "b.png", in: folder).status == 0)
            #expect(piped.output == folder.data("b.png"))
            for format in ["png", "jpg", "webp", "tiff"] {
                let result = try Enlarge.run("a.png", "-m", "tiny-x2", "-o", "-", "-f", format, in: folder)
                folder.write(result.output, "c")
                #expect(result.status == 0)
                let info = try PictureReader(path: folder.file("c")).info
                #expect(info.format == PictureFormat(path: "x." + format) && info.width == 40)
            }
            #expect(try Enlarge.run("-", "-m", "tiny-x2", "-o", "d.tif", in: folder, input: input).status == 0)
            #expect(try Picture.read(folder.file("d.tif")) == Picture.read(folder.file("b.png")))
        }

        @Test func `existing results are skipped when asked, replaced otherwise`() throws {
            try Picture.made(9, 9).save(folder.file("a.png"))
            folder.write([1, 2, 3], "a_x2.png")
            #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "--skip-existing", in: folder).status == 0)
            #expect(folder.data("a_x2.png") == Data([1, 2, 3]))
            #expect(try Enlarge.run("a.png", "-m", "tiny-x2", in: folder).status == 0)
            #expect(try Picture.read(folder.file("a_x2.png")).width == 18)
        }

        @Test func `the result never replaces the picture itself`() throws {
            try Picture.made(9, 9).save(folder.file("a.png"))
            let before = folder.data("a.png")
            try FileManager.default.createSymbolicLink(atPath: folder.file("link.png"), withDestinationPath: "a.png")
            for output in ["a.png", "./a.png", "link.png"] {
                #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "-o", output, in: folder).status == 1)
                #expect(folder.data("a.png") == before)
            }
        }

        @Test func `two pictures never share a result`() throws {
            try folder.make("one")
            for name in ["a.png", "a.jpg", "one/a.png"] { try Picture.made(9, 9).save(folder.file(name)) }
            let result = try Enlarge.run("a.png", "a.jpg", "one/a.png", "-m", "tiny-x2", "-f", "png", "-o", "out", "--json", in: folder)
            #expect(result.status == 1 && result.objects.map { $0["error"] != nil } == [false, true, true])
            #expect(result.errors.contains("the result of a.png"))
            // Named twice, enlarged once.
            let twice = try Enlarge.run("a.png", "a.*", "a.png", "-m", "tiny-x2", "-o", "twice", "--json", in: folder)
            #expect(twice.status == 0 && twice.objects.count == 2)
        }

        @Test func `JSON has the fields of the contract and the numbers of the run`() throws {
            try Picture.made(20, 14).save(folder.file("a \"quoted\" ä.png"))
            let result = try Enlarge.run("a \"quoted\" ä.png", "-m", "tiny-x3", "--json", in: folder)
            #expect(result.status == 0 && result.objects.count == 1)
            #expect(
                result.keys == [
                    "input", "output", "model", "scale", "device", "precision", "width", "height", "seconds", "planned_bytes", "process_peak_bytes",
                    "codec_bytes", "process_start_bytes",
                ])
            let object = try #require(result.objects.first)
            #expect(object["input"] as? String == "a \"quoted\" ä.png" && object["output"] as? String == "a \"quoted\" ä_x3.png")
            #expect(object["model"] as? String == "tiny-x3" && object["device"] as? String == "cpu" && object["precision"] as? String == "fp32")
            #expect((result.integer("scale"), result.integer("width"), result.integer("height")) == (3, 60, 42))
            #expect(result.integer("planned_bytes") > 1000 && result.integer("process_peak_bytes") > 1 << 20)
            #expect((object["seconds"] as? Double ?? -1) >= 0)
        }

        @Test func `quiet is quiet`() throws {
            try Picture.made(20, 14, 4).save(folder.file("a.png"))
            let result = try Enlarge.run("a.png", "-m", "tiny-x2", "-o", "a.jpg", "-q", in: folder)
            #expect(result.status == 0 && result.output.isEmpty && result.errors.isEmpty)
            #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "-o", "a.jpg", in: folder).errors.contains("alpha"))
        }

        @Test func `progress shows on a terminal and nowhere else`() throws {
            // A container without /dev/pts has no terminals to give.
            guard access("/dev/ptmx", R_OK | W_OK) == 0, access("/dev/pts/ptmx", F_OK) == 0 else {
                print("skipped, no pseudo-terminals here: progress shows on a terminal and nowhere else")
                return
            }
            try Picture.made(200, 500).save(folder.file("a.png"))
            func shown(_ arguments: [String]) throws -> String {
                var (terminal, end): (Int32, Int32) = (0, 0)
                try #require(openpty(&terminal, &end, nil, nil, nil) == 0)
                let run = try Enlarge.start(arguments, in: folder, standardError: FileHandle(fileDescriptor: end, closeOnDealloc: true))
                #expect(try run.wait().status == 0)
                _ = fcntl(terminal, F_SETFL, O_NONBLOCK)
                var bytes = [UInt8](repeating: 0, count: 1 << 16)
                let count = read(terminal, &bytes, bytes.count)
                close(terminal)
                return String(decoding: bytes[..<max(count, 0)], as: UTF8.self)
            }
            let arguments = ["a.png", "-m", "tiny-x2", "-o", "b.png"]
            #expect(try shown(arguments).contains("100 %"))
            #expect(try shown(arguments + ["-q"]).isEmpty)
            #expect(try Enlarge.run(arguments, in: folder).errors.isEmpty)
        }
    }
}
