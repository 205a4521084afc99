package import NetworkGraph
import Tensors

/// What `models info` says of a network.
package struct ModelFacts: Sendable, Equatable {
    /// Residual blocks; a skip over other blocks is not one.
    package var blocks = 0
    package var convolutions = 0
    /// Of the widest map between convolutions, at the input's size.
    package var channels = 0
    /// How many nodes of each kind the network has as it runs.
    package var operations: [String: Int] = [:]
    /// Weights, biases, slopes and per-channel factors.
    package var parameters = 0
    /// How weights are stored, each once.
    package var weightTypes: [String] = []
    /// Input pixels to each side that one output pixel depends on.
    package var receptiveFieldRadius: Int

    package init(_ model: Model) {
        let graph = model.graph
        receptiveFieldRadius = graph.receptiveFieldRadius
        var types: Set<String> = [], lastSum = -1
        for (n, node) in graph.nodes.enumerated() {
            if let kind = node.operation.kind { operations[kind, default: 0] += 1 }
            switch node.operation {
            case .convolution(let conv):
                convolutions += 1
                if conv.residualScale != nil {
                    if node.inputs[1] >= lastSum { blocks += 1 }
                    lastSum = n
                }
                if graph.scales[n] == 1 { channels = max(channels, conv.inputChannels) }
                parameters += conv.weights.count + conv.bias.count + (conv.activation?.parameters ?? 0)
                types.insert(conv.weights.elementType.label)
            case .transposedConvolution(let conv):
                convolutions += 1
                channels = max(channels, conv.inputChannels)
                parameters += conv.weights.count + conv.bias.count + (conv.activation?.parameters ?? 0)
                types.insert(conv.weights.elementType.label)
            case .activation(let activation): parameters += activation.parameters
            case .affine(let scale, let offset): parameters += scale.count + offset.count
            default: break
            }
        }
        weightTypes = types.sorted()
    }
}

extension Operation {
    /// nil for the input.
    fileprivate var kind: String? {
        switch self {
        case .input: nil
        case .convolution: "convolution"
        case .transposedConvolution: "transposed_convolution"
        case .activation: "activation"
        case .affine: "affine"
        case .add: "add"
        case .subtract: "subtract"
        case .multiply: "multiply"
        case .concatenate: "concatenate"
        case .slice: "slice"
        case .depthToSpace: "depth_to_space"
        case .border: "border"
        case .globalMean: "global_mean"
        case .resize, .resample: "resize"
        }
    }
}

extension Activation {
    fileprivate var parameters: Int { if case .prelu(let slope) = self { slope.count } else { 0 } }
}

extension ElementType {
    fileprivate var label: String {
        switch self {
        case .float32: "float32"
        case .float16: "float16"
        case .bfloat16: "bfloat16"
        case .uint8: "uint8"
        }
    }
}

extension NetworkGraph {
    /// Input pixels to each side, over all outputs; a step at a larger map counts as its part of an input pixel.
    package var receptiveFieldRadius: Int {
        var reach = [Double](repeating: 0, count: nodes.count)
        for (n, node) in nodes.enumerated() {
            let before = node.inputs.map { reach[$0] }.max() ?? 0
            let step: Int, scale: Int
            switch node.operation {
            case .convolution(let conv):
                step = max(conv.padTop, conv.padBottom, conv.padLeft, conv.padRight)
                scale = scales[n]
            case .transposedConvolution(let conv):
                let after = max(conv.kernelHeight - conv.padTop, conv.kernelWidth - conv.padLeft) - 1
                step = max(conv.padTop, conv.padLeft, after)
                scale = scales[n]
            case .resize(let method, _):
                step = switch method {
                case .nearest: 0
                case .bilinear, .bilinearFromCorner: 1
                case .bicubic, .bicubicSharp: 2
                }
                scale = scales[node.inputs[0]]
            case .resample:
                step = 2
                scale = scales[node.inputs[0]]
            default: (step, scale) = (0, 1)
            }
            reach[n] = before + Double(step) / Double(scale)
        }
        // The sum of thirds may be off by rounding.
        return Int((outputs.map { reach[$0.node] }.max()! - 1e-6).rounded(.up))
    }
}
