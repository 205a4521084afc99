import NetworkGraph
import Tensors
import TestSupport
import Testing

/// The oracle against values worked out by hand.
@Suite struct ReferenceEvaluatorTests {
    static func run(_ operation: Operation, _ input: [Float], width: Int, height: Int, channels: Int = 1) throws -> [Float] {
        let graph = try NetworkGraph(
            nodes: [.init("x", .input(channels: channels), inputs: []), .init("y", operation, inputs: [0])], outputs: [.init(name: "y", node: 1)])
        return ReferenceEvaluator.evaluate(graph: graph, input: input, width: width, height: height)[0]
    }

    @Test func `an even kernel pads one more after than before`() throws {
        let conv = Convolution(weights: TensorData([1, 10], shape: [1, 2, 1, 1]), bias: [0.5])
        #expect(try Self.run(.convolution(conv), [1, 2, 3], width: 3, height: 1) == [21.5, 32.5, 3.5])
    }

    @Test func `dilation spreads the taps`() throws {
        let conv = Convolution(weights: TensorData([1, 10, 100], shape: [3, 1, 1, 1]), dilation: 2)
        #expect(try Self.run(.convolution(conv), [1, 2, 3], width: 1, height: 3) == [310, 20, 31])
    }

    @Test func `groups see their own channels`() throws {
        let conv = Convolution(weights: TensorData([3, 5], shape: [1, 1, 1, 2]), groups: 2)
        #expect(try Self.run(.convolution(conv), [1, 10], width: 1, height: 1, channels: 2) == [3, 50])
    }

    @Test func `transposed convolution overlaps its taps`() throws {
        let conv = TransposedConvolution(weights: TensorData([1, 10, 100], shape: [1, 3, 1, 1]), stride: 2, padTop: 0, padLeft: 0)
        // One row in, two out: the second has no tap.
        #expect(try Self.run(.transposedConvolution(conv), [1, 2], width: 2, height: 1) == [1, 10, 102, 20, 0, 0, 0, 0])
    }

    @Test func `both orders of depthToSpace`() throws {
        let input = (0..<8).map(Float.init)
        #expect(try Self.run(.depthToSpace(2, .channelFirst), input, width: 1, height: 1, channels: 8) == [0, 1, 2, 3, 4, 5, 6, 7])
        #expect(try Self.run(.depthToSpace(2, .blockFirst), input, width: 1, height: 1, channels: 8) == [0, 2, 4, 6, 1, 3, 5, 7])
    }

    @Test func `resizing has half-pixel centres and repeats edges`() throws {
        #expect(try Self.run(.resize(.nearest, 2), [1, 2], width: 2, height: 1) == [1, 1, 2, 2, 1, 1, 2, 2])
        #expect(Array(try Self.run(.resize(.bilinear, 2), [0, 4], width: 2, height: 1).prefix(4)) == [0, 1, 3, 4])
        for method in [ResizeMethod.nearest, .bilinear, .bicubic, .bicubicSharp, .bilinearFromCorner] {
            let flat = try Self.run(.resize(method, 3), [Float](repeating: 7, count: 6), width: 3, height: 2)
            #expect(flat.allSatisfy { abs($0 - 7) < 1e-5 })
        }
    }
}
