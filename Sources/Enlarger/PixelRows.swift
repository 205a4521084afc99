import CKernels
import NetworkGraph
import StreamPlanner

/// Turns rows of pixels into the planes of a `PictureGraph` and its planes into pixels.
///
/// Pixels are interleaved, native-endian, 8 or 16 bits: grey or red, green, blue, then alpha.
struct PixelRows {
    let graph: PictureGraph
    let bits: Int
    /// Luma and chroma are rounded to whole levels at both ends, as OpenCV's 8-bit planes are, and its chroma of 0...1 is
    /// resized; otherwise they keep fractions.
    let roundsPlanes: Bool
    /// Red, green, blue (or Y, Cr, Cb) of one row on the way.
    private let temporary: UnsafeMutablePointer<Float>
    private let longestRow: Int

    /// - Parameter temporary: 6 · `longestRow` floats.
    init(graph: PictureGraph, bits: Int, roundsPlanes: Bool, temporary: UnsafeMutablePointer<Float>, longestRow: Int) {
        self.graph = graph
        self.bits = bits
        self.roundsPlanes = roundsPlanes
        self.temporary = temporary
        self.longestRow = longestRow
    }

    /// Bytes of `temporary` for a row.
    static func temporaryBytes(longestRow: Int) -> Int { 6 * longestRow * 4 }

    private var pixelChannels: Int32 { Int32(graph.kind.channels) }
    private var colours: Int { graph.kind.colourChannels }
    private func plane(_ index: Int) -> UnsafeMutablePointer<Float> { temporary + index * longestRow }

    /// One row of pixels to the planes of `view`.
    func decode(_ pixels: UnsafeRawPointer, into view: RowView) {
        let width = Int32(view.count)
        let processing = graph.processing
        func read(_ channel: Int, mean: Float, scale: Float, to target: UnsafeMutablePointer<Float>) {
            var source = Int32(channel), mean = mean
            var planes: [UnsafeMutablePointer<Float>?] = [target]
            ek_pixels_to_planes(pixels, Int32(bits), pixelChannels, &source, 1, &mean, scale, &planes, width)
        }
        switch processing.channels {
        case .rgb, .bgr:
            for c in 0..<3 {
                let channel = colours == 1 ? 0 : processing.channels == .rgb ? c : 2 - c
                read(channel, mean: processing.mean(c), scale: processing.inputScale, to: view.plane(c))
            }
        case .luma where colours == 1:
            read(0, mean: processing.mean(0), scale: processing.inputScale, to: view.plane(0))
        case .luma:
            for c in 0..<3 { read(c, mean: 0, scale: 1, to: plane(c)) }
            ek_rgb_to_ycc(plane(0), plane(1), plane(2), view.plane(0), view.plane(1), view.plane(2), width)
            if roundsPlanes { decodeAsOpenCV(view) }
            let y = view.plane(0), mean = processing.mean(0), scale = processing.inputScale
            for x in 0..<view.count { y[x] = (y[x] - mean) * scale }
        }
        if graph.kind.hasAlpha { read(colours, mean: 0, scale: 1, to: view.plane(graph.planes - 1)) }
    }

    /// OpenCV's COLOR_BGR2YCrCb of 8-bit pixels: 14-bit weights, rounded. Exact in float32, everything being below 2^24.
    /// Chroma becomes 0...1 by the factor that convertTo takes, so that it rounds alike when it is resized.
    private func decodeAsOpenCV(_ view: RowView) {
        let (r, g, b) = (plane(0), plane(1), plane(2)), (y, cr, cb) = (view.plane(0), view.plane(1), view.plane(2))
        for x in 0..<view.count {
            let luma = ((4899 * r[x] + 9617 * g[x] + 1868 * b[x] + 8192) / 16384).rounded(.down)
            y[x] = luma
            cr[x] = min(max(((11682 * (r[x] - luma) + 8192) / 16384).rounded(.down) + 128, 0), 255) * PixelRows.toUnit
            cb[x] = min(max(((9241 * (b[x] - luma) + 8192) / 16384).rounded(.down) + 128, 0), 255) * PixelRows.toUnit
        }
    }
    private static let toUnit = Float(1.0 / 255)

