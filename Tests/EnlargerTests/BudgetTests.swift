import Foundation
import PictureIO
import Testing

extension CommandTests {
    /// Budgets, plans, and that the result does not depend on them.
    struct BudgetTests {
        let folder = Folder()

        private func plan(_ model: String, _ size: String, _ more: String...) throws -> CommandResult {
            try Enlarge.run(["plan", "-m", model, "--size", size, "--json", "-j", "2"] + more, in: folder)
        }

        @Test func `a plan has the fields of the contract, and they add up`() throws {
            let result = try plan("tiny-x2", "150x90")
            #expect(result.status == 0 && result.objects.count == 1 && result.errors.isEmpty)
            let fields = [
                "fits", "planned_bytes", "minimum_bytes", "weights_bytes", "activation_bytes", "scratch_bytes", "io_bytes", "band_rows", "strips",
            ]
            #expect(Array(result.keys.prefix(fields.count)) == fields)
            #expect(result.objects.first?["fits"] as? Bool == true)
            let parts = ["weights_bytes", "activation_bytes", "scratch_bytes", "io_bytes"].map { result.integer($0) }
            #expect(parts.allSatisfy { $0 >= 0 } && parts[0] > 0 && parts[1] > 0 && parts.reduce(0, +) == result.integer("planned_bytes"))
            #expect(result.integer("minimum_bytes") <= result.integer("planned_bytes"))
            #expect(result.integer("strips") == 1 && result.integer("band_rows") % 4 == 0)
        }

        @Test func `a run takes what the plan says, for every budget, and the bytes of the result are the same`() throws {
            let (width, height) = (150, 90)
            for channels in [3, 4] {
                try Picture.made(width, height, channels).save(folder.file("a.png"))
                let more = channels == 4 ? ["--alpha"] : []
                let free = try Enlarge.run(
                    ["plan", "-m", "tiny-x2", "--size", "\(width)x\(height)", "--json", "-j", "2"] + more, in: folder)
                let (minimum, most) = (free.integer("minimum_bytes"), free.integer("planned_bytes"))
                #expect(try Enlarge.run("a.png", "-m", "tiny-x2", "-j", "2", "-o", "free.png", in: folder).status == 0)
                let whole = try #require(folder.data("free.png"))
                var strips: Set<Int> = []
                for step in 0...6 {
                    let budget = minimum + (most - minimum) * step / 6
                    let plan = try Enlarge.run(
                        ["plan", "-m", "tiny-x2", "--size", "\(width)x\(height)", "--json", "-j", "2", "--memory", "\(budget)"] + more, in: folder)
                    let run = try Enlarge.run("a.png", "-m", "tiny-x2", "-j", "2", "--memory", "\(budget)", "-o", "b.png", "--json", in: folder)
                    #expect(plan.status == 0 && run.status == 0, "\(budget): \(run.errors)")
                    #expect(plan.integer("planned_bytes") == run.integer("planned_bytes"))
                    #expect(run.integer("planned_bytes") <= budget)
                    #expect(folder.data("b.png") == whole, "\(channels) channels, budget \(budget)")
                    strips.insert(plan.integer("strips"))
                }
                #expect(strips.contains(1) && strips.contains { $0 > 1 }, "\(strips)")
            }
        }

        @Test(arguments: ["1", "2", "3"])
        func `the number of threads does not show in the result`(threads: String) throws {
            try Picture.made(120, 70).save(folder.file("a.png"))
            #expect(try Enlarge.run("a.png", "-m", "tiny-x3", "-o", "b.png", in: folder).status == 0)
            #expect(try Enlarge.run("a.png", "-m", "tiny-x3", "-j", threads, "-o", "c.png", in: folder).status == 0)
            #expect(folder.data("b.png") != nil && folder.data("b.png") == folder.data("c.png"))
        }

        @Test func `every format of output is the same in every budget`() throws {
            try Picture.made(120, 70, bits: 16).save(folder.file("a.png"))
            for format in ["png", "tiff", "jpg", "webp", "szi"] {
                let outputs = try ["100G", "2M", "1500K"].map { budget in
                    let run = try Enlarge.run("a.png", "-m", "tiny-x2", "--memory", budget, "-f", format, "-o", "-", in: folder)
                    #expect(run.status == 0, "\(run.errors)")
                    return run.output
                }
                #expect(!outputs[0].isEmpty && outputs.allSatisfy { $0 == outputs[0] }, "\(format)")
            }
        }

        @Test func `one byte less than the minimum does not fit, and says what would`() throws {
            try Picture.made(150, 90).save(folder.file("a.png"))
            let minimum = try plan("tiny-x2", "150x90").integer("minimum_bytes")
            let arguments = ["a.png", "-m", "tiny-x2", "-j", "2", "--json", "--memory"]
            let short = try Enlarge.run(arguments + ["\(minimum - 1)"], in: folder)
            #expect(short.status == 3 && short.error?["code"] as? String == "does_not_fit")
            #expect(short.errors.contains("\(minimum)") && short.errors.split(separator: "\n").count == 1)
            #expect(folder.contents == ["a.png"])
            #expect(try Enlarge.run(arguments + ["\(minimum)"], in: folder).status == 0)
            #expect(folder.contents == ["a.png", "a_x2.png"])
            let plan = try plan("tiny-x2", "150x90", "--memory", "\(minimum - 1)")
            #expect(plan.status == 3 && plan.objects.first?["fits"] as? Bool == false && plan.integer("minimum_bytes") == minimum)
        }

        @Test func `sizes are bytes, or take K, M and G`() throws {
            for (text, other) in [("3M", "3072K"), ("3m", "3145728"), ("1G", "1024M"), ("3MiB", "3M")] {
                // All but the expected seconds, which are measured each time.
                func numbers(_ memory: String) throws -> [String: Int] {
                    try (#require(plan("tiny-x2", "150x90", "--memory", memory).objects.first)).compactMapValues { $0 as? Int }
                }
                #expect(try numbers(text) == numbers(other) && numbers(text).count >= 8)
            }
        }

        @Test func `memory in the small is what was planned`() throws {
            // The rest of the process: code, libraries, codecs.
            try Picture.made(1000, 400).save(folder.file("a.png"))
            for budget in ["8M", "64M"] {
                let run = try Enlarge.run("a.png", "-m", "slow-x2", "-j", "2", "--memory", budget, "--json", "-o", "b.png", in: folder)
                #expect(run.status == 0, "\(run.errors)")
                #expect(run.integer("process_peak_bytes") < run.integer("planned_bytes") + 90 << 20)
            }
        }
    }
}
