import NetworkGraph
import StreamPlanner
import Tensors
import VulkanBackend

/// One picture through a GPU: pixels go to the device as they are and come back as pixels.
///
/// With one strip the source writes into memory that the device reads, and the sinks read what it wrote. With several, the
/// picture and the result pass through temporary files, as on the processor.
struct DevicePictureRun {
    private let graph: PictureGraph
    private let run: VulkanRun
    private let source: PictureSource
    private let sinks: [PictureSink]
    private let bytesPerPixel: Int
    private let arena: Arena
    private let row: UnsafeMutableRawPointer
    private var plan: Plan { run.plan }

    /// Bytes of the host's own: one row of the result.
    static func rowBytes(width: Int, scale: Int, bytesPerPixel: Int) -> Int { (width * scale * bytesPerPixel + 63) / 64 * 64 }

    init(
        graph: PictureGraph, network: VulkanNetwork, plan: Plan, bits: Int, roundsPlanes: Bool, source: @escaping PictureSource, sinks: [PictureSink]
    ) throws(EnlargerError) {
        self.graph = graph
        self.sinks = sinks
        let layout = PixelLayout(graph, bits: bits, roundsPlanes: roundsPlanes)
        bytesPerPixel = layout.bytesPerPixel
        run = try VulkanRun(network: network, plan: plan, hostRows: .pixels(layout))
        let fill = TransparentFill.bytes(width: plan.width, kind: graph.kind, bits: bits)
        arena = try Arena(byteCount: fill + Self.rowBytes(width: plan.width, scale: graph.scale, bytesPerPixel: bytesPerPixel))
        row = arena.base + fill
        self.source =
            graph.kind.hasAlpha
            ? TransparentFill(width: plan.width, height: plan.height, kind: graph.kind, bits: bits, memory: arena.base, upstream: source).read : source
    }

    func execute(progress: ((Double) throws -> Void)?) throws {
        if plan.stripCount == 1 { try stream(progress) } else { try stripByStrip(progress) }
    }

    private func stream(_ progress: ((Double) throws -> Void)?) throws {
        let rowBytes = plan.width * bytesPerPixel
        try run.run(
            upload: { _, rows, target in
                try source(UnsafeMutableRawBufferPointer(start: target, count: rows.count * rowBytes), rows.lowerBound, rows.count)
            },
            download: { _, output, rows, pixels in
                try sinks[output](UnsafeRawBufferPointer(start: pixels, count: rows.count * rowBytes * graph.scales[output]), rows.count)
            }, progress: { try progress?($0) })
    }

    private func stripByStrip(_ progress: ((Double) throws -> Void)?) throws {
        let height = plan.height, rowBytes = plan.width * bytesPerPixel
        let input = try SpoolFile(), outputs = try sinks.map { _ in try SpoolFile() }
        for y in 0..<height {
            let room = UnsafeMutableRawBufferPointer(start: row, count: rowBytes)
            try source(room, y, 1)
            try input.write(UnsafeRawBufferPointer(room), at: y * rowBytes)
        }
        try run.run(
            upload: { strip, rows, target in
                let bytes = strip.input.count * bytesPerPixel
                for (i, y) in rows.enumerated() {
                    try input.read(
                        UnsafeMutableRawBufferPointer(start: target + i * bytes, count: bytes), at: y * rowBytes + strip.input.lowerBound * bytesPerPixel)
                }
            },
            download: { strip, output, rows, pixels in
                let scale = graph.scales[output], bytes = strip.core.count * scale * bytesPerPixel
                for (i, y) in rows.enumerated() {
                    try outputs[output].write(
                        UnsafeRawBufferPointer(start: pixels + i * bytes, count: bytes),
                        at: y * scale * rowBytes + strip.core.lowerBound * scale * bytesPerPixel)
                }
            }, progress: { try progress?($0) })
        for (output, scale) in graph.scales.enumerated() {
            for y in 0..<height * scale {
                let room = UnsafeMutableRawBufferPointer(start: row, count: scale * rowBytes)
                try outputs[output].read(room, at: y * scale * rowBytes)
                try sinks[output](UnsafeRawBufferPointer(room), 1)
            }
        }
        try progress?(1)
    }
}

extension PixelLayout {
    /// As `PixelRows` treats the pixels of a graph.
    init(_ graph: PictureGraph, bits: Int, roundsPlanes: Bool) {
        let processing = graph.processing
        let convention: Convention =
            switch processing.channels {
            case .rgb: .rgb
            case .bgr: .bgr
            case .luma: .luma
            }
        self.init(
            bits: bits, channels: graph.kind.channels, hasAlpha: graph.kind.hasAlpha, convention: convention, roundsPlanes: roundsPlanes,
            planes: graph.planes, means: (0..<3).map { processing.mean(graph.networkChannels == 1 ? 0 : $0) }, scale: processing.inputScale)
    }
}
