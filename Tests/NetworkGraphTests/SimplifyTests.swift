import NetworkGraph
import Tensors
import TestSupport
import Testing

/// Graphs built by hand, four channels, seeded weights.
private struct Builder {
    var nodes: [NetworkGraph.Node] = [.init("x", .input(channels: 4), inputs: [])]
    var random = SeededGenerator(seed: 7)

    mutating func add(_ operation: Operation, _ inputs: Int...) -> Int {
        nodes.append(.init("n\(nodes.count)", operation, inputs: inputs))
        return nodes.count - 1
    }
    mutating func convolution(_ input: Int, _ outputs: Int = 4, kernel: Int = 3) -> Int {
        let shape = [kernel, kernel, 4, outputs]
        return add(.convolution(Convolution(weights: TensorData(random.floats(shape.reduce(1, *)), shape: shape))), input)
    }
    mutating func offset(_ input: Int, _ count: Int = 4) -> Int { add(.affine(scale: [1], offset: random.floats(count)), input) }

    /// Simplifies, checks that the function is the same, and that simplifying again changes nothing.
    func simplified(_ outputs: [Int], sourceLocation: SourceLocation = #_sourceLocation) throws -> NetworkGraph {
        let graph = try NetworkGraph(nodes: nodes, outputs: outputs.map { .init(name: "o\($0)", node: $0) })
        let simple = try graph.simplified()
        var random = SeededGenerator(seed: 9)
        let input = random.floats(4 * 5 * 6)
        let before = ReferenceEvaluator.evaluate(graph: graph, input: input, width: 6, height: 5)
        let after = ReferenceEvaluator.evaluate(graph: simple, input: input, width: 6, height: 5)
        for (a, b) in zip(before, after) {
            #expect(zip(a, b).allSatisfy { abs($0 - $1) < 1e-4 * max(1, abs($0)) }, sourceLocation: sourceLocation)
        }
        #expect(simple.summary == (try simple.simplified()).summary, sourceLocation: sourceLocation)
        return simple
    }
}

extension NetworkGraph {
    /// One word a node.
    fileprivate var summary: [String] {
        nodes.map { node in
            switch node.operation {
            case .input: "input"
            case .convolution(let conv):
                "conv" + (conv.bias.isEmpty ? "" : "+bias") + (conv.residualScale.map { "+\($0)·residual" } ?? "")
                    + (conv.activation == .relu ? "+relu" : conv.activation == nil ? "" : "+prelu")
            case .activation(.relu): "relu"
            case .activation(.prelu): "prelu"
            case .activation: "activation"
            case .affine: "affine"
            case .add: "add"
            case .subtract: "subtract"
            case .depthToSpace: "shuffle"
            default: "other"
            }
        }
    }
}

@Suite struct SimplifyTests {
    @Test func `a residual block becomes two convolutions`() throws {
        var b = Builder()
        let head = b.offset(b.convolution(0))
        let hidden = b.add(.activation(.relu), b.offset(b.convolution(head)))
        let scaled = b.add(.affine(scale: [0.1], offset: [0]), b.offset(b.convolution(hidden)))
        let sum = b.add(.add, head, scaled)
        let body = b.add(.add, b.offset(b.convolution(sum)), head)
        let out = b.add(.depthToSpace(2, .blockFirst), b.offset(b.convolution(body)))
        let graph = try b.simplified([out])
        #expect(graph.summary == ["input", "conv+bias", "conv+bias+relu", "conv+bias+0.1·residual", "conv+bias+1.0·residual", "conv+bias", "shuffle"])
        #expect(graph.nodes[3].inputs == [2, 1])
        #expect(graph.nodes[4].inputs == [3, 1])
    }

    @Test func `PReLU spelled with absolute values is fused`() throws {
        var b = Builder()
        let x = b.offset(b.convolution(0))
        let difference = b.add(.subtract, x, b.add(.activation(.absolute), x))
        let alpha = b.add(.affine(scale: [0.1, 0.2, -0.3, 1.5], offset: [0]), difference)
        let half = b.add(.affine(scale: [0.5], offset: [0]), alpha)
        let out = b.add(.add, b.add(.activation(.relu), x), half)
        let graph = try b.simplified([out])
        #expect(graph.summary == ["input", "conv+bias+prelu"])
        guard case .convolution(let conv) = graph.nodes[1].operation else { return }
        #expect(conv.activation == .prelu([0.1, 0.2, -0.3, 1.5]))
    }

    @Test func `leaky ReLU spelled with a negated operand is recognised, also where no convolution precedes`() throws {
        var b = Builder()
        let x = b.add(.add, b.add(.activation(.tanh), 0), 0)
        let negative = b.add(.activation(.relu), b.add(.affine(scale: [-1], offset: [0]), x))
        let out = b.add(.subtract, b.add(.activation(.relu), x), b.add(.affine(scale: [0.2], offset: [0]), negative))
        #expect(try b.simplified([out]).summary == ["input", "activation", "add", "prelu"])
    }

    @Test func `a convolution with two users keeps its offset and its activation apart`() throws {
        var b = Builder()
        let conv = b.convolution(0)
        let out = b.add(.add, b.offset(conv), b.add(.activation(.relu), conv))
        #expect(try b.simplified([out]).summary == ["input", "conv", "affine", "relu", "add"])
    }

    @Test func `an output is not fused away`() throws {
        var b = Builder()
        let conv = b.convolution(0)
        let out = b.add(.activation(.relu), conv)
        #expect(try b.simplified([conv, out]).summary == ["input", "conv", "relu"])
    }

    @Test func `of two convolutions the later one takes the sum`() throws {
        var b = Builder()
        let first = b.convolution(0), second = b.convolution(0)
        let out = b.add(.add, second, first)
        let graph = try b.simplified([out])
        #expect(graph.summary == ["input", "conv", "conv+1.0·residual"])
    }

    @Test func `a sum that broadcasts, or of a value with itself, stays`() throws {
        var b = Builder()
        let out = b.add(.add, b.add(.hyperbolicTangent, 0), b.convolution(0, 1))
        #expect(try b.simplified([out]).summary == ["input", "activation", "conv", "add"])
        var c = Builder()
        let conv = c.convolution(0)
        let double = c.add(.add, conv, conv)
        #expect(try c.simplified([double]).summary == ["input", "conv", "add"])
    }

    @Test func `a one-value offset passes through depthToSpace, others don't`() throws {
        var b = Builder()
        let uniform = b.add(.affine(scale: [1], offset: [0.5]), b.add(.depthToSpace(2, .blockFirst), b.convolution(0)))
        #expect(try b.simplified([uniform]).summary == ["input", "conv+bias", "shuffle"])
        var c = Builder()
        let varied = c.offset(c.add(.depthToSpace(2, .channelFirst), c.convolution(0, 16)))
        #expect(try c.simplified([varied]).summary == ["input", "conv", "shuffle", "affine"])
    }

    @Test func `affine chains, identities and dead nodes go`() throws {
        var b = Builder()
        _ = b.convolution(0)
        let tanh = b.add(.hyperbolicTangent, 0)
        let chain = b.add(.affine(scale: [2], offset: [1]), b.add(.affine(scale: [0.5, 1, 2, 3], offset: [0]), tanh))
        let out = b.add(.depthToSpace(1, .blockFirst), b.add(.affine(scale: [1], offset: [0]), chain))
        #expect(try b.simplified([out, tanh]).summary == ["input", "activation", "affine"])
    }
}

extension Operation {
    fileprivate static var hyperbolicTangent: Operation { .activation(.tanh) }
}
