extension Simplifier {
    /// add(x, s · conv(y)) → conv with residualScale s and inputs [y, x]. Of two convolutions the later one is fused:
    /// the earlier one is the skip, which a streaming run holds back anyway.
    mutating func fuseResidual(_ index: Int) {
        guard case .add = nodes[index].operation else { return }
        let inputs = nodes[index].inputs
        guard channels[inputs[0]] == channels[inputs[1]], inputs[0] != inputs[1], isConstant[inputs[0]] == isConstant[inputs[1]] else { return }
        let orders = inputs[0] > inputs[1] ? [(inputs[0], inputs[1])] + [(inputs[1], inputs[0])] : [(inputs[1], inputs[0]), (inputs[0], inputs[1])]
        for (branch, skip) in orders {
            guard let (scale, convolution) = scaledConvolution(branch) else { continue }
            guard case .convolution(var conv) = nodes[convolution].operation else { continue }
            conv.residualScale = scale
            replace(index, name: nodes[convolution].name, .convolution(conv), inputs: [nodes[convolution].inputs[0], skip])
            return
        }
    }

    /// The plain convolution behind `index` and the one factor on its way, when nothing else uses either.
    private func scaledConvolution(_ index: Int) -> (scale: Float, convolution: Int)? {
        guard isUsedOnce(index) else { return nil }
        switch nodes[index].operation {
        case .convolution(let conv) where conv.activation == nil && conv.residualScale == nil:
            return (1, index)
        case .affine(let scale, let offset):
            let input = nodes[index].inputs[0]
            guard offset.allSatisfy({ $0 == 0 }), scale.allSatisfy({ $0 == scale[0] }), isUsedOnce(input),
                case .convolution(let conv) = nodes[input].operation, conv.activation == nil, conv.residualScale == nil
            else { return nil }
            return (scale[0], input)
        default: return nil
        }
    }
}
