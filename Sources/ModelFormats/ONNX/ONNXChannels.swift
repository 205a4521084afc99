import NetworkGraph
import Tensors

/// Operations that move channels, rows and columns.
extension ONNXTranslation {
    mutating func concatenate(_ node: ONNXModel.Node) throws(EnlargerError) {
        let dimension = try axis(node, try model.integer(node, "axis") ?? 1, rank: 4)
        guard dimension == 1 else { throw unsupported(node.name, "joins dimension \(dimension); only channels (1) are read") }
        var inputs: [Int] = []
        for position in node.inputs.indices { inputs.append(try map(node, position)) }
        try set(node, .map(append(node.name, .concatenate, inputs)))
    }

    /// Sizes are an input from operator set 13 on, an attribute before; without them the parts are equal.
    mutating func split(_ node: ONNXModel.Node) throws(EnlargerError) {
        let x = try map(node, 0), dimension = try axis(node, try model.integer(node, "axis") ?? 0, rank: 4), parts = node.outputs.count
        guard dimension == 1 else { throw unsupported(node.name, "splits dimension \(dimension); only channels (1) are read") }
        let size = (channels[x] + parts - 1) / parts
        let sizes = try has(node, 1) ? integers(node, 1) : model.integers(node, "split")
            ?? (0..<parts).map { max(0, min(size, channels[x] - $0 * size)) }
        guard sizes.count == parts, sizes.allSatisfy({ $0 >= 1 && $0 <= channels[x] }), sizes.reduce(0, +) == channels[x] else {
            throw invalid(node.name, "parts of \(sizes) channels for \(parts) outputs of \(channels[x])")
        }
        var first = 0
        for (output, size) in sizes.enumerated() {
            if node.outputs[output] >= 0, uses[node.outputs[output]] > 0 {
                try set(node, .map(append(parts == 1 ? node.name : "\(node.name).\(output)", .slice(first..<first + size), [x])), output: output)
            } else {
                try set(node, .unknown, output: output)
            }
            first += size
        }
    }

    /// Slices of channels; slices of everything in other dimensions.
    mutating func slice(_ node: ONNXModel.Node) throws(EnlargerError) {
        let x = try map(node, 0)
        let starts = try sliceList(node, 1, "starts") ?? [], ends = try sliceList(node, 2, "ends") ?? []
        let axes = try sliceList(node, 3, "axes") ?? Array(starts.indices), steps = try sliceList(node, 4, "steps") ?? [Int](repeating: 1, count: starts.count)
        guard starts.count == ends.count, axes.count == starts.count, steps.count == starts.count else { throw invalid(node.name, "starts, ends, axes and steps differ in number") }
        var range = 0..<channels[x]
        for i in starts.indices {
            let dimension = try axis(node, axes[i], rank: 4)
            guard steps[i] == 1 else { throw unsupported(node.name, "step \(steps[i]); only 1 is read") }
            guard dimension == 1 else {
                guard starts[i] == 0, ends[i] >= 1 << 31 - 1 || dimension == 0 && ends[i] >= 1 else {
                    throw unsupported(node.name, "cuts dimension \(dimension) from \(starts[i]) to \(ends[i]); only channels (1) can be cut")
                }
                continue
            }
            func place(_ position: Int) -> Int { min(max(position < 0 ? position + channels[x] : position, 0), channels[x]) }
            let cut = (start: place(starts[i]), end: place(ends[i]))
            guard cut.start < cut.end else { throw invalid(node.name, "channels \(starts[i]) to \(ends[i]) of \(channels[x])") }
            range = cut.start..<cut.end
        }
        try set(node, .map(append(node.name, .slice(range), [x])))
    }

    /// A list that is an input from operator set 10 on, an attribute before.
    mutating func sliceList(_ node: ONNXModel.Node, _ position: Int, _ key: String) throws(EnlargerError) -> [Int]? {
        if has(node, position) { return try integers(node, position) }
        return node.inputs.count == 1 ? try model.integers(node, key) : nil
    }

    /// Channels by number, as a change from RGB to BGR is written.
    mutating func gather(_ node: ONNXModel.Node) throws(EnlargerError) {
        let x = try map(node, 0), dimension = try axis(node, try model.integer(node, "axis") ?? 0, rank: 4), indices = try small(node, 1)
        guard dimension == 1, indices.shape.count == 1, !indices.values.isEmpty else { throw unsupported(node.name, "Gather other than of several channels") }
        var parts: [Int] = []
        for index in try integers(node, 1) {
            let channel = index < 0 ? index &+ channels[x] : index
            guard channel >= 0, channel < channels[x] else { throw invalid(node.name, "channel \(index) of \(channels[x])") }
            parts.append(try append("\(node.name).\(parts.count)", .slice(channel..<channel + 1), [x]))
        }
        try set(node, .map(append(node.name, .concatenate, parts)))
    }

