import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Words as Real-ESRGAN-ncnn-vulkan takes them.
    struct HabitTests {
        let folder = Folder()
        init() throws { try Picture.made(20, 14).save(folder.file("a.png")) }

        @Test func `their words give the same picture as ours`() throws {
            let theirs = try Enlarge.run(
                "-i", "a.png", "-o", "theirs.png", "-n", "tiny-x2", "-m", Enlarge.models, "-s", "2", "-t", "100", "-g", "-1", "-j", "1:2:2", "-f", "png",
                in: folder)
            #expect(theirs.status == 0, "\(theirs.errors)")
            #expect(theirs.errors.contains("-t 100: no tiles are needed"))
            #expect(try Enlarge.run("a.png", "-o", "ours.png", "-m", "tiny-x2", in: folder).status == 0)
            #expect(folder.data("theirs.png") == folder.data("ours.png") && folder.data("ours.png") != nil)
        }

        @Test func `a folder in, a folder out`() throws {
            try folder.make("in")
            try folder.make("out")
            for name in ["a.png", "b.png"] { try Picture.made(9, 7).save(folder.file("in/" + name)) }
            let result = try Enlarge.run("-i", "in", "-o", "out", "-n", "tiny", "-s", "3", in: folder)
            #expect(result.status == 0, "\(result.errors)")
            #expect(folder.contents.filter { $0.hasPrefix("out/") }.count == 2)
        }

        @Test(arguments: [["-t", "big"], ["-t"], ["-g", "zero"], ["-g", "-2"], ["-j", "1:2"], ["-j", "1::2"], ["-n"], ["-i"]])
        func `values that mean nothing`(words: [String]) throws {
            let result = try Enlarge.run(["a.png", "-m", "tiny-x2"] + words, in: folder)
            #expect(result.status == 2 && result.errors.contains(words[0]), "\(result.errors)")
            #expect(folder.contents == ["a.png"])
        }

        @Test func `a GPU that is not there`() throws {
            #expect(try Enlarge.run("-i", "a.png", "-n", "tiny-x2", "-g", "7", in: folder).status == 4)
        }
    }
}
