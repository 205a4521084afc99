import Dispatch
import EnlargeService
import Enlarger
import Foundation
import Glibc
import ModelFormats
import PictureIO
import Synchronization
import Tensors
import TestSupport
import Testing

/// Tests that run engines: one after the other, since they count the process's memory and let allocations fail.
@Suite(.serialized) enum EngineTests {}

/// A folder with pictures that goes away with its test.
final class EngineFolder: Sendable {
    let path = NSTemporaryDirectory() + "enlarge-engine-" + UUID().uuidString
    /// `tiny-x2`, `tiny-x3`, `mid-x2`, `other-x2` (as large as `mid-x2`) and `slow-x2`, for all tests.
    static let models: String = {
        let folder = NSTemporaryDirectory() + "enlarge-engine-models-\(getpid())"
        try! FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let models = try! [
            "tiny-x2": SmallModels.edsr(scale: 2), "tiny-x3": SmallModels.edsr(scale: 3),
            "mid-x2": SmallModels.edsr(scale: 2, blocks: 4, channels: 64), "other-x2": SmallModels.edsr(scale: 2, blocks: 4, channels: 64, seed: 2),
            "slow-x2": SmallModels.edsr(scale: 2, blocks: 8, channels: 64),
        ]
        for (name, model) in models { try! SafetensorsFile.write(model, to: "\(folder)/\(name).safetensors") }
        atexit { try? FileManager.default.removeItem(atPath: NSTemporaryDirectory() + "enlarge-engine-models-\(getpid())") }
        return folder
    }()

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }
    func data(_ name: String) throws -> Data { try #require(FileManager.default.contents(atPath: file(name))) }

    func engine(memory: Int, threads: Int = 2, queueLimit: Int = 256, change: (inout EngineSettings) -> Void = { _ in }) -> UpscaleEngine {
        var settings = EngineSettings(memory: memory, threads: threads)
        settings.queueLimit = queueLimit
        settings.defaultModel = "tiny"
        change(&settings)
        return UpscaleEngine(settings: settings, store: ModelStore(library: ModelLibrary(extraFolders: [Self.models], environment: { _ in nil })))
    }

    /// Saves a picture of a smooth pattern with some noise; the format is the name's.
    func make(_ name: String, _ width: Int, _ height: Int, channels: Int = 3, seed: UInt64 = 1) throws {
        var random = SeededGenerator(seed: seed)
        let bytes = (0..<width * height * channels).map { i in
            UInt8(truncatingIfNeeded: (i / channels % width + i / channels / width) / 2 + Int.random(in: 0..<40, using: &random))
        }
        let writer = try PictureWriter(
            path: file(name), width: width, height: height, bits: 8, colourChannels: channels < 3 ? 1 : 3, hasAlpha: channels % 2 == 0)
        try bytes.withUnsafeBytes { try writer.writeRows($0, count: height) }
        try writer.finish()
    }

    /// The command's own way to the same picture.
    func reference(_ name: String, _ parameters: PictureParameters, to output: String) throws -> Data {
        var options = UpscaleOptions()
        options.model = parameters.model ?? "tiny"
        options.scale = parameters.scale
        options.modelFolders = [Self.models]
        options.threads = 2
        options.testTimeAugmentation = parameters.isAugmented
        try Upscaler(options: options).upscale(file(name), to: file(output))
        return try data(output)
    }
}

/// A file without a name.
final class OpenFile: Sendable {
    let descriptor: Int32
    init() {
        var template = Array((NSTemporaryDirectory() + "enlarge-open-XXXXXX").utf8CString)
        descriptor = mkstemp(&template)
        unlink(template)
    }
    init(path: String, _ flags: Int32 = O_RDONLY) { descriptor = open(path, flags) }
    deinit { close(descriptor) }
    var data: Data {
        var status = stat()
        fstat(descriptor, &status)
        var data = Data(count: Int(status.st_size))
        let count = data.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        return data.prefix(max(0, count))
    }
}

/// Hears what becomes of a picture.
final class Listener: Sendable {
    private let result = Mutex<Result<RunResult, EnlargerError>?>(nil)
    private let semaphore = DispatchSemaphore(value: 0)
    let steps = Mutex<[Double]>([])
    let start = Mutex<RunStart?>(nil)

    func observer(onProgress: @escaping @Sendable (Double) -> Void = { _ in }) -> RunObserver {
        RunObserver(
            started: { start in self.start.withLock { $0 = start } },
            progressed: { part in
                self.steps.withLock { $0.append(part) }
                onProgress(part)
            },
            finished: { result in
                self.result.withLock {
                    #expect($0 == nil)
                    $0 = result
                }
                self.semaphore.signal()
            })
    }

    /// Waits, two minutes at most.
    func wait() throws -> Result<RunResult, EnlargerError> {
        try #require(semaphore.wait(timeout: .now() + 120) == .success, "the engine hangs")
        return try #require(result.withLock { $0 })
    }
}

extension UpscaleEngine {
    func prepare(_ path: String, _ parameters: PictureParameters = .init()) throws -> PreparedPicture {
        let file = OpenFile(path: path)
        defer { withExtendedLifetime(file) {} }
        return try prepare(descriptor: file.descriptor, parameters: parameters)
    }

    @discardableResult
    func submit(_ picture: PreparedPicture, to output: OpenFile, observer: RunObserver) throws -> Int {
        defer { withExtendedLifetime(output) {} }
        return try submit(picture, output: output.descriptor, observer: observer)
    }

    /// Runs one picture to its end.
    func run(_ path: String, _ parameters: PictureParameters = .init(), to output: OpenFile = OpenFile()) throws -> (Data, RunResult) {
        let listener = Listener()
        try submit(prepare(path, parameters), to: output, observer: listener.observer())
        let result = try listener.wait().get()
        return (output.data, result)
    }
}

func parameters(_ model: String? = nil, scale: Int? = nil, format: PictureFormat? = nil) -> PictureParameters {
    var parameters = PictureParameters()
    parameters.model = model
    parameters.scale = scale
    parameters.format = format
    return parameters
}
