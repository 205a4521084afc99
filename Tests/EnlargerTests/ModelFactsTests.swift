import Enlarger
import NetworkGraph
import Tensors
import TestSupport
import Testing

struct ModelFactsTests {
    private func convolution(_ inputs: Int, _ outputs: Int, kernel: Int = 3, residual: Bool = false) -> Operation {
        var conv = Convolution(
            weights: TensorData([Float](repeating: 0.1, count: kernel * kernel * inputs * outputs), shape: [kernel, kernel, inputs, outputs]),
            bias: [Float](repeating: 0, count: outputs))
        if residual { conv.residualScale = 1 }
        return .convolution(conv)
    }

    @Test func `a network of two blocks and a global skip`() throws {
        let graph = try NetworkGraph(
            nodes: [
                .init("in", .input(channels: 3), inputs: []), .init("head", convolution(3, 8), inputs: [0]),
                .init("a1", convolution(8, 8), inputs: [1]), .init("a2", convolution(8, 8, residual: true), inputs: [2, 1]),
                .init("b1", convolution(8, 8), inputs: [3]), .init("b2", convolution(8, 8, residual: true), inputs: [4, 3]),
                .init("body", convolution(8, 8, residual: true), inputs: [5, 1]), .init("up", convolution(8, 27), inputs: [6]),
                .init("shuffle", .depthToSpace(3, .blockFirst), inputs: [7]), .init("tail", convolution(3, 3, kernel: 5), inputs: [8]),
            ], outputs: [.init(name: "out", node: 9)])
        let facts = ModelFacts(Model(architecture: "edsr", graph: graph, processing: Processing(channels: .rgb, mean: [0], inputScale: 1)))
        #expect(facts.blocks == 2 && facts.convolutions == 8 && facts.channels == 8 && facts.weightTypes == ["float32"])
        let weights = 9 * (24 + 5 * 64 + 8 * 27) + 75 * 3
        #expect(facts.parameters == weights + 6 * 8 + 27 + 3)
        // Seven 3 x 3 steps at the input's size, and two thirds of a pixel.
        #expect(facts.receptiveFieldRadius == 8)
    }

    @Test func `pages that are dropped come back from the file`() throws {
        let folder = TemporaryFolder()
        var random = SeededGenerator(seed: 5)
        let bytes = (0..<200_001).map { _ in UInt8.random(in: 0...255, using: &random) }
        let mapped = try ByteStorage.mapping(path: folder.write(bytes, "bytes")), heap = ByteStorage(copying: bytes)
        for storage in [mapped, heap] {
            for range in [nil, 0..<1, 4095..<4097, 100_000..<200_001, 200_001..<200_001, 5..<5] {
                storage.dropResidentPages(range)
                #expect(storage.bytes.elementsEqual(bytes))
            }
        }
    }
}
