import CKernels
package import CPUBackend
import ModelFormats
package import NetworkGraph
import PictureIO
package import StreamPlanner
public import Tensors
package import VulkanBackend

/// What an upscaled picture took.
public struct UpscaleResult: Sendable {
    public var input: String
    public var output: String
    public var model: String
    public var scale: Int
    public var device: String
    public var precision: String
    /// Of the result.
    public var width: Int
    public var height: Int
    public var seconds: Double
    public var plannedBytes: Int
    /// At most what the picture libraries hold beside the plan: the decoder's and the encoder's own buffers.
    public var codecBytes: Int
    /// What the user should know: a profile that was converted, a codec that holds the whole picture, ...
    public var notes: [String]
}

/// Enlarges pictures with one model and one set of options. Weights are loaded once; one picture runs at a time.
///
/// ```swift
/// var options = UpscaleOptions()
/// options.scale = 3
/// options.memory = 256 << 20
/// let upscaler = try Upscaler(options: options)
/// try upscaler.upscale("in.jpg", to: "out.png")
/// ```
public final class Upscaler {
    public let options: UpscaleOptions
    package let loaded: LoadedModel
    package let device: ComputeDevice
    /// Why the processor was taken where a GPU would have been; for people.
    package let deviceNote: String?
    /// The processor's threads, made for the first run that needs them.
    package private(set) lazy var pool = ThreadPool(threads: device.threads)
    private let how: PictureProcessing
    private var weights: LoadedWeights?
    /// What `auto` falls back to.
    private lazy var processor = Result { () throws(EnlargerError) in try onProcessor() }
    private var isDeviceLost = false

    package var model: Model { loaded.model }
    /// The file's name without its extension: "lite-x3".
    public var modelName: String { loaded.name }
    /// What the network calls itself: "edsr", "espcn", "fsrcnn", "lapsrn", ...
    public var architecture: String { model.architecture }
    /// What was assumed or changed when the model was read.
    public var modelNotes: [String] { model.notes }
    /// The enlargement; of several, the largest.
    public var scale: Int { loaded.scale }
    /// In the order of `options.scales`, and of the outputs of `upscale(_:to:)`.
    public var scales: [Int] { loaded.scales }

    /// Finds and reads the model, and picks the device.
    /// - Throws: `EnlargerError` with `modelNotFound`, `modelInvalid`, `modelUnsupported`, `usage` (scale) or `noDevice`.
    public convenience init(options: UpscaleOptions = .init()) throws(EnlargerError) {
        let path = try ModelLibrary(extraFolders: options.modelFolders).path(for: options.model, scale: options.scale)
        try self.init(model: ModelFile.load(path: path, convention: options.convention), name: Upscaler.name(ofFile: path), options: options)
    }

    package init(
        model: Model, name: String, options: UpscaleOptions, driver: VulkanDriver? = nil
    ) throws(EnlargerError) {
        self.options = options
        loaded = try LoadedModel(model: model, name: name, scales: options.scales)
        guard loaded.scales.count == 1 || !options.testTimeAugmentation && options.tiling == nil else {
            throw EnlargerError(.usage, "-x and --tile take one scale at a time")
        }
        guard !options.testTimeAugmentation || options.tiling == nil else { throw EnlargerError(.usage, "-x and --tile do not go together") }
        (device, deviceNote) = try ComputeDevice.chosen(options, driver: driver)
        how = PictureProcessing(
            device: device, chroma: options.chroma == .bilinear ? .bilinear : .bicubic, isAugmented: options.testTimeAugmentation,
            tiling: options.tiling)
    }

    static func name(ofFile path: String) -> String {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        return file.split(separator: ".").dropLast().joined(separator: ".")
    }

    public var precision: String { device.precision }
    /// "cpu", "vulkan:0"
    public var deviceName: String { device.name }

    /// - Parameter height: needed for test-time augmentation alone, which also runs the picture transposed.
    package func planner(width: Int, height: Int, kind: PictureKind, bits: Int) throws(EnlargerError) -> Planner {
        try loaded.planner(width: width, height: height, kind: kind, bits: bits, how: how)
    }

    /// The plan for a picture; with test-time augmentation a second one, for the picture transposed.
    func plans(width: Int, height: Int, kind: PictureKind, bits: Int) throws(EnlargerError) -> [Plan] {
        try loaded.plans(width: width, height: height, kind: kind, bits: bits, how: how, budget: options.memory)
    }

    /// Weights are packed for the first picture and kept.
    func execute(
        _ plans: [Plan], width: Int, height: Int, kind: PictureKind, bits: Int, source: @escaping PictureSource, sinks: [PictureSink],
        progress: ((Double) throws -> Void)?
    ) throws {
        let weights = try weights ?? loaded.packWeights(for: device)
        self.weights = weights
        try loaded.execute(
            plans, width: width, height: height, weights: weights, pool: pool, kind: kind, bits: bits, how: how, source: source, sinks: sinks, progress: progress)
    }

