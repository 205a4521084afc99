import ModelFormats
import NetworkGraph
import Tensors
import TestSupport
import Testing

@Suite struct TensorFlowTests {
    @Test func `EDSR is read, simplified, with its weights as they are stored`() throws {
        let model = try Fixtures.load(SmallFiles.edsr().bytes)
        #expect(model.architecture == "edsr")
        #expect(model.processing == Processing(channels: .bgr, mean: [103.1545782, 111.561547, 114.35629928], inputScale: 1))
        #expect(model.graph.nodes.map(\.name) == ["IteratorGetNext", "head", "c1", "c2", "body", "tail", "NHWC_output"])
        #expect(model.scales == [2])
        guard case .convolution(let conv) = model.graph.nodes[3].operation else { Issue.record("no convolution"); return }
        let step = (Float(0.6) - Float(-0.5)) / 255
        #expect(conv.weights.elementType == .uint8(zeroPoint: Int32((Float(-0.5) / step).rounded()), step: step))
        #expect(conv.residualScale == 0.1)
    }

    @Test func `outputs are distinct nodes by ascending scale`() throws {
        let model = try Fixtures.load(SmallFiles.pyramid().bytes)
        #expect(model.architecture == "lapsrn")
        #expect(model.graph.outputs.map(\.name) == ["NCHW_output_2x", "NCHW_output_4x"])
        #expect(model.scales == [2, 4])
        guard case .convolution(let conv) = model.graph.nodes[1].operation else { Issue.record("no convolution"); return }
        #expect(conv.bias == [0.25, 0.25, 0.25, 0.25])
        #expect(conv.activation == .prelu([0.2]))
    }

    @Test func `a transposed convolution's weights are rearranged`() throws {
        var g = GraphDefWriter()
        g.node("in", "Placeholder")
        g.constant("w1", [1, 2], shape: [1, 1, 1, 2])
        g.convolution("conv", "in", "w1")
        g.constant("w2", [1, 2, 3, 4, 5, 6, 7, 8], shape: [2, 2, 1, 2])
        g.constant("size", [Int32(1), 8, 8, 1])
        g.node("up", "Conv2DBackpropInput", ["size", "w2", "conv"], [("padding", .text("SAME")), ("strides", .list([1, 2, 2, 1]))])
        let model = try Fixtures.load(g.bytes)
        let out = ReferenceEvaluator.evaluate(graph: model.graph, input: [1], width: 1, height: 1)
        #expect(out == [[5, 11, 17, 23]])
    }

    static let refused: [(String, EnlargerError.Code, String, @Sendable (inout GraphDefWriter) -> Void)] = [
        ("VALID", .modelUnsupported, "VALID", { $0.convolution("y", "x", "w", padding: "VALID") }),
        ("stride", .modelUnsupported, "stride 2", { $0.convolution("y", "x", "w", strides: [1, 2, 2, 1]) }),
        ("operation", .modelUnsupported, "Softmax", { $0.node("y", "Softmax", ["x"]) }),
        ("missing", .modelInvalid, "nowhere", { $0.node("y", "Relu", ["nowhere"]) }),
        ("duplicate", .modelInvalid, "two nodes", { $0.node("x", "Relu", ["x"]) }),
        ("permutation", .modelUnsupported, "[0, 2, 3, 1]", { $0.output("y", "x", permutation: [0, 2, 3, 1]) }),
        ("cycle", .modelInvalid, "itself", { $0.node("b", "Relu", ["a"]); $0.node("a", "Relu", ["b"]); $0.node("y", "Add", ["x", "a"]) }),
        ("block", .modelInvalid, "block size", { $0.node("y", "DepthToSpace", ["x"], [("block_size", .integer(1 << 40))]) }),
        ("shape", .modelInvalid, "shape", { $0.tensor("c", type: 1, shape: [1 << 31, 1 << 31, 1 << 31], content: [0]); $0.node("y", "Add", ["x", "c"]) }),
        ("short tensor", .modelInvalid, "8 bytes for shape [3]", { $0.tensor("c", type: 1, shape: [3], content: [UInt8](repeating: 0, count: 8)); $0.node("y", "Add", ["x", "c"]) }),
        ("long tensor", .modelInvalid, "16 bytes for shape [3]", { $0.tensor("c", type: 1, shape: [3], content: [UInt8](repeating: 0, count: 16)); $0.node("y", "Add", ["x", "c"]) }),
        ("no tensor", .modelInvalid, "without a value", { $0.node("c", "Const"); $0.node("y", "Add", ["x", "c"]) }),
        ("weights", .modelInvalid, "weights are for 2 channels", { $0.constant("c", [1, 2], shape: [1, 1, 2, 1]); $0.convolution("y", "x", "c") }),
        ("dimensions", .modelInvalid, "shape [1, 1, 1]", { $0.constant("c", [1], shape: [1, 1, 1]); $0.convolution("y", "x", "c") }),
        ("claim", .modelInvalid, "expand", { $0.repeated("c", 0, shape: [63, 63, 1024, 1024]); $0.convolution("y", "x", "c") }),
        ("channels", .modelInvalid, "y", { $0.constant("c", [1, 2, 3], shape: [3]); $0.node("y", "Mul", ["x", "c"]) }),
    ]
    @Test(arguments: refused.map(\.0)) func `what cannot be read is named`(name: String) throws {
        let (_, code, text, add) = Self.refused.first { $0.0 == name }!
        var g = GraphDefWriter()
        g.node("in", "Placeholder")
        g.constant("w", [1], shape: [1, 1, 1, 1])
        g.convolution("x", "in", "w")
        add(&g)
        let error = #expect(throws: EnlargerError.self) { try Fixtures.load(g.bytes) }
        #expect(error?.code == code)
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    }

    @Test func `a chain longer than any stack is read`() throws {
        var g = GraphDefWriter()
        g.node("in", "Placeholder")
        g.constant("w", [1], shape: [1, 1, 1, 1])
        g.convolution("n0", "in", "w")
        for i in 1...20_000 { g.node("n\(i)", "Abs", ["n\(i - 1)"]) }
        #expect(try Fixtures.load(g.bytes).graph.nodes.count == 20_002)
    }

    @Test func `long chains of identities and rings of them take linear time`() throws {
        var g = GraphDefWriter()
        g.node("in", "Placeholder")
        g.constant("w", [1], shape: [1, 1, 1, 1])
        g.node("i0", "Identity", ["w"])
        for i in 1...20_000 { g.node("i\(i)", "Identity", ["i\(i - 1)"]) }
        g.node("ring", "Identity", ["ring2"])
        g.node("ring2", "Identity", ["ring"])
        g.convolution("conv", "in", "i20000")
        g.output("NCHW_output", "conv")
        #expect(try Fixtures.load(g.bytes).graph.nodes.count == 2)
    }

    @Test func `missing and foreign files`() throws {
        #expect(throws: EnlargerError.self) { try Fixtures.load([]) }
        let foreign = #expect(throws: EnlargerError.self) { try Fixtures.load(Array("GIF89a, not a network".utf8)) }
        #expect(foreign?.code == .modelUnsupported)
        let missing = #expect(throws: EnlargerError.self) { try ModelFile.load(path: "/nonexistent/model.pb") }
        #expect(missing?.code == .modelNotFound)
        let folder = #expect(throws: EnlargerError.self) { try ModelFile.load(path: "/") }
        #expect(folder?.code == .modelNotFound)
    }
}
