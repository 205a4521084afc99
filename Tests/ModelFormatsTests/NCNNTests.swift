import ModelFormats
import NetworkGraph
import Tensors
import TestSupport
import Testing

/// The text and the numbers of an ncnn network, as its tools write them.
private struct NCNNFiles {
    var layers: [String] = []
    var blobs = 0
    var bytes: [UInt8] = []

    mutating func layer(_ line: String, makes count: Int = 1) {
        layers.append(line)
        blobs += count
    }
    mutating func raw(_ values: [Float]) {
        for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 } }
    }
    mutating func tagged(_ values: [Float]) {
        bytes += [0, 0, 0, 0]
        raw(values)
    }
    mutating func half(_ values: [Float16]) {
        bytes += [0x47, 0x6B, 0x30, 0x01]
        for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 } }
        if values.count % 2 == 1 { bytes += [0, 0] }
    }
    var text: String { "7767517\n\(layers.count) \(blobs)\n" + layers.joined(separator: "\n") + "\n" }
    func load() throws -> Model { try NCNNFiles.load(text, bytes) }
    static func load(_ text: String, _ bytes: [UInt8]) throws -> Model {
        try ModelFile.load(
            param: ByteStorage(copying: Array(text.utf8)), weights: ByteStorage(copying: bytes), name: "test")
    }

    /// Input, a convolution of 3 to `channels`, `middle` on the blob "x", a convolution back from the blob "y".
    init(middle: [(String, Int)] = [], channels: Int = 4, weights: [[Float]] = []) {
        var random = SeededGenerator(seed: 4)
        layer("Input data 0 1 data")
        layer("Convolution first 1 1 data x 0=\(channels) 1=3 4=1 5=1 6=\(channels * 27)")
        tagged(random.floats(channels * 27))
        raw(random.floats(channels))
        for (line, count) in middle { layer(line, makes: count) }
        for numbers in weights { raw(numbers) }
        layer("Convolution last 1 1 \(middle.isEmpty ? "x" : "y") out 0=3 1=1 5=0 6=\(channels * 3)")
        tagged(random.floats(channels * 3))
    }
}

@Suite struct `ncnn networks` {
    private func evaluate(_ graph: NetworkGraph, _ input: [Float]) -> [Float] {
        ReferenceEvaluator.evaluate(graph: graph, input: input, width: 5, height: 4)[0]
    }

