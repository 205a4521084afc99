import NetworkGraph
import Tensors

/// Means over the picture, and what is computed from them.
extension NCNNTranslation {
    /// Pooling, where it is the mean over all rows and columns.
    mutating func mean(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        guard try layer.integer(4, 0) != 0 else {
            throw unsupported(layer.name, "Pooling over a window: maps smaller than the picture cannot be represented")
        }
        guard try layer.integer(0, 0) == 1 else {
            throw unsupported(layer.name, "the largest value of the whole picture; the mean is read")
        }
        try result(layer, .globalMean, [try map(layer)])
    }

    /// A matrix [O, I] times the channels of a mean: a 1x1 convolution.
    mutating func innerProduct(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        guard try layer.integer(8, 0) == 0 else {
            throw unsupported(layer.name, "weights and data of 8 bits; fp32 and fp16 are read")
        }
        let source = try map(layer)
        guard constants.contains(source) else {
            throw unsupported(layer.name, "a matrix over all pixels: the network cannot be streamed by rows")
        }
        let outputs = try layer.integer(0, 0), size = try layer.integer(2, 0)
        guard outputs >= 1, outputs <= Limits.channels, size == outputs * channels[source] else {
            throw invalid(layer.name, "\(size) weights from \(channels[source]) to \(outputs) channels")
        }
        let tensor = try weights.tensor([1, 1, channels[source], outputs], storedOrder: [3, 2, 0, 1], node: layer.name)
        try checkKernel(tensor, node: layer.name)
        let bias = try layer.integer(1, 0) != 0 ? weights.floats(outputs, node: layer.name) : []
        let node = try append(layer.name, .convolution(Convolution(weights: tensor, bias: bias)), [source])
        try set(layer, [.map(try fusedActivation(layer, of: node))])
    }

    /// A mean stays what it is, whatever its dimensions are called.
    mutating func reshape(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        let source = try map(layer)
        guard constants.contains(source) else {
            throw unsupported(layer.name, "rows, columns and channels rearranged: the network cannot be streamed by rows")
        }
        try set(layer, [.map(source)])
    }
}