    /// Rounds Y of 0...255 and Cr and Cb of 0...1 to 8 bits, halves to even, and turns them into red, green and blue, as
    /// OpenCV's COLOR_YCrCb2BGR does: 14-bit weights, rounded.
    private func encodeAsOpenCV(_ y: UnsafePointer<Float>, _ view: RowView) {
        let (r, g, b) = (plane(0), plane(1), plane(2)), (cr, cb) = (view.plane(1), view.plane(2))
        func descaled(_ x: Float) -> Float { ((x + 8192) / 16384).rounded(.down) }
        for x in 0..<view.count {
            let luma = y[x].rounded(.toNearestOrEven)
            let v = (cr[x] * 255).rounded(.toNearestOrEven) - 128, u = (cb[x] * 255).rounded(.toNearestOrEven) - 128
            r[x] = luma + descaled(22987 * v)
            g[x] = luma + descaled(-11698 * v - 5636 * u)
            b[x] = luma + descaled(29049 * u)
        }
    }

    /// The planes of `view` to one row of pixels.
    /// - Returns: false when a value is not finite.
    func encode(_ view: RowView, into pixels: UnsafeMutableRawPointer) -> Bool {
        let width = Int32(view.count)
        let processing = graph.processing
        var bad: Int32 = 0
        func write(_ source: UnsafeMutablePointer<Float>, mean: Float, inverse: Float, channel: Int) {
            var target = Int32(channel), mean = mean
            var planes: [UnsafePointer<Float>?] = [UnsafePointer(source)]
            ek_planes_to_pixels(&planes, 1, &mean, inverse, pixels, Int32(bits), pixelChannels, &target, width, &bad)
        }
        let inverse = 1 / processing.inputScale
        switch processing.channels {
        case .rgb where colours == 3, .bgr where colours == 3:
            for c in 0..<3 {
                write(view.plane(c), mean: processing.mean(c), inverse: inverse, channel: processing.channels == .rgb ? c : 2 - c)
            }
        case .rgb, .bgr:
            // A grey picture went in as three equal planes; its luma comes out.
            let order = processing.channels == .rgb ? [0, 1, 2] : [2, 1, 0]
            let (r, g, b) = (view.plane(order[0]), view.plane(order[1]), view.plane(order[2]))
            let (mr, mg, mb) = (processing.mean(order[0]), processing.mean(order[1]), processing.mean(order[2]))
            let grey = plane(0)
            for x in 0..<view.count {
                grey[x] = 0.299 * (r[x] * inverse + mr) + 0.587 * (g[x] * inverse + mg) + 0.114 * (b[x] * inverse + mb)
            }
            write(grey, mean: 0, inverse: 1, channel: 0)
        case .luma where colours == 1:
            write(view.plane(0), mean: processing.mean(0), inverse: inverse, channel: 0)
        case .luma:
            let y = plane(3), source = view.plane(0), mean = processing.mean(0)
            for x in 0..<view.count { y[x] = min(max(source[x] * inverse + mean, 0), 255) }
            if roundsPlanes {
                encodeAsOpenCV(y, view)
            } else {
                ek_ycc_to_rgb(y, view.plane(1), view.plane(2), plane(0), plane(1), plane(2), width)
            }
            for x in 0..<view.count where !source[x].isFinite { bad = 1 }
            for c in 0..<3 { write(plane(c), mean: 0, inverse: 1, channel: c) }
        }
        if graph.kind.hasAlpha { write(view.plane(graph.planes - 1), mean: 0, inverse: 1, channel: colours) }
        return bad == 0
    }
}

extension Processing {
    /// One element stands for all channels.
    func mean(_ channel: Int) -> Float { mean.isEmpty ? 0 : mean.count == 1 ? mean[0] : mean[channel] }
}
