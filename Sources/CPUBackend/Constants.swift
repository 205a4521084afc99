import CKernels
import NetworkGraph
import StreamPlanner
import Tensors

/// Values that are the same at every pixel: means over the picture, and what is computed from them alone.
///
/// Each is a row of one column: 16 floats for every 16 channels. A mean has its sums behind them, in double.
struct Constants {
    let network: CPUNetwork
    private let plan: Plan
    private let base: UnsafeMutableRawPointer
    private let offsets: [Int: Int]

    /// - Parameter base: `plan.constantBytes` bytes.
    init(network: CPUNetwork, plan: Plan, base: UnsafeMutableRawPointer) {
        self.network = network
        self.plan = plan
        self.base = base
        offsets = Plan.constantOffsets(network.graph).offsets
    }

    func values(_ node: Int) -> UnsafeMutablePointer<Float> { (base + offsets[node]!).assumingMemoryBound(to: Float.self) }

    func sums(_ node: Int) -> UnsafeMutablePointer<Double> { (base + offsets[node]! + blocks(node) * 64).assumingMemoryBound(to: Double.self) }

    private func blocks(_ node: Int) -> Int { (network.graph.channels[node] + 15) / 16 }

    /// Before the first step of a pass: its constant nodes are computed, its means are set to nothing.
    func begin(_ part: NetworkPart) {
        for n in part.constants { compute(n) }
        for n in part.means { sums(n).update(repeating: 0, count: blocks(n) * 16) }
    }

    /// After the last step: sums become means.
    func end(_ part: NetworkPart) {
        for n in part.means {
            let scale = network.graph.scales[n], pixels = Double(plan.width * scale) * Double(plan.height * scale)
            for c in 0..<blocks(n) * 16 { values(n)[c] = Float(sums(n)[c] / pixels) }
        }
    }

    private func compute(_ n: Int) {
        let node = network.graph.nodes[n], packed = network.packed(n)
        var rows = ([n] + node.inputs).map { Optional(values($0)) }
        rows.withUnsafeMutableBufferPointer { rows in
            func map(_ position: Int) -> ek_map {
                let channels = network.graph.channels[position == 0 ? n : node.inputs[position - 1]]
                return ek_map(rows: rows.baseAddress! + position, block_stride: 16, planar: 0, channels: Int32(channels))
            }
            switch node.operation {
            case .convolution(let conv):
                var call = ek_direct(
                    in: map(1), out: map(0), rows: 1, col0: 0, col1: 1, kh: 1, kw: 1, dilation: 1, pad_left: 0,
                    weights: packed.weights.assumingMemoryBound(to: Float.self),
                    epilogue: ek_epilogue(
                        bias: packed.second, slope: conv.activation == nil ? nil : packed.third,
                        residual: conv.residualScale == nil ? ek_map() : map(2), residual_scale: conv.residualScale ?? 1))
                ek_direct_run(&call, network.device.isa, 0, 1)
            case .activation(let activation): ek_unary_run(activation.kernel, packed.second, packed.third, map(1), map(0), 1, 0, 1)
            case .affine: ek_unary_run(EK_AFFINE, packed.second, packed.third, map(1), map(0), 1, 0, 1)
            case .add: ek_binary_run(EK_ADD, map(1), map(2), map(0), 1, 0, 1)
            case .subtract: ek_binary_run(EK_SUB, map(1), map(2), map(0), 1, 0, 1)
            case .multiply: ek_binary_run(EK_MUL, map(1), map(2), map(0), 1, 0, 1)
            case .slice(let range): ek_copy_channels(map(1), Int32(range.lowerBound), map(0), 0, Int32(range.count), 1, 0, 1)
            case .concatenate:
                var channel = 0
                for position in node.inputs.indices {
                    let count = network.graph.channels[node.inputs[position]]
                    ek_copy_channels(map(position + 1), 0, map(0), Int32(channel), Int32(count), 1, 0, 1)
                    channel += count
                }
            default: preconditionFailure("no graph has such a constant")
            }
        }
    }

    /// What a map is multiplied by and what is added to it, where an operation joins it with a constant; 16 floats a block.
    func factors(_ operation: Operation, constant: Int, isFirst: Bool, channels: Int) -> (scale: [Float], offset: [Float]) {
        let count = (channels + 31) / 32 * 32, source = values(constant), isOne = network.graph.channels[constant] == 1
        let given = (0..<count).map { $0 < channels ? source[isOne ? 0 : $0] : 0 }
        let ones = [Float](repeating: 1, count: count), zeros = [Float](repeating: 0, count: count)
        switch operation {
        case .multiply: return (given, zeros)
        case .subtract where isFirst: return (ones.map { -$0 }, given)
        case .subtract: return (ones, given.map { -$0 })
        default: return (ones, given)
        }
    }
}

extension Activation {
    var kernel: ek_unary {
        switch self {
        case .relu, .prelu: EK_PRELU
        case .tanh: EK_TANH
        case .sigmoid: EK_SIGMOID
        case .absolute: EK_ABS
        case .clip: EK_CLIP
        }
    }
}
