import Glibc

/// One plane of luma in double precision, for measuring pictures.
package struct LumaPlane: Sendable, Equatable {
    package var width: Int
    package var height: Int
    /// Row-major, 16...235.
    package var values: [Double]

    package init(width: Int, height: Int, values: [Double]) {
        precondition(values.count == width * height)
        self.width = width
        self.height = height
        self.values = values
    }

    /// Y of BT.601 as MATLAB's rgb2ycbcr has it, not rounded: the protocol of super-resolution papers.
    ///
    /// - Parameter pixels: interleaved; 1 or 3 colour channels first, then what is not looked at.
    package init(pixels: [UInt8], width: Int, height: Int, channels: Int, colourChannels: Int) {
        self.init(
            width: width, height: height,
            values: (0..<width * height).map { i in
                let r = Double(pixels[i * channels])
                let g = colourChannels == 1 ? r : Double(pixels[i * channels + 1])
                let b = colourChannels == 1 ? r : Double(pixels[i * channels + 2])
                return 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255
            })
    }

    package func cropped(left: Int, top: Int, width: Int, height: Int) -> LumaPlane {
        var part: [Double] = []
        part.reserveCapacity(width * height)
        for y in top..<top + height { part += values[y * self.width + left..<y * self.width + left + width] }
        return LumaPlane(width: width, height: height, values: part)
    }

    /// 10 log10(255² / mean squared error); infinite for equal planes.
    /// - Precondition: the sizes are equal.
    package func psnr(_ other: LumaPlane) -> Double {
        precondition(width == other.width && height == other.height)
        var sum = 0.0
        for i in values.indices {
            let difference = values[i] - other.values[i]
            sum += difference * difference
        }
        return 10 * log10(255 * 255 * Double(values.count) / sum)
    }

    /// Structural similarity (Wang et al. 2004): Gaussian window of 11 x 11, sigma 1.5, K1 = 0.01, K2 = 0.03, L = 255,
    /// over the places where the window lies inside the picture.
    /// - Precondition: the sizes are equal, and at least 11 x 11.
    package func ssim(_ other: LumaPlane) -> Double {
        precondition(width == other.width && height == other.height && width >= 11 && height >= 11)
        func products(_ a: [Double], _ b: [Double]) -> [Double] { a.indices.map { a[$0] * b[$0] } }
        let meanA = blurred(values), meanB = blurred(other.values)
        let squareA = blurred(products(values, values)), squareB = blurred(products(other.values, other.values))
        let product = blurred(products(values, other.values))
        let c1 = 0.01 * 255 * 0.01 * 255, c2 = 0.03 * 255 * 0.03 * 255
        var sum = 0.0
        for i in meanA.indices {
            let (a, b) = (meanA[i], meanB[i])
            let varianceA = squareA[i] - a * a, varianceB = squareB[i] - b * b, covariance = product[i] - a * b
            sum += (2 * a * b + c1) * (2 * covariance + c2) / ((a * a + b * b + c1) * (varianceA + varianceB + c2))
        }
        return sum / Double(meanA.count)
    }

    /// Weighted with the Gaussian window, valid places alone: 10 fewer rows and columns.
    private func blurred(_ plane: [Double]) -> [Double] {
        var window = (-5...5).map { exp(-Double($0 * $0) / (2 * 1.5 * 1.5)) }
        let total = window.reduce(0, +)
        for i in window.indices { window[i] /= total }
        let columns = width - 10, rows = height - 10
        var across = [Double](repeating: 0, count: columns * height), result = [Double](repeating: 0, count: columns * rows)
        plane.withUnsafeBufferPointer { source in
            across.withUnsafeMutableBufferPointer { target in
                for y in 0..<height {
                    for x in 0..<columns {
                        var sum = 0.0
                        for t in 0..<11 { sum += window[t] * source[y * width + x + t] }
                        target[y * columns + x] = sum
                    }
                }
            }
        }
        across.withUnsafeBufferPointer { source in
            result.withUnsafeMutableBufferPointer { target in
                for y in 0..<rows {
                    for x in 0..<columns {
                        var sum = 0.0
                        for t in 0..<11 { sum += window[t] * source[(y + t) * columns + x] }
                        target[y * columns + x] = sum
                    }
                }
            }
        }
        return result
    }
}
