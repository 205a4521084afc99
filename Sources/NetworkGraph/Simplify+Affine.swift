extension Simplifier {
    /// affine(conv(x), 1, b) → conv(x) with b added to its bias; likewise through depthToSpace when b is one value.
    mutating func foldOffset(_ index: Int) {
        guard case .affine(let scale, let offset) = nodes[index].operation, scale.allSatisfy({ $0 == 1 }) else { return }
        let input = nodes[index].inputs[0]
        guard isUsedOnce(input) else { return }
        if let folded = addingToBias(of: input, offset) {
            replace(index, name: nodes[input].name, folded, inputs: nodes[input].inputs)
        } else if case .depthToSpace = nodes[input].operation, offset.allSatisfy({ $0 == offset[0] }) {
            let before = nodes[input].inputs[0]
            guard isUsedOnce(before), let folded = addingToBias(of: before, [offset[0]]) else { return }
            nodes[before].operation = folded
            bypass(index)
        }
    }

    /// The (transposed) convolution with `offset` in its bias; nil for other nodes and after fused steps.
    private func addingToBias(of index: Int, _ offset: [Float]) -> Operation? {
        switch nodes[index].operation {
        case .convolution(var conv) where conv.activation == nil && conv.residualScale == nil:
            conv.bias = combine(conv.bias.isEmpty ? [0] : conv.bias, offset, +).expanded(to: conv.outputChannels)
            return .convolution(conv)
        case .transposedConvolution(var conv) where conv.activation == nil:
            conv.bias = combine(conv.bias.isEmpty ? [0] : conv.bias, offset, +).expanded(to: conv.outputChannels)
            return .transposedConvolution(conv)
        default: return nil
        }
    }

    /// affine(affine(x)) → affine(x).
    mutating func mergeAffine(_ index: Int) {
        let input = nodes[index].inputs.first ?? index
        guard case .affine(let scale, let offset) = nodes[index].operation,
            case .affine(let innerScale, let innerOffset) = nodes[input].operation, isUsedOnce(input)
        else { return }
        let merged = Operation.affine(
            scale: combine(innerScale, scale, *), offset: combine(combine(innerOffset, scale, *), offset, +))
        replace(index, name: nodes[index].name, merged, inputs: nodes[input].inputs)
    }

    /// x · 1 + 0, blocks and factors of 1, slices of everything.
    mutating func removeIdentity(_ index: Int) {
        switch nodes[index].operation {
        case .affine(let scale, let offset) where scale.allSatisfy({ $0 == 1 }) && offset.allSatisfy({ $0 == 0 }): bypass(index)
        case .depthToSpace(1, _), .resize(_, 1): bypass(index)
        case .slice(let range) where range.count == channels[nodes[index].inputs[0]]: bypass(index)
        default: break
        }
    }
}

/// Element by element; an array of one element goes with every element of the other.
func combine(_ a: [Float], _ b: [Float], _ operation: (Float, Float) -> Float) -> [Float] {
    let count = max(a.count, b.count)
    return (0..<count).map { operation(a[a.count == 1 ? 0 : $0], b[b.count == 1 ? 0 : $0]) }
}

extension [Float] {
    fileprivate func expanded(to count: Int) -> [Float] {
        self.count == 1 && count > 1 ? [Float](repeating: self[0], count: count) : self
    }
}
