import Enlarger
import Tensors

/// The flags that several commands share, and how they become `UpscaleOptions`.
enum SharedFlags {
    static let withValue = [
        "-m": "--model", "--model": "--model", "-s": "--scale", "--scale": "--scale", "--memory": "--memory", "--device": "--device",
        "--precision": "--precision", "-j": "--threads", "--threads": "--threads", "--models": "--models", "--size": "--size",
    ]
    /// Those of commands that enlarge pictures.
    static let pictureWithValue = ["--tile": "--tile", "--overlap": "--overlap"]
    static let alone = ["--json": "--json", "-q": "--quiet", "--quiet": "--quiet", "-v": "--verbose", "--verbose": "--verbose", "-h": "--help", "--help": "--help"]

    static func options(_ arguments: Arguments) throws(EnlargerError) -> UpscaleOptions {
        var options = UpscaleOptions()
        if let model = arguments.value("--model") { options.model = model }
        if let text = arguments.value("--scale") {
            options.scales = try text.split(separator: ",", omittingEmptySubsequences: false).map { part throws(EnlargerError) in
                guard let scale = Int(part), [2, 3, 4, 8].contains(scale) else { throw EnlargerError(.usage, "--scale \(text): 2, 3, 4 or 8 are possible") }
                return scale
            }
        }
        options.memory = try arguments.bytes("--memory")
        options.threads = try arguments.integer("--threads", in: 1...256)
        if let folders = arguments.value("--models") { options.modelFolders = folders.split(separator: ":").map(String.init) }
        if let text = arguments.value("--precision") {
            guard let precision = UpscaleOptions.Precision(rawValue: text) else { throw EnlargerError(.usage, "--precision \(text): auto, fp32, bf16 or fp16 are possible") }
            options.precision = precision
        }
        if let size = try arguments.integer("--tile", in: 1...Int.max) {
            options.tiling = try Tiling(size: size, overlap: arguments.integer("--overlap", in: 0...Int.max))
        } else if arguments.value("--overlap") != nil {
            throw EnlargerError(.usage, "--overlap goes with --tile")
        }
        if let text = arguments.value("--device") {
            guard let device = UpscaleOptions.Device(text) else { throw EnlargerError(.usage, "--device \(text): auto, cpu, vulkan or vulkan:N are possible") }
            options.device = device
        }
        return options
    }
}

/// Exit statuses of the command; part of its contract.
enum ExitStatus {
    static let done: Int32 = 0, pictureFailed: Int32 = 1, usage: Int32 = 2, doesNotFit: Int32 = 3, noDevice: Int32 = 4

    static func of(_ error: EnlargerError) -> Int32 {
        switch error.code {
        case .usage, .modelNotFound, .modelInvalid, .modelUnsupported: usage
        case .doesNotFit: doesNotFit
        case .noDevice: noDevice
        default: pictureFailed
        }
    }
}
