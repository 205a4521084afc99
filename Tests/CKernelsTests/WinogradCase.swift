import CKernels

/// One Winograd convolution over a small random picture.
struct WinogradCase {
    var cin = 16, cout = 16, tilesY = 2, tilesX = 3
    var element = EK_F32
    var zero: Int32 = -128
    var bf16 = false
    var residual = false, slope = false
    var clip = 0
    var missing: Set<Int> = []
    var threads = 1
    /// Tile rows of a call: all of them, or bands.
    var band: Int? = nil
    static let pad = 3

    var rows: Int { tilesY * 4 }
    var columns: Int { tilesX * 4 + 2 * Self.pad }
    var stored: Range<Int> { Self.pad + clip..<Self.pad + tilesX * 4 - clip }

    struct Materials {
        let input: KernelMap, addend: KernelMap
        let hwio: [Float], packed: [UInt8], bias: [Float], slope: [Float]
    }

    static let step: Float = 1.0 / 1024

    func materials(seed: Int = 1) -> Materials {
        var random = Random(seed)
        let input = KernelMap(channels: cin, rows: rows + 2, columns: columns).fill(&random, in: 1..<columns - 1)
        let addend = KernelMap(channels: cout, rows: rows, columns: columns).fill(&random, in: stored)
        var values: [Float] = [], bytes: [UInt8] = []
        for _ in 0..<9 * cin * cout {
            let w = random.float() / 4
            switch element {
            case EK_F32:
                values.append(w)
                withUnsafeBytes(of: w) { bytes += $0 }
            case EK_F16:
                let half = halfBits(w)
                values.append(half.value)
                withUnsafeBytes(of: half.bits) { bytes += $0 }
            case EK_BF16:
                let bits = UInt16(w.bitPattern >> 16)
                values.append(Float(bitPattern: UInt32(bits) << 16))
                withUnsafeBytes(of: bits) { bytes += $0 }
            default:
                let q = UInt8(truncatingIfNeeded: random.next() >> 33)
                values.append(Float(Int32(q) + zero) * Self.step)
                bytes.append(q)
            }
        }
        var packed = [UInt8](repeating: 0, count: ek_winograd_packed_bytes(Int32(cin), Int32(cout), element))
        // One byte off, as weights in a file may be.
        ([0] + bytes).withUnsafeBytes { ek_winograd_pack($0.baseAddress! + 1, element, zero, Int32(cin), Int32(cout), &packed) }
        return Materials(
            input: input, addend: addend, hwio: values, packed: packed,
            bias: channelFloats(cout) { _ in random.float() }, slope: channelFloats(cout) { _ in random.float() })
    }

    /// A half-precision value below 1/2 in size and its bits, without the type, which not every platform has.
    private func halfBits(_ w: Float) -> (bits: UInt16, value: Float) {
        let kept = w.bitPattern & ~UInt32(0x1FFF)
        let exponent = Int(kept >> 23 & 0xFF) - 127 + 15
        guard exponent > 0 else { return (0, 0) }
        return (UInt16(kept >> 16 & 0x8000) | UInt16(exponent << 10) | UInt16(kept >> 13 & 0x3FF), Float(bitPattern: kept))
    }

    /// The output map; with `residual` the sum is made in place over the addend.
    func run(_ isa: ek_isa, _ m: Materials, inPlace: Bool = false) -> (output: KernelMap, scratchIntact: Bool) {
        let output = inPlace ? m.addend.copy() : KernelMap(channels: cout, rows: rows, columns: columns)
        for row in missing { output.pointers[row] = nil }
        let addend = inPlace ? output : m.addend
        var intact = true
        m.packed.withUnsafeBytes { packed in
            m.bias.withUnsafeBufferPointer { bias in
                m.slope.withUnsafeBufferPointer { slopes in
                    let height = band ?? tilesY
                    for first in stride(from: 0, to: tilesY, by: height) {
                        let epilogue = ek_epilogue(
                            bias: bias.baseAddress, slope: slope ? slopes.baseAddress : nil,
                            residual: residual ? addend.map(from: first * 4) : ek_map(), residual_scale: 0.3)
                        var p = ek_winograd(
                            in: m.input.map(from: first * 4), out: output.map(from: first * 4),
                            tiles_y: Int32(min(height, tilesY - first)), tiles_x: Int32(tilesX), tile_col: Int32(Self.pad),
                            col0: Int32(stored.lowerBound), col1: Int32(stored.upperBound), weights: packed.baseAddress,
                            element: element, step: Self.step, zero: zero, bf16: bf16 ? 1 : 0, epilogue: epilogue)
                        intact = perform(&p, isa) && intact
                    }
                }
            }
        }
        return (output, intact)
    }

    /// All stages, the tasks of a stage backwards and dealt out to the threads in turn.
    private func perform(_ p: inout ek_winograd, _ isa: ek_isa) -> Bool {
        let n = Int32(threads)
        let scratch = Scratch(ek_winograd_scratch_bytes(Int32(cin), Int32(cout), p.tiles_y * p.tiles_x, n, p.bf16))
        for stage in 0..<ek_winograd_stages(&p, n) {
            for task in (0..<ek_winograd_tasks(&p, n, stage)).reversed() {
                ek_winograd_task(&p, isa, scratch.base, n, stage, task, task % n)
            }
        }
        return scratch.intact
    }
}