    mutating func depthToSpace(_ node: ONNXModel.Node) throws(EnlargerError) {
        let block = try model.integer(node, "blocksize") ?? 0
        guard block >= 1, block <= 16 else { throw invalid(node.name, "blocksize \(block); 1 to 16 are read") }
        switch try model.text(node, "mode") ?? "DCR" {
        case "DCR": try unary(node, .depthToSpace(block, .blockFirst))
        case "CRD": try unary(node, .depthToSpace(block, .channelFirst))
        case let mode: throw invalid(node.name, "mode \"\(mode)\"; DCR and CRD are read")
        }
    }

    /// Reshape, Transpose, Squeeze and Unsqueeze of a map are views of it.
    mutating func rearrange(_ node: ONNXModel.Node) throws(EnlargerError) {
        var view: ONNXView
        if case .view(let known) = try input(node, 0) {
            view = known
        } else {
            let x = try map(node, 0)
            view = ONNXView(node: x, channels: channels[x], scale: scales[x])
        }
        let rank = view.dimensions.count
        switch node.operation {
        case "Transpose":
            let permutation = try model.integers(node, "perm") ?? Array((0..<rank).reversed())
            guard permutation.sorted() == Array(0..<rank) else { throw invalid(node.name, "permutation \(permutation) of \(rank) dimensions") }
            view = view.transposed(permutation)
        case "Unsqueeze":
            let axes = try axesList(node)
            guard rank + axes.count <= Limits.rank else { throw invalid(node.name, "\(rank + axes.count) dimensions") }
            var places: [Int] = []
            for dimension in axes { places.append(try axis(node, dimension, rank: rank + axes.count)) }
            for place in places.sorted() {
                guard place <= view.dimensions.count else { throw invalid(node.name, "dimensions \(axes)") }
                view.dimensions.insert([], at: place)
            }
        case "Squeeze":
            var places: [Int] = []
            for dimension in try axesList(node) { places.append(try axis(node, dimension, rank: rank)) }
            for place in Set(places).sorted().reversed() {
                guard view.dimensions[place].isEmpty else { throw invalid(node.name, "dimension \(place) has more than one element") }
                view.dimensions.remove(at: place)
            }
        default: view = try reshaped(node, view)
        }
        if view.meaning == .map { try set(node, .map(view.node)) } else { try set(node, .view(view)) }
    }

    /// Dimensions for Squeeze and Unsqueeze: an input from operator set 13 on, an attribute before.
    mutating func axesList(_ node: ONNXModel.Node) throws(EnlargerError) -> [Int] {
        if has(node, 1) { return try integers(node, 1) }
        guard let axes = try model.integers(node, "axes") else { throw unsupported(node.name, "\(node.operation) without axes") }
        return axes
    }

    private mutating func reshaped(_ node: ONNXModel.Node, _ view: ONNXView) throws(EnlargerError) -> ONNXView {
        let list = try small(node, 1)
        guard list.shape.count == 1, list.values.count <= Limits.rank else { throw invalid(node.name, "a shape of shape \(list.shape)") }
        let copiesZero = try model.integer(node, "allowzero") ?? 0 == 0
        var target: [ONNXExtent?] = [], inferred = 0
        for (dimension, extent) in list.values.enumerated() {
            switch extent.integer {
            case .some(-1):
                inferred += 1
                target.append(nil)
            case 0? where copiesZero:
                guard dimension < view.dimensions.count, let same = view.extent(of: view.dimensions[dimension]) else { throw invalid(node.name, "0 in dimension \(dimension) of its shape") }
                target.append(same)
            default: target.append(extent)
            }
        }
        guard inferred <= 1 else { throw invalid(node.name, "-1 in more than one dimension of its shape") }
        do throws(ONNXView.Failure) {
            return try view.reshaped(target, fixed: fixed)
        } catch {
            let shape = list.values.map { $0.integer.map(String.init) ?? "?" }.joined(separator: ", ")
            switch error {
            case .windows: throw unsupported(node.name, "its shape [\(shape)] divides rows or columns into blocks, as windows of attention and pixel-unshuffle do: the network cannot stream")
            case .mismatch: throw unsupported(node.name, "its shape [\(shape)] does not follow the map's channels, rows and columns")
            }
        }
    }
}