    /// What `operation` makes of the same map of 4 channels.
    private func expectEqual(_ model: Model, _ operation: Operation, sourceLocation: SourceLocation = #_sourceLocation)
        throws
    {
        let plain = try NCNNFiles().load().graph
        var nodes = plain.nodes
        let last = nodes.removeLast()
        nodes.append(.init("y", operation, inputs: [1]))
        nodes.append(.init(last.name, last.operation, inputs: [2]))
        let expected = try NetworkGraph(nodes: nodes, outputs: [.init(name: "out", node: 3)])
        let input = TestGraphs.input(for: expected, width: 5, height: 4)
        let a = evaluate(model.graph, input)
        let b = evaluate(expected, input)
        #expect(a.count == b.count, sourceLocation: sourceLocation)
        #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 1e-5 }, sourceLocation: sourceLocation)
    }

    static let alone: [(String, Operation)] = [
        ("ReLU m 1 1 x y", .activation(.relu)),
        ("ReLU m 1 1 x y 0=0.25", .activation(.prelu([0.25]))),
        ("Clip m 1 1 x y 0=-0.5 1=0.75", .activation(.clip(lower: -0.5, upper: 0.75))),
        ("Sigmoid m 1 1 x y", .activation(.sigmoid)),
        ("TanH m 1 1 x y", .activation(.tanh)),
        ("AbsVal m 1 1 x y", .activation(.absolute)),
        ("UnaryOp m 1 1 x y 0=1", .affine(scale: [-1], offset: [0])),
        ("Dropout m 1 1 x y 0=0.5", .affine(scale: [0.5], offset: [0])),
        ("BinaryOp m 1 1 x y 0=0 1=1 2=3", .affine(scale: [1], offset: [3])),
        ("BinaryOp m 1 1 x y 0=1 1=1 2=3", .affine(scale: [1], offset: [-3])),
        ("BinaryOp m 1 1 x y 0=3 1=1 2=4", .affine(scale: [0.25], offset: [0])),
        ("BinaryOp m 1 1 x y 0=7 1=1 2=3", .affine(scale: [-1], offset: [3])),
        ("BinaryOp m 1 1 x y 0=4 1=1 2=0.5", .activation(.clip(lower: 0.5, upper: .greatestFiniteMagnitude))),
        ("Interp m 1 1 x y 0=1 1=2 2=2", .resize(.nearest, 2)),
        ("Interp m 1 1 x y 0=2 1=3.0 2=3.0", .resize(.bilinear, 3)),
        ("Interp m 1 1 x y 0=3 1=2.000000e+00 2=2.000000e+00", .resize(.bicubicSharp, 2)),
    ]
    @Test(arguments: alone.indices) func `layers without weights`(index: Int) throws {
        let (line, operation) = Self.alone[index]
        try expectEqual(NCNNFiles(middle: [(line, 1)]).load(), operation)
    }

    @Test func `layers with weights`() throws {
        let (a, b): ([Float], [Float]) = ([0.5, 2, -1, 3], [1, -1, 0.25, 0])
        try expectEqual(NCNNFiles(middle: [("PReLU m 1 1 x y 0=4", 1)], weights: [a]).load(), .activation(.prelu(a)))
        try expectEqual(
            NCNNFiles(middle: [("Scale m 1 1 x y 0=4 1=1", 1)], weights: [a, b]).load(), .affine(scale: a, offset: b))
        try expectEqual(
            NCNNFiles(middle: [("Bias m 1 1 x y 0=4", 1)], weights: [b]).load(), .affine(scale: [1], offset: b))
        let variance: [Float] = [1, 4, 0.25, 9]
        let mean: [Float] = [0.5, 0, -1, 2]
        let factor = zip(a, variance).map { $0 / $1.squareRoot() }
        try expectEqual(
            NCNNFiles(middle: [("BatchNorm m 1 1 x y 0=4", 1)], weights: [a, mean, variance, b]).load(),
            .affine(scale: factor, offset: (0..<4).map { b[$0] - mean[$0] * factor[$0] }))
        try expectEqual(
            NCNNFiles(middle: [("MemoryData c 0 1 c 2=4 0=1 1=1", 1), ("BinaryOp m 2 1 x c y 0=2", 1)], weights: [a])
                .load(), .affine(scale: a, offset: [0]))
    }

    @Test func `channels are split, cut and joined`() throws {
        let lines = [
            ("Split s 1 2 x x0 x1", 2), ("Slice p 1 2 x0 p0 p1 -23300=2,1,-233 1=0", 2),
            ("Crop q 1 1 x1 q0 2=1 5=3", 1),
            ("Eltwise e 2 1 p1 q0 e0 0=1 -23301=2,0.5,0.5", 1), ("Concat m 2 1 p0 e0 y 0=0", 1),
        ]
        try expectEqual(NCNNFiles(middle: lines).load(), .affine(scale: [1], offset: [0]))
    }

    @Test func `halves stay halves in the file's bytes`() throws {
        var files = NCNNFiles()
        files.bytes = []
        files.half((0..<108).map { Float16($0) / 64 - 0.7 })
        files.raw([1, 2, 3, 4])
        files.half((0..<12).map { Float16($0) / 8 })
        let graph = try files.load().graph
        guard case .convolution(let conv) = graph.nodes[1].operation else { return #expect(Bool(false)) }
        #expect(conv.weights.elementType == .float16 && conv.bias == [1, 2, 3, 4])
    }

    @Test func `what a fraction leads to`() throws {
        let up = [("Interp u 1 1 x u 0=1 1=4 2=4", 1), ("Interp m 1 1 u y 0=3 1=7.5e-01 2=7.5e-01", 1)]
        let graph = try NCNNFiles(middle: up).load().graph
        #expect(graph.scales[graph.outputs[0].node] == 3)
        let input = TestGraphs.input(for: graph, width: 5, height: 4)
        #expect(evaluate(graph, input).count == 3 * 12 * 15)
    }

    static let refused: [([(String, Int)], EnlargerError.Code, String)] = [
        ([("Pooling pool 1 1 x y 0=0 4=1", 1)], .modelUnsupported, "pool"),
        ([("MultiHeadAttention attend 1 1 x y 0=4", 1)], .modelUnsupported, "attend"),
        ([("Yolo strange 1 1 x y", 1)], .modelUnsupported, "strange"),
        ([("ReLU m 1 1 z y", 1)], .modelInvalid, "no layer before it makes"),
        ([("ReLU a 1 1 y z", 1), ("ReLU b 1 1 z y", 1)], .modelInvalid, "no layer before it makes"),
        ([("ReLU a 1 1 x x", 1)], .modelInvalid, "second blob"),
        ([("Slice m 1 1 x y -23300=1,9 1=0", 1)], .modelInvalid, "9 channels"),
        ([("Crop m 1 1 x y 0=1", 1)], .modelUnsupported, "rows or columns"),
        ([("Concat m 1 1 x y 0=1", 1)], .modelUnsupported, "axis 1"),
        ([("PixelShuffle m 1 1 x y 0=3", 1)], .modelInvalid, "m"),
        ([("Interp m 1 1 x y 0=3 1=1.3 2=1.3", 1)], .modelUnsupported, "1.3"),
        ([("Interp m 1 1 x y 0=2 1=2 2=2 6=1", 1)], .modelUnsupported, "aligned corners"),
        ([("BinaryOp m 1 1 x y 0=3 1=1 2=0", 1)], .modelInvalid, "zero"),
        ([("BinaryOp m 1 1 x y 0=6 1=1 2=2", 1)], .modelUnsupported, "BinaryOp 6"),
        ([("Padding m 1 1 x y 0=1 1=1 2=1 3=1", 1)], .modelUnsupported, "changes the map's size"),
        ([("Convolution m 1 1 x y 0=4 1=3 3=2 4=1 6=144", 1)], .modelUnsupported, "stride 2"),
        ([("Convolution m 1 1 x y 0=4 1=3 4=1 6=144 8=2", 1)], .modelUnsupported, "8 bits"),
        ([("Convolution m 1 1 x y 0=4 1=5 4=1 6=400", 1)], .modelUnsupported, "padding 1"),
        ([("Convolution m 1 1 x y 0=4 1=3 4=1 6=145", 1)], .modelInvalid, "145 weights"),
        ([("Convolution m 1 1 x y 0=999999999 1=3 4=1 6=144", 1)], .modelInvalid, "999999999"),
        ([("Scale m 1 1 x y 0=99999999", 1)], .modelInvalid, "99999999"),
    ]
    @Test(arguments: refused.indices) func `one clear error each`(index: Int) throws {
        let (lines, code, says) = Self.refused[index]
        let error = #expect(throws: EnlargerError.self) { try NCNNFiles(middle: lines).load() }
        #expect(error?.code == code && error?.message.contains(says) == true, "\(lines): \(error?.message ?? "")")
    }

    @Test func `every layer that is not read is named at once`() throws {
        let error = #expect(throws: EnlargerError.self) {
            try NCNNFiles(middle: [("Reduction p 1 1 x z", 1), ("Softmax q 1 1 z y", 1)]).load()
        }
        #expect(error?.message.contains("\"p\"") == true && error?.message.contains("\"q\"") == true)
    }

    @Test func `texts that are none`() throws {
        let good = NCNNFiles()
        for (text, says) in [
            ("7767518\n1 1\n", "7767517"), ("7767517\n", "announces"), ("7767517\n0 0\n", "line 2"),
            ("7767517\n2 1\nInput data 0 1 data\n", "announces"),
            ("7767517\n1 9\nInput data 0 1 data\n", "announces"), ("7767517\n1 1\nInput data 0 4 data\n", "line 3"),
            ("7767517\n1 1\nInput data 0 1 data 0=x\n", "line 3"),
            ("7767517\n1 1\nInput data 0 1 data 0=nan\n", "line 3"),
            ("7767517\n1 1\nInput data 0 1 data -23300=3,1\n", "line 3"),
            ("7767517\n1 1\nInput data 0 1 data 99=1\n", "line 3"),
        ] {
            let error = #expect(throws: EnlargerError.self) { try NCNNFiles.load(text, good.bytes) }
            #expect(error?.message.contains(says) == true, "\(text): \(error?.message ?? "")")
        }
    }

    @Test func `weights cut short, or too long`() throws {
        let good = NCNNFiles()
        _ = try good.load()
        for count in 0..<good.bytes.count {
            let error = #expect(throws: EnlargerError.self) { try NCNNFiles.load(good.text, Array(good.bytes[..<count])) }
            #expect(error?.code == .modelInvalid && error?.message.contains("\(count)") == true, "\(error?.message ?? "")")
        }
        let error = #expect(throws: EnlargerError.self) { try NCNNFiles.load(good.text, good.bytes + [0]) }
        #expect(error?.code == .modelInvalid && error?.message.contains("\(good.bytes.count + 1)") == true, "\(error?.message ?? "")")
        for tag: [UInt8] in [[0x38, 0x4B, 0x0D, 0x00], [1, 0, 0, 0]] {
            let error = #expect(throws: EnlargerError.self) {
                try NCNNFiles.load(good.text, tag + good.bytes.dropFirst(4))
            }
            #expect(error?.code == .modelUnsupported)
        }
    }

