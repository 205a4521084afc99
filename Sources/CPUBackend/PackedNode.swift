import CKernels
import NetworkGraph
import Tensors

/// A node's constants in the form its kernel reads, inside the network's arena.
struct PackedNode {
    /// Where the parts stand, in bytes from the node's start. The planner counts with it, the packer fills it.
    ///
    /// `first` holds weights; `second` bias, or the first per-channel parameter; `third` slopes, or the second parameter.
    struct Layout {
        private(set) var second = 0
        private(set) var third: Int?
        private(set) var byteCount = 0

        init(_ operation: Operation, channels: Int) {
            switch operation {
            case .convolution(let conv) where CPUDevice.isTiled(conv):
                let element = conv.weights.elementType.kernelElement
                add(weightBytes: ek_winograd_packed_bytes(Int32(conv.inputChannels), Int32(channels), element), channels, conv.activation != nil)
            case .convolution(let conv):
                let inputs = conv.kernelHeight * conv.kernelWidth * conv.inputChannels
                add(weightBytes: inputs * Layout.blocks(channels) * 64, channels, conv.activation != nil)
            case .transposedConvolution(let conv):
                let inputs = conv.kernelHeight * conv.kernelWidth * conv.inputChannels
                add(weightBytes: inputs * Layout.blocks(channels) * 64, channels, conv.activation != nil)
            case .activation(.prelu), .activation(.clip), .activation(.relu), .affine:
                add(weightBytes: 0, channels, true)
            default: break
            }
        }

        private mutating func add(weightBytes: Int, _ channels: Int, _ hasThird: Bool) {
            // Kernels read per-channel parameters in panels of 32.
            let perChannel = (channels + 31) / 32 * 128
            second = (weightBytes + 63) / 64 * 64
            byteCount = second + perChannel
            if hasThird {
                third = byteCount
                byteCount += perChannel
            }
        }

        static func blocks(_ channels: Int) -> Int { (channels + 15) / 16 }
    }

    let base: UnsafeMutableRawPointer
    let layout: Layout

    var weights: UnsafeMutableRawPointer { base }
    var second: UnsafeMutablePointer<Float> { (base + layout.second).assumingMemoryBound(to: Float.self) }
    var third: UnsafeMutablePointer<Float>? { layout.third.map { (base + $0).assumingMemoryBound(to: Float.self) } }

    /// Packs the constants of a node; the arena's bytes are zero before.
    func fill(_ operation: Operation, channels: Int) {
        switch operation {
        case .convolution(let conv):
            if CPUDevice.isTiled(conv) {
                conv.weights.withBytes { source in
                    ek_winograd_pack(
                        source.baseAddress, conv.weights.elementType.kernelElement, conv.weights.elementType.zeroPoint,
                        Int32(conv.inputChannels), Int32(channels), weights)
                }
            } else {
                fillDirect(conv.weights, groups: conv.groups)
            }
            fillPerChannel(second, conv.bias, channels)
            fillSlope(conv.activation, channels)
        case .transposedConvolution(let conv):
            fillDirect(conv.weights, groups: 1)
            fillPerChannel(second, conv.bias, channels)
            fillSlope(conv.activation, channels)
        case .affine(let scale, let offset):
            fillPerChannel(second, scale, channels)
            fillPerChannel(third!, offset, channels)
        case .activation(.clip(let lower, let upper)):
            second[0] = lower
            third![0] = upper
        case .activation(.prelu(let slope)): fillPerChannel(second, slope, channels)
        default: break
        }
    }

    private func fillSlope(_ activation: Activation?, _ channels: Int) {
        if case .prelu(let slope) = activation { fillPerChannel(third!, slope, channels) }
    }

    /// One element stands for all channels; padding stays zero.
    private func fillPerChannel(_ target: UnsafeMutablePointer<Float>, _ values: [Float], _ channels: Int) {
        guard !values.isEmpty else { return }
        for c in 0..<channels { target[c] = values.count == 1 ? values[0] : values[c] }
    }

    /// HWIO weights as [outputs/16][kernel rows][kernel columns][inputs][16] float32; groups become zeros outside their block.
    private func fillDirect(_ tensor: TensorData, groups: Int) {
        let (kernel, inputsPerGroup, outputs) = (tensor.shape[0] * tensor.shape[1], tensor.shape[2], tensor.shape[3])
        let inputs = inputsPerGroup * groups, outputsPerGroup = outputs / groups
        let values = tensor.floats()
        let target = weights.assumingMemoryBound(to: Float.self)
        for t in 0..<kernel {
            for i in 0..<inputsPerGroup {
                for o in 0..<outputs {
                    let input = o / outputsPerGroup * inputsPerGroup + i
                    target[((o / 16 * kernel + t) * inputs + input) * 16 + o % 16] = values[(t * inputsPerGroup + i) * outputs + o]
                }
            }
        }
    }
}

extension ElementType {
    var kernelElement: ek_element {
        switch self {
        case .float32: EK_F32
        case .float16: EK_F16
        case .bfloat16: EK_BF16
        case .uint8: EK_U8
        }
    }
    var zeroPoint: Int32 { if case .uint8(let zeroPoint, _) = self { zeroPoint } else { 0 } }
    var step: Float { if case .uint8(_, let step) = self { step } else { 1 } }
}
