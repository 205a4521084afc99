import Foundation
import Testing

extension CommandTests {
    /// Networks with several outputs: every scale in one pass.
    struct ManyScaleTests {
        let folder = Folder()

        @Test(arguments: [("pyramid", 3, 8), ("pyramid", 4, 16), ("luma-pyramid", 3, 8), ("luma-pyramid", 2, 8)])
        func `each result equals that of its own run, for every budget`(model: String, channels: Int, bits: Int) throws {
            try Picture.made(67, 45, channels, bits: bits).save(folder.file("a.png"))
            for scale in ["2", "4"] {
                #expect(try Enlarge.run("a.png", "-o", "one_x\(scale).png", "-m", model, "-s", scale, in: folder).status == 0)
            }
            let plan = try Enlarge.run(
                ["plan", "-m", model, "-s", "2,4", "--size", "67x45", "--json"] + (channels % 2 == 0 ? ["--alpha"] : []), in: folder)
            // Grey pictures and those of 16 bits take other bytes than the plan for 8-bit colour says; more than they need here.
            let least = plan.integer("minimum_bytes") * 2
            for (name, more) in [("whole", []), ("narrow", ["--memory", "\(least)", "-j", "1"])] {
                let result = try Enlarge.run(["a.png", "-o", name, "-m", model, "-s", "2,4", "--json"] + more, in: folder)
                #expect(result.status == 0, "\(result.errors)")
                #expect(result.objects.map { $0["scale"] as? Int } == [2, 4])
                #expect(result.objects.map { $0["width"] as? Int } == [134, 268])
                for scale in [2, 4] {
                    #expect(folder.data("\(name)/a_x\(scale).png") == folder.data("one_x\(scale).png"), "\(name) x\(scale)")
                }
            }
        }

        @Test func `results stand beside the picture, and are left out of the next run over the folder`() throws {
            try folder.make("in")
            try Picture.made(20, 14).save(folder.file("in/a.png"))
            for _ in 0..<2 { #expect(try Enlarge.run("in", "-m", "pyramid", "-s", "4,2", in: folder).status == 0) }
            #expect(folder.contents == ["in/a.png", "in/a_x2.png", "in/a_x4.png"])
            let skipped = try Enlarge.run("in", "-m", "pyramid", "-s", "2,4", "--skip-existing", in: folder)
            #expect(skipped.text.contains("skipped"))
        }

        @Test func `a failed result leaves none`() throws {
            try Picture.made(20, 14).save(folder.file("a.png"))
            try folder.make("out/a_x4.png")
            let result = try Enlarge.run("a.png", "-o", "out", "-m", "pyramid", "-s", "2,4", in: folder)
            #expect(result.status == 1 && result.errors.contains("a_x4.png"))
            #expect(folder.contents == ["a.png"])
        }

        @Test(arguments: [
            (["-s", "2,2"], "twice"), (["-s", "2,3"], "x3"), (["-s", "2,"], "--scale"), (["-s", "2,4", "-x"], "-x"),
            (["-s", "2,4", "-o", "b.png"], "several scales"), (["-s", "2,4", "-o", "-"], "one scale"),
        ])
        func `words that do not go together`(words: [String], says: String) throws {
            try Picture.made(20, 14).save(folder.file("a.png"))
            folder.write([1], "b.png")
            let result = try Enlarge.run(["a.png", "-m", "pyramid"] + words, in: folder)
            #expect(result.status == 2 && result.errors.contains(says), "\(result.errors)")
            #expect(folder.contents == ["a.png", "b.png"])
        }
    }
}
