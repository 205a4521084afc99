import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// ONNX files from the command line.
    @Suite struct ONNXCommandTests {
        private let folder = Folder()

        private func save(_ writer: ONNXWriter, _ name: String) throws -> String {
            try Data(writer.bytes).write(to: URL(filePath: folder.file(name)))
            return folder.file(name)
        }

        private func nearest() -> ONNXWriter {
            var w = ONNXWriter()
            w.tensor("scales", [1, 1, 2, 2], [4])
            w.node("Resize", ["x", "", "scales"], ["y"])
            return w
        }

        @Test func `info tells operations, memory at a size, and what was assumed`() throws {
            let path = try save(nearest(), "n.onnx")
            let result = try Enlarge.run("models", "info", path, "--json", "--size", "64x48", in: folder)
            #expect(result.status == 0, "\(result.errors)")
            let object = try #require(result.objects.first)
            #expect(object["operations"] as? [String: Int] == ["Resize": 1])
            #expect(object["notes"] as? [String] == ["assumed: channels are red, green, blue, values are 0 to 1"])
            let memory = try #require(object["memory"] as? [String: Int])
            #expect(memory["width"] == 64 && memory["height"] == 48)
            #expect(try #require(memory["minimum_bytes"]) > 0 && memory["minimum_bytes"]! <= memory["planned_bytes"]!)
            #expect((object["unsupported"] as? [Any])?.isEmpty == true)
            #expect(try Enlarge.run("models", "info", path, in: folder).text.contains("1 Resize"))
        }

        @Test func `info lists every node that cannot be read`() throws {
            var w = ONNXWriter()
            w.node("GlobalMaxPool", ["x"], ["a"])
            w.node("Erf", ["a"], ["y"])
            let path = try save(w, "bad.onnx")
            let result = try Enlarge.run("models", "info", path, "--json", in: folder)
            #expect(result.status == 2)
            let listed = try #require(result.objects.first?["unsupported"] as? [[String: String]])
            #expect(listed.map { $0["node"] } == ["node a", "node y"])
            #expect(listed[0]["reason"]?.contains("cannot stream") == true)
            let plain = try Enlarge.run("models", "info", path, in: folder)
            #expect(plain.text.contains("node a") && plain.text.contains("node y") && plain.errors.contains("2 nodes"))
        }

        @Test func `a converted network is the same`() throws {
            let path = try save(nearest(), "n.onnx"), native = folder.file("n.safetensors")
            #expect(try Enlarge.run("models", "convert", path, native, in: folder).status == 0)
            let info = try Enlarge.run("models", "info", native, "--json", in: folder)
            #expect((info.objects.first?["scales"] as? [Int]) == [2])
        }
    }
}
