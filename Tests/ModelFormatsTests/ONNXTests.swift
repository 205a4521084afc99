import ModelFormats
import NetworkGraph
import Tensors
import TestSupport
import Testing

/// Each operation alone: what the file means, evaluated by the oracle, against the operation built by hand.
@Suite struct ONNXTests {
    static func load(_ writer: ONNXWriter) throws -> Model {
        try ModelFile.load(storage: ByteStorage(copying: writer.bytes), name: "test")
    }

    private static func graph(_ operation: Operation) throws -> NetworkGraph {
        try NetworkGraph(nodes: [.init("x", .input(channels: 3), inputs: []), .init("y", operation, inputs: [0])], outputs: [.init(name: "y", node: 1)])
    }

    /// Both graphs, on one seeded picture of 5 x 4.
    private static func expectEqual(_ model: Model, _ expected: NetworkGraph, tolerance: Float = 1e-6) {
        let input = TestGraphs.input(for: expected, width: 5, height: 4)
        let a = ReferenceEvaluator.evaluate(graph: model.graph, input: input, width: 5, height: 4)
        let b = ReferenceEvaluator.evaluate(graph: expected, input: input, width: 5, height: 4)
        #expect(a.map(\.count) == b.map(\.count))
        let error = zip(a.joined(), b.joined()).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(error <= tolerance)
    }

    /// y in place of 3 channels from x; networks must end with as many channels as they take.
    static let unary: [(String, [(String, ONNXWriter.Attribute)], Operation)] = [
        ("Relu", [], .activation(.relu)),
        ("LeakyRelu", [("alpha", .float(0.3))], .activation(.prelu([0.3]))),
        ("LeakyRelu", [], .activation(.prelu([0.01]))),
        ("Sigmoid", [], .activation(.sigmoid)),
        ("Tanh", [], .activation(.tanh)),
        ("Abs", [], .activation(.absolute)),
        ("Neg", [], .affine(scale: [-1], offset: [0])),
        ("Identity", [], .affine(scale: [1], offset: [0])),
        ("Dropout", [], .affine(scale: [1], offset: [0])),
        ("Cast", [("to", .integer(10))], .affine(scale: [1], offset: [0])),
    ]
    @Test(arguments: unary.indices) func `operations without parameters`(index: Int) throws {
        let (name, attributes, operation) = Self.unary[index]
        var w = ONNXWriter()
        w.node(name, ["x"], ["y"], attributes)
        Self.expectEqual(try Self.load(w), try Self.graph(operation))
    }

    static let constants: [(operation: String, constantFirst: Bool, shape: [Int], expected: Operation)] = [
        ("Add", false, [3, 1, 1], .affine(scale: [1], offset: [0.5, 2, -4])),
        ("Add", true, [1, 3, 1, 1], .affine(scale: [1], offset: [0.5, 2, -4])),
        ("Sub", false, [1, 3, 1, 1], .affine(scale: [1], offset: [-0.5, -2, 4])),
        ("Sub", true, [3, 1, 1], .affine(scale: [-1], offset: [0.5, 2, -4])),
        ("Mul", false, [3, 1, 1], .affine(scale: [0.5, 2, -4], offset: [0])),
        ("Div", false, [3, 1, 1], .affine(scale: [2, 0.5, -0.25], offset: [0])),
        ("Mul", true, [], .affine(scale: [0.5], offset: [0])),
        ("Div", false, [1], .affine(scale: [2], offset: [0])),
        ("PRelu", false, [3, 1, 1], .activation(.prelu([0.5, 2, -4]))),
    ]
    @Test(arguments: constants.indices) func `arithmetic with a constant a channel`(index: Int) throws {
        let test = Self.constants[index]
        var w = ONNXWriter()
        w.tensor("c", test.shape.reduce(1, *) == 1 ? [0.5] : [0.5, 2, -4], test.shape)
        w.node(test.operation, test.constantFirst ? ["c", "x"] : ["x", "c"], ["y"])
        Self.expectEqual(try Self.load(w), try Self.graph(test.expected))
    }

