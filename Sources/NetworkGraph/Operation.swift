package import Tensors

/// What a node computes. Every value is a picture-like map of C channels, float32, height and width
/// at an integer multiple (the node's scale) of the network's input. No operation strides down.
package enum Operation: Sendable {
    /// The network's input; no inputs.
    case input(channels: Int)
    /// Inputs: [x] or, with `residualScale`, [x, residual] (see `Convolution`).
    case convolution(Convolution)
    /// Inputs: [x]. Output is `stride` times higher and wider.
    case transposedConvolution(TransposedConvolution)
    case activation(Activation)
    /// x · scale + offset per channel; an array of one element applies to every channel.
    case affine(scale: [Float], offset: [Float])
    /// Two inputs of the same scale; channels equal, or one of them has 1 channel and broadcasts. One of them may be constant:
    /// it then has as many channels as the other, or 1.
    case add, subtract, multiply
    /// Any number of inputs of the same scale; channels in the order of the inputs.
    case concatenate
    /// Channels `range` of the input.
    case slice(Range<Int>)
    case depthToSpace(Int, DepthToSpaceOrder)
    /// The input, continued beyond the picture's edges by some rows and columns, which convolutions then read instead of
    /// zeros. Only convolutions read it; for `reflect` their padding above and below must be equal.
    case border(BorderMode, Int)
    /// Enlarges by an integer factor, edge pixels repeated.
    case resize(ResizeMethod, Int)
    /// The mean of each channel over the whole picture: one pixel that stands for all (see `NetworkGraph.isConstant`).
    case globalMean
    /// Resizes by a fraction below 1 (numerator, divisor), edge pixels repeated, without antialiasing; bilinear and bicubic.
    /// Source coordinate of output column x: (x + 0.5) · divisor / numerator - 0.5.
    case resample(ResizeMethod, Int, Int)
}

/// `blockFirst` (TensorFlow, ONNX "DCR"): input channel (dy·s + dx)·C + c.
/// `channelFirst` (PyTorch pixel_shuffle, ONNX "CRD"): input channel c·s² + dy·s + dx.
package enum DepthToSpaceOrder: String, Sendable { case blockFirst, channelFirst }

/// How a map goes on beyond its edge: mirrored at the outermost pixel (which is not repeated), or that pixel again.
package enum BorderMode: String, Sendable {
    case reflect, replicate

    /// The position in 0 ..< count that stands for one outside (or inside). A map narrower than its border is mirrored on.
    package func place(_ position: Int, in count: Int) -> Int {
        guard position < 0 || position >= count else { return position }
        guard self == .reflect, count > 1 else { return position < 0 ? 0 : count - 1 }
        let period = 2 * (count - 1), phase = ((position % period) + period) % period
        return phase < count ? phase : period - phase
    }
}

/// Source coordinate of output column x: (x + 0.5)/s - 0.5 (half-pixel centres), but floor(x/s) for `nearest` and
/// x/s for `bilinearFromCorner` (ONNX "asymmetric"). `bicubic` is Keys' with a = -0.5; `bicubicSharp` has a = -0.75
/// (PyTorch's, OpenCV's).
package enum ResizeMethod: String, Sendable {
    case nearest, bilinear, bicubic
    case bicubicSharp = "bicubic_sharp"
    case bilinearFromCorner = "bilinear_from_corner"
}

package enum Activation: Sendable, Equatable {
    /// max(x, 0)
    case relu
    /// x where positive, else slope[c]·x. One element: the same slope for every channel (leaky ReLU).
    case prelu([Float])
    case tanh, sigmoid, absolute
    case clip(lower: Float, upper: Float)
}

/// Cross-correlation, stride 1, zero padding; height and width are kept:
/// padding before + after = dilation · (kernel - 1).
///
/// y = activation(conv(x) + bias); with `residualScale`: y = residual + residualScale · (conv(x) + bias), activation nil.
package struct Convolution: Sendable {
    /// Shape [kernelHeight, kernelWidth, inputChannels / groups, outputChannels] (TensorFlow's HWIO).
    package var weights: TensorData
    /// outputChannels elements, or empty.
    package var bias: [Float]
    package var dilation: Int = 1
    package var groups: Int = 1
    /// Rows of zeros above and columns of zeros to the left; for SAME: dilation·(kernel-1)/2 rounded down.
    package var padTop: Int
    package var padLeft: Int
    package var activation: Activation? = nil
    package var residualScale: Float? = nil

    package var kernelHeight: Int { weights.shape[0] }
    package var kernelWidth: Int { weights.shape[1] }
    package var inputChannels: Int { weights.shape[2] * groups }
    package var outputChannels: Int { weights.shape[3] }
    package var padBottom: Int { dilation * (kernelHeight - 1) - padTop }
    package var padRight: Int { dilation * (kernelWidth - 1) - padLeft }

    /// SAME padding as TensorFlow's: an even kernel pads one more after than before.
    package init(weights: TensorData, bias: [Float] = [], dilation: Int = 1, groups: Int = 1) {
        self.weights = weights
        self.bias = bias
        self.dilation = dilation
        self.groups = groups
        padTop = dilation * (weights.shape[0] - 1) / 2
        padLeft = dilation * (weights.shape[1] - 1) / 2
    }
}

/// Output row y sums, over t in 0..<kernel with (y + pad - t) divisible by stride, input row (y + pad - t)/stride times tap t;
/// columns likewise. Output is exactly stride times the input's height and width.
package struct TransposedConvolution: Sendable {
    /// Shape [kernelHeight, kernelWidth, inputChannels, outputChannels].
    package var weights: TensorData
    package var bias: [Float]
    package var stride: Int
    package var padTop: Int
    package var padLeft: Int
    package var activation: Activation? = nil

    package init(weights: TensorData, bias: [Float] = [], stride: Int, padTop: Int, padLeft: Int) {
        self.weights = weights
        self.bias = bias
        self.stride = stride
        self.padTop = padTop
        self.padLeft = padLeft
    }
    package var kernelHeight: Int { weights.shape[0] }
    package var kernelWidth: Int { weights.shape[1] }
    package var inputChannels: Int { weights.shape[2] }
    package var outputChannels: Int { weights.shape[3] }
}

extension Operation {
    /// The tensor that a convolution of either kind multiplies by.
    package var weights: TensorData? {
        switch self {
        case .convolution(let conv): conv.weights
        case .transposedConvolution(let conv): conv.weights
        default: nil
        }
    }
}
