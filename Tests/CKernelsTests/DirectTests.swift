import CKernels
import Testing

/// One direct or transposed convolution over a small random picture.
struct DirectCase {
    var cin = 16, cout = 16, kh = 3, kw = 3
    var dilation = 1, stride = 1, planar = false
    var rows = 5, width = 19
    var residual = false, slope = false
    static let pad = 8

    var columns: Int { width + 2 * Self.pad }
    var stored: Range<Int> { Self.pad..<Self.pad + width }
    var padTop: Int { dilation * (kh - 1) / 2 }
    var padLeft: Int { dilation * (kw - 1) / 2 }

    struct Materials {
        let input: KernelMap, addend: KernelMap, weights: [Float], bias: [Float], slope: [Float]
    }

    func materials() -> Materials {
        var random = Random(cin * 7 + cout)
        let input = KernelMap(channels: cin, rows: rows + max(dilation * (kh - 1), 6), columns: columns, planar: planar)
            .fill(&random, in: stored)
        var weights: [Float] = []
        for c in Swift.stride(from: 0, to: (cout + 15) / 16 * 16, by: 16) {
            for _ in 0..<kh * kw * cin { for l in 0..<16 { weights.append(c + l < cout ? random.float() : 0) } }
        }
        let addend = KernelMap(channels: cout, rows: rows * stride, columns: outColumns).fill(&random, in: outStored)
        return Materials(
            input: input, addend: addend, weights: weights,
            bias: channelFloats(cout) { _ in random.float() }, slope: channelFloats(cout) { _ in random.float() })
    }

    var outColumns: Int { width * stride + 2 * Self.pad }
    var outStored: Range<Int> { Self.pad..<Self.pad + width * stride }

    /// Runs rows in pieces of `band`, columns in pieces of `run`.
    func run(_ isa: ek_isa, _ m: Materials, transposed: Bool = false, band: Int = .max, run: Int = .max, inPlace: Bool = false) -> KernelMap {
        let output = inPlace ? m.addend.copy() : KernelMap(channels: cout, rows: rows * stride, columns: outColumns)
        m.weights.withUnsafeBufferPointer { weights in
            m.bias.withUnsafeBufferPointer { bias in
                m.slope.withUnsafeBufferPointer { slopes in
                    let epilogue = ek_epilogue(
                        bias: bias.baseAddress, slope: slope ? slopes.baseAddress : nil,
                        residual: residual ? (inPlace ? output : m.addend).map : ek_map(), residual_scale: 0.25)
                    var column = outStored.lowerBound
                    while column < outStored.upperBound {
                        let end = min(column &+ min(run, 10_000), outStored.upperBound)
                        var row = 0
                        while row < rows * stride {
                            let last = min(row + min(band, 10_000), rows * stride)
                            if transposed {
                                var p = ek_transposed(
                                    in: m.input.map, out: output.map, out_row0: 0, in_row0: Int32(-2), col0: Int32(column),
                                    col1: Int32(end), out_pad: Int32(Self.pad), in_pad: Int32(Self.pad), out_x0: 0, in_x0: 0,
                                    kh: Int32(kh), kw: Int32(kw), stride: Int32(stride), pad_top: Int32(padTop),
                                    pad_left: Int32(padLeft), weights: weights.baseAddress, epilogue: epilogue)
                                ek_transposed_run(&p, isa, Int32(row), Int32(last))
                            } else {
                                var p = ek_direct(
                                    in: m.input.map, out: output.map, rows: Int32(rows), col0: Int32(column), col1: Int32(end),
                                    kh: Int32(kh), kw: Int32(kw), dilation: Int32(dilation), pad_left: Int32(padLeft),
                                    weights: weights.baseAddress, epilogue: epilogue)
                                ek_direct_run(&p, isa, Int32(row), Int32(last))
                            }
                            row = last
                        }
                        column = end
                    }
                }
            }
        }
        return output
    }
}

@Suite struct DirectTests {
    private func check(_ c: DirectCase, _ isa: ek_isa, transposed: Bool = false) {
        let m = c.materials()
        let expected = c.run(EK_SCALAR, m, transposed: transposed), output = c.run(isa, m, transposed: transposed)
        let all = 0..<c.rows * c.stride
        let result = output.compare(expected, rows: all, columns: c.outStored)
        #expect(result.difference <= 3e-6 * max(expected.largest, 1), "\(c)")
        #expect(result.strays == 0)
        #expect(output.paddingIsZero(rows: all, columns: c.outStored))
        #expect(c.run(isa, m, transposed: transposed, band: 2, run: 5).bits == output.bits, "split, \(c)")
    }