    @Test func `bounds of Clip may be missing`() throws {
        for (low, high, expected) in [("low", "high", Activation.clip(lower: -0.25, upper: 0.5)), ("zero", "", .relu), ("", "high", .clip(lower: -1e30, upper: 0.5))] {
            var w = ONNXWriter()
            w.tensor("low", [-0.25], [])
            w.tensor("high", [0.5], [])
            w.tensor("zero", [0], [])
            w.node("Clip", high.isEmpty ? ["x", low] : ["x", low, high], ["y"])
            Self.expectEqual(try Self.load(w), try Self.graph(.activation(expected)))
        }
    }

    /// OIHW in the file: element (o, i, y, x) of the weights.
    private static func kernel(_ o: Int, _ i: Int, _ h: Int, _ w: Int, seed: UInt64) -> (oihw: [Float], hwio: TensorData) {
        var random = SeededGenerator(seed: seed)
        let values = random.floats(o * i * h * w)
        var turned = [Float](repeating: 0, count: values.count)
        for a in 0..<o { for b in 0..<i { for y in 0..<h { for x in 0..<w { turned[((y * w + x) * i + b) * o + a] = values[((a * i + b) * h + y) * w + x] } } } }
        return (values, TensorData(turned, shape: [h, w, i, o]))
    }

    static let convolutions: [(k: (Int, Int), dilation: Int, groups: Int, pads: [Int], padBefore: [Int]?, autoPad: String?)] = [
        ((3, 3), 1, 1, [1, 1, 1, 1], nil, nil), ((1, 1), 1, 1, [], nil, nil), ((9, 5), 1, 1, [4, 2, 4, 2], nil, nil), ((3, 3), 2, 1, [2, 2, 2, 2], nil, nil),
        ((3, 3), 1, 3, [1, 1, 1, 1], nil, nil), ((2, 4), 1, 1, [1, 0, 0, 3], nil, nil), ((3, 3), 1, 1, [], [0, 0, 2, 1, 0, 0, 0, 1], nil),
        ((5, 5), 1, 1, [1, 1, 1, 1], [0, 0, 1, 1, 0, 0, 1, 1], nil), ((2, 4), 1, 1, [], nil, "SAME_UPPER"), ((2, 4), 1, 1, [], nil, "SAME_LOWER"),
    ]
    @Test(arguments: convolutions.indices) func convolution(index: Int) throws {
        let test = Self.convolutions[index], (h, width) = test.k
        let (oihw, hwio) = Self.kernel(3, 3 / test.groups, h, width, seed: UInt64(index))
        var w = ONNXWriter()
        w.tensor("w", oihw, [3, 3 / test.groups, h, width])
        w.tensor("b", [0.1, 0.2, 0.3], [3])
        if let pads = test.padBefore {
            w.integers("pads", pads)
            w.node("Pad", ["x", "pads"], ["p"])
        }
        var attributes: [(String, ONNXWriter.Attribute)] = [("dilations", .integers([test.dilation, test.dilation])), ("group", .integer(test.groups))]
        if !test.pads.isEmpty { attributes.append(("pads", .integers(test.pads))) }
        if let auto = test.autoPad { attributes.append(("auto_pad", .text(auto))) }
        w.node("Conv", [test.padBefore == nil ? "x" : "p", "w", "b"], ["y"], attributes)
        var conv = Convolution(weights: hwio, bias: [0.1, 0.2, 0.3], dilation: test.dilation, groups: test.groups)
        if test.autoPad == "SAME_LOWER" {
            (conv.padTop, conv.padLeft) = (1, 2)
        } else if test.autoPad == nil {
            conv.padTop = (test.pads.first ?? 0) + (test.padBefore?[2] ?? 0)
            conv.padLeft = (test.pads.isEmpty ? 0 : test.pads[1]) + (test.padBefore?[3] ?? 0)
        }
        let model = try Self.load(w)
        Self.expectEqual(model, try Self.graph(.convolution(conv)))
        guard case .convolution(let read) = model.graph.nodes[1].operation else { Issue.record("no convolution"); return }
        #expect(read.weights.storedOrder == [3, 2, 0, 1], "weights are read in place")
        #expect(Fixtures.description(try Fixtures.load(SafetensorsFile.serialized(model)))[2] == Fixtures.description(model)[2])
    }

