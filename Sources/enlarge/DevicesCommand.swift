import CPUBackend
import CSystem
import Enlarger
import Tensors
import VulkanBackend

enum DevicesCommand {
    static func run(_ words: [String]) throws -> Int32 {
        let arguments = try Arguments(words, withValue: [:], alone: SharedFlags.alone)
        let console = Console(isJSON: arguments.has("--json"), isQuiet: false)
        let device = try CPUDevice()
        let precisions = (try? CPUDevice(usesBFloat16: true)) == nil ? ["fp32"] : ["fp32", "bf16"]
        console.json([
            ("device", .string("cpu")), ("instruction_set", .string(device.name)), ("threads", .integer(device.threads)), ("precisions", .strings(precisions)),
        ])
        console.say("cpu       \(device.name), \(device.threads) threads, \(precisions.joined(separator: " and "))")
        let driver = VulkanDriver.shared
        for info in driver.devices { describe(info, driver, console) }
        if let absence = driver.absence { console.note(absence) }
        return ExitStatus.done
    }

    private static func describe(_ info: VulkanDeviceInfo, _ driver: VulkanDriver, _ console: Console) {
        let name = "vulkan:\(info.index)", free = driver.freeBytes(info), use = info.nvidiaUse
        var fields: [(String, JSONLine.Value)] = [
            ("device", .string(name)), ("name", .string(info.name)), ("kind", .string(info.kind.rawValue)), ("driver", .string(info.driver)),
            ("memory_bytes", .integer(info.memoryBytes)), ("precisions", .strings(info.unfitness == nil ? info.precisions : [])),
            ("multiplies_matrices", .boolean(info.multipliesMatrices)),
        ]
        if let free { fields.append(("free_bytes", .integer(free))) }
        if let reason = info.unfitness { fields.append(("unusable", .string(reason))) }
        if let use { fields += [("used_bytes", .integer(use.used)), ("process_bytes", .integer(use.process ?? 0))] }
        console.json(fields)
        let state = info.unfitness ?? info.precisions.joined(separator: " and ") + (info.multipliesMatrices ? ", matrices" : "")
        let memory = mebibytes(info.memoryBytes) + (free.map { ", \(mebibytes($0)) free" } ?? "") + (use.map { ", \(mebibytes($0.used)) in use" } ?? "")
        console.say("\(ModelsCommand.pad(name, 9)) \(info.name) (\(info.kind.rawValue), \(info.driver)), \(state), \(memory)")
    }
}

extension VulkanDeviceInfo {
    /// Bytes of the GPU that are in use, and those of them that are this process's, by NVIDIA's management library; nil
    /// where that is absent or knows another GPU.
    var nvidiaUse: (used: Int, process: Int?)? {
        var use = es_gpu_use()
        guard (uuid.withUnsafeBytes { es_gpu_use_of($0.baseAddress, &use) }) != 0 else { return nil }
        return (Int(clamping: use.used_bytes), use.process_bytes < 0 ? nil : Int(use.process_bytes))
    }
}

extension ComputeDevice {
    /// Bytes that the process holds of its GPU, the driver's own included; nil where nothing tells.
    var processBytesOnDevice: Int? {
        guard case .vulkan(let device) = self else { return nil }
        return device.context.info.nvidiaUse?.process
    }
}
