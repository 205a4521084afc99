extension Simplifier {
    /// relu(x) + s·(x - |x|) → prelu(2s), the spelling of FSRCNN's PReLU with s = alpha/2;
    /// relu(x) - a·relu(-x) → prelu(a), the spelling of LapSRN's leaky ReLU.
    mutating func recogniseActivation(_ index: Int) {
        let inputs = nodes[index].inputs
        guard inputs.count == 2 else { return }
        switch nodes[index].operation {
        case .add:
            for (first, second) in [(inputs[0], inputs[1]), (inputs[1], inputs[0])] {
                guard let x = operand(of: first, when: .relu), let (scale, difference) = scaled(second),
                    case .subtract = nodes[difference].operation, nodes[difference].inputs[0] == x,
                    operand(of: nodes[difference].inputs[1], when: .absolute) == x
                else { continue }
                let slope = scale.map { 2 * $0 }
                replace(index, name: nodes[index].name, .activation(.prelu(slope)), inputs: [x])
                return
            }
        case .subtract:
            guard let x = operand(of: inputs[0], when: .relu), let (slope, rectified) = scaled(inputs[1]),
                let negated = operand(of: rectified, when: .relu), let (sign, original) = scaled(negated),
                original == x, sign.allSatisfy({ $0 == -1 })
            else { return }
            replace(index, name: nodes[index].name, .activation(.prelu(slope)), inputs: [x])
        default: return
        }
    }

    /// x, where node `index` is `activation(x)`.
    private func operand(of index: Int, when activation: Activation) -> Int? {
        guard case .activation(activation) = nodes[index].operation else { return nil }
        return nodes[index].inputs[0]
    }

    /// (s, x), where node `index` is s·x.
    private func scaled(_ index: Int) -> (scale: [Float], of: Int)? {
        guard case .affine(let scale, let offset) = nodes[index].operation, offset.allSatisfy({ $0 == 0 }) else { return nil }
        return (scale, nodes[index].inputs[0])
    }

    /// relu or prelu right after a (transposed) convolution becomes part of it.
    mutating func fuseActivation(_ index: Int) {
        guard case .activation(let activation) = nodes[index].operation else { return }
        switch activation {
        case .relu, .prelu: break
        default: return
        }
        let input = nodes[index].inputs[0]
        guard isUsedOnce(input) else { return }
        switch nodes[input].operation {
        case .convolution(var conv) where conv.activation == nil && conv.residualScale == nil:
            conv.activation = activation
            replace(index, name: nodes[input].name, .convolution(conv), inputs: nodes[input].inputs)
        case .transposedConvolution(var conv) where conv.activation == nil:
            conv.activation = activation
            replace(index, name: nodes[input].name, .transposedConvolution(conv), inputs: nodes[input].inputs)
        default: return
        }
    }
}

private func ~= (pattern: Activation, value: Activation) -> Bool { pattern == value }