    @Test(arguments: [("reflect", BorderMode.reflect), ("edge", .replicate)]) func `a border that goes on`(mode: String, expected: BorderMode) throws {
        let (oihw, hwio) = Self.kernel(3, 3, 3, 3, seed: 8)
        var w = ONNXWriter()
        w.tensor("w", oihw, [3, 3, 3, 3])
        w.integers("pads", [0, 0, 1, 1, 0, 0, 1, 1])
        w.node("Pad", ["x", "pads"], ["p"], [("mode", .text(mode))])
        w.node("Conv", ["p", "w"], ["y"])
        let graph = try NetworkGraph(
            nodes: [
                .init("x", .input(channels: 3), inputs: []), .init("p", .border(expected, 1), inputs: [0]),
                .init("y", .convolution(Convolution(weights: hwio)), inputs: [1]),
            ], outputs: [.init(name: "y", node: 2)])
        Self.expectEqual(try Self.load(w), graph)
        // All ones: what lies beyond the edge shows. The picture is one row, 1 2 3.
        let ones = Convolution(weights: TensorData([Float](repeating: 1, count: 3), shape: [1, 3, 1, 1]))
        let sums = try NetworkGraph(
            nodes: [.init("x", .input(channels: 1), inputs: []), .init("p", .border(expected, 1), inputs: [0]), .init("y", .convolution(ones), inputs: [1])],
            outputs: [.init(name: "y", node: 2)])
        #expect(ReferenceEvaluator.evaluate(graph: sums, input: [1, 2, 3], width: 3, height: 1) == [expected == .reflect ? [5, 6, 7] : [4, 6, 8]])
    }

    @Test func `transposed convolution, grouped or not`() throws {
        for groups in [1, 3] {
            var random = SeededGenerator(seed: 9), w = ONNXWriter()
            let values = random.floats(3 * (3 / groups) * 16)
            var turned = [Float](repeating: 0, count: 16 * 9)
            for i in 0..<3 { for o in 0..<3 / groups { for t in 0..<16 { turned[(t * 3 + i) * 3 + (groups == 1 ? o : i)] = values[(i * (3 / groups) + o) * 16 + t] } } }
            w.tensor("w", values, [3, 3 / groups, 4, 4])
            w.node("ConvTranspose", ["x", "w"], ["y"], [("strides", .integers([2, 2])), ("pads", .integers([1, 1, 1, 1])), ("group", .integer(groups))])
            let conv = TransposedConvolution(weights: TensorData(turned, shape: [4, 4, 3, 3]), stride: 2, padTop: 1, padLeft: 1)
            Self.expectEqual(try Self.load(w), try Self.graph(.transposedConvolution(conv)))
        }
    }

    @Test func `BatchNormalization is folded, or stands alone`() throws {
        let parameters: [(String, [Float])] = [("scale", [1, 2, 0.5]), ("b", [0.1, 0, -1]), ("mean", [0.5, -0.5, 0]), ("var", [1, 4, 0.25])]
        let (oihw, hwio) = Self.kernel(3, 3, 1, 1, seed: 4)
        let scale = (0..<3).map { parameters[0].1[$0] / (parameters[3].1[$0] + 1e-3).squareRoot() }
        let affine = Operation.affine(scale: scale, offset: (0..<3).map { parameters[1].1[$0] - parameters[2].1[$0] * scale[$0] })
        for after in [true, false] {
            var w = ONNXWriter()
            for (name, values) in parameters { w.tensor(name, values, [3]) }
            w.tensor("w", oihw, [3, 3, 1, 1])
            if after { w.node("Conv", ["x", "w"], ["c"]) }
            w.node("BatchNormalization", [after ? "c" : "x"] + parameters.map(\.0), ["y"], [("epsilon", .float(1e-3))])
            let model = try Self.load(w)
            #expect(model.graph.nodes.count == 2)
            var expected = try Self.graph(affine)
            if after {
                expected = try NetworkGraph(
                    nodes: [.init("x", .input(channels: 3), inputs: []), .init("c", .convolution(Convolution(weights: hwio)), inputs: [0]), .init("y", affine, inputs: [1])],
                    outputs: [.init(name: "y", node: 2)])
            }
            Self.expectEqual(model, expected)
        }
    }

