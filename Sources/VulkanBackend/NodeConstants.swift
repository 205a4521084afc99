import NetworkGraph
import StreamPlanner
import Tensors

/// A node's constants in the form its kernel reads: weights, then two parameters of each channel.
///
/// Weights are [outputs/16][kernel rows][kernel columns][inputs][16], inputs padded to 16 where the map is blocked. They are
/// fp16 or bytes where the file has them so, fp16 in that precision, else float32. Bytes and fp16 stand for
/// (value + zero) · factor; the factor is applied to the sum, in float32.
struct NodeConstants {
    enum Encoding: UInt32 { case float32 = 0, float16, uint8 }

    let operation: Operation
    let channels: Int
    let encoding: Encoding
    /// Input channels for which there are weights.
    let paddedInputs: Int
    /// Bytes of the weights, of one parameter, and of all.
    let weightBytes: Int
    let parameterBytes: Int
    let byteCount: Int

    var outputBlocks: Int { (channels + 15) / 16 }
    /// In words from the start.
    var firstParameter: UInt32 { UInt32(weightBytes / 4) }
    var secondParameter: UInt32 { UInt32((weightBytes + parameterBytes) / 4) }

    init(_ graph: NetworkGraph, node: Int, precision: VulkanDevice.Precision) {
        operation = graph.nodes[node].operation
        channels = graph.channels[node]
        func padded(_ inputs: Int) -> Int { graph.isPlanar(graph.nodes[node].inputs[0]) ? inputs : (inputs + 15) / 16 * 16 }
        let kernel: Int, hasParameters: Bool, tensor: TensorData?, groups: Int
        switch operation {
        case .convolution(let conv):
            (tensor, groups, kernel, hasParameters) = (conv.weights, conv.groups, conv.kernelHeight * conv.kernelWidth, true)
            paddedInputs = padded(conv.inputChannels)
        case .transposedConvolution(let conv):
            (tensor, groups, kernel, hasParameters) = (conv.weights, 1, conv.kernelHeight * conv.kernelWidth, true)
            paddedInputs = padded(conv.inputChannels)
        case .activation(.prelu), .activation(.clip), .activation(.relu), .affine:
            (tensor, groups, kernel, hasParameters) = (nil, 1, 0, true)
            paddedInputs = 0
        default:
            (tensor, groups, kernel, hasParameters) = (nil, 1, 0, false)
            paddedInputs = 0
        }
        encoding = Self.encoding(tensor, groups: groups, precision: precision)
        let elements = (channels + 15) / 16 * 16 * kernel * paddedInputs
        weightBytes = elements * [4, 2, 1][Int(encoding.rawValue)]
        parameterBytes = hasParameters ? (channels + 15) / 16 * 64 : 0
        byteCount = (weightBytes + 2 * parameterBytes + 63) / 64 * 64
    }

    /// Groups become zeros outside their block, for which bytes may have no value.
    private static func encoding(_ tensor: TensorData?, groups: Int, precision: VulkanDevice.Precision) -> Encoding {
        switch tensor?.elementType {
        case .uint8 where groups == 1: .uint8
        case .float16: .float16
        case .some: precision == .fp16 ? .float16 : .float32
        case nil: .float32
        }
    }

    /// What is added to a byte before it is multiplied.
    var zero: Float {
        if encoding == .uint8, case .uint8(let zero, _)? = weights?.elementType { return Float(zero) }
        return 0
    }
    /// What is left to multiply a sum with. For 16 bits a power of two, which brings the largest weight to 1 ... 2, so that
    /// neither large nor small ones leave fp16's range.
    func factor() -> Float {
        switch (encoding, weights?.elementType) {
        case (.uint8, .uint8(_, let step)?): return step
        case (.float16, .float16?), (.float32, _), (_, nil): return 1
        default:
            let largest = weights!.floats().reduce(Float(0)) { max($0, abs($1)) }
            return largest.isNormal ? Float(sign: .plus, exponent: largest.exponent, significand: 1) : 1
        }
    }

    private var weights: TensorData? { operation.weights }

    /// The bytes, `byteCount` of them.
    func packed(factor: Float) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        bytes.withUnsafeMutableBytes { target in
            switch operation {
            case .convolution(let conv):
                pack(conv.weights, groups: conv.groups, factor: factor, into: target)
                fill(target, firstParameter, conv.bias)
                if case .prelu(let slope) = conv.activation { fill(target, secondParameter, slope) }
            case .transposedConvolution(let conv):
                pack(conv.weights, groups: 1, factor: factor, into: target)
                fill(target, firstParameter, conv.bias)
                if case .prelu(let slope) = conv.activation { fill(target, secondParameter, slope) }
            case .affine(let scale, let offset):
                fill(target, firstParameter, scale)
                fill(target, secondParameter, offset)
            case .activation(.clip(let lower, let upper)):
                fill(target, firstParameter, [lower])
                fill(target, secondParameter, [upper])
            case .activation(.prelu(let slope)): fill(target, firstParameter, slope)
            default: break
            }
        }
        return bytes
    }

    /// One element stands for all channels.
    private func fill(_ target: UnsafeMutableRawBufferPointer, _ word: UInt32, _ values: [Float]) {
        guard !values.isEmpty else { return }
        for c in 0..<channels {
            target.storeBytes(of: values[values.count == 1 ? 0 : c], toByteOffset: (Int(word) + c) * 4, as: Float.self)
        }
    }

    private func pack(_ tensor: TensorData, groups: Int, factor: Float, into target: UnsafeMutableRawBufferPointer) {
        let kernel = tensor.shape[0] * tensor.shape[1], perGroup = tensor.shape[2], outputs = tensor.shape[3]
        let outputsPerGroup = outputs / groups
        func place(_ tap: Int, _ input: Int, _ output: Int) -> Int {
            let input = output / outputsPerGroup * perGroup + input
            return ((output / 16 * kernel + tap) * paddedInputs + input) * 16 + output % 16
        }
        if encoding == .uint8 || (encoding == .float16 && tensor.elementType == .float16) {
            tensor.withBytes { source in
                var from = 0
                for tap in 0..<kernel {
                    for input in 0..<perGroup {
                        for output in 0..<outputs {
                            let to = place(tap, input, output)
                            if encoding == .uint8 {
                                target[to] = source[from]
                            } else {
                                let half = source.loadUnaligned(fromByteOffset: 2 * from, as: UInt16.self)
                                target.storeBytes(of: half, toByteOffset: 2 * to, as: UInt16.self)
                            }
                            from += 1
                        }
                    }
                }
            }
            return
        }
        let values = tensor.floats()
        var from = 0
        for tap in 0..<kernel {
            for input in 0..<perGroup {
                for output in 0..<outputs {
                    let to = place(tap, input, output), value = values[from]
                    if encoding == .float16 {
                        target.storeBytes(of: Float16(value / factor).bitPattern, toByteOffset: 2 * to, as: UInt16.self)
                    } else {
                        target.storeBytes(of: value, toByteOffset: 4 * to, as: Float.self)
                    }
                    from += 1
                }
            }
        }
    }
}
