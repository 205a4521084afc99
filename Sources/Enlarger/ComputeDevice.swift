package import CPUBackend
import Glibc
package import NetworkGraph
package import StreamPlanner
package import Tensors
package import VulkanBackend

/// What networks run on: the processor or a GPU, with its arithmetic.
package enum ComputeDevice: Sendable {
    case cpu(CPUDevice)
    case vulkan(VulkanDevice)

    package var costs: any DeviceCosts {
        switch self {
        case .cpu(let device): device
        case .vulkan(let device): device
        }
    }
    /// "cpu", "vulkan:0": what `--device` takes and JSON says.
    package var name: String {
        switch self {
        case .cpu: "cpu"
        case .vulkan(let device): device.name
        }
    }
    package var precision: String {
        switch self {
        case .cpu(let device): device.usesBFloat16 ? "bf16" : "fp32"
        case .vulkan(let device): device.precision.rawValue
        }
    }
    /// For people: "CPU (avx512), 2 threads, fp32".
    package var description: String {
        switch self {
        case .cpu(let device): "CPU (\(device.name)), \(device.threads) thread\(device.threads == 1 ? "" : "s"), \(precision)"
        case .vulkan(let device): "\(name) (\(device.context.info.name)), \(precision)"
        }
    }
    package var isGPU: Bool { if case .vulkan = self { true } else { false } }

    /// Threads of the processor that a run uses; a GPU's uses the caller's alone.
    package var threads: Int {
        get { costs.threads }
        set {
            guard case .cpu(var device) = self else { return }
            device.threads = newValue
            self = .cpu(device)
        }
    }
    package var usesBFloat16: Bool { if case .cpu(let device) = self { device.usesBFloat16 } else { false } }
    /// How many times the seconds of a plan it takes at the moment; 1 where that is not known.
    package var slowness: Double { if case .cpu(let device) = self { device.slowness } else { 1 } }

    /// The bytes that plans may take: `memory`, and on a GPU no more than its driver would give.
    /// - Parameter perAllocation: no more than one allocation may have, either.
    package func budget(_ memory: Int?, perAllocation: Bool = true) -> Int? {
        guard case .vulkan(let device) = self else { return memory }
        let context = device.context
        let free = context.driver.freeBytes(context.info).map { $0 + context.account.bytes } ?? context.info.memoryBytes
        return min(memory ?? .max, free, perAllocation ? context.info.largestAllocation : .max)
    }

    /// The bytes that each of several plans may take that share the weights of `graph`.
    package func budget(_ memory: Int?, runs: Int, _ graph: NetworkGraph) -> Int? {
        guard runs > 1, let all = budget(memory, perAllocation: false) else { return budget(memory) }
        let weights = costs.weightsBytes(graph)
        return budget(weights + max(0, all - weights) / runs)
    }

    /// What passes between the planes of a network and the outside, for the planner.
    package func planeBytes(_ graph: NetworkGraph) -> PictureBytes { isGPU ? VulkanDevice.planeBytes(graph) : .none }

    /// Packs a network's weights.
    /// - Throws: `allocationFailed`, `deviceLost`.
    package func load(_ graph: NetworkGraph) throws(EnlargerError) -> LoadedWeights {
        switch self {
        case .cpu(let device): .cpu(try CPUNetwork(graph: graph, device: device))
        case .vulkan(let device): .vulkan(try VulkanNetwork(graph: graph, device: device))
        }
    }
}

/// A network's weights, packed for a device: shared by any number of runs.
package enum LoadedWeights: Sendable {
    case cpu(CPUNetwork)
    case vulkan(VulkanNetwork)

    /// The same weights in another graph around the same network.
    package func inside(_ graph: NetworkGraph, device: ComputeDevice) -> LoadedWeights {
        switch (self, device) {
        case (.cpu(let network), .cpu(let device)): .cpu(CPUNetwork(graph: graph, sharing: network, device: device))
        case (.vulkan(let network), .vulkan): .vulkan(VulkanNetwork(graph: graph, sharing: network))
        default: preconditionFailure("weights of another device")
        }
    }

    /// A run on planes of float32.
    /// - Parameter pool: the processor's threads; not used by others.
    /// - Throws: `allocationFailed`, `deviceLost`.
    package func run(_ plan: Plan, pool: ThreadPool) throws(EnlargerError) -> any NetworkRun {
        switch self {
        case .cpu(let network): try CPURun(network: network, plan: plan, pool: pool)
        case .vulkan(let network): try VulkanRun(network: network, plan: plan)
        }
    }
}

extension ComputeDevice {
    /// The device that options mean. `auto` is the best GPU that is hardware and has a driver, else the processor.
    /// - Parameter driver: nil: the process's own, loaded only where the system shows a GPU or one is named.
    /// - Returns: also why `auto` took the processor, for people.
    /// - Throws: `noDevice`, `usage` for a precision that the device has never.
    package static func chosen(
        _ options: UpscaleOptions, driver: VulkanDriver? = nil
    ) throws(EnlargerError) -> (device: ComputeDevice, note: String?) {
        switch options.device {
        case .cpu: return (.cpu(try CPUDevice.chosen(options)), nil)
        case .vulkan(let index):
            guard options.precision != .bf16 else { throw EnlargerError(.usage, "bf16 is for processors; GPUs have fp16 and fp32") }
            let driver = driver ?? .shared
            return (.vulkan(try gpu(driver, driver.device(index), options.precision)), nil)
        case .auto:
            if options.precision == .bf16 { return (.cpu(try CPUDevice.chosen(options)), nil) }
            let reason: String
            do throws(EnlargerError) {
                // Drivers take their time to load and, of software, much memory.
                guard driver != nil || hasGraphicsNode else { throw EnlargerError(.noDevice, "the system has no GPU") }
                let driver = driver ?? .shared
                return (.vulkan(try gpu(driver, driver.device(nil), options.precision)), nil)
            } catch {
                reason = error.message
            }
            if options.precision == .fp16 { throw EnlargerError(.usage, "fp16 is for GPUs; the CPU has fp32 and bf16 (\(reason))") }
            return (.cpu(try CPUDevice.chosen(options)), reason)
        }
    }

    private static func gpu(
        _ driver: VulkanDriver, _ info: VulkanDeviceInfo, _ precision: UpscaleOptions.Precision
    ) throws(EnlargerError) -> VulkanDevice {
        let isHalf = precision == .fp16 || (precision == .auto && info.hasHalfPrecision)
        return try VulkanDevice(context: VulkanContext(driver: driver, info: info), precision: isHalf ? .fp16 : .fp32)
    }

    /// Whether the system shows a GPU of any vendor.
    private static var hasGraphicsNode: Bool {
        let nodes = ["/dev/nvidia0", "/dev/kfd", "/dev/dxg"] + (128..<144).map { "/dev/dri/renderD\($0)" }
        return nodes.contains { (path: String) in access(path, F_OK) == 0 }
    }
}

extension CPUDevice {
    package static func chosen(_ options: UpscaleOptions) throws(EnlargerError) -> CPUDevice {
        switch options.precision {
        case .fp16: throw EnlargerError(.usage, "fp16 is for GPUs; the CPU has fp32 and bf16")
        case .bf16: return try CPUDevice(threads: options.threads, usesBFloat16: true)
        case .auto, .fp32: return try CPUDevice(threads: options.threads)
        }
    }
}
