import FoundationEssentials
import ModelFormats
import NetworkGraph
import Tensors
import TestSupport
import Testing

@Suite struct RoundTripTests {
    @Test func `fixtures survive the native format`() throws {
        for bytes in [SmallFiles.edsr().bytes, SmallFiles.pyramid().bytes] {
            var model = try Fixtures.load(bytes)
            model.metadata = ["licence": "CC0 \"quoted\" ü"]
            #expect(Fixtures.description(try Fixtures.load(SafetensorsFile.serialized(model))) == Fixtures.description(model))
        }
    }

    @Test func `every operation survives the native format`() throws {
        var random = SeededGenerator(seed: 5)
        var grouped = Convolution(weights: TensorData(random.floats(3 * 2 * 2 * 4), shape: [3, 2, 2, 4]), bias: [1, 2, 3, 0.1], dilation: 2, groups: 2)
        grouped.padTop = 1
        var up = TransposedConvolution(weights: TensorData(random.floats(3 * 3 * 4 * 2), shape: [3, 3, 4, 2]), stride: 2, padTop: 1, padLeft: 0)
        up.activation = .prelu([0.1, 0.3])
        let tail = Convolution(weights: TensorData(random.floats(4 * 3), shape: [1, 1, 4, 3]))
        let nodes: [NetworkGraph.Node] = [
            .init("x", .input(channels: 3), inputs: []),
            .init("first", .convolution(Convolution(weights: TensorData(random.floats(12), shape: [1, 1, 3, 4]))), inputs: [0]),
            .init("grouped", .convolution(grouped), inputs: [1]),
            .init("clip", .activation(.clip(lower: -0.5, upper: 2)), inputs: [2]),
            .init("sigmoid", .activation(.sigmoid), inputs: [1]),
            .init("affine", .affine(scale: [0.1], offset: [1, 2, 3, 1e-20]), inputs: [4]),
            .init("product", .multiply, inputs: [3, 5]),
            .init("up", .transposedConvolution(up), inputs: [6]),
            .init("resize", .resize(.bicubic, 2), inputs: [0]),
            .init("slice", .slice(1..<3), inputs: [8]),
            .init("difference", .subtract, inputs: [7, 9]),
            .init("all", .concatenate, inputs: [10, 9]),
            .init("tail", .convolution(tail), inputs: [11]),
            .init("mean", .globalMean, inputs: [12]),
            .init("centred", .subtract, inputs: [12, 13]),
            .init("border", .border(.reflect, 2), inputs: [14]),
            .init("last", .convolution(Convolution(weights: TensorData(random.floats(9 * 9), shape: [3, 3, 3, 3]))), inputs: [15]),
        ]
        let graph = try NetworkGraph(nodes: nodes, outputs: [.init(name: "x2", node: 16)]).simplified()
        let model = Model(architecture: "test", graph: graph, processing: Processing(channels: .rgb, mean: [0, 0.1, 3], inputScale: 1 / 255))
        #expect(Fixtures.description(try Fixtures.load(SafetensorsFile.serialized(model))) == Fixtures.description(model))
    }

    @Test(arguments: SharedData.available(SharedData.tensorFlowNames, suffix: ".pb", in: ["models/opencv", "golden"]))
    func `published files survive the native format`(name: String) throws {
        let model = try ModelFile.load(path: try #require(SharedData.model(name)))
        #expect(model.architecture == name.prefix { $0 != "_" && $0 != "-" }.lowercased())
        let path = FileManager.default.temporaryDirectory.path + "/round-trip-\(UInt64.random(in: 0 ... .max)).safetensors"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try SafetensorsFile.write(model, to: path)
        #expect(Fixtures.description(try ModelFile.load(path: path)) == Fixtures.description(model))
    }
}
