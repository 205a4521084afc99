#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif
package import NetworkGraph
package import Tensors

extension SafetensorsFile {
    /// Writes the model under a temporary name and renames it. Weights keep their encoding, uint8 included.
    ///
    /// - Throws: `outputFailed` when the file cannot be written, `modelInvalid` when two nodes share a name or a
    ///   parameter is not finite.
    package static func write(_ model: Model, to path: String) throws(EnlargerError) {
        let (header, tensors) = try layout(model)
        let file = try ReplacementFile(path: path)
        try file.write(header)
        for tensor in tensors {
            let written = tensor.withBytes { bytes in Result { () throws(EnlargerError) in try file.write(bytes) } }
            try written.get()
        }
        try file.commit()
    }

    /// The file's bytes, for tests and uploads. Memory: the whole file.
    package static func serialized(_ model: Model) throws(EnlargerError) -> [UInt8] {
        var (bytes, tensors) = try layout(model)
        for tensor in tensors { tensor.withBytes { bytes += $0 } }
        return bytes
    }

    /// Length and JSON, and the tensors in the order of the file: wide elements first, so that all are aligned.
    private static func layout(_ model: Model) throws(EnlargerError) -> (header: [UInt8], tensors: [TensorData]) {
        var writer = NativeGraphWriter()
        let description = try writer.description(model)
        let tensors = writer.tensors.enumerated().sorted { a, b in
            (-a.element.data.elementType.byteCount, a.offset) < (-b.element.data.elementType.byteCount, b.offset)
        }.map(\.element)
        var header: [String: Record] = [:], position = 0
        for (name, data) in tensors {
            let type = switch data.elementType {
            case .float32: "F32"
            case .float16: "F16"
            case .bfloat16: "BF16"
            case .uint8: "U8"
            }
            header[name] = .tensor(.init(dtype: type, shape: data.shape, data_offsets: [position, position + data.byteCount]))
            position += data.byteCount
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            var metadata = ["format": "enlarger", "version": "1"]
            metadata["model"] = String(decoding: try encoder.encode(description), as: UTF8.self)
            for (key, text) in model.metadata { metadata["info." + key] = text }
            header["__metadata__"] = .metadata(metadata)
            var json = [UInt8](try encoder.encode(header))
            json += [UInt8](repeating: UInt8(ascii: " "), count: (64 - (8 + json.count) % 64) % 64)
            let count = withUnsafeBytes(of: UInt64(json.count).littleEndian) { [UInt8]($0) }
            return (count + json, tensors.map(\.data))
        } catch {
            throw EnlargerError(.modelInvalid, "a parameter of the network is not finite; JSON cannot hold it")
        }
    }

    private enum Record: Encodable {
        case tensor(SafetensorsHeader.Entry), metadata([String: String])
        func encode(to encoder: any Encoder) throws {
            switch self {
            case .tensor(let entry): try entry.encode(to: encoder)
            case .metadata(let text): try text.encode(to: encoder)
            }
        }
    }
}

/// Describes a graph and collects its tensors.
private struct NativeGraphWriter {
    var tensors: [(name: String, data: TensorData)] = []

    mutating func description(_ model: Model) throws(EnlargerError) -> NativeDescription {
        let names = model.graph.nodes.map(\.name)
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted { throw invalid(name, "two nodes of this name") }
        let processing = model.processing
        return NativeDescription(
            architecture: model.architecture,
            processing: .init(channels: processing.channels.rawValue, mean: processing.mean, input_scale: processing.inputScale,
                margin: processing.margin == 0 ? nil : processing.margin),
            nodes: model.graph.nodes.map { record($0, names) },
            outputs: model.graph.outputs.map { .init(name: $0.name, node: names[$0.node]) })
    }

    private mutating func record(_ node: NetworkGraph.Node, _ names: [String]) -> NativeDescription.Node {
        var record = NativeDescription.Node(name: node.name, op: "", inputs: node.inputs.map { names[$0] })
        switch node.operation {
        case .input(let channels):
            record.op = "input"
            record.channels = channels
        case .convolution(let conv):
            record.op = "convolution"
            add(conv.weights, conv.bias, to: &record)
            record.activation = conv.activation.map(self.activation)
            record.residual_scale = conv.residualScale
            let plain = Convolution(weights: conv.weights, dilation: conv.dilation, groups: conv.groups)
            if conv.dilation != 1 { record.dilation = conv.dilation }
            if conv.groups != 1 { record.groups = conv.groups }
            if conv.padTop != plain.padTop { record.pad_top = conv.padTop }
            if conv.padLeft != plain.padLeft { record.pad_left = conv.padLeft }
        case .transposedConvolution(let conv):
            record.op = "transposed_convolution"
            add(conv.weights, conv.bias, to: &record)
            record.activation = conv.activation.map(self.activation)
            (record.stride, record.pad_top, record.pad_left) = (conv.stride, conv.padTop, conv.padLeft)
        case .activation(let activation):
            record.op = "activation"
            record.activation = self.activation(activation)
        case .affine(let scale, let offset):
            record.op = "affine"
            (record.scale, record.offset) = (scale, offset)
        case .globalMean: record.op = "global_mean"
        case .add: record.op = "add"
        case .subtract: record.op = "subtract"
        case .multiply: record.op = "multiply"
        case .concatenate: record.op = "concatenate"
        case .slice(let range):
            record.op = "slice"
            (record.start, record.end) = (range.lowerBound, range.upperBound)
        case .depthToSpace(let block, let order):
            record.op = "depth_to_space"
            (record.block, record.order) = (block, order == .blockFirst ? "block_first" : "channel_first")
        case .border(let mode, let extent):
            record.op = "border"
            (record.method, record.extent) = (mode.rawValue, extent)
        case .resize(let method, let factor):
            record.op = "resize"
            (record.method, record.factor) = (method.rawValue, factor)
        case .resample(let method, let factor, let divisor):
            record.op = "resize"
            (record.method, record.factor, record.divisor) = (method.rawValue, factor, divisor)
        }
        return record
    }

    private mutating func add(_ weights: TensorData, _ bias: [Float], to record: inout NativeDescription.Node) {
        record.weights = record.name + ".weights"
        tensors.append((record.name + ".weights", weights))
        if case .uint8(let zeroPoint, let step) = weights.elementType { (record.zero_point, record.step) = (zeroPoint, step) }
        guard !bias.isEmpty else { return }
        record.bias = record.name + ".bias"
        tensors.append((record.name + ".bias", TensorData(bias, shape: [bias.count])))
    }

    private func activation(_ activation: Activation) -> NativeDescription.Activation {
        switch activation {
        case .relu: .init(kind: "relu")
        case .prelu(let slope): .init(kind: "prelu", slope: slope)
        case .tanh: .init(kind: "tanh")
        case .sigmoid: .init(kind: "sigmoid")
        case .absolute: .init(kind: "absolute")
        case .clip(let lower, let upper): .init(kind: "clip", lower: lower, upper: upper)
        }
    }
}