    static let resizes: [([(String, ONNXWriter.Attribute)], ResizeMethod)] = [
        ([("coordinate_transformation_mode", .text("asymmetric")), ("nearest_mode", .text("floor"))], .nearest),
        ([], .nearest), ([("nearest_mode", .text("round_prefer_ceil"))], .nearest),
        ([("mode", .text("linear"))], .bilinear), ([("mode", .text("linear")), ("coordinate_transformation_mode", .text("pytorch_half_pixel"))], .bilinear),
        ([("mode", .text("linear")), ("coordinate_transformation_mode", .text("asymmetric"))], .bilinearFromCorner),
        ([("mode", .text("cubic"))], .bicubicSharp), ([("mode", .text("cubic")), ("cubic_coeff_a", .float(-0.5))], .bicubic),
    ]
    @Test(arguments: resizes.indices) func `resizing by scales and by sizes of a shape`(index: Int) throws {
        let (attributes, method) = Self.resizes[index]
        for bySizes in [false, true] {
            var w = ONNXWriter()
            w.tensor("scales", [1, 1, 3, 3], [4])
            w.integers("factors", [1, 1, 3, 3])
            w.node("Shape", ["x"], ["shape"])
            w.node("Mul", ["shape", "factors"], ["sizes"])
            w.node("Resize", bySizes ? ["x", "", "", "sizes"] : ["x", "", "scales"], ["y"], attributes)
            let model = try Self.load(w)
            Self.expectEqual(model, try Self.graph(.resize(method, 3)))
            #expect(model.scales == [3])
        }
    }

