import NetworkGraph
import Tensors

/// Layers that move channels, and those that enlarge.
extension NCNNTranslation {
    private func checkAxis(_ layer: NCNNParam.Layer, _ axis: Int) throws(EnlargerError) {
        guard axis == 0 || axis == -3 else {
            throw unsupported(layer.name, "\(layer.kind) along axis \(axis); channels (0) are read")
        }
    }

    mutating func concatenate(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        try checkAxis(layer, try layer.integer(0, 0))
        var maps: [Int] = []
        for position in layer.inputs.indices { maps.append(try map(layer, position)) }
        guard !maps.isEmpty else { throw invalid(layer.name, "nothing to concatenate") }
        try result(layer, .concatenate, maps)
    }

    /// Sizes of the parts; -233 stands for an equal share of what is left.
    mutating func slice(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        try checkAxis(layer, try layer.integer(1, 0))
        let source = try map(layer)
        settle(source, channels: 3)
        guard let sizes = try layer.integers(0), sizes.count == layer.outputs.count else {
            throw unsupported(
                layer.name, "Slice with \(layer.list(0)?.count ?? 0) sizes for \(layer.outputs.count) outputs")
        }
        var start = 0
        var results: [Value] = []
        for (index, size) in sizes.enumerated() {
            let left = channels[source] - start
            let count = size == -233 ? left / (sizes.count - index) : size
            guard count >= 1, count <= left else {
                throw invalid(layer.name, "a part of \(count) channels; \(max(left, 0)) are left")
            }
            results.append(.map(try append(layer.name, .slice(start..<start + count), [source])))
            start += count
        }
        try set(layer, results)
    }

    /// Channels alone: either by offset and count, or by starts, ends and axes.
    mutating func crop(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        guard layer.inputs.count == 1 else { throw unsupported(layer.name, "Crop to the size of another map") }
        let source = try map(layer)
        settle(source, channels: 3)
        let all = channels[source]
        var range = 0..<all
        func place(_ position: Int) -> Int { min(max(position < 0 ? all + position : position, 0), all) }
        if let starts = try layer.integers(9), let ends = try layer.integers(10) {
            let axes = try layer.integers(11) ?? [0]
            guard starts.count == 1, ends.count == 1, axes.count == 1 else {
                throw unsupported(layer.name, "Crop along several axes; channels are read")
            }
            try checkAxis(layer, axes[0])
            let first = place(starts[0])
            let end = ends[0] == -233 ? all : place(ends[0])
            range = first..<max(first, end)
        } else {
            for key in [0, 1, 6, 7] where try layer.integer(key, 0) != 0 {
                throw unsupported(layer.name, "Crop of rows or columns; of channels it is read")
            }
            for key in [3, 4] where try layer.integer(key, -233) > 0 {
                throw unsupported(layer.name, "Crop of rows or columns; of channels it is read")
            }
            let first = place(try layer.integer(2, 0))
            let count = try layer.integer(5, -233)
            range = first..<max(first, count < 0 ? all : min(all, first.addingReportingOverflow(count).partialValue))
        }
        guard !range.isEmpty else { throw invalid(layer.name, "no channels are left") }
        try result(layer, .slice(range), [source])
    }

    mutating func pixelShuffle(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        let block = try layer.integer(0, 1)
        guard block >= 1, block <= 16 else { throw unsupported(layer.name, "PixelShuffle by \(block)") }
        try result(
            layer, .depthToSpace(block, try layer.integer(1, 0) == 0 ? .channelFirst : .blockFirst), [map(layer)])
    }

    /// By a whole factor, or by a fraction of small numbers after an enlargement.
    mutating func interpolate(_ layer: NCNNParam.Layer) throws(EnlargerError) {
        let factor = layer.number(1, 1)
        guard factor == layer.number(2, 1), layer.inputs.count == 1, try layer.integer(3, 0) == 0,
            try layer.integer(4, 0) == 0
        else {
            throw unsupported(layer.name, "Interp to a fixed size, or by factors that differ; one factor is read")
        }
        let kind = try layer.integer(0, 0)
        guard let method = [1: ResizeMethod.nearest, 2: .bilinear, 3: .bicubicSharp][kind] else {
            throw unsupported(layer.name, "Interp \(kind); nearest, bilinear and bicubic are read")
        }
        guard try layer.integer(6, 0) == 0 || kind == 1 else {
            throw unsupported(layer.name, "Interp with aligned corners")
        }
        let source = try map(layer)
        if factor >= 1, let whole = Int(exactly: factor), whole <= 16 {
            return try result(layer, .resize(method, whole), [source])
        }
        for divisor in 2...16 {
            guard let numerator = Int(exactly: (factor * Double(divisor) * 1e5).rounded() / 1e5), numerator >= 1,
                numerator < divisor
            else { continue }
            guard method != .nearest, scales[source] * numerator % divisor == 0 else { break }
            return try result(layer, .resample(method, numerator, divisor), [source])
        }
        throw unsupported(
            layer.name,
            "Interp by \(factor) of a map \(scales[source]) times the picture; whole factors are read, and fractions that lead to one"
        )
    }
}
