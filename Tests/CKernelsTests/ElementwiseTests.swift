import CKernels
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct ElementwiseTests {
    private func map(_ channels: Int, planar: Bool = false, rows: Int = 3, columns: Int = 23, seed: Int = 5) -> KernelMap {
        var random = Random(seed)
        return KernelMap(channels: channels, rows: rows, columns: columns, planar: planar).fill(&random, in: 0..<columns)
    }

    @Test(arguments: [(1, true), (3, true), (4, false), (16, false), (20, false)])
    func `activations`(channels: Int, planar: Bool) {
        let input = map(channels, planar: planar)
        let a = channelFloats(channels) { Float($0) * 0.1 - 0.4 }, b = channelFloats(channels) { Float($0) * 0.01 + 0.3 }
        for row in 0..<3 { for c in 0..<channels { for x in 0..<23 { input[row, c, x] *= 12 } } }
        let expected: [(ek_unary, (Double, Int) -> Double)] = [
            (EK_TANH, { x, _ in tanh(x) }), (EK_SIGMOID, { x, _ in 1 / (1 + exp(-x)) }), (EK_ABS, { x, _ in abs(x) }),
            (EK_CLIP, { x, _ in min(max(x, Double(a[0])), Double(b[0])) }), (EK_PRELU, { x, c in x > 0 ? x : x * Double(a[c]) }),
            (EK_AFFINE, { x, c in x * Double(a[c]) + Double(b[c]) }),
        ]
        for (operation, function) in expected {
            let output = KernelMap(channels: channels, rows: 3, columns: 23, planar: planar), truth = output.copy()
            ek_unary_run(operation, a, b, input.map, output.map, 3, 2, 21)
            for row in 0..<3 {
                for c in 0..<output.storedChannels {
                    for x in 2..<21 { truth[row, c, x] = c < channels ? Float(function(Double(input[row, c, x]), c)) : 0 }
                }
            }
            let result = output.compare(truth, rows: 0..<3, columns: 2..<21)
            // Products up to 18 round coarser.
            #expect(result.difference < (operation == EK_AFFINE ? 3e-6 : 1e-6) && result.strays == 0, "\(operation)")
        }
    }

    @Test func `tanh and sigmoid stay accurate wherever a value stands`() {
        let n = 4001, input = KernelMap(channels: 1, rows: 1, columns: n, planar: true), output = input.copy()
        for x in 0..<n { input[0, 0, x] = Float(x - 2000) / 100 }
        ek_unary_run(EK_TANH, nil, nil, input.map, output.map, 1, 0, Int32(n))
        for x in 0..<n { #expect(abs(Double(output[0, 0, x]) - tanh(Double(input[0, 0, x]))) < 1.5e-7) }
        // One at a time, as a loop's tail would see it.
        let alone = input.copy()
        for x in 0..<n { ek_unary_run(EK_TANH, nil, nil, input.map, alone.map, 1, Int32(x), Int32(x + 1)) }
        #expect(alone.bits == output.bits)
        (input[0, 0, 0], input[0, 0, 1], input[0, 0, 2]) = (.nan, .infinity, -.infinity)
        for operation in [EK_TANH, EK_SIGMOID] {
            ek_unary_run(operation, nil, nil, input.map, output.map, 1, 0, Int32(n))
            #expect(output[0, 0, 0].isNaN && output[0, 0, 1] == 1 && abs(output[0, 0, 2]) == (operation == EK_TANH ? 1 : output[0, 0, 2]))
        }
    }

    @Test(arguments: [(3, 3, true, true), (3, 3, false, true), (20, 20, false, false), (20, 1, false, true), (1, 3, false, false)])
    func `two maps into one`(x: Int, y: Int, xPlanar: Bool, yPlanar: Bool) {
        let left = map(x, planar: xPlanar, seed: 1), right = map(y, planar: yPlanar, seed: 2)
        for planar in x <= 4 ? [false, true] : [false] {
            for (operation, function) in [(EK_ADD, { $0 + $1 }), (EK_SUB, { $0 - $1 }), (EK_MUL, { $0 * $1 })]
                as [(ek_binary, (Float, Float) -> Float)]
            {
                let output = KernelMap(channels: max(x, y), rows: 3, columns: 23, planar: planar), truth = output.copy()
                ek_binary_run(operation, left.map, right.map, output.map, 3, 1, 22)
                for row in 0..<3 {
                    for c in 0..<output.storedChannels {
                        for i in 1..<22 {
                            truth[row, c, i] = c < max(x, y) ? function(left[row, x == 1 ? 0 : c, i], right[row, y == 1 ? 0 : c, i]) : 0
                        }
                    }
                }
                #expect(output.bits == truth.bits || output.compare(truth, rows: 0..<3, columns: 1..<22) == (0, 0))
            }
        }
    }

    @Test(arguments: [(3, 0, 3, 20, 17), (40, 16, 20, 20, 0), (40, 16, 20, 36, 16), (40, 5, 18, 64, 30), (2, 1, 1, 2, 0)])
    func `copies of channels`(inputs: Int, from: Int, n: Int, outputs: Int, to: Int) {
        for planar in inputs <= 4 ? [false, true] : [false] {
            let input = map(inputs, planar: planar), output = KernelMap(channels: outputs, rows: 3, columns: 23), truth = output.copy()
            ek_copy_channels(input.map, Int32(from), output.map, Int32(to), Int32(n), 3, 3, 20)
            for row in 0..<3 {
                for x in 3..<20 {
                    for c in 0..<n { truth[row, to + c, x] = input[row, from + c, x] }
                    if to + n == outputs { for c in outputs..<output.storedChannels { truth[row, c, x] = 0 } }
                }
            }
            #expect(output.bits == truth.bits)
        }
    }

    @Test(arguments: [(3, 2), (1, 3), (16, 2), (5, 4)], [0, 1])
    func `depth to space`(shape: (Int, Int), order: Int) {
        let (channels, s) = shape, input = map(channels * s * s, columns: 11)
        for planar in channels <= 4 ? [false, true] : [false] {
            let output = KernelMap(channels: channels, rows: 3 * s, columns: 11 * s, planar: planar), truth = output.copy()
            ek_depth_to_space(input.map, output.map, Int32(s), Int32(order), 3, 2, 9, 1, 2)
            for row in 0..<3 * s {
                for x in 2..<9 {
                    for dx in 0..<s {
                        for c in 0..<output.storedChannels {
                            let dy = row % s, k = order == 0 ? (dy * s + dx) * channels + c : (c * s + dy) * s + dx
                            truth[row, c, (x - 1) * s + dx + 2] = c < channels ? input[row / s, k, x] : 0
                        }
                    }
                }
            }
            #expect(output.bits == truth.bits)
        }
    }

    /// Against weights taken anew for every output.
    @Test(arguments: [0, 1, 2], [1, 2, 3, 4])
    func `resize`(method: Int, s: Int) {
        func weight(_ d: Double) -> Double {
            let x = abs(d)
            if method == 1 { return max(0, 1 - x) }
            if x < 1 { return 1.5 * x * x * x - 2.5 * x * x + 1 }
            return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0
        }
        let width = 150, height = 5, margin = 3
        for (channels, inPlanar, outPlanar) in [(1, true, true), (3, true, false), (20, false, false), (3, false, true)] {
            let input = map(channels, planar: inPlanar, rows: height, columns: width + 2)
            // Rows -3 ... 7 of the picture, edges repeated.
            let rows = (-margin..<height + margin).map { input.pointers[min(max($0, 0), height - 1)] }
            let output = KernelMap(channels: channels, rows: height * s, columns: width * s + 4, planar: outPlanar), truth = output.copy()
            rows.withUnsafeBufferPointer { rows in
                var source = input.map
                source.rows = rows.baseAddress
                var p = ek_resize(
                    in: source, out: output.map, method: Int32(method), s: Int32(s), divisor: 1, out_row0: 0, in_row0: Int32(-margin),
                    rows: Int32(height * s), x0: 0, x1: Int32(width * s), width: Int32(width), in_x0: 0, in_pad: 1, out_x0: 0, out_pad: 2)
                ek_resize_run(&p, 0, Int32(height * s))
                // In pieces the bytes are the same.
                let again = KernelMap(channels: channels, rows: height * s, columns: width * s + 4, planar: outPlanar)
                p.out = again.map
                for (a, b) in [(0, 7), (7, width * s - 1), (width * s - 1, width * s)] {
                    (p.x0, p.x1) = (Int32(a), Int32(b))
                    for row in 0..<Int32(height * s) { ek_resize_run(&p, row, row + 1) }
                }
                #expect(again.bits == output.bits)
            }
            for row in 0..<height * s {
                for x in 0..<width * s {
                    let u = (Double(row) + 0.5) / Double(s) - 0.5, v = (Double(x) + 0.5) / Double(s) - 0.5
                    let r0 = Int(u.rounded(.down)), x0 = Int(v.rounded(.down))
                    for c in 0..<output.storedChannels {
                        var sum = 0.0
                        if c < channels, method == 0 { sum = Double(input[row / s, c, x / s + 1]) }
                        if c < channels, method > 0 {
                            for i in r0 - 1...r0 + 2 {
                                for j in x0 - 1...x0 + 2 {
                                    let value = input[min(max(i, 0), height - 1), c, min(max(j, 0), width - 1) + 1]
                                    sum += Double(value) * weight(u - Double(i)) * weight(v - Double(j))
                                }
                            }
                        }
                        truth[row, c, x + 2] = Float(sum)
                    }
                }
            }
            let result = output.compare(truth, rows: 0..<height * s, columns: 2..<width * s + 2)
            #expect(result.difference < 1e-6 && result.strays == 0)
        }
    }
}