    @Test(arguments: fastSets, [1, 3, 5, 12, 16, 27, 64])
    func `every set agrees with the plain version over channel counts`(isa: ek_isa, cin: Int) {
        for cout in [1, 4, 12, 27, 56, 64, 100] {
            check(DirectCase(cin: cin, cout: cout, planar: cin <= 4 && cout % 2 == 0, residual: cout > 20, slope: cout % 3 == 0), isa)
        }
    }

    @Test(arguments: fastSets, [(1, 1, 1), (5, 5, 1), (4, 4, 1), (9, 9, 1), (3, 3, 2), (3, 3, 3), (1, 3, 1), (7, 2, 1)])
    func `kernels of any size and dilation`(isa: ek_isa, shape: (Int, Int, Int)) {
        for (cin, cout, planar) in [(1, 56, true), (3, 20, true), (12, 12, false), (20, 33, false)] {
            for width in [1, 6, 13, 31] {
                check(
                    DirectCase(
                        cin: cin, cout: cout, kh: shape.0, kw: shape.1, dilation: shape.2, planar: planar, rows: 3, width: width,
                        slope: true), isa)
            }
        }
    }

    @Test(arguments: fastSets)
    func `a residual may lie under the output`(isa: ek_isa) {
        let c = DirectCase(cout: 56, residual: true), m = c.materials()
        let apart = c.run(isa, m), inPlace = c.run(isa, m, inPlace: true)
        for row in 0..<c.rows {
            for k in 0..<apart.storedChannels { for x in c.stored { #expect(apart[row, k, x] == inPlace[row, k, x]) } }
        }
    }

    @Test(arguments: fastSets, [(9, 3), (9, 2), (4, 2), (2, 2), (5, 4), (3, 4), (1, 2)])
    func `transposed convolution agrees with the plain version`(isa: ek_isa, shape: (Int, Int)) {
        for (cin, cout, planar) in [(56, 1, false), (3, 20, true), (12, 40, false)] {
            check(
                DirectCase(cin: cin, cout: cout, kh: shape.0, kw: shape.0, stride: shape.1, planar: planar, slope: true), isa,
                transposed: true)
        }
    }

    @Test(arguments: [EK_SCALAR] + fastSets)
    func `convolution is its definition`(isa: ek_isa) {
        let c = DirectCase(cin: 5, cout: 7, kh: 4, kw: 3, dilation: 2), m = c.materials(), output = c.run(isa, m)
        for row in 0..<c.rows {
            for x in c.stored {
                for k in 0..<c.cout {
                    var sum = Double(m.bias[k])
                    for y in 0..<4 {
                        for t in 0..<3 {
                            for i in 0..<5 {
                                sum += Double(m.input[row + 2 * y, i, x - 2 + 2 * t]) * Double(m.weights[((y * 3 + t) * 5 + i) * 16 + k])
                            }
                        }
                    }
                    #expect(abs(sum - Double(output[row, k, x])) < 1e-5)
                }
            }
        }
    }

    /// Input row r of the picture is row r + 2 of the map.
    @Test(arguments: [EK_SCALAR] + fastSets)
    func `transposed convolution is its definition`(isa: ek_isa) {
        let c = DirectCase(cin: 5, cout: 7, kh: 5, kw: 5, stride: 2), m = c.materials(), output = c.run(isa, m, transposed: true)
        for row in 0..<c.rows * 2 {
            for x in 0..<c.width * 2 {
                for k in 0..<c.cout {
                    var sum = Double(m.bias[k])
                    for ty in 0..<5 where (row + 2 - ty) % 2 == 0 {
                        for tx in 0..<5 where (x + 2 - tx) % 2 == 0 {
                            for i in 0..<5 {
                                sum += Double(m.input[(row + 2 - ty) / 2 + 2, i, (x + 2 - tx) / 2 + DirectCase.pad])
                                    * Double(m.weights[((ty * 5 + tx) * 5 + i) * 16 + k])
                            }
                        }
                    }
                    #expect(abs(sum - Double(output[row, k, x + DirectCase.pad])) < 1e-5)
                }
            }
        }
    }
}
