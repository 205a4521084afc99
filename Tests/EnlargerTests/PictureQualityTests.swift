import Enlarger
import Foundation
import Testing

struct PictureQualityTests {
    @Test func `luma is that of rgb2ycbcr, and grey stands for three equal channels`() {
        let rgb = LumaPlane(pixels: [0, 0, 0, 255, 255, 255, 255, 0, 0, 10, 20, 30], width: 4, height: 1, channels: 3, colourChannels: 3)
        let expected = [16.0, 235, 16 + 65.481, 16 + (654.81 + 2571.06 + 748.98) / 255]
        for (a, b) in zip(rgb.values, expected) { #expect(abs(a - b) < 1e-9) }
        let grey = LumaPlane(pixels: [77, 0, 200, 0], width: 2, height: 1, channels: 2, colourChannels: 1)
        let same = LumaPlane(pixels: [77, 77, 77, 200, 200, 200], width: 2, height: 1, channels: 3, colourChannels: 3)
        #expect(grey == same)
    }

    @Test func `PSNR of a known error`() {
        let a = LumaPlane(width: 2, height: 2, values: [10, 20, 30, 40]), b = LumaPlane(width: 2, height: 2, values: [11, 18, 30, 43])
        #expect(abs(a.psnr(b) - 10 * log10(255 * 255 / 3.5)) < 1e-12)
        #expect(a.psnr(a) == .infinity)
    }

    /// The definition, one window at a time.
    @Test(arguments: [(11, 11), (13, 19), (24, 12)]) func `SSIM is that of its definition`(width: Int, height: Int) {
        let a = PixelPicture.noise(width, height, seed: 1).luma, b = PixelPicture.noise(width, height, seed: 2, spread: 30).luma
        var sum = 0.0
        for top in 0...height - 11 {
            for left in 0...width - 11 {
                func mean(_ value: (Double, Double) -> Double) -> Double {
                    var weights = 0.0, sum = 0.0
                    for y in 0..<11 {
                        for x in 0..<11 {
                            let i = (top + y) * width + left + x
                            let weight = exp(-Double((y - 5) * (y - 5) + (x - 5) * (x - 5)) / 4.5)
                            weights += weight
                            sum += weight * value(a.values[i], b.values[i])
                        }
                    }
                    return sum / weights
                }
                let ma = mean { p, _ in p }, mb = mean { _, q in q }
                let va = mean { p, _ in (p - ma) * (p - ma) }, vb = mean { _, q in (q - mb) * (q - mb) }
                let covariance = mean { p, q in (p - ma) * (q - mb) }
                let c1 = 6.5025, c2 = 58.5225
                sum += (2 * ma * mb + c1) * (2 * covariance + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
            }
        }
        #expect(abs(a.ssim(b) - sum / Double((width - 10) * (height - 10))) < 1e-9)
        #expect(abs(a.ssim(a) - 1) < 1e-12)
    }

    @Test(arguments: [2, 3, 4, 8]) func `bicubic resizing keeps flat pictures and follows Keys' cubic`(scale: Int) {
        let flat = PixelPicture(width: 5, height: 4, kind: .init(colourChannels: 1, hasAlpha: true), pixels: [UInt8](repeating: 93, count: 40))
        #expect(flat.enlargedBicubically(scale).pixels.allSatisfy { $0 == 93 })
        let step = PixelPicture(width: 8, height: 1, kind: .init(colourChannels: 1, hasAlpha: false), pixels: [50, 50, 50, 50, 150, 150, 150, 150])
        for (i, value) in step.enlargedBicubically(scale).pixels.enumerated() {
            let centre = (Double(i % (8 * scale)) + 0.5) / Double(scale) - 0.5
            var sum = 0.0
            for t in -4..<12 {
                let d = abs(centre - Double(t))
                let weight = d <= 1 ? 1.5 * d * d * d - 2.5 * d * d + 1 : d < 2 ? -0.5 * d * d * d + 2.5 * d * d - 4 * d + 2 : 0
                sum += weight * (t < 4 ? 50 : 150)
            }
            #expect(abs(Double(value) - sum) <= 0.5 + 1e-9)
        }
    }
}
