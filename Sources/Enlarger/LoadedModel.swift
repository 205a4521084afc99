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

    package init(device: ComputeDevice, chroma: ResizeMethod = .bicubic, isAugmented: Bool = false) {
        self.device = device
        self.chroma = chroma
        self.isAugmented = isAugmented
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
        let fill = TransparentFill.bytes(width: width, kind: kind, bits: bits)
        let augmented = how.isAugmented ? AugmentedRun.bufferBytes(width: width, height: height, graph: graph, bits: bits) + fill : 0
        if how.device.isGPU {
            var picture = VulkanDevice.planeBytes(graph.graph)
            picture.fixed = augmented
            if !how.isAugmented {
                let row = DevicePictureRun.rowBytes(width: width, scale: scale, bytesPerPixel: pixel)
                picture = VulkanDevice.pictureBytes(bytesPerPixel: pixel, fixed: fill + row)
            }
            return Planner(graph: graph.graph, costs: how.device.costs, picture: picture)
        }
        let picture =
            how.isAugmented
            ? PictureBytes(input: 0, output: 0, fixed: augmented)
            : PictureBytes(input: pixel, output: pixel, fixed: PixelRows.temporaryBytes(longestRow: scale * width) + fill)
        return Planner(graph: graph.graph, costs: how.device.costs, picture: picture)
    }

    /// The plan for a picture of at most `budget` bytes, weights included; with test-time augmentation a second one, for
    /// the picture transposed, which runs after the first.
    package func plans(
        width: Int, height: Int, kind: PictureKind, bits: Int, how: PictureProcessing, budget: Int?
    ) throws(EnlargerError) -> [Plan] {
        let planner = try planner(width: width, height: height, kind: kind, bits: bits, how: how)
        let budget = how.device.budget(budget)
        var plans = [try planner.plan(width: width, height: height, budget: budget)]
        if how.isAugmented { plans.append(try planner.plan(width: height, height: width, budget: budget)) }
        return plans
    }

    /// The one path that every picture takes: rows from the source, through the network, to the sink of each scale.
    /// - Parameters:
    ///   - plans: of this model, for `how.device.threads` threads; `pool` has as many.
    ///   - weights: from `packWeights()`.
    ///   - progress: told the finished part, 0...1, after every band; a thrown error stops the run.
    package func execute(
        _ plans: [Plan], weights: LoadedWeights, pool: @autoclosure () -> ThreadPool, kind: PictureKind, bits: Int, how: PictureProcessing,
        source: @escaping PictureSource, sinks: [PictureSink], progress: ((Double) throws -> Void)?
    ) throws {
        let graph = try graph(kind, chroma: how.chroma)
        let network = weights.inside(graph.graph, device: how.device)
        let roundsPlanes = how.chroma == .bilinear && bits == 8
        if how.isAugmented {
            let (width, height) = (plans[0].width, plans[0].height)
            let memory = try Arena(byteCount: TransparentFill.bytes(width: width, kind: kind, bits: bits))
            defer { withExtendedLifetime(memory) {} }
            let source =
                kind.hasAlpha ? TransparentFill(width: width, height: height, kind: kind, bits: bits, memory: memory.base, upstream: source).read : source
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
                graph: graph, run: CPURun(network: network, plan: plans[0], pool: pool), bits: bits, roundsPlanes: roundsPlanes, source: source,
                sinks: sinks
            ).execute(progress: progress)
        case .vulkan(let network):
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
