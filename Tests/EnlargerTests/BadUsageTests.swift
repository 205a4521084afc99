import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Wrong words, models and devices.
    struct BadUsageTests {
        let folder = Folder()

        private func fails(
            _ arguments: [String], status: Int32 = 2, code: String = "usage", says text: String? = nil,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let before = folder.contents
            let isPlan = arguments.first == "plan"
            let result = try Enlarge.run([isPlan ? "plan" : "upscale", "--json"] + arguments.dropFirst(isPlan ? 1 : 0), in: folder)
            #expect(result.status == status, "\(arguments): \(result.errors)", sourceLocation: sourceLocation)
            #expect(result.errors.hasPrefix("enlarge: "), sourceLocation: sourceLocation)
            #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)", sourceLocation: sourceLocation)
            #expect(result.objects.count == 1 && result.error?["code"] as? String == code, "\(result.text)", sourceLocation: sourceLocation)
            if let text { #expect(result.errors.contains(text), "\(result.errors)", sourceLocation: sourceLocation) }
            #expect(folder.contents == before, sourceLocation: sourceLocation)
        }

        init() throws { try Picture.made(20, 14).save(folder.file("a.png")) }

        @Test func `words that mean nothing`() throws {
            try fails(["a.png", "--frobnicate"], says: "--frobnicate")
            try fails(["a.png", "-m"], says: "-m")
            try fails([], says: "no picture")
            for memory in ["lots", "", "-5M", "0", "1.5G", "99999999999G", "M", "12Q"] {
                try fails(["a.png", "-m", "tiny-x2", "--memory", memory], says: "--memory")
            }
            for scale in ["0", "1", "5", "9", "x2", "2.0"] { try fails(["a.png", "-m", "tiny", "-s", scale], says: "--scale") }
            for threads in ["0", "-1", "many", "257"] { try fails(["a.png", "-m", "tiny-x2", "-j", threads], says: "--threads") }
            try fails(["a.png", "-m", "tiny-x2", "-f", "bmp"], says: "bmp")
            try fails(["a.png", "-m", "tiny-x2", "-f", "gif"], says: "gif")
            try fails(["a.png", "-m", "tiny-x2", "--chroma", "lanczos"], says: "lanczos")
            try fails(["a.png", "-m", "tiny-x2", "--precision", "fp8"], says: "fp8")
            try fails(["a.png", "-m", "tiny-x2", "--device", "abacus"], says: "abacus")
            try fails(["a.png", "b.png", "-m", "tiny-x2", "-o", "a.png"], says: "a.png")
            try fails(["a.png", "b.png", "-m", "tiny-x2", "-o", "-"], says: "-o -")
            for size in ["0x5", "5", "5x", "axb", "5x5x5", "-5x5", "99999999x2", "2x16777217", "\(Int.max)x\(Int.max)"] {
                try fails(["plan", "-m", "tiny-x2", "--size", size], says: "--size")
                #expect(try Enlarge.run("bench", "-m", "tiny-x2", "--size", size, "--band-rows", "4", in: folder).status == 2)
            }
            try fails(["plan", "-m", "tiny-x2"], says: "--size")
        }

        @Test func `no words at all show the usage`() throws {
            let result = try Enlarge.run([], in: folder)
            #expect(result.status == 2 && (result.text + result.errors).contains("enlarge plan"))
            for word in ["--help", "-h", "help"] {
                let help = try Enlarge.run(word, in: folder)
                #expect(help.status == 0 && help.text.contains("Exit status") && help.errors.isEmpty)
            }
            #expect(try Enlarge.run("plan", "--help", in: folder).status == 0)
            #expect(try Enlarge.run("bench", "--help", in: folder).status == 0)
            #expect(try Enlarge.run("upscale", "--help", in: folder).status == 0)
        }

        @Test func `a device that is not there`() throws {
            try fails(["a.png", "-m", "tiny-x2", "--device", "vulkan"], status: 4, code: "no_device")
            try fails(["a.png", "-m", "tiny-x2", "--device", "vulkan:3"], status: 4, code: "no_device")
            try fails(["plan", "--size", "9x9", "-m", "tiny-x2", "--device", "vulkan"], status: 4, code: "no_device")
        }

        @Test func `models that are not there, or lack the scale`() throws {
            try fails(["a.png", "-m", "no-such-model"], code: "model_not_found", says: "no-such-model")
            try fails(["a.png", "-m", "./none.pb"], code: "model_not_found", says: "none.pb")
            try fails(["a.png", "-m", "tiny", "-s", "4"], code: "model_not_found", says: "tiny")
            try fails(["a.png", "-m", "tiny-x2", "-s", "4"], says: "x2")
            try fails(["a.png", "-m", Enlarge.models + "/tiny-x2.safetensors", "-s", "3"], says: "x2")
            try fails(["a.png", "-m", Enlarge.models], code: "model_not_found")
        }

        @Test func `model files that are none`() throws {
            folder.write([], "empty.pb")
            try fails(["a.png", "-m", "empty.pb"], code: "model_invalid", says: "empty.pb")
            folder.write(Array("hello".utf8), "text.pb")
            try fails(["a.png", "-m", "text.pb"], code: "model_unsupported", says: "text.pb")
            try fails(["a.png", "-m", "a.png"], code: "model_unsupported", says: "a.png")
            try fails(["a.png", "-m", "./a.png"], code: "model_unsupported", says: "a.png")
        }

        @Test func `a frozen graph cut anywhere`() throws {
            var graph = GraphDefWriter(), random = SeededGenerator(seed: 5)
            graph.node("IteratorGetNext", "Placeholder")
            graph.constant("w", random.floats(9 * 3 * 12).map { $0 / 20 }, shape: [3, 3, 3, 12])
            graph.convolution("conv", "IteratorGetNext", "w")
            graph.node("NHWC_output", "DepthToSpace", ["conv"], [("block_size", .integer(2)), ("data_format", .text("NHWC"))])
            graph.output("NCHW_output", "NHWC_output")
            folder.write(graph.bytes, "edsr.pb")
            #expect(try Enlarge.run("a.png", "-m", "edsr.pb", "-o", "b.png", in: folder).status == 0)
            let contents = folder.contents.count
            for count in stride(from: 1, to: graph.bytes.count, by: max(1, graph.bytes.count / 40)) {
                folder.write(graph.bytes.prefix(count), "edsr.pb")
                let result = try Enlarge.run("a.png", "-m", "edsr.pb", "-o", "c.png", in: folder)
                #expect(result.status == 2 && result.errors.split(separator: "\n").count == 1, "\(count) bytes: \(result.errors)")
                #expect(folder.contents.count == contents)
            }
            let native = try #require(FileManager.default.contents(atPath: Enlarge.models + "/tiny-x2.safetensors"))
            for count in stride(from: 1, to: native.count, by: native.count / 20) {
                folder.write(native.prefix(count), "cut.safetensors")
                #expect(try Enlarge.run("a.png", "-m", "cut.safetensors", "-o", "c.png", in: folder).status == 2, "\(count) bytes")
            }
        }
    }
}
