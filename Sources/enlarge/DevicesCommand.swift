import CPUBackend
import Enlarger
import Tensors

enum DevicesCommand {
    static func run(_ words: [String]) throws -> Int32 {
        let arguments = try Arguments(words, withValue: [:], alone: SharedFlags.alone)
        let console = Console(isJSON: arguments.has("--json"), isQuiet: false)
        let device = try CPUDevice()
        let precisions = (try? CPUDevice(usesBFloat16: true)) == nil ? ["fp32"] : ["fp32", "bf16"]
        console.json([
            ("device", .string("cpu")), ("instruction_set", .string(device.name)), ("threads", .integer(device.threads)), ("precisions", .strings(precisions)),
        ])
        console.say("cpu    \(device.name), \(device.threads) threads, \(precisions.joined(separator: " and "))")
        return ExitStatus.done
    }
}
