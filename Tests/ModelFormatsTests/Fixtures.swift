import ModelFormats
import NetworkGraph
import Tensors
import TestSupport

/// Files made by code, with everything that published ones have.
enum Fixtures {
    /// A small EDSR: quantised weights, one block, global skip.
    static func edsr() -> GraphDefWriter {
        var random = SeededGenerator(seed: 3), g = GraphDefWriter()
        g.node("IteratorGetNext", "Placeholder")
        func convolution(_ g: inout GraphDefWriter, _ name: String, _ source: String, _ i: Int, _ o: Int, quantised: Bool = false) {
            if quantised {
                g.tensor(name + "/q", type: 12, shape: [3, 3, i, o], content: (0..<9 * i * o).map { _ in UInt8.random(in: 0...255, using: &random) })
                g.constant(name + "/min", [-0.5], shape: [])
                g.constant(name + "/max", [0.6], shape: [])
                g.node(name + "/w", "Dequantize", [name + "/q", name + "/min", name + "/max"], [("mode", .text("MIN_FIRST"))])
            } else {
                g.constant(name + "/w", random.floats(9 * i * o), shape: [3, 3, i, o])
            }
            g.convolution(name, source, name + "/w")
            g.constant(name + "/b", random.floats(o), shape: [o])
            g.node(name + "_add", "Add", [name, name + "/b"])
        }
        convolution(&g, "head", "IteratorGetNext", 3, 4)
        convolution(&g, "c1", "head_add", 4, 4, quantised: true)
        g.node("relu", "Relu", ["c1_add"])
        convolution(&g, "c2", "relu", 4, 4, quantised: true)
        g.constant("tenth", [0.1], shape: [])
        g.node("mul", "Mul", ["c2_add", "tenth"])
        g.node("sum", "Add", ["head_add", "mul"])
        convolution(&g, "body", "sum", 4, 4)
        g.node("skip", "AddV2", ["body_add", "head_add"])
        convolution(&g, "tail", "skip", 4, 12)
        g.node("NHWC_output", "DepthToSpace", ["tail_add"], [("block_size", .integer(2)), ("data_format", .text("NHWC"))])
        g.output("NCHW_output", "NHWC_output")
        return g
    }

    /// A luma network with a broadcast bias, a leaky ReLU and two outputs, the larger one under two names.
    static func pyramid() -> GraphDefWriter {
        var random = SeededGenerator(seed: 4), g = GraphDefWriter()
        g.output("NCHW_output", "large")
        g.output("NCHW_output_4x", "large")
        g.output("NCHW_output_2x", "small")
        g.node("in", "Placeholder")
        g.constant("w", random.floats(9 * 4), shape: [3, 3, 1, 4])
        g.convolution("conv", "in", "w")
        g.repeated("bias", 0.25, shape: [1])
        g.node("add", "Add", ["conv", "bias"])
        g.repeated("minus", -1, shape: [])
        g.repeated("fifth", 0.2, shape: [])
        g.node("negated", "Mul", ["minus", "add"])
        g.node("relu_n", "Relu", ["negated"])
        g.node("scaled", "Mul", ["fifth", "relu_n"])
        g.node("relu_p", "Relu", ["add"])
        g.node("leaky", "Sub", ["relu_p", "scaled"])
        g.node("small", "DepthToSpace", ["leaky"], [("block_size", .integer(2))])
        g.constant("w2", random.floats(4 * 4 * 4), shape: [4, 4, 1, 4])
        g.convolution("conv2", "small", "w2")
        g.node("large", "DepthToSpace", ["conv2"], [("block_size", .integer(2))])
        return g
    }

    static func load(_ bytes: [UInt8]) throws(EnlargerError) -> Model { try ModelFile.load(storage: ByteStorage(copying: bytes), name: "test") }

    /// Everything about a model, weights included, as comparable text.
    static func description(_ model: Model) -> [String] {
        ["\(model.architecture) \(model.processing) \(model.metadata.sorted { $0.key < $1.key }) \(model.graph.outputs) \(model.scales)"]
            + model.graph.nodes.map { node in
                var weights: TensorData?, operation = "\(node.operation)"
                if case .convolution(let conv) = node.operation {
                    weights = conv.weights
                    operation = "conv \(conv.bias) \(conv.dilation) \(conv.groups) \(conv.padTop) \(conv.padLeft) \(conv.activation as Any) \(conv.residualScale as Any)"
                } else if case .transposedConvolution(let conv) = node.operation {
                    weights = conv.weights
                    operation = "transposed \(conv.bias) \(conv.stride) \(conv.padTop) \(conv.padLeft) \(conv.activation as Any)"
                }
                let data = weights.map { w in "\(w.elementType) \(w.shape) \(w.withBytes { $0.reduce(into: UInt64(1469598103934665603)) { $0 = ($0 ^ UInt64($1)) &* 1099511628211 } })" }
                return "\(node.name) \(node.inputs) \(operation) \(data ?? "")"
            }
    }
}
