#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif
import NetworkGraph
import Tensors

extension ReferenceEvaluator {
    static func apply(_ activation: Activation, _ x: inout Planes) {
        let plane = x.height * x.width
        for i in x.values.indices {
            let v = x.values[i]
            x.values[i] = switch activation {
            case .relu: max(v, 0)
            case .prelu(let slope): v > 0 ? v : slope[slope.count == 1 ? 0 : i / plane] * v
            case .tanh: Float(tanh(Double(v)))
            case .sigmoid: Float(1 / (1 + exp(-Double(v))))
            case .absolute: abs(v)
            case .clip(let lower, let upper): min(max(v, lower), upper)
            }
        }
    }

    /// y = conv(x) + bias. The loop over a row is innermost and on bare pointers: unoptimised builds run this too.
    static func convolve(_ conv: Convolution, _ x: Planes, _ out: inout Planes) {
        let weights = conv.weights.floats(), inner = conv.weights.shape[2], outputs = conv.outputChannels
        let perGroup = outputs / conv.groups, height = x.height, width = x.width
        let row = UnsafeMutablePointer<Double>.allocate(capacity: width)
        defer { row.deallocate() }
        x.values.withUnsafeBufferPointer { source in
            let source = source.baseAddress!
            for o in 0..<outputs {
                for y in 0..<height {
                    row.update(repeating: conv.bias.isEmpty ? 0 : Double(conv.bias[o]), count: width)
                    for ky in 0..<conv.kernelHeight {
                        let sy = y + ky * conv.dilation - conv.padTop
                        guard sy >= 0, sy < height else { continue }
                        for i in 0..<inner {
                            let line = source + ((o / perGroup * inner + i) * height + sy) * width
                            for kx in 0..<conv.kernelWidth {
                                let shift = kx * conv.dilation - conv.padLeft
                                let w = Double(weights[((ky * conv.kernelWidth + kx) * inner + i) * outputs + o])
                                var column = max(0, -shift)
                                let end = min(width, width - shift)
                                while column < end {
                                    row[column] += w * Double(line[column + shift])
                                    column += 1
                                }
                            }
                        }
                    }
                    for column in 0..<width { out[o, y, column] = Float(row[column]) }
                }
            }
        }
    }

    /// Output (y, column) gathers input row (y + pad - t) / stride for the taps t that divide.
    static func convolveTransposed(_ conv: TransposedConvolution, _ x: Planes, _ out: inout Planes) {
        let weights = conv.weights.floats(), s = conv.stride
        for o in 0..<out.channels {
            for y in 0..<out.height {
                for column in 0..<out.width {
                    var sum = conv.bias.isEmpty ? 0 : Double(conv.bias[o])
                    for ky in 0..<conv.kernelHeight {
                        let sy = y + conv.padTop - ky
                        guard sy >= 0, sy % s == 0, sy / s < x.height else { continue }
                        for kx in 0..<conv.kernelWidth {
                            let sx = column + conv.padLeft - kx
                            guard sx >= 0, sx % s == 0, sx / s < x.width else { continue }
                            for i in 0..<x.channels {
                                let w = weights[((ky * conv.kernelWidth + kx) * x.channels + i) * out.channels + o]
                                sum += Double(w) * Double(x[i, sy / s, sx / s])
                            }
                        }
                    }
                    out[o, y, column] = Float(sum)
                }
            }
        }
    }

    static func resized(_ method: ResizeMethod, _ s: Int, _ x: Planes, _ c: Int, _ y: Int, _ column: Int, divisor: Int = 1) -> Float {
        let rows = taps(method, s, y, divisor), columns = taps(method, s, column, divisor)
        var sum = 0.0
        for (sy, wy) in rows {
            for (sx, wx) in columns {
                sum += wy * wx * Double(x[c, min(max(sy, 0), x.height - 1), min(max(sx, 0), x.width - 1)])
            }
        }
        return Float(sum)
    }

    /// Source positions (possibly outside the picture) and weights of output position `p`.
    private static func taps(_ method: ResizeMethod, _ s: Int, _ p: Int, _ divisor: Int) -> [(Int, Double)] {
        if method == .nearest { return [(p / s, 1)] }
        let centre = method == .bilinearFromCorner ? Double(p) / Double(s) : (Double(p) + 0.5) * Double(divisor) / Double(s) - 0.5
        let first = Int(centre.rounded(.down)), t = centre - Double(first)
        if method == .bilinear || method == .bilinearFromCorner { return [(first, 1 - t), (first + 1, t)] }
        return (-1...2).map { (first + $0, keys(t - Double($0), a: method == .bicubic ? -0.5 : -0.75)) }
    }

    /// Keys' cubic convolution (IEEE Trans. ASSP 29, 1981).
    private static func keys(_ distance: Double, a: Double) -> Double {
        let d = abs(distance)
        if d <= 1 { return (a + 2) * d * d * d - (a + 3) * d * d + 1 }
        return d < 2 ? a * (d * d * d - 5 * d * d + 8 * d - 4) : 0
    }
}
