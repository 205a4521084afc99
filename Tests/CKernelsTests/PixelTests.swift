import CKernels
import Testing

@Suite struct PixelTests {
    private func withPlanes<R>(_ planes: inout [[Float]], _ body: ([UnsafeMutablePointer<Float>?]) -> R) -> R {
        let buffers = planes.map { plane in
            let p = UnsafeMutablePointer<Float>.allocate(capacity: plane.count)
            p.initialize(from: plane, count: plane.count)
            return p
        }
        let result = body(buffers.map { $0 })
        for (k, p) in buffers.enumerated() {
            planes[k] = Array(UnsafeBufferPointer(start: p, count: planes[k].count))
            p.deallocate()
        }
        return result
    }

    @Test(arguments: 1...4)
    func `pixels to planes and back`(pixelChannels: Int) {
        let width = 259, chosen = (0..<min(pixelChannels, 3)).reversed().map { Int32($0) }
        let mean: [Float] = [1.5, 100, 20.25], scale: Float = 1 / 127.5
        var random = Random(3), planes = chosen.map { _ in [Float](repeating: 0, count: width) }
        let narrow = (0..<width * pixelChannels).map { _ in UInt8(truncatingIfNeeded: random.next() >> 20) }
        let wide = (0..<width * pixelChannels).map { _ in UInt16(truncatingIfNeeded: random.next() >> 20) }
        var narrowBack = narrow.map { ~$0 }, wideBack = wide.map { ~$0 }, bad: Int32 = 0
        for bits in [8, 16] as [Int32] {
            withPlanes(&planes) { p in
                let (n, channels) = (Int32(chosen.count), Int32(pixelChannels))
                let constant = p.map { UnsafePointer<Float>($0) }
                if bits == 8 {
                    ek_pixels_to_planes(narrow, 8, channels, chosen, n, mean, scale, p, Int32(width))
                    ek_planes_to_pixels(constant, n, mean, 127.5, &narrowBack, 8, channels, chosen, Int32(width), &bad)
                } else {
                    ek_pixels_to_planes(wide, 16, channels, chosen, n, mean, scale, p, Int32(width))
                    ek_planes_to_pixels(constant, n, mean, 127.5, &wideBack, 16, channels, chosen, Int32(width), &bad)
                }
            }
            for (k, c) in chosen.enumerated() {
                for x in 0..<width {
                    let i = x * pixelChannels + Int(c), p = bits == 8 ? Float(narrow[i]) : Float(wide[i]) / 257
                    #expect(planes[k][x] == (p - mean[k]) * scale)
                }
            }
        }
        #expect(bad == 0)
        for i in narrow.indices {
            let written = chosen.contains(Int32(i % pixelChannels))
            #expect(narrowBack[i] == (written ? narrow[i] : ~narrow[i]))
            #expect(wideBack[i] == (written ? wide[i] : ~wide[i]))
        }
    }

    @Test func `rounding is half to even, saturating, and bad values are told`() {
        let values: [Float] = [0.5, 1.5, 2.5, 254.5, 255.5, -0.4, -3, 300, 1e30, 254.49]
        let expected: [UInt8] = [0, 2, 2, 254, 255, 0, 0, 255, 255, 254]
        var out = [UInt8](repeating: 9, count: values.count), out16 = [UInt16](repeating: 9, count: values.count), bad: Int32 = 0
        var planes = [values]
        withPlanes(&planes) {
            let p = $0.map { UnsafePointer<Float>($0) }
            ek_planes_to_pixels(p, 1, nil, 1, &out, 8, 1, [0], Int32(values.count), &bad)
            ek_planes_to_pixels(p, 1, nil, 1, &out16, 16, 1, [0], Int32(values.count), &bad)
        }
        #expect(out == expected)
        #expect(out16 == [128, 386, 642, 65406, 65535, 0, 0, 65535, 65535, 65404])
        #expect(bad == 0)
        for value in [Float.nan, .infinity, -.infinity] {
            for place in [0, 17, 36] {
                planes = [[Float](repeating: 1, count: 37)]
                planes[0][place] = value
                (out, bad) = ([UInt8](repeating: 9, count: 37), 0)
                withPlanes(&planes) { p in
                    ek_planes_to_pixels(p.map { UnsafePointer<Float>($0) }, 1, nil, 1, &out, 8, 1, [0], 37, &bad)
                }
                #expect(bad == 1)
            }
        }
    }

    @Test func `YCrCb there and back`() {
        var random = Random(8)
        let rgb = (0..<3).map { _ in (0..<101).map { _ in (random.float() + 1) * 127.5 } }
        var (luma, red, blue) = (rgb[0], rgb[0], rgb[0]), (r, g, b) = (rgb[0], rgb[0], rgb[0])
        ek_rgb_to_ycc(rgb[0], rgb[1], rgb[2], &luma, &red, &blue, 101)
        ek_ycc_to_rgb(luma, red, blue, &r, &g, &b, 101)
        let ycc = [luma, red, blue], back = [r, g, b]
        for i in 0..<101 {
            let y = 0.299 * rgb[0][i] + 0.587 * rgb[1][i] + 0.114 * rgb[2][i]
            #expect(abs(ycc[0][i] - y) < 1e-4)
            #expect(abs(ycc[1][i] - ((rgb[0][i] - y) * 0.713 + 128)) < 1e-4)
            #expect(abs(ycc[2][i] - ((rgb[2][i] - y) * 0.564 + 128)) < 1e-4)
            for k in 0..<3 { #expect(abs(back[k][i] - rgb[k][i]) < 0.2) }
        }
    }
}
