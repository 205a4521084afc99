import FoundationEssentials
import ModelFormats
import NetworkGraph
import Tensors
import TestSupport
import Testing

/// Files that cannot be read, and damaged ones: one clear error each, never a crash.
@Suite struct ONNXHostileTests {
    private typealias Change = @Sendable (inout ONNXWriter) -> Void

    /// x -> conv "c" (weights "w" [3, 3, 3, 3]) -> what `change` adds up to "y".
    private static func writer() -> ONNXWriter {
        var w = ONNXWriter()
        w.tensor("w", [Float](repeating: 0.1, count: 81), [3, 3, 3, 3])
        w.integers("window", [1, 3, 2, -1, 2, 4])
        w.node("Conv", ["x", "w"], ["c"], [("pads", .integers([1, 1, 1, 1]))])
        return w
    }

    private static let refused: [(String, EnlargerError.Code, String, Change)] = [
        ("operation", .modelUnsupported, "node \"node y\": operation Erf", { $0.node("Erf", ["c"], ["y"]) }),
        ("domain", .modelUnsupported, "com.microsoft.Gelu", { $0.node("Gelu", ["c"], ["y"], domain: "com.microsoft") }),
        ("pooling", .modelUnsupported, "cannot stream", { $0.node("GlobalMaxPool", ["c"], ["y"]) }),
        ("attention", .modelUnsupported, "cannot stream", { $0.node("Softmax", ["c"], ["y"]) }),
        ("windows", .modelUnsupported, "windows", { $0.node("Reshape", ["c", "window"], ["y"]) }),
        ("stride", .modelUnsupported, "stride 2", { $0.node("Conv", ["c", "w"], ["y"], [("strides", .integers([2, 2])), ("pads", .integers([1, 1, 1, 1]))]) }),
        ("valid", .modelUnsupported, "changes the map's size", { $0.node("Conv", ["c", "w"], ["y"]) }),
        ("dynamic weights", .modelUnsupported, "computed", { $0.node("Conv", ["c", "c"], ["y"]) }),
        ("corners", .modelUnsupported, "align_corners", {
            $0.tensor("s", [1, 1, 2, 2], [4])
            $0.node("Resize", ["c", "", "s"], ["y"], [("mode", .text("linear")), ("coordinate_transformation_mode", .text("align_corners"))])
        }),
        ("fraction", .modelUnsupported, "1.5", { $0.tensor("s", [1, 1, 1.5, 1.5], [4]); $0.node("Resize", ["c", "", "s"], ["y"]) }),
        ("crop", .modelUnsupported, "cuts dimension 2", {
            for (name, value) in [("a", 1), ("b", 9), ("d", 2)] { $0.integers(name, [value]) }
            $0.node("Slice", ["c", "a", "b", "d"], ["y"])
        }),
        ("wrapped", .modelUnsupported, "wrap", { $0.integers("p", [0, 0, 1, 1, 0, 0, 1, 1]); $0.node("Pad", ["c", "p"], ["y"], [("mode", .text("wrap"))]) }),
        ("padded", .modelUnsupported, "padded map", { $0.integers("p", [0, 0, 1, 1, 0, 0, 1, 1]); $0.node("Pad", ["c", "p"], ["q"]); $0.node("Relu", ["q"], ["y"]) }),
        ("two inputs", .modelUnsupported, "2 inputs", { $0.inputs.append(("z", 1, [1, 3, 0, 0])); $0.node("Add", ["c", "z"], ["y"]) }),
        ("batch", .modelUnsupported, "batch of 4", { $0.inputs = [("x", 1, [4, 3, 0, 0])]; $0.node("Relu", ["c"], ["y"]) }),
        ("channels", .modelUnsupported, "4 channels", { $0.tensor("v", [1, 1, 1, 1], [1, 4, 1, 1]); $0.inputs = [("x", 1, [1, 4, 0, 0])]; $0.node("Conv", ["x", "v"], ["y"]) }),
        ("opset", .modelUnsupported, "operator set 7", { $0.opset = 7; $0.node("Relu", ["c"], ["y"]) }),
        ("missing", .modelInvalid, "\"nowhere\" does not exist", { $0.node("Add", ["c", "nowhere"], ["y"]) }),
        ("no output", .modelInvalid, "\"y\" does not exist", { $0.node("Relu", ["c"], ["z"]) }),
        ("twice", .modelInvalid, "made twice", { $0.node("Relu", ["c"], ["c"]); $0.node("Relu", ["c"], ["y"]) }),
        ("cycle", .modelInvalid, "depends on itself", { $0.node("Relu", ["b"], ["a"]); $0.node("Relu", ["a"], ["b"]); $0.node("Add", ["c", "b"], ["y"]) }),
        ("shape", .modelInvalid, "weights are for 2 channels", { $0.tensor("v", [1, 2], [1, 2, 1, 1]); $0.node("Conv", ["c", "v"], ["y"]) }),
        ("bias", .modelInvalid, "bias has 2 elements", { $0.tensor("b", [1, 2], [2]); $0.node("Conv", ["c", "w", "b"], ["y"], [("pads", .integers([1, 1, 1, 1]))]) }),
        ("kernel shape", .modelInvalid, "kernel_shape", { $0.node("Conv", ["c", "w"], ["y"], [("kernel_shape", .integers([5, 5]))]) }),
        ("groups", .modelInvalid, "groups", { $0.node("Conv", ["c", "w"], ["y"], [("group", .integer(2)), ("pads", .integers([1, 1, 1, 1]))]) }),
        ("block", .modelInvalid, "blocksize", { $0.node("DepthToSpace", ["c"], ["y"], [("blocksize", .integer(1 << 40))]) }),
        ("parts", .modelInvalid, "parts of", { $0.integers("s", [1, 1]); $0.node("Split", ["c", "s"], ["a", "y"], [("axis", .integer(1))]) }),
        ("short tensor", .modelInvalid, "8 bytes for a tensor of shape [3]", { $0.initializer(ONNXWriter.tensor("t", type: 1, [3], raw: [UInt8](repeating: 0, count: 8))); $0.node("Relu", ["c"], ["y"]) }),
        ("long tensor", .modelInvalid, "16 bytes for a tensor of shape [3]", { $0.initializer(ONNXWriter.tensor("t", type: 1, [3], raw: [UInt8](repeating: 0, count: 16))); $0.node("Relu", ["c"], ["y"]) }),
        ("huge tensor", .modelInvalid, "shape", { $0.initializer(ONNXWriter.tensor("t", type: 1, [1 << 40, 1 << 40], raw: [])); $0.node("Relu", ["c"], ["y"]) }),
        ("negative extent", .modelInvalid, "extent -1", { $0.initializer(ONNXWriter.tensor("t", type: 1, [-1], raw: [])); $0.node("Relu", ["c"], ["y"]) }),
        ("variance", .modelInvalid, "variance", {
            for name in ["s", "b", "m"] { $0.tensor(name, [1, 1, 1], [3]) }
            $0.tensor("v", [1, -1, 1], [3])
            $0.node("BatchNormalization", ["c", "s", "b", "m", "v"], ["y"])
        }),
        ("zero", .modelInvalid, "division by zero", { $0.tensor("z", [0], []); $0.node("Div", ["c", "z"], ["y"]) }),
        ("metadata", .modelInvalid, "enlarger.range", { $0.metadata = [("enlarger.range", "white")]; $0.node("Relu", ["c"], ["y"]) }),
    ]
    @Test(arguments: refused.map(\.0)) func `what cannot be read is named`(name: String) throws {
        let (_, code, text, change) = Self.refused.first { $0.0 == name }!
        var w = Self.writer()
        change(&w)
        let error = #expect(throws: EnlargerError.self) { try ONNXTests.load(w) }
        #expect(error?.code == code, "\(error?.message ?? "")")
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    }

