import CVulkan
import Synchronization
package import Tensors

/// An opened device: its queue, its pipelines, and the account of its memory. Shared by any number of networks and runs.
package final class VulkanContext: @unchecked Sendable {  // the queue and the pipelines have their locks; the rest is immutable
    package let driver: VulkanDriver
    package let info: VulkanDeviceInfo
    package let account = DeviceAccount()
    package let faults = DeviceFaults()
    let handle: OpaquePointer
    /// Allocations are multiples of it.
    let granule: Int
    private let pipelines = Mutex<[PipelineKey: UInt64]>([:])
    private let cache: PipelineCacheFile?
    let triedMatrices = Mutex<TriedMatrices?>(nil)

    /// - Parameter cacheFolder: where compiled shaders are kept between processes; nil: nowhere.
    /// - Throws: `noDevice` for one that cannot be used, `allocationFailed`, `deviceLost`.
    package init(
        driver: VulkanDriver, info: VulkanDeviceInfo, cacheFolder: String? = PipelineCacheFile.defaultFolder
    ) throws(EnlargerError) {
        if let reason = info.unfitness { throw EnlargerError(.noDevice, "\(info.name) \(reason)") }
        self.driver = driver
        self.info = info
        cache = cacheFolder.map { PipelineCacheFile(folder: $0, device: info) }
        let known = cache?.read() ?? []
        var raw = info.raw
        var handle: OpaquePointer?
        try check(cv_device_create(driver.instance, Int32(info.systemIndex), &raw, known, known.count, &handle), "\(info.name) cannot be opened")
        self.handle = handle!
        // What a driver adds to small buffers, it adds to all.
        var least: UInt64 = 0
        let result = cv_memory_required(handle, 1, &least)
        granule = max(4096, Int(clamping: least))
        try check(result, "\(info.name) tells nothing of its memory")
    }

    deinit {
        pipelines.withLock { for pipeline in $0.values { cv_pipeline_destroy(handle, pipeline) } }
        cv_device_destroy(handle)
    }

    /// Bytes rounded up to what an allocation takes.
    func rounded(_ bytes: Int) -> Int { (max(bytes, 1) + granule - 1) / granule * granule }

    /// The pipeline of a kernel for these constants, compiled when it is first asked for.
    func pipeline(_ key: PipelineKey) throws(EnlargerError) -> UInt64 {
        try pipelines.withLock { pipelines throws(EnlargerError) in
            if let known = pipelines[key] { return known }
            let shader = Shader.all[key.shader]!
            var pipeline: UInt64 = 0
            try check(
                cv_pipeline_create(handle, shader.code, shader.bytes, key.constants, Int32(key.constants.count), key.subgroup, &pipeline),
                "shader \(key.shader) cannot be made")
            pipelines[key] = pipeline
            return pipeline
        }
    }

    /// Keeps what was compiled for the next process. What cannot be written is not kept.
    func savePipelines() {
        guard let cache else { return }
        pipelines.withLock { _ in
            let size = cv_cache_read(handle, nil, 0)
            guard size > 0, size != cache.knownSize else { return }
            var data = [UInt8](repeating: 0, count: size)
            let filled = cv_cache_read(handle, &data, size)
            if filled > 0 { cache.write(Array(data.prefix(filled))) }
        }
    }
}

/// A kernel with its specialization constants.
struct PipelineKey: Hashable {
    /// "convolution.f16"
    var shader: String
    var constants: [UInt32]
    /// Invocations that a subgroup must have; 0: any.
    var subgroup: UInt32 = 0
}

enum Shader {
    nonisolated(unsafe) static let all: [String: cv_shader] = {  // static code, never written
        var all: [String: cv_shader] = [:]
        var next = cv_shaders()!
        while let name = next.pointee.name {
            all[String(cString: name)] = next.pointee
            next += 1
        }
        return all
    }()
}

/// Throws what a Vulkan result means.
func check(_ result: Int32, _ what: @autoclosure () -> String) throws(EnlargerError) {
    switch Int(result) {
    case 0: return
    case Int(CV_OUT_OF_HOST_MEMORY), Int(CV_OUT_OF_DEVICE_MEMORY):
        throw EnlargerError(.allocationFailed, "\(what()): the device has no memory left")
    case Int(CV_DEVICE_LOST): throw EnlargerError(.deviceLost, "\(what()): the device was lost")
    default: throw EnlargerError(.noDevice, "\(what()): Vulkan error \(result)")
    }
}
