import Enlarger
import ModelFormats
import NetworkGraph
import StreamPlanner
import Tensors

/// The formats that are fuzzed.
enum Format: String, CaseIterable {
    case safetensors, onnx, ncnn, npy
    case tensorFlow = "pb"

    /// One input: read; what can be read is used.
    func test(_ bytes: [UInt8]) {
        switch self {
        case .npy: readArray(bytes)
        case .safetensors, .tensorFlow, .onnx:
            tryModel { () throws(EnlargerError) in try ModelFile.load(storage: ByteStorage(copying: bytes), name: "fuzz") }
        case .ncnn:
            // The text has no zero byte; the weights begin behind the first.
            let end = bytes.firstIndex(of: 0) ?? bytes.count
            let text = ByteStorage(copying: Array(bytes[..<end])), weights = ByteStorage(copying: Array(bytes[min(end + 1, bytes.count)...]))
            tryModel { () throws(EnlargerError) in try ModelFile.load(param: text, weights: weights, name: "fuzz") }
        }
    }
}

private func readArray(_ bytes: [UInt8]) {
    guard let array = try? Npy(parsing: ByteStorage(copying: bytes), name: "fuzz") else { return }
    guard let again = try? Npy(parsing: ByteStorage(copying: array.serialized()), name: "again") else { fatalError("an array that was read is not read again") }
    // As bits: not-a-number does not equal itself.
    guard again.shape == array.shape, again.values.map(\.bitPattern) == array.values.map(\.bitPattern) else { fatalError("an array changed on its way") }
}

/// Reads a model; what can be read is converted, planned and run.
private func tryModel(_ load: () throws(EnlargerError) -> Model) {
    guard let model = try? load() else { return }
    _ = ModelFacts(model)
    do {
        let native = try SafetensorsFile.serialized(model)
        do {
            let again = try ModelFile.load(storage: ByteStorage(copying: native), name: "again")
            guard again.scales == model.scales, again.processing == model.processing else { fatalError("conversion changed the model") }
        } catch { fatalError("a converted model is not read again: \(error.message)") }
    } catch {}
    for (width, height) in [(7, 5), (1, 1)] {
        for format in [PixelFormat(.rgb, hasAlpha: true), PixelFormat(.grey)] { run(model, width, height, format) }
    }
}

/// The same picture in the smallest budget and in any: the same bytes, or the same error.
private func run(_ model: Model, _ width: Int, _ height: Int, _ format: PixelFormat) {
    let pixels = (0..<width * height * format.channels).map { UInt8(truncatingIfNeeded: $0 * 89) }
    var options = UpscaleOptions()
    options.threads = 1
    // All scales in one pass, where they differ.
    options.scales = Set(model.scales).count == model.scales.count ? model.scales : []
    var results: [[[UInt8]]] = [], failures: [EnlargerError.Code] = []
    do {
        let planner = try Upscaler(model: model, name: "fuzz", options: options).planner(width: width, height: height, kind: format.kind, bits: 8)
        let minimum = planner.minimumBytes(width: width, height: height)
        guard minimum < 64 << 20 else { return }
        for budget in [64 << 20, minimum] {
            guard try planner.plan(width: width, height: height, budget: budget).seconds < 0.02 else { return }
            options.memory = budget
            let upscaler = try Upscaler(model: model, name: "fuzz", options: options)
            do {
                results.append(try upscaler.upscale(pixels, width: width, height: height, format: format))
            } catch let error as EnlargerError {
                failures.append(error.code)
            }
        }
    } catch { return }
    guard failures.isEmpty || failures == [.badResult, .badResult] else { fatalError("the smallest budget ends otherwise: \(failures)") }
    guard results.count < 2 || results[0] == results[1] else { fatalError("the smallest budget gives other bytes") }
}
