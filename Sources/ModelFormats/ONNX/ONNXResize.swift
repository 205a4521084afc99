import NetworkGraph
import Tensors

/// Resize and Upsample by whole factors.
extension ONNXTranslation {
    mutating func resize(_ node: ONNXModel.Node) throws(EnlargerError) {
        let x = try map(node, 0), mode = try model.text(node, "mode") ?? "nearest", factor = try factor(node, x)
        guard factor >= 1, factor <= 16 else { throw unsupported(node.name, "factor \(factor); 1 to 16 are read") }
        if factor == 1 { return try set(node, .map(x)) }
        // Before operator set 11 there is one rule.
        let isOld = node.operation == "Upsample" || model.opset < 11
        let coordinates = isOld ? "asymmetric" : try model.text(node, "coordinate_transformation_mode") ?? "half_pixel"
        guard coordinates != "align_corners" else { throw unsupported(node.name, "coordinate_transformation_mode align_corners: it depends on the picture's size and cannot stream") }
        guard try model.integer(node, "antialias") ?? 0 == 0 else { throw unsupported(node.name, "antialias") }
        guard try model.integer(node, "exclude_outside") ?? 0 == 0 else { throw unsupported(node.name, "exclude_outside; edges that repeat are read") }
        let isCentred = coordinates == "half_pixel" || coordinates == "pytorch_half_pixel"
        switch mode {
        case "nearest":
            let rounding = isOld ? "floor" : try model.text(node, "nearest_mode") ?? "round_prefer_floor"
            guard try isPlainNearest(node, coordinates, rounding, factor) else {
                throw unsupported(node.name, "coordinate_transformation_mode \(coordinates) with nearest_mode \(rounding) does not repeat each pixel \(factor) times")
            }
            try set(node, .map(append(node.name, .resize(.nearest, factor), [x])))
        case "linear", "bilinear":
            guard isCentred || coordinates == "asymmetric" else { throw unsupported(node.name, "coordinate_transformation_mode \(coordinates)") }
            try set(node, .map(append(node.name, .resize(isCentred ? .bilinear : .bilinearFromCorner, factor), [x])))
        case "cubic":
            guard isCentred else { throw unsupported(node.name, "coordinate_transformation_mode \(coordinates) with mode cubic") }
            let a = try finite(node, "cubic_coeff_a", -0.75)
            guard a == -0.75 || a == -0.5 else { throw unsupported(node.name, "cubic_coeff_a \(a); -0.5 and -0.75 are read") }
            try set(node, .map(append(node.name, .resize(a == -0.5 ? .bicubic : .bicubicSharp, factor), [x])))
        default: throw unsupported(node.name, "mode \"\(mode)\"; nearest, linear and cubic are read")
        }
    }

    /// Whether output position p always reads input position floor(p / s); checked for one block, in 2s-ths of an input pixel.
    private func isPlainNearest(_ node: ONNXModel.Node, _ coordinates: String, _ rounding: String, _ s: Int) throws(EnlargerError) -> Bool {
        for p in 0..<s {
            let place: Int, isSame: Bool
            switch coordinates {
            case "half_pixel", "pytorch_half_pixel": place = 2 * p + 1 - s
            case "asymmetric": place = 2 * p
            case "tf_half_pixel_for_nn": place = 2 * p + 1
            default: throw unsupported(node.name, "coordinate_transformation_mode \(coordinates)")
            }
            // From -s (inclusive) to 2s: the pixels -1, 0 and 1.
            switch rounding {
            case "floor": isSame = place >= 0 && place < 2 * s
            case "ceil": isSame = place > -2 * s && place <= 0
            case "round_prefer_floor": isSame = place > -s && place <= s
            case "round_prefer_ceil": isSame = place >= -s && place < s
            default: throw invalid(node.name, "nearest_mode \"\(rounding)\"")
            }
            guard isSame else { return false }
        }
        return true
    }

    /// The one whole number that rows and columns are enlarged by, from the scales or the sizes.
    private mutating func factor(_ node: ONNXModel.Node, _ x: Int) throws(EnlargerError) -> Int {
        let rowsExtent = ONNXExtent(height: Double(scales[x])), columnsExtent = ONNXExtent(width: Double(scales[x]))
        var factors: [Double?]
        let axes = try model.integers(node, "axes")
        let scalesAt = node.operation == "Upsample" || model.opset < 11 ? 1 : 2
        if has(node, 3) {
            guard try model.text(node, "keep_aspect_ratio_policy") ?? "stretch" == "stretch" else { throw unsupported(node.name, "a keep_aspect_ratio_policy") }
            let sizes = try spatial(node, try small(node, 3), axes, of: [ONNXExtent(1), ONNXExtent(Double(channels[x])), rowsExtent, columnsExtent])
            factors = zip(sizes, [rowsExtent, columnsExtent]).map { size, extent in
                size.ratio(to: extent) ?? fixed.map { size.value(height: $0.height, width: $0.width) / extent.value(height: $0.height, width: $0.width) }
            }
        } else if node.operation == "Upsample", let listed = try model.floats(node, "scales") {
            let list = ONNXSmall(listed.map { ONNXExtent(Double($0)) }, isInteger: false)
            factors = try spatial(node, list, axes, of: nil).map(\.number)
        } else {
            guard has(node, scalesAt) else { throw invalid(node.name, "\(node.operation) without scales and sizes") }
            factors = try spatial(node, try small(node, scalesAt), axes, of: nil).map(\.number)
        }
        guard let rows = factors[0], let columns = factors[1] else { throw unsupported(node.name, "a size that is no fixed multiple of the picture's") }
        guard rows == columns, let factor = Int(exactly: rows) else { throw unsupported(node.name, "factors \(rows) and \(columns); one whole number is read") }
        return factor
    }

    /// The entries for rows and columns; those for batch and channels must be 1, or the map's own extents.
    private func spatial(_ node: ONNXModel.Node, _ list: ONNXSmall, _ axes: [Int]?, of extents: [ONNXExtent]?) throws(EnlargerError) -> [ONNXExtent] {
        let same = extents ?? [ONNXExtent](repeating: ONNXExtent(1), count: 4)
        var all = same
        let axes = axes ?? [0, 1, 2, 3]
        guard list.values.count == axes.count else { throw invalid(node.name, "\(list.values.count) scales or sizes for \(axes.count) dimensions") }
        for (position, dimension) in axes.enumerated() { all[try axis(node, dimension, rank: 4)] = list.values[position] }
        guard all[0] == same[0], all[1] == same[1] else { throw unsupported(node.name, "resizes batch or channels") }
        return Array(all[2...])
    }
}
