package import NetworkGraph
import Tensors

/// Small networks made by code, with seeded weights.
package enum SmallModels {
    /// EDSR in shape: head, residual blocks, global skip, sub-pixel tail. It corrects a bicubic enlargement a little,
    /// so that pictures stay pictures.
    package static func edsr(scale: Int = 2, blocks: Int = 2, channels: Int = 8, seed: UInt64 = 1) throws -> Model {
        var random = SeededGenerator(seed: seed)
        var nodes: [NetworkGraph.Node] = [.init("picture", .input(channels: 3), inputs: [])]
        func add(_ name: String, _ operation: Operation, _ inputs: [Int]) -> Int {
            nodes.append(.init(name, operation, inputs: inputs))
            return nodes.count - 1
        }
        func convolution(_ name: String, _ input: Int, _ from: Int, _ to: Int, gain: Float = 1) -> Int {
            let size = gain * (3 / Float(9 * from)).squareRoot()
            let weights = TensorData(random.floats(9 * from * to).map { $0 * size }, shape: [3, 3, from, to])
            return add(name, .convolution(Convolution(weights: weights, bias: random.floats(to).map { $0 * 0.05 * gain })), [input])
        }
        let head = convolution("head", 0, 3, channels)
        var x = head
        for b in 0..<blocks {
            let relu = add("relu \(b)", .activation(.relu), [convolution("first \(b)", x, channels, channels)])
            x = add("block \(b)", .add, [x, convolution("second \(b)", relu, channels, channels, gain: 0.3)])
        }
        let skip = add("skip", .add, [convolution("body", x, channels, channels), head])
        let tail = convolution("tail", skip, channels, 3 * scale * scale, gain: 0.03)
        let detail = add("detail", .depthToSpace(scale, .blockFirst), [tail])
        let base = add("base", .resize(.bicubic, scale), [0])
        let sum = add("sum", .add, [base, detail])
        let graph = try NetworkGraph(nodes: nodes, outputs: [.init(name: "x\(scale)", node: sum)])
        return Model(architecture: "edsr", graph: graph, processing: Processing(channels: .rgb, mean: [114, 112, 103], inputScale: 1 / 255))
    }

    /// LapSRN in shape: enlarges by 2, and what came out by 2 again. Outputs x2 and x4.
    package static func pyramid(channels: Processing.Channels = .rgb, seed: UInt64 = 5) throws -> Model {
        var random = SeededGenerator(seed: seed)
        let planes = channels == .luma ? 1 : 3
        var nodes: [NetworkGraph.Node] = [.init("picture", .input(channels: planes), inputs: [])]
        func add(_ name: String, _ operation: Operation, _ inputs: [Int]) -> Int {
            nodes.append(.init(name, operation, inputs: inputs))
            return nodes.count - 1
        }
        func level(_ name: String, _ x: Int) -> Int {
            let weights = TensorData(random.floats(9 * planes * planes * 4).map { $0 * 0.05 }, shape: [3, 3, planes, planes * 4])
            let detail = add("\(name) detail", .convolution(Convolution(weights: weights, bias: random.floats(planes * 4).map { $0 * 0.01 })), [x])
            let large = add("\(name) large", .depthToSpace(2, .blockFirst), [detail])
            return add(name, .add, [add("\(name) base", .resize(.bicubic, 2), [x]), large])
        }
        let x2 = level("x2", 0), x4 = level("x4", x2)
        let graph = try NetworkGraph(nodes: nodes, outputs: [.init(name: "x2", node: x2), .init(name: "x4", node: x4)])
        return Model(architecture: "pyramid", graph: graph, processing: Processing(channels: channels, mean: [Float](repeating: 0, count: planes), inputScale: 1 / 255))
    }

    /// Repeats every pixel: what comes out is known exactly.
    package static func nearest(scale: Int = 2, channels: Processing.Channels = .rgb) throws -> Model {
        let graph = try NetworkGraph(
            nodes: [
                .init("picture", .input(channels: channels == .luma ? 1 : 3), inputs: []),
                .init("repeated", .resize(.nearest, scale), inputs: [0]),
            ],
            outputs: [.init(name: "x\(scale)", node: 1)])
        return Model(architecture: "nearest", graph: graph, processing: Processing(channels: channels, mean: channels == .luma ? [0] : [0, 0, 0], inputScale: 1))
    }
}
