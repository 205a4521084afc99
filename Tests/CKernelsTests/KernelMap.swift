import CKernels

/// Seeded randomness: xorshift64*.
struct Random {
    var state: UInt64
    init(_ seed: Int) { state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
    /// In -1 ..< 1.
    mutating func float() -> Float { Float(next() >> 40) / Float(1 << 23) - 1 }
}

/// The instruction sets of this machine that have kernels of their own.
let fastSets: [ek_isa] = [EK_AVX2, EK_AVX512, EK_AVX512_BF16].filter { $0.rawValue <= ek_best_isa().rawValue }

/// A map in the kernels' layout, with a guard band around every row.
final class KernelMap {
    let channels: Int, rows: Int, columns: Int, planar: Bool
    let rowFloats: Int
    let storage: UnsafeMutableBufferPointer<Float>
    let pointers: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>
    static let canary: Float = -12345.75

    /// Every float is the canary.
    init(channels: Int, rows: Int, columns: Int, planar: Bool = false) {
        (self.channels, self.rows, self.columns, self.planar) = (channels, rows, columns, planar)
        rowFloats = planar ? channels * columns + 32 : (channels + 15) / 16 * columns * 16 + 32
        storage = .allocate(capacity: rowFloats * max(rows, 1))
        storage.initialize(repeating: Self.canary)
        pointers = .allocate(capacity: max(rows, 1))
        for row in 0..<rows { pointers[row] = storage.baseAddress! + row * rowFloats + 16 }
    }
    deinit {
        storage.deallocate()
        pointers.deallocate()
    }

    /// Random inside `columns`, zero in the other columns and in padding channels.
    func fill(_ random: inout Random, in inner: Range<Int>) -> KernelMap {
        storage.update(repeating: 0)
        for row in 0..<rows {
            for c in 0..<channels { for x in inner { self[row, c, x] = random.float() } }
        }
        return self
    }

    func offset(_ channel: Int, _ column: Int) -> Int {
        planar ? channel * columns + column : (channel / 16 * columns + column) * 16 + channel % 16
    }
    subscript(row: Int, channel: Int, column: Int) -> Float {
        get { storage[row * rowFloats + 16 + offset(channel, column)] }
        set { storage[row * rowFloats + 16 + offset(channel, column)] = newValue }
    }

    var map: ek_map {
        ek_map(
            rows: UnsafePointer(pointers.baseAddress!), block_stride: planar ? columns : columns * 16, planar: planar ? 1 : 0,
            channels: Int32(channels))
    }
    /// The map from row `row` on.
    func map(from row: Int) -> ek_map {
        var m = map
        m.rows = UnsafePointer(pointers.baseAddress! + row)
        return m
    }

    func copy() -> KernelMap {
        let other = KernelMap(channels: channels, rows: rows, columns: columns, planar: planar)
        _ = other.storage.update(fromContentsOf: storage)
        return other
    }
    var bits: [UInt32] { storage.map(\.bitPattern) }

    /// Channels the layout stores: padding included.
    var storedChannels: Int { planar ? channels : (channels + 15) / 16 * 16 }

    /// Whether padding channels are zero in the given place.
    func paddingIsZero(rows: Range<Int>, columns: Range<Int>) -> Bool {
        rows.allSatisfy { row in
            columns.allSatisfy { x in (channels..<max(storedChannels, channels)).allSatisfy { self[row, $0, x] == 0 } }
        }
    }

    /// The largest difference, and the number of floats outside `rows` x `columns` that were written.
    func compare(_ other: KernelMap, rows: Range<Int>, columns: Range<Int>) -> (difference: Float, strays: Int) {
        var expected = copy(), difference: Float = 0
        for row in rows {
            for c in 0..<storedChannels {
                for x in columns {
                    let d = abs(self[row, c, x] - other[row, c, x])
                    difference = d.isNaN ? .infinity : max(difference, d)
                    expected[row, c, x] = Self.canary
                }
            }
        }
        return (difference, expected.storage.count { $0 != Self.canary })
    }

    var largest: Float { storage.reduce(0) { $1 == Self.canary ? $0 : max($0, abs($1)) } }
}

/// Floats with the padding of biases and slopes.
func channelFloats(_ n: Int, _ make: (Int) -> Float) -> [Float] {
    (0..<(n + 15) / 16 * 16).map { $0 < n ? make($0) : 0 }
}

/// Memory on a cache line's boundary, with guards at its end.
final class Scratch {
    let base: UnsafeMutableRawPointer, bytes: Int
    init(_ bytes: Int) {
        self.bytes = bytes
        base = .allocate(byteCount: bytes + 256, alignment: 64)
        base.initializeMemory(as: UInt8.self, repeating: 0xA5, count: bytes + 256)
    }
    deinit { base.deallocate() }
    var intact: Bool { (bytes..<bytes + 256).allSatisfy { base.load(fromByteOffset: $0, as: UInt8.self) == 0xA5 } }
}
