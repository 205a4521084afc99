import NetworkGraph
import Tensors

/// Which pixels an ONNX network takes: told by the caller or the file's metadata, else recognised.
enum ONNXConvention {
    /// Keys of metadata_props: enlarger.channels (rgb, bgr, luma), enlarger.range (what white is: 1, 255, ...) and
    /// enlarger.mean (subtracted first, on a scale of 0...255; one number, or one a channel).
    static let prefix = "enlarger."

    /// - Returns: the processing and, in words, what of it was assumed.
    static func processing(_ graph: NetworkGraph, _ model: ONNXModel, _ given: PixelConvention) throws(EnlargerError) -> (Processing, [String]) {
        let inputs = graph.channels[graph.inputNode]
        guard inputs == 1 || inputs == 3 else { throw unsupported(graph.nodes[graph.inputNode].name, "an input of \(inputs) channels; 1 and 3 are read") }
        for output in graph.outputs where graph.channels[output.node] != inputs {
            throw unsupported(graph.nodes[output.node].name, "an output of \(graph.channels[output.node]) channels from an input of \(inputs)")
        }
        let told = try fromMetadata(model.metadata).overridden(by: given)
        var assumed: [String] = []
        if told.channels == nil { assumed.append(inputs == 1 ? "the channel is luma (Y)" : "channels are red, green, blue") }
        var range = told.white
        if range == nil {
            range = model.inputs[0].elementType == 2 || startsAt255(graph) ? 255 : 1
            assumed.append("values are 0 to \(range == 255 ? 255 : 1)")
        }
        let processing = try PixelConvention(channels: told.channels, white: range, mean: told.mean).processing(channels: inputs)
        return (processing, assumed.isEmpty ? [] : ["assumed: " + assumed.joined(separator: ", ")])
    }

    private static func fromMetadata(_ metadata: [String: String]) throws(EnlargerError) -> PixelConvention {
        var convention = PixelConvention()
        if let text = metadata[prefix + "channels"] {
            guard let channels = Processing.Channels(rawValue: text) else { throw EnlargerError(.modelInvalid, "metadata \(prefix)channels \"\(text.prefix(16))\"; rgb, bgr and luma are read") }
            convention.channels = channels
        }
        if let text = metadata[prefix + "range"] {
            guard let white = Float(text), white.isFinite, white > 0 else { throw EnlargerError(.modelInvalid, "metadata \(prefix)range \"\(text.prefix(16))\"") }
            convention.white = white
        }
        if let text = metadata[prefix + "mean"] {
            let numbers = text.split(separator: ",").map { part in Float(String(part.filter { $0 != " " })) }
            guard numbers.count <= 3, numbers.allSatisfy({ $0?.isFinite == true }) else { throw EnlargerError(.modelInvalid, "metadata \(prefix)mean \"\(text.prefix(40))\"") }
            convention.mean = numbers.map { $0! }
        }
        return convention
    }

    /// Whether the network itself takes away a mean of 0...255 or divides by about 255 before anything else.
    private static func startsAt255(_ graph: NetworkGraph) -> Bool {
        let input = graph.inputNode
        return graph.nodes.contains { node in
            guard node.inputs.contains(input) else { return false }
            switch node.operation {
            case .affine(let scale, let offset):
                return scale.allSatisfy { $0 > 0.002 && $0 < 0.02 } || scale.allSatisfy { abs($0 - 1) < 0.01 } && offset.allSatisfy { $0 < -20 }
            case .convolution(let conv):
                return conv.kernelHeight == 1 && conv.kernelWidth == 1 && conv.inputChannels == conv.outputChannels && !conv.bias.isEmpty
                    && conv.bias.allSatisfy { $0 < -20 }
            default: return false
            }
        }
    }
}
