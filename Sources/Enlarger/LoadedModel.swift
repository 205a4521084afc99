package import CPUBackend
package import NetworkGraph
package import StreamPlanner
import Synchronization
package import Tensors
import VulkanBackend

/// Reads `count` rows from `row` on into `target`; rows are asked for in order, once.
package typealias PictureSource = (_ target: UnsafeMutableRawBufferPointer, _ row: Int, _ count: Int) throws -> Void
/// Takes the next `count` rows.
package typealias PictureSink = (_ rows: UnsafeRawBufferPointer, _ count: Int) throws -> Void

/// How pictures go through a model: arithmetic and threads, and what is done around the network.
package struct PictureProcessing: Sendable {
    package var device: ComputeDevice
    package var chroma: ResizeMethod
    /// The network's mean over eight orientations.
    package var isAugmented: Bool
    /// In tiles of their own; not together with `isAugmented`.
    package var tiling: Tiling?

    package init(device: ComputeDevice, chroma: ResizeMethod = .bicubic, isAugmented: Bool = false, tiling: Tiling? = nil) {
        precondition(tiling == nil || !isAugmented)
        self.device = device
        self.chroma = chroma
        self.isAugmented = isAugmented
        self.tiling = tiling
    }
}

/// A model at one of its scales, ready to plan and to run: shared by any number of runs at once.
///
/// It holds the network's description, and no weights: those are packed by `packWeights()` once, in one form for every
/// kind of picture and every precision, and handed to each run. A run has its plan, its memory and its threads for itself.
package final class LoadedModel: Sendable {
    package let model: Model
    package let name: String
    /// In the order in which results are delivered.
    package let scales: [Int]
    package var scale: Int { scales.max()! }
    private var margin: Int { model.processing.margin }
    /// The network up to the outputs of `scales`.
    private let network: NetworkGraph
    private let graphs = Mutex<[GraphKey: PictureGraph]>([:])

    private struct GraphKey: Hashable {
        var kind: PictureKind
        var chroma: ResizeMethod
    }

    /// - Parameter scales: none: the largest that the model has.
    /// - Throws: `usage` for a scale that it does not have, or that is named twice.
    package init(model: Model, name: String, scales: [Int]) throws(EnlargerError) {
        let scales = scales.isEmpty ? [model.scales.max()!] : scales
        let outputs = try scales.map { scale throws(EnlargerError) in
            guard let output = model.graph.outputs.first(where: { model.graph.scales[$0.node] == scale }) else {
                throw EnlargerError(.usage, "\(name) enlarges \(model.scales.sorted().map { "x\($0)" }.joined(separator: ", ")), not x\(scale)")
            }
            return output
        }
        guard Set(scales).count == scales.count else { throw EnlargerError(.usage, "a scale is named twice") }
        self.model = model
        self.name = name
        self.scales = scales
        network = try model.graph.pruned(to: outputs)
    }

    /// The network with the planes around it that pictures of a kind need; kept, there being few kinds.
    package func graph(_ kind: PictureKind, chroma: ResizeMethod) throws(EnlargerError) -> PictureGraph {
        let key = GraphKey(kind: kind, chroma: chroma)
        if let known = graphs.withLock({ $0[key] }) { return known }
        let graph = try PictureGraph(model: model, scales: scales, kind: kind, chroma: chroma)
        graphs.withLock { $0[key] = graph }
        return graph
    }

    /// Bytes of the packed weights.
    package func weightsBytes(_ device: ComputeDevice) -> Int { device.costs.weightsBytes(network) }

    /// Packs the weights: `weightsBytes(_:)` bytes, for any number of runs.
    /// - Throws: `allocationFailed`, `deviceLost`.
    package func packWeights(for device: ComputeDevice) throws(EnlargerError) -> LoadedWeights { try device.load(network) }

    /// - Parameter height: needed for test-time augmentation alone, which also runs the picture transposed.
    package func planner(width: Int, height: Int, kind: PictureKind, bits: Int, how: PictureProcessing) throws(EnlargerError) -> Planner {
        let graph = try graph(kind, chroma: how.chroma)
        let pixel = kind.channels * bits / 8
        let (width, height) = (width + 2 * margin, height + 2 * margin)
        let fill = TransparentFill.bytes(width: width, kind: kind, bits: bits) + ExtendedPicture.bytes(width: width, margin: margin, pixelBytes: pixel)
        // Of what runs on planes: the picture waits outside of the network.
        let outside =
            how.tiling != nil ? TiledRun.bufferBytes(width: width, graph: graph, bits: bits) + fill
            : how.isAugmented ? AugmentedRun.bufferBytes(width: width, height: height, graph: graph, bits: bits) + fill : nil
        var picture: PictureBytes
        if let outside {
            picture = how.device.planeBytes(graph.graph)
            picture.fixed += outside
        } else if how.device.isGPU {
            let row = DevicePictureRun.rowBytes(width: width, scale: scale, bytesPerPixel: pixel)
            picture = VulkanDevice.pictureBytes(bytesPerPixel: pixel, fixed: fill + row)
        } else {
            picture = PictureBytes(input: pixel, output: pixel, fixed: PixelRows.temporaryBytes(longestRow: scale * width) + fill)
        }
        return Planner(graph: graph.graph, costs: how.device.costs, picture: picture, margin: how.tiling == nil ? margin : 0)
    }

    /// - Throws: `usage` where ranges of a picture's rows cannot be run on their own.
    package func checkRows(augmented: Bool) throws(EnlargerError) {
        try checkRows(network, isApproximate: augmented)
    }

    /// What cannot be made of a range of a picture's rows alone.
    private func checkRows(_ graph: NetworkGraph, isApproximate: Bool) throws(EnlargerError) {
        guard graph.neededCuts.isEmpty else {
            throw EnlargerError(.usage, "\(name) takes means over the whole picture, which cannot be cut into parts")
        }
        guard !isApproximate else {
            throw EnlargerError(.usage, "with test-time augmentation, or in tiles, a picture cannot be cut into parts")
        }
        guard margin == 0 else {
            throw EnlargerError(.usage, "\(name) cuts off edges, and the picture is extended for it; it cannot be cut into parts")
        }
    }

    /// The plan for a picture of at most `budget` bytes, weights included; with test-time augmentation a second one, for
    /// the picture transposed, which runs after the first. In tiles it is the plan of one tile.
    /// - Parameter isForRows: to run ranges of the picture's rows on their own: one pass.
    /// - Throws: `doesNotFit`; `usage` for what cannot be run so.
    package func plans(
        width: Int, height: Int, kind: PictureKind, bits: Int, how: PictureProcessing, budget: Int?, isForRows: Bool = false
    ) throws(EnlargerError) -> [Plan] {
        let planner = try planner(width: width, height: height, kind: kind, bits: bits, how: how)
        let budget = how.device.budget(budget)
        if isForRows {
            guard !how.device.isGPU else { throw EnlargerError(.usage, "parts of a picture are made on the processor") }
            try checkRows(planner.graph, isApproximate: how.isAugmented || how.tiling != nil)
            return [try planner.planInOnePass(width: width, height: height, budget: budget)]
        }
        // Of tiles, those of the extended picture; of whole pictures, the planner extends them itself.
        let extra = how.tiling == nil ? 0 : 2 * margin, (width, height) = (width + extra, height + extra)
        let tile = how.tiling?.size ?? max(width, height)
        var plans = [try planner.plan(width: min(width, tile), height: min(height, tile), budget: budget)]
        if how.isAugmented { plans.append(try planner.plan(width: height, height: width, budget: budget)) }
        return plans
    }

    /// The one path that every picture takes: rows from the source, through the network, to the sink of each scale.
    /// - Parameters:
    ///   - width, height: of the picture.
    ///   - rows: those whose enlargement goes to the sinks, with plans for it; nil: all. The source is asked for some around them too.
    ///   - plans: of this model, for `how.device.threads` threads; `pool` has as many.
    ///   - weights: from `packWeights()`.
    ///   - progress: told the finished part, 0...1, after every band; a thrown error stops the run.
    package func execute(
        _ plans: [Plan], width: Int, height: Int, rows: Range<Int>? = nil, weights: LoadedWeights, pool: @autoclosure () -> ThreadPool, kind: PictureKind, bits: Int, how: PictureProcessing,
        source: @escaping PictureSource, sinks: [PictureSink], progress: ((Double) throws -> Void)?
    ) throws {
        if rows != nil { try checkRows(network, isApproximate: how.isAugmented || how.tiling != nil) }
        guard margin == 0 else {
            let extended = try ExtendedPicture(
                width: width, height: height, margin: margin, pixelBytes: kind.channels * bits / 8, source: source)
            return try executeAsGiven(
                plans, width: width + 2 * margin, height: height + 2 * margin, rows: nil, weights: weights, pool: pool(), kind: kind, bits: bits, how: how,
                source: extended.read, sinks: zip(scales, sinks).map { extended.sink(scale: $0, to: $1) }, progress: progress)
        }
        try executeAsGiven(
            plans, width: width, height: height, rows: rows, weights: weights, pool: pool(), kind: kind, bits: bits, how: how, source: source,
            sinks: sinks, progress: progress)
    }

    /// The same without extending the picture.
    private func executeAsGiven(
        _ plans: [Plan], width: Int, height: Int, rows: Range<Int>?, weights: LoadedWeights, pool: @autoclosure () -> ThreadPool, kind: PictureKind, bits: Int, how: PictureProcessing,
        source: @escaping PictureSource, sinks: [PictureSink], progress: ((Double) throws -> Void)?
    ) throws {
        let graph = try graph(kind, chroma: how.chroma)
        let network = weights.inside(graph.graph, device: how.device)
        let roundsPlanes = how.chroma == .bilinear && bits == 8
        if how.isAugmented || how.tiling != nil {
            let memory = try Arena(byteCount: TransparentFill.bytes(width: width, kind: kind, bits: bits))
            defer { withExtendedLifetime(memory) {} }
            let source =
                kind.hasAlpha ? TransparentFill(width: width, height: height, kind: kind, bits: bits, memory: memory.base, upstream: source).read : source
            if let tiling = how.tiling {
                try TiledRun(
                    graph: graph, run: network.run(plans[0], pool: pool()), width: width, height: height, tiling: tiling,
                    bits: bits, roundsPlanes: roundsPlanes, source: source, sink: sinks[0]
                ).execute(progress: progress)
                return
            }
            try AugmentedRun(
                graph: graph, makeRun: { [pool = pool()] plan throws(EnlargerError) in try network.run(plan, pool: pool) }, upright: plans[0], transposed: plans[1], bits: bits, roundsPlanes: roundsPlanes,
                source: source, sink: sinks[0]
            ).execute(progress: progress)
            return
        }
        switch network {
        case .cpu(let network):
            let pool = pool()
            precondition(plans.allSatisfy { $0.threads == pool.threads }, "the plan is for another number of threads")
            try PictureRun(
                graph: graph, run: CPURun(network: network, plan: plans[0], pool: pool), rows: rows, bits: bits, roundsPlanes: roundsPlanes, source: source,
                sinks: sinks
            ).execute(progress: progress)
        case .vulkan(let network):
            precondition(rows == nil, "parts are made on the processor")
            try DevicePictureRun(
                graph: graph, network: network, plan: plans[0], bits: bits, roundsPlanes: roundsPlanes, source: source, sinks: sinks
            ).execute(progress: progress)
        }
    }

    /// What the owner of a picture should know of how it runs, a sentence each.
    package static func notes(on plans: [Plan]) -> [String] {
        let strips = plans.map(\.stripCount).max()!, passes = plans.map(\.passes.count).max()!
        let temporary = (plans.map(\.temporaryBytes).max()! + (1 << 20) - 1) >> 20
        return (passes > 1 ? ["\(passes) passes: values between them take temporary files of \(temporary) MiB"] : [])
            + (strips > 1 ? ["\(strips) vertical strips: the picture and the result pass through temporary files"] : [])
            + (plans.count > 1 ? ["eight orientations: the picture and their sums pass through temporary files"] : [])
    }
}