    @Test func `damaged texts end in an error, or in a network`() throws {
        let lines = Self.alone.map { $0.0 } + Self.refused.flatMap { $0.0.map(\.0) }
        var random = SeededGenerator(seed: 11)
        for _ in 0..<4000 {
            let files = NCNNFiles(middle: [(lines[Int(random.next() % UInt64(lines.count))], 1)])
            var text = Array(files.text.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int(random.next() % UInt64(text.count))
                switch random.next() % 3 {
                case 0: text[place] = [32, 45, 48, 49, 57, 61, 44, 10, 46, 101][Int(random.next() % 10)]
                case 1: text.remove(at: place)
                default: text.insert(UInt8.random(in: 32...126, using: &random), at: place)
                }
            }
            do { _ = try NCNNFiles.load(String(decoding: text, as: UTF8.self), files.bytes) } catch is EnlargerError {}
        }
    }

    @Test(arguments: ["x2", "x3", "x4"]) func `realesr-animevideov3`(scale: String) throws {
        guard let path = SharedData.path("models/ncnn/realesr-animevideov3-\(scale).param") else { return }
        let model = try ModelFile.load(path: path)
        #expect(
            model.scales == [Int(scale.dropFirst())!] && model.processing.channels == .rgb
                && model.processing.inputScale == 1 / 255)
        #expect(try ModelFile.load(path: String(path.dropLast(5)) + "bin").scales == model.scales)
    }
}