    @Test(arguments: [("DCR", DepthToSpaceOrder.blockFirst), ("CRD", .channelFirst)])
    func `pixel shuffle as one node and spelled out`(mode: String, order: DepthToSpaceOrder) throws {
        for spelled in [false, true] {
            var w = ONNXWriter()
            w.tensor("w", Self.kernel(12, 3, 1, 1, seed: 6).oihw, [12, 3, 1, 1])
            w.node("Conv", ["x", "w"], ["c"])
            if spelled {
                w.integers("two", [2])
                w.integers("three", [3])
                w.integers("one", [1])
                w.integers("rest", [-1])
                w.node("Shape", ["c"], ["height"], [("start", .integer(2)), ("end", .integer(3))])
                w.node("Shape", ["c"], ["width"], [("start", .integer(3))])
                w.node("Concat", (mode == "CRD" ? ["one", "rest", "two", "two"] : ["one", "two", "two", "rest"]) + ["height", "width"], ["s6"], [("axis", .integer(0))])
                w.node("Mul", ["height", "two"], ["h2"])
                w.node("Mul", ["width", "two"], ["w2"])
                w.node("Concat", ["one", "three", "h2", "w2"], ["s4"], [("axis", .integer(0))])
                w.node("Reshape", ["c", "s6"], ["r"])
                w.node("Transpose", ["r"], ["t"], [("perm", .integers(mode == "CRD" ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]))])
                w.node("Reshape", ["t", "s4"], ["y"])
            } else {
                w.node("DepthToSpace", ["c"], ["y"], [("blocksize", .integer(2)), ("mode", .text(mode))])
            }
            let conv = Convolution(weights: Self.kernel(12, 3, 1, 1, seed: 6).hwio)
            Self.expectEqual(
                try Self.load(w),
                try NetworkGraph(
                    nodes: [
                        .init("x", .input(channels: 3), inputs: []), .init("c", .convolution(conv), inputs: [0]), .init("y", .depthToSpace(2, order), inputs: [1]),
                    ], outputs: [.init(name: "y", node: 2)]))
        }
    }

    @Test func `channels are split, cut, picked and joined`() throws {
        for opset in [11, 13] {
            var w = ONNXWriter()
            w.opset = opset
            w.integers("sizes", [1, 2])
            w.integers("picked", [1, -3])
            w.integers("zero", [1])
            w.integers("last", [1 << 40])
            w.integers("axis", [-3])
            if opset < 13 {
                w.node("Split", ["x"], ["a", "b"], [("axis", .integer(1)), ("split", .integers([1, 2]))])
            } else {
                w.node("Split", ["x", "sizes"], ["a", "b"], [("axis", .integer(1))])
            }
            w.node("Slice", ["b", "zero", "last", "axis"], ["c"])
            w.node("Gather", ["x", "picked"], ["d"], [("axis", .integer(1))])
            w.node("Concat", ["c", "d"], ["y"], [("axis", .integer(1))])
            let out = ReferenceEvaluator.evaluate(graph: try Self.load(w).graph, input: [1, 2, 3], width: 1, height: 1)
            #expect(out == [[3, 2, 1]])
        }
    }

    @Test func `other layouts, types and fixed sizes are read with a note`() throws {
        var w = ONNXWriter()
        w.inputs = [("x", 2, [1, 8, 9, 3])]
        w.node("Cast", ["x"], ["f"], [("to", .integer(1))])
        w.node("Transpose", ["f"], ["t"], [("perm", .integers([0, 3, 1, 2]))])
        w.node("Relu", ["t"], ["r"])
        w.node("Transpose", ["r"], ["y"], [("perm", .integers([0, 2, 3, 1]))])
        let model = try Self.load(w)
        #expect(model.processing == Processing(channels: .rgb, mean: [0, 0, 0], inputScale: 1))
        #expect(model.notes.count == 4, "\(model.notes)")
        #expect(model.notes.contains { $0.contains("9 x 8") })
    }

    @Test func `pixels are told by the caller, then by metadata, else assumed`() throws {
        var w = ONNXWriter()
        w.node("Relu", ["x"], ["y"])
        #expect(try Self.load(w).processing == Processing(channels: .rgb, mean: [0, 0, 0], inputScale: 1 / 255))
        #expect(try Self.load(w).notes == ["assumed: channels are red, green, blue, values are 0 to 1"])
        w.metadata = [("enlarger.channels", "bgr"), ("enlarger.range", "255"), ("enlarger.mean", "1, 2, 3"), ("licence", "CC0")]
        let told = try Self.load(w)
        #expect(told.processing == Processing(channels: .bgr, mean: [1, 2, 3], inputScale: 1))
        #expect(told.notes.isEmpty && told.metadata["licence"] == "CC0")
        let overridden = try ModelFile.load(storage: ByteStorage(copying: w.bytes), name: "test", convention: PixelConvention(channels: .rgb, white: 1))
        #expect(overridden.processing == Processing(channels: .rgb, mean: [1, 2, 3], inputScale: 1 / 255))
        let error = #expect(throws: EnlargerError.self) {
            try ModelFile.load(storage: ByteStorage(copying: w.bytes), name: "test", convention: PixelConvention(channels: .luma))
        }
        #expect(error?.code == .usage)
        var mean = ONNXWriter()
        mean.tensor("c", [-114, -111, -103], [3, 1, 1])
        mean.node("Add", ["x", "c"], ["y"])
        #expect(try Self.load(mean).processing.inputScale == 1)
    }

    @Test func `16-bit weights stay as they are`() throws {
        var w = ONNXWriter()
        let halves = (0..<9).flatMap { withUnsafeBytes(of: (Float16($0) / 8).bitPattern.littleEndian) { [UInt8]($0) } }
        w.inputs = [("x", 10, [1, 3, 0, 0])]
        w.initializer(ONNXWriter.tensor("w", type: 10, [3, 3, 1, 1], raw: halves))
        w.node("Conv", ["x", "w"], ["y"])
        let model = try Self.load(w)
        guard case .convolution(let conv) = model.graph.nodes[1].operation else { Issue.record("no convolution"); return }
        #expect(conv.weights.elementType == .float16)
        #expect(ReferenceEvaluator.evaluate(graph: model.graph, input: [1, 0, 0], width: 1, height: 1) == [[0, 0.375, 0.75]])
    }
}
