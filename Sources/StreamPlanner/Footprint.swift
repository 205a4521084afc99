package import NetworkGraph

/// What an operation reads along one axis. Rows and columns obey the same rules, so each is described once.
package enum Axis: Sendable { case rows, columns }

extension Operation {
    /// How many rows (columns) of its own output a node is behind, when input `index` has all rows below some row,
    /// `inputLag` short of the picture's rows so far: it can make every row below (rows so far) · scale - lag.
    func lag(_ axis: Axis, input index: Int, inputLag: Int) -> Int {
        switch self {
        case .convolution(let conv):
            index == 0 ? inputLag + (axis == .rows ? conv.padBottom : conv.padRight) : inputLag
        case .transposedConvolution(let conv):
            conv.stride * inputLag + (axis == .rows ? conv.padTop : conv.padLeft)
        case .depthToSpace(let s, _): s * inputLag
        case .resize(.nearest, let s): s * inputLag
        case .resize(.bilinear, let s), .resize(.bilinearFromCorner, let s): s * (inputLag + 1)
        case .resize(.bicubic, let s), .resize(.bicubicSharp, let s): s * (inputLag + 2)
        case .resample(let method, let p, let q): (p * (inputLag + (method == .bilinear ? 1 : 2)) + q - 1) / q
        default: inputLag
        }
    }

    /// The input rows (columns) that output rows `range` are computed from, picture edges not regarded.
    package func needed(_ axis: Axis, input index: Int, for range: Range<Int>) -> Range<Int> {
        guard !range.isEmpty else { return range.lowerBound..<range.lowerBound }
        let first = range.lowerBound, last = range.upperBound - 1
        switch self {
        case .convolution(let conv) where index == 0:
            return axis == .rows
                ? first - conv.padTop..<last + conv.padBottom + 1 : first - conv.padLeft..<last + conv.padRight + 1
        case .transposedConvolution(let conv):
            let (pad, kernel) = axis == .rows ? (conv.padTop, conv.kernelHeight) : (conv.padLeft, conv.kernelWidth)
            return -floorDivide(kernel - 1 - pad - first, conv.stride)..<floorDivide(last + pad, conv.stride) + 1
        case .border(_, let extent) where axis == .columns:
            return first - extent..<last + extent + 1
        case .depthToSpace(let s, _), .resize(.nearest, let s):
            return floorDivide(first, s)..<floorDivide(last, s) + 1
        case .resize(.bilinear, let s):
            return leftTap(first, s)..<leftTap(last, s) + 2
        case .resize(.bilinearFromCorner, let s):
            return floorDivide(first, s)..<floorDivide(last, s) + 2
        case .resize(.bicubic, let s), .resize(.bicubicSharp, let s):
            return leftTap(first, s) - 1..<leftTap(last, s) + 3
        case .resample(.bilinear, let p, let q):
            return leftTap(first, p, q)..<leftTap(last, p, q) + 2
        case .resample(_, let p, let q):
            return leftTap(first, p, q) - 1..<leftTap(last, p, q) + 3
        default:
            return range
        }
    }
}

/// floor((x + 0.5) · q/p - 0.5): the source pixel at or left of output pixel x, for the factor p/q.
private func leftTap(_ x: Int, _ p: Int, _ q: Int = 1) -> Int { floorDivide((2 * x + 1) * q - p, 2 * p) }

/// Division that rounds towards minus infinity, for a positive divisor.
package func floorDivide(_ a: Int, _ b: Int) -> Int { a >= 0 ? a / b : -((-a + b - 1) / b) }