    @Test func `every node that cannot be read is named, not the first alone`() throws {
        var w = Self.writer()
        w.node("GlobalMaxPool", ["c"], ["pooled"])
        w.node("Conv", ["pooled", "w"], ["small"], [("strides", .integers([2, 2]))])
        w.node("Erf", ["c"], ["erf"])
        w.node("Add", ["small", "erf"], ["y"])
        let path = FileManager.default.temporaryDirectory.path + "/onnx-\(UInt64.random(in: 0 ... .max)).onnx"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(w.bytes).write(to: URL(filePath: path))
        let inspection = try #require(try ModelFile.inspect(path: path))
        #expect(inspection.problems.map(\.node) == ["node pooled", "node small", "node erf"])
        #expect(inspection.operations == ["Conv": 2, "GlobalMaxPool": 1, "Erf": 1, "Add": 1])
        #expect(inspection.parameters == 81)
        let error = #expect(throws: EnlargerError.self) { try ModelFile.load(path: path) }
        #expect(inspection.problems.allSatisfy { error?.message.contains($0.node) == true })
    }

    @Test func `external data is read from the model's folder and nowhere else`() throws {
        let root = FileManager.default.temporaryDirectory.path + "/onnx-\(UInt64.random(in: 0 ... .max))", folder = root + "/model"
        try FileManager.default.createDirectory(atPath: folder + "/sub", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        let weights = (0..<9).flatMap { ONNXWriter.littleEndian(Float($0).bitPattern) }
        for file in [folder + "/w.bin", folder + "/sub/w.bin", root + "/secret.bin"] { try Data([0, 0, 0, 0] + weights).write(to: URL(filePath: file)) }
        try FileManager.default.createSymbolicLink(atPath: folder + "/link.bin", withDestinationPath: root + "/secret.bin")
        try FileManager.default.createSymbolicLink(atPath: folder + "/inside.bin", withDestinationPath: "w.bin")
        func load(_ location: String, offset: String = "4", length: String = "36") throws -> Model {
            var w = ONNXWriter()
            w.external("w", [3, 3, 1, 1], [("location", location), ("offset", offset), ("length", length)])
            w.node("Conv", ["x", "w"], ["y"])
            try Data(w.bytes).write(to: URL(filePath: folder + "/m.onnx"))
            return try ModelFile.load(path: folder + "/m.onnx")
        }
        for good in ["w.bin", "sub/w.bin", "./w.bin", "inside.bin"] {
            let out = ReferenceEvaluator.evaluate(graph: try load(good).graph, input: [1, 0, 0], width: 1, height: 1)
            #expect(out == [[0, 3, 6]])
        }
        for (location, offset, length, text) in [
            ("../secret.bin", "4", "36", "outside"), ("sub/../../secret.bin", "4", "36", "outside"), (root + "/secret.bin", "4", "36", "outside"),
            ("link.bin", "4", "36", "outside"), ("absent.bin", "4", "36", "no such file"), ("w.bin", "8", "36", "which has 40"),
            ("w.bin", "4", "32", "needs 36"), ("w.bin", "-4", "36", "offset"), ("w.bin", "99999999999999999999", "36", "offset"), ("", "4", "36", "location"),
        ] {
            let error = #expect(throws: EnlargerError.self, "\(location)") { try load(location, offset: offset, length: length) }
            #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
        }
        var w = ONNXWriter()
        w.external("w", [3, 3, 1, 1], [("location", "w.bin")])
        w.node("Conv", ["x", "w"], ["y"])
        let error = #expect(throws: EnlargerError.self) { try ONNXTests.load(w) }
        #expect(error?.message.contains("no folder") == true)
    }

    private static func tries(_ bytes: [UInt8]) -> Bool {
        do {
            _ = try ModelFile.load(storage: ByteStorage(copying: bytes), name: "test")
            return true
        } catch {
            return !([.modelInvalid, .modelUnsupported] as [EnlargerError.Code]).contains(error.code)
        }
    }

    @Test func `a small file is read, and cut anywhere refused`() throws {
        #expect(Self.tries(SmallFiles.onnx))
        // Whole but for its operator sets, the model says that they are missing.
        for count in 0..<SmallFiles.onnx.count { #expect(!Self.tries(Array(SmallFiles.onnx[..<count])), "\(count) bytes") }
    }

    @Test(arguments: 0..<4) func `damaged files never crash`(part: Int) throws {
        var random = SeededGenerator(seed: UInt64(200 + part)), models = 0
        for _ in 0..<1500 {
            var damaged = SmallFiles.onnx
            for _ in 0..<(part == 0 ? 1 : Int.random(in: 1...4, using: &random)) {
                let at = Int.random(in: 0..<damaged.count, using: &random)
                switch part {
                case 0, 1: damaged[at] = UInt8.random(in: 0...255, using: &random)
                case 2: damaged[at] = [0, 1, 0x7F, 0x80, 0xFF, 2, 8].randomElement(using: &random)!
                default:
                    // A piece moved over another.
                    let from = Int.random(in: 0..<damaged.count, using: &random), count = min(Int.random(in: 1...24, using: &random), damaged.count - max(at, from))
                    for i in 0..<count { damaged[at + i] = SmallFiles.onnx[from + i] }
                }
            }
            if Self.tries(damaged) { models += 1 }
        }
        #expect(models > 0)  // damaged weights are still weights
    }
}
