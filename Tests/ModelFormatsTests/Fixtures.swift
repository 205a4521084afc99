import ModelFormats
import NetworkGraph
import Tensors
import TestSupport

/// Models of bytes, and what they hold as text.
enum Fixtures {
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
