package import NetworkGraph
import Tensors

/// The oracle: every operation as its definition says, on whole planes, sums in double. Slow and obviously correct.
package enum ReferenceEvaluator {
    /// A value of the graph: planar, `channels` planes of `height` rows of `width`.
    package struct Planes {
        package var channels: Int, height: Int, width: Int
        package var values: [Float]

        package init(channels: Int, height: Int, width: Int) {
            self.channels = channels
            self.height = height
            self.width = width
            values = [Float](repeating: 0, count: channels * height * width)
        }
        subscript(c: Int, y: Int, x: Int) -> Float {
            get { values[(c * height + y) * width + x] }
            set { values[(c * height + y) * width + x] = newValue }
        }
    }

    /// - Parameter input: CHW, as many planes as the network has input channels.
    /// - Returns: CHW values of each output, in the order of `graph.outputs`.
    package static func evaluate(graph: NetworkGraph, input: [Float], width: Int, height: Int) -> [[Float]] {
        let values = allValues(graph: graph, input: input, width: width, height: height)
        return graph.outputs.map { values[$0.node]!.values }
    }

    /// The value of every node; values that nothing needs any more are dropped unless they are outputs.
    package static func allValues(graph: NetworkGraph, input: [Float], width: Int, height: Int) -> [Planes?] {
        var lastUse = Array(graph.nodes.indices)
        for (index, node) in graph.nodes.enumerated() { for source in node.inputs { lastUse[source] = index } }
        for output in graph.outputs { lastUse[output.node] = .max }
        var values = [Planes?](repeating: nil, count: graph.nodes.count)
        for (index, node) in graph.nodes.enumerated() {
            var result = Planes(channels: graph.channels[index], height: height * graph.scales[index], width: width * graph.scales[index])
            if case .input = node.operation {
                precondition(input.count == result.values.count)
                result.values = input
            } else if let source = node.inputs.first, case .border(let mode, let extent) = graph.nodes[source].operation {
                compute(node.operation, extended(values[source]!, mode, extent), node.inputs.map { values[$0]! }, &result)
            } else {
                compute(node.operation, node.inputs.map { values[$0]! }, &result)
            }
            values[index] = result
            for source in node.inputs where lastUse[source] == index { values[source] = nil }
        }
        return values
    }

    /// A convolution of a map that is continued by `extent` pixels at each side: of the larger map, its middle.
    private static func compute(_ operation: Operation, _ extended: Planes, _ inputs: [Planes], _ out: inout Planes) {
        guard case .convolution(var conv) = operation else { preconditionFailure("only convolutions read borders") }
        let (activation, residual) = (conv.activation, conv.residualScale)
        (conv.activation, conv.residualScale) = (nil, nil)
        var large = Planes(channels: out.channels, height: extended.height, width: extended.width)
        convolve(conv, extended, &large)
        let extent = (extended.height - out.height) / 2
        for c in 0..<out.channels {
            for y in 0..<out.height {
                for x in 0..<out.width {
                    out[c, y, x] = large[c, y + extent, x + extent]
                    if let residual { out[c, y, x] = inputs[1][c, y, x] + residual * out[c, y, x] }
                }
            }
        }
        if let activation { apply(activation, &out) }
    }

    private static func extended(_ x: Planes, _ mode: BorderMode, _ extent: Int) -> Planes {
        var large = Planes(channels: x.channels, height: x.height + 2 * extent, width: x.width + 2 * extent)
        for c in 0..<large.channels {
            for row in 0..<large.height {
                for column in 0..<large.width { large[c, row, column] = x[c, mode.place(row - extent, in: x.height), mode.place(column - extent, in: x.width)] }
            }
        }
        return large
    }

    private static func compute(_ operation: Operation, _ inputs: [Planes], _ out: inout Planes) {
        let x = inputs.first!
        switch operation {
        case .input: break
        case .border: out = x
        case .convolution(let conv):
            convolve(conv, x, &out)
            if let scale = conv.residualScale {
                for i in out.values.indices { out.values[i] = inputs[1].values[i] + scale * out.values[i] }
            }
            if let activation = conv.activation { apply(activation, &out) }
        case .transposedConvolution(let conv):
            convolveTransposed(conv, x, &out)
            if let activation = conv.activation { apply(activation, &out) }
        case .activation(let activation):
            out = x
            apply(activation, &out)
        case .affine(let scale, let offset):
            let plane = x.height * x.width
            for i in x.values.indices {
                let c = i / plane
                out.values[i] = x.values[i] * scale[scale.count == 1 ? 0 : c] + offset[offset.count == 1 ? 0 : c]
            }
        case .add: combine(inputs, &out, +)
        case .subtract: combine(inputs, &out, -)
        case .multiply: combine(inputs, &out, *)
        case .concatenate: out.values = inputs.flatMap(\.values)
        case .globalMean:
            let plane = x.height * x.width
            for c in 0..<x.channels {
                let mean = x.values[c * plane..<(c + 1) * plane].reduce(0.0) { $0 + Double($1) } / Double(plane)
                for i in c * plane..<(c + 1) * plane { out.values[i] = Float(mean) }
            }
        case .slice(let range):
            let plane = x.height * x.width
            out.values = Array(x.values[range.lowerBound * plane..<range.upperBound * plane])
        case .depthToSpace(let s, let order):
            for c in 0..<out.channels {
                for y in 0..<out.height {
                    for column in 0..<out.width {
                        let phase = y % s * s + column % s
                        let source = order == .blockFirst ? phase * out.channels + c : c * s * s + phase
                        out[c, y, column] = x[source, y / s, column / s]
                    }
                }
            }
        case .resample(let method, let p, let q):
            for c in 0..<out.channels {
                for y in 0..<out.height {
                    for column in 0..<out.width { out[c, y, column] = resized(method, p, x, c, y, column, divisor: q) }
                }
            }
        case .resize(let method, let s):
            for c in 0..<out.channels {
                for y in 0..<out.height {
                    for column in 0..<out.width { out[c, y, column] = resized(method, s, x, c, y, column) }
                }
            }
        }
    }

    private static func combine(_ inputs: [Planes], _ out: inout Planes, _ operation: (Float, Float) -> Float) {
        let (a, b) = (inputs[0], inputs[1]), plane = out.height * out.width
        for i in out.values.indices {
            out.values[i] = operation(a.values[a.channels == 1 ? i % plane : i], b.values[b.channels == 1 ? i % plane : i])
        }
    }
}
