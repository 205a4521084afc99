/// Files of a few kilobytes made by code, with everything that published ones have.
package enum SmallFiles {
    /// A small EDSR: quantised weights, one block, global skip.
    package static func edsr() -> GraphDefWriter {
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
    package static func pyramid() -> GraphDefWriter {
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

    /// Most of what the reader does, in a file of a few kilobytes.
    package static let onnx: [UInt8] = {
        var w = ONNXWriter()
        w.tensor("w", [Float](repeating: 0.1, count: 81), [3, 3, 3, 3])
        w.node("Conv", ["x", "w"], ["c"], [("pads", .integers([1, 1, 1, 1]))])
        for (name, values) in [("one", [1]), ("two", [2]), ("three", [3]), ("rest", [-1]), ("zero", [0]), ("parts", [1, 2]), ("pads", [0, 0, 1, 1, 0, 0, 1, 1])] { w.integers(name, values) }
        for name in ["s", "b", "m", "v"] { w.tensor(name, [1, 0.5, 2], [3]) }
        w.tensor("w12", [Float](repeating: 0.2, count: 36), [12, 3, 1, 1])
        w.tensor("slope", [0.1, 0.2, 0.3], [3, 1, 1])
        w.tensor("up", [Float](repeating: 0.1, count: 36), [3, 3, 2, 2])
        w.node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"])
        w.node("PRelu", ["n", "slope"], ["p"])
        w.node("Pad", ["p", "pads"], ["padded"])
        w.node("Conv", ["padded", "w"], ["d"])
        w.node("Split", ["d", "parts"], ["d1", "d2"], [("axis", .integer(1))])
        w.node("Concat", ["d2", "d1"], ["e"], [("axis", .integer(1))])
        w.node("Conv", ["e", "w12"], ["f"])
        w.node("Shape", ["f"], ["shape"])
        w.node("Gather", ["shape", "two"], ["h"])
        w.node("Slice", ["shape", "three", "rest2", "zero"], ["wd"])
        w.integers("rest2", [4])
        w.node("Mul", ["h", "two"], ["h2"])
        w.node("Mul", ["wd", "two"], ["w2"])
        w.node("Concat", ["one", "rest", "two", "two", "h", "wd"], ["s6"], [("axis", .integer(0))])
        w.node("Concat", ["one", "three", "h2", "w2"], ["s4"], [("axis", .integer(0))])
        w.node("Reshape", ["f", "s6"], ["r"])
        w.node("Transpose", ["r"], ["t"], [("perm", .integers([0, 1, 4, 2, 5, 3]))])
        w.node("Reshape", ["t", "s4"], ["g"])
        w.node("Resize", ["x", "", "", "s4"], ["base"], [("mode", .text("cubic"))])
        w.node("ConvTranspose", ["x", "up"], ["k"], [("strides", .integers([2, 2]))])
        w.node("Sum", ["g", "base", "k"], ["y"])
        return w.bytes
    }()
}
