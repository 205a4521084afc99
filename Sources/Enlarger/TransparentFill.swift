import Tensors

/// Gives fully transparent pixels the colour of the nearest visible ones, on the way from a picture to the network.
///
/// What lies under alpha 0 is arbitrary, mostly black or white. The network would mix it into the edge of what is
/// visible, as a fringe. A transparent pixel takes the alpha-weighted mean of the nearest square ring around it that
/// has visible pixels, up to `radius` away; beyond that it keeps its colour. Alpha itself is left alone.
///
/// Rows pass in order. A row depends on the picture alone, not on how many are asked for at once.
final class TransparentFill {
    /// Colour that is farther off than this reaches the visible pixels too weakly to show.
    static let radius = 8
    private static let window = 2 * radius + 1

    private let upstream: PictureRun.Source
    private let width: Int
    private let height: Int
    private let channels: Int
    private let bits: Int
    private let rowBytes: Int
    /// The rows of the picture around the current one, by row number modulo `window`.
    private let rows: UnsafeMutableRawPointer
    /// How many visible pixels each column of the window has.
    private let visible: UnsafeMutablePointer<UInt8>
    /// The first row that is loaded, and the next one to be.
    private let first: Int
    private var loaded: Int

    /// Bytes of `memory`: 0 for pictures without alpha.
    static func bytes(width: Int, kind: PictureKind, bits: Int) -> Int {
        guard kind.hasAlpha else { return 0 }
        return (width * (window * kind.channels * bits / 8 + 1) + 63) / 64 * 64
    }

    /// - Parameters:
    ///   - start: the first row that `read` will be asked for.
    ///   - memory: `bytes(width:kind:bits:)` bytes that outlive this object.
    init(
        width: Int, height: Int, startingAt start: Int = 0, kind: PictureKind, bits: Int, memory: UnsafeMutableRawPointer,
        upstream: @escaping PictureRun.Source
    ) {
        first = max(0, start - TransparentFill.radius)
        loaded = first
        self.upstream = upstream
        self.width = width
        self.height = height
        self.bits = bits
        channels = kind.channels
        rowBytes = width * kind.channels * bits / 8
        rows = memory
        visible = (memory + TransparentFill.window * rowBytes).assumingMemoryBound(to: UInt8.self)
        visible.update(repeating: 0, count: width)
    }

    /// Has the shape of a `PictureRun.Source`.
    func read(into target: UnsafeMutableRawBufferPointer, from row: Int, count: Int) throws {
        for y in row..<row + count {
            while loaded <= min(y + TransparentFill.radius, height - 1) { try load() }
            let line = target.baseAddress! + (y - row) * rowBytes
            line.copyMemory(from: place(y), byteCount: rowBytes)
            if bits == 8 { fill(line, y, as: UInt8.self) } else { fill(line, y, as: UInt16.self) }
        }
    }

    private func place(_ row: Int) -> UnsafeMutableRawPointer { rows + row % TransparentFill.window * rowBytes }

    private func load() throws {
        let line = place(loaded)
        if loaded - first >= TransparentFill.window { count(line, by: 0 &- 1) }
        try upstream(UnsafeMutableRawBufferPointer(start: line, count: rowBytes), loaded, 1)
        count(line, by: 1)
        loaded += 1
    }

    /// Adds the visible pixels of a row to `visible`, or takes them away.
    private func count(_ line: UnsafeMutableRawPointer, by step: UInt8) {
        if bits == 8 { count(line, by: step, as: UInt8.self) } else { count(line, by: step, as: UInt16.self) }
    }

    private func count<Sample: FixedWidthInteger>(_ line: UnsafeMutableRawPointer, by step: UInt8, as: Sample.Type) {
        let alpha = line.assumingMemoryBound(to: Sample.self) + (channels - 1)
        for x in 0..<width where alpha[x * channels] != 0 { visible[x] &+= step }
    }

    private func fill<Sample: FixedWidthInteger>(_ line: UnsafeMutableRawPointer, _ y: Int, as: Sample.Type) {
        let pixels = line.assumingMemoryBound(to: Sample.self), radius = TransparentFill.radius
        // Visible pixels of the whole window around x: columns come in at the right and go at the left.
        var near = (0..<min(radius, width)).reduce(0) { $0 + Int(visible[$1]) }
        for x in 0..<width {
            if x + radius < width { near += Int(visible[x + radius]) }
            if x > radius { near -= Int(visible[x - radius - 1]) }
            guard near > 0, pixels[x * channels + channels - 1] == 0 else { continue }
            fillPixel(pixels + x * channels, x, y)
        }
    }

    private func fillPixel<Sample: FixedWidthInteger>(_ pixel: UnsafeMutablePointer<Sample>, _ x: Int, _ y: Int) {
        for distance in 1...TransparentFill.radius {
            var weight: UInt64 = 0
            var sums: (UInt64, UInt64, UInt64) = (0, 0, 0)
            for v in max(0, y - distance)...min(height - 1, y + distance) {
                let source = place(v).assumingMemoryBound(to: Sample.self)
                // The top and the bottom of the ring are whole lines, the rest is its two ends.
                let step = v == y - distance || v == y + distance ? 1 : 2 * distance
                for u in stride(from: x - distance, through: x + distance, by: step) where u >= 0 && u < width {
                    let from = source + u * channels
                    let alpha = UInt64(from[channels - 1])
                    guard alpha > 0 else { continue }
                    weight += alpha
                    sums.0 += alpha * UInt64(from[0])
                    if channels == 4 {
                        sums.1 += alpha * UInt64(from[1])
                        sums.2 += alpha * UInt64(from[2])
                    }
                }
            }
            guard weight > 0 else { continue }
            pixel[0] = Sample((sums.0 + weight / 2) / weight)
            if channels == 4 {
                pixel[1] = Sample((sums.1 + weight / 2) / weight)
                pixel[2] = Sample((sums.2 + weight / 2) / weight)
            }
            return
        }
    }
}
