import CPUBackend
import Enlarger
import Glibc
import NetworkGraph
package import PictureIO
import StreamPlanner
import Tensors

/// A picture whose header was read and whose run was sized: it fits the budget, and waits for nothing but its turn.
/// It holds the open file and no other memory worth counting.
package final class PreparedPicture: Sendable {
    package let info: PictureInfo
    package let task: PictureTask
    package let parameters: PictureParameters
    package let model: ServedModel
    /// Of the result.
    package let format: PictureFormat
    package let width: Int
    package let height: Int
    package let precision: String
    /// What it takes when it runs alone: an estimate, whose exact value is known at its start. Weights and codecs counted.
    package let plannedBytes: Int
    package let expectedSeconds: Double
    let request: Admission.Request
    let codecBytes: Int
    let descriptor: Int32
    let name: String

    /// Reads the header through a duplicate of `descriptor`.
    /// - Parameter task: made of the picture's header.
    init(
        descriptor: Int32, name: String, parameters: PictureParameters, settings: EngineSettings, store: ModelStore,
        task makeTask: (PictureInfo) throws(EnlargerError) -> PictureTask = { _ in .picture }
    ) throws(EnlargerError) {
        let reader = try PictureReader(
            descriptor: descriptor, name: name, formats: settings.formats,
            limits: PictureLimits(maxPixels: settings.maxPixels, decoderBytes: .max))
        let info = reader.info
        let model = try store.model(parameters.model ?? settings.defaultModel, scale: parameters.scale)
        let (scale, how) = (model.model.scale, try parameters.processing(threads: settings.threads))
        let (width, height) = (info.width * scale, info.height * scale)
        guard width.multipliedReportingOverflow(by: height).partialValue <= settings.maxOutputPixels else {
            throw EnlargerError(
                .pictureTooLarge, "the result would have \(width) x \(height) pixels; the limit is \(settings.maxOutputPixels) pixels")
        }
        let format = parameters.format ?? (PictureFormat.available.contains(info.format) ? info.format : .png)
        do throws(EnlargerError) {
            try PictureWriter.check(format, name: name, width: width, height: height)
        } catch {
            throw EnlargerError(error.code == .usage ? .usage : .pictureTooLarge, error.message)
        }
        let task = try makeTask(info)
        self.task = task
        codecBytes =
            info.decoderBytes
            + (task.isPart
                ? 0
                : PictureWriter.encoderBytes(
                    format: format, width: width, height: height, bits: info.bits, colourChannels: info.colourChannels, hasAlpha: info.hasAlpha))
            + (task.isAssembly ? RunTask.assemblyBytes(rowBytes: info.bytesPerRow * scale) : 0)
        if task.isAssembly, codecBytes > settings.memory {
            throw EnlargerError(
                .doesNotFit, "a \(format.name) of \(width) x \(height) needs at least \(codecBytes) bytes here; the budget is \(settings.memory) bytes",
                shortage: .init(neededBytes: codecBytes, budgetBytes: settings.memory))
        }
        request =
            task.isAssembly
            ? Admission.Request(leastBytes: codecBytes, wantedBytes: codecBytes, weights: "", weightsBytes: 0, expectedSeconds: 0)
            : try Self.size(info, model: model, how: how, codecBytes: codecBytes, budget: settings.memory, task: task)
        self.info = info
        self.parameters = parameters
        self.model = model
        self.format = format
        self.width = width
        self.height = height
        self.name = name
        precision = how.device.precision
        expectedSeconds = request.expectedSeconds
        plannedBytes = request.weightsBytes + min(request.wantedBytes, max(request.leastBytes, settings.memory / 2))
        self.descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard self.descriptor >= 0 else { throw EnlargerError(.pictureInvalid, "\(name): too many open files") }
    }

    deinit { close(descriptor) }

    /// The least bytes are those of the lowest bands, in as many strips as leave a quarter of the budget to others, or,
    /// if need be, in as many as fit at all. The most are those of the highest bands worth trying.
    private static func size(
        _ info: PictureInfo, model: ServedModel, how: PictureProcessing, codecBytes: Int, budget: Int, task: PictureTask
    ) throws(EnlargerError) -> Admission.Request {
        let kind = PictureKind(colourChannels: info.colourChannels, hasAlpha: info.hasAlpha)
        var one = how
        one.device.threads = 1
        let narrow = try model.model.planner(width: info.width, height: info.height, kind: kind, bits: info.bits, how: one)
        let wide = try model.model.planner(width: info.width, height: info.height, kind: kind, bits: info.bits, how: how)
        let sides = [(info.width, info.height)] + (how.isAugmented ? [(info.height, info.width)] : [])
        func most(_ planner: Planner, rows: (Int) -> Int) -> (bytes: Int, seconds: Double) {
            let plans = sides.map { planner.makePlan(
                    width: $0.0 + 2 * planner.margin, height: $0.1 + 2 * planner.margin, bandRows: rows($0.1), stripCount: 1)! }
            return (plans.map(\.runBytes).max()!, plans.reduce(0) { $0 + $1.seconds } * (how.isAugmented ? 4 : 1) * how.device.slowness)
        }
        let weights = narrow.weightsBytes
        let (wanted, whole) = most(wide) { wide.bandHeights(for: $0).last! }
        let seconds = if case .part(let parts, let index) = task { whole * Double(parts.rows(index).count) / Double(info.height) } else { whole }
        var least = most(narrow) { _ in Schedule.tile }.bytes
        let share = budget - budget / 4 - codecBytes, all = budget - codecBytes
        if weights + least > share {
            func striped(_ budget: Int) throws(EnlargerError) -> Int {
                var bytes = 0
                for side in sides {
                    let plan =
                        task.isPart
                        ? try narrow.planInOnePass(width: side.0, height: side.1, budget: budget)
                        : try narrow.plan(width: side.0, height: side.1, budget: budget)
                    bytes = max(bytes, plan.runBytes)
                }
                return bytes
            }
            if let bytes = try? striped(share) {
                least = bytes
            } else if weights + least > all {
                do throws(EnlargerError) {
                    least = try striped(all)
                } catch {
                    guard error.code == .doesNotFit, let shortage = error.shortage else { throw error }
                    let needed = shortage.neededBytes.addingReportingOverflow(codecBytes).partialValue
                    throw EnlargerError(
                        .doesNotFit, "a \(info.width) x \(info.height) picture needs at least \(needed) bytes here; the budget is \(budget) bytes",
                        shortage: .init(neededBytes: needed, budgetBytes: budget))
                }
            }
        }
        return Admission.Request(
            leastBytes: least + codecBytes, wantedBytes: max(least, wanted) + codecBytes, weights: model.key, weightsBytes: weights,
            expectedSeconds: seconds)
    }
}