    /// Runs `body`, and with `--device auto` on the processor instead what a GPU cannot do: its memory does not suffice, or
    /// it was lost, and then for good.
    func orOnProcessor<Output>(
        _ body: () throws -> Output, instead: (Upscaler) throws -> Output, noting: (inout Output, String) -> Void = { _, _ in }
    ) throws -> Output {
        guard options.device == .auto, device.isGPU else { return try body() }
        var reason = "\(device.name) was lost"
        if !isDeviceLost {
            do {
                return try body()
            } catch let error as EnlargerError where Upscaler.isForProcessor(error) {
                isDeviceLost = error.code == .deviceLost
                reason = error.message
                weights = nil
            }
        }
        var output = try instead(processor.get())
        noting(&output, "enlarged on the processor: \(reason)")
        return output
    }

    /// Enlarges one picture file.
    ///
    /// - Parameters:
    ///   - input: a path, or "-" for standard input.
    ///   - output: a path, or "-" for standard output. It appears when it is complete, or not at all.
    ///   - progress: told the finished part, 0...1, after every band; a thrown error stops the run.
    /// - Throws: `EnlargerError`; nothing is left behind then.
    @discardableResult
    public func upscale(_ input: String, to output: String, progress: ((Double) throws -> Void)? = nil) throws -> UpscaleResult {
        try upscale(input, to: [output], progress: progress)[0]
    }

    /// Enlarges one picture file to every scale of `scales`, in one pass.
    ///
    /// - Parameters:
    ///   - input: a path, or "-" for standard input.
    ///   - outputs: a path for each scale, in the order of `scales`. Each appears when it is complete.
    ///   - progress: told the finished part, 0...1, after every band; a thrown error stops the run.
    /// - Throws: `EnlargerError`; nothing is left behind then.
    @discardableResult
    public func upscale(_ input: String, to outputs: [String], progress: ((Double) throws -> Void)? = nil) throws -> [UpscaleResult] {
        precondition(outputs.count == scales.count, "a path for each scale")
        let reader = try PictureReader(path: input, limits: PictureLimits())
        return try orOnProcessor { try upscale(reader, input, to: outputs, progress: progress) } instead: {
            try $0.upscale(reader.reopened(), input, to: outputs, progress: progress)
        } noting: { results, note in
            for i in results.indices { results[i].notes.append(note) }
        }
    }

    private func upscale(
        _ reader: PictureReader, _ input: String, to outputs: [String], progress: ((Double) throws -> Void)?
    ) throws -> [UpscaleResult] {
        let clock = ContinuousClock(), start = clock.now
        let info = reader.info
        let kind = PictureKind(colourChannels: info.colourChannels, hasAlpha: info.hasAlpha)
        let plans = try plans(width: info.width, height: info.height, kind: kind, bits: info.bits)
        let format = try options.format.map { name throws(EnlargerError) in
            guard let format = PictureFormat(path: "x." + name) else { throw EnlargerError(.usage, "\(name) is not a picture format") }
            return format
        }
        var writers: [PictureWriter] = []
        do {
            for (scale, output) in zip(scales, outputs) {
                writers.append(
                    try PictureWriter(
                        path: output, format: format, width: scale * info.width, height: scale * info.height, bits: info.bits,
                        colourChannels: info.colourChannels, hasAlpha: info.hasAlpha, metadataFrom: reader))
            }
            try execute(
                plans, width: info.width, height: info.height, kind: kind, bits: info.bits,
                source: { target, row, count in try reader.readRows(into: target, from: row, count: count) },
                sinks: writers.map { writer in { rows, count in try writer.writeRows(rows, count: count) } }, progress: progress)
            for writer in writers { try writer.finish() }
        } catch {
            for writer in writers { writer.cancel() }
            throw error
        }
        let elapsed = start.duration(to: clock.now)
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
        let codecBytes = writers.reduce(info.decoderBytes) { $0 + $1.encoderBytes }
        return zip(scales, zip(outputs, writers)).map { scale, result in
            UpscaleResult(
                input: input, output: result.0, model: modelName, scale: scale, device: deviceName, precision: precision, width: scale * info.width,
                height: scale * info.height, seconds: seconds, plannedBytes: plans.map(\.plannedBytes).max()!, codecBytes: codecBytes,
                notes: model.notes + info.notes + result.1.notes + LoadedModel.notes(on: plans) + tilingNotes)
        }
    }
}

extension Upscaler {
    private var tilingNotes: [String] {
        guard let tiling = options.tiling else { return [] }
        return ["tiles of \(tiling.size) pixels, blended over \(tiling.overlap): the result is not exact"]
    }
}
