import CKernels
import Testing

@Suite struct WinogradTests {
    /// Greatest difference from the plain version, relative to the largest value; strays and padding are checked too.
    private func check(_ c: WinogradCase, _ isa: ek_isa, within tolerance: Float) {
        let m = c.materials(seed: c.cin * 31 + c.cout)
        let expected = c.run(EK_SCALAR, m).output
        let (output, intact) = c.run(isa, m)
        let result = output.compare(expected, rows: 0..<c.rows, columns: c.stored)
        #expect(result.difference <= tolerance * max(expected.largest, 1), "\(c)")
        #expect(result.strays == 0)
        #expect(intact)
        #expect(output.paddingIsZero(rows: 0..<c.rows, columns: c.stored) || !c.missing.isEmpty)
    }

    @Test(arguments: fastSets, [1, 3, 12, 16, 27, 64, 100])
    func `every set agrees with the plain version over channel counts`(isa: ek_isa, cin: Int) {
        for cout in [1, 5, 16, 32, 56, 100, 130] {
            check(WinogradCase(cin: cin, cout: cout, residual: cout % 2 == 0, slope: cout % 3 != 0, threads: 2), isa, within: 2e-5)
        }
    }

    @Test(arguments: fastSets, [EK_F32, EK_F16, EK_BF16, EK_U8])
    func `every stored element means the same`(isa: ek_isa, element: ek_element) {
        for (cin, cout) in [(20, 37), (64, 160)] {
            check(WinogradCase(cin: cin, cout: cout, element: element), isa, within: 2e-5)
        }
    }

    @Test(arguments: fastSets, [-300, -255, -7, 0, 1, 40])
    func `uint8 padding adds nothing whatever the zero point`(isa: ek_isa, zero: Int) {
        for cout in [5, 32, 100, 150] {
            check(WinogradCase(cin: 21, cout: cout, element: EK_U8, zero: Int32(zero), slope: true), isa, within: 2e-5)
        }
    }

    @Test(arguments: fastSets)
    func `missing rows and clipped columns are neither read nor written`(isa: ek_isa) {
        for clip in 0...3 {
            for cout in [24, 128] {
                var c = WinogradCase(cin: 18, cout: cout, residual: true, clip: clip, missing: [0, 3, 6, 7])
                check(c, isa, within: 2e-5)
                // What must not be read is made to show.
                let m = c.materials()
                let clean = c.run(isa, m).output
                for row in 0..<c.rows {
                    for x in 0..<c.columns where c.missing.contains(row) || !c.stored.contains(x) {
                        for k in 0..<cout { m.addend[row, k, x] = .nan }
                    }
                }
                for row in c.missing { m.addend.pointers[row] = nil }
                #expect(c.run(isa, m).output.bits == clean.bits)
                c.missing = []
            }
        }
    }

    @Test(arguments: fastSets, [24, 64, 128])
    func `a residual may lie under the output`(isa: ek_isa, cout: Int) {
        let c = WinogradCase(cin: 16, cout: cout, residual: true, clip: 1, threads: 2), m = c.materials()
        let apart = c.run(isa, m).output, inPlace = c.run(isa, m, inPlace: true).output
        for row in 0..<c.rows {
            for k in 0..<apart.storedChannels {
                for x in c.stored { #expect(apart[row, k, x].bitPattern == inPlace[row, k, x].bitPattern) }
            }
        }
    }

    @Test(arguments: fastSets, [(16, 27), (64, 64), (40, 130), (256, 256)])
    func `bands and threads do not change a bit`(isa: ek_isa, channels: (Int, Int)) {
        var c = WinogradCase(cin: channels.0, cout: channels.1, tilesY: 8, tilesX: 7, residual: true, slope: true, clip: 1)
        for bf16 in isa == EK_AVX512_BF16 ? [false, true] : [false] {
            c.bf16 = bf16
            let m = c.materials()
            (c.threads, c.band) = (1, nil)
            let whole = c.run(isa, m).output.bits
            for threads in [1, 2, 3, 11] {
                for band in [1, 3, 8] {
                    (c.threads, c.band) = (threads, band)
                    let (output, intact) = c.run(isa, m)
                    #expect(output.bits == whole, "\(threads) threads, \(band) tile rows")
                    #expect(intact)
                }
            }
        }
    }

    @Test(arguments: fastSets)
    func `more tiles than a superblock holds`(isa: ek_isa) {
        var c = WinogradCase(cin: 16, cout: 128, tilesY: 3, tilesX: 201, threads: 2)
        let m = c.materials()
        let whole = c.run(isa, m).output
        #expect(whole.compare(c.run(EK_SCALAR, m).output, rows: 0..<c.rows, columns: c.stored).difference < 1e-4)
        (c.band, c.threads) = (1, 1)
        #expect(c.run(isa, m).output.bits == whole.bits)
    }

    @Test(.enabled(if: ek_best_isa() == EK_AVX512_BF16))
    func `bf16 products stay within 6 % of the largest value`() {
        for (cin, cout, element) in [(16, 16, EK_F32), (48, 100, EK_BF16), (27, 130, EK_U8), (64, 64, EK_F16)] {
            check(
                WinogradCase(cin: cin, cout: cout, element: element, zero: 3, bf16: true, residual: true, slope: true, threads: 2),
                EK_AVX512_BF16, within: 0.06)
        }
    }

    @Test(arguments: fastSets + [EK_SCALAR])
    func `256 channels are exact to 2e-5 of the largest value`(isa: ek_isa) {
        let c = WinogradCase(cin: 256, cout: 256, tilesY: 1, tilesX: 3), m = c.materials()
        let output = c.run(isa, m).output
        var largest = 0.0, error = 0.0
        for row in 0..<c.rows {
            for x in c.stored {
                for k in stride(from: 0, to: c.cout, by: 37) {
                    var sum = Double(m.bias[k])
                    for tap in 0..<9 {
                        for i in 0..<c.cin {
                            sum += Double(m.input[row + tap / 3, i, x - 1 + tap % 3]) * Double(m.hwio[(tap * c.cin + i) * c.cout + k])
                        }
                    }
                    largest = max(largest, abs(sum))
                    error = max(error, abs(sum - Double(output[row, k, x])))
                }
            }
        }
        #expect(error <= 2e-5 * largest)
    }

    @Test func `scratch grows with the tiles and stays modest`() {
        for (cin, cout) in [(16, 3), (64, 64), (64, 256), (256, 256), (512, 512)] {
            for threads in [1, 2, 5] {
                let sizes = (0...600).map { ek_winograd_scratch_bytes(Int32(cin), Int32(cout), Int32($0), Int32(threads), 0) }
                #expect(zip(sizes, sizes.dropFirst()).allSatisfy { $0 <= $1 })
            }
        }
        #expect(ek_winograd_scratch_bytes(256, 256, 100_000, 2, 0) < 22 << 20)
    }
}
