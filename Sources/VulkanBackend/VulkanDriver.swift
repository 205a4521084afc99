package import CVulkan
import Glibc
package import Tensors

/// The Vulkan loader and the devices behind it. Without a loader or a driver there are none, and `absence` says why.
package final class VulkanDriver: @unchecked Sendable {  // immutable after init; Vulkan's own lists may be read by any thread
    /// The process's own: made when it is first asked for.
    package static let shared = VulkanDriver(validates: getenv("ENLARGE_VULKAN_VALIDATION") != nil)

    /// Hardware first, the fastest kinds before others; `vulkan:N` means the N-th.
    package let devices: [VulkanDeviceInfo]
    /// Why there are no devices; nil where there are some.
    package let absence: String?
    let instance: OpaquePointer?

    /// - Parameters:
    ///   - validates: with the Khronos validation layer, where that is installed.
    ///   - adjusting: tests take abilities away from devices.
    package init(validates: Bool = false, adjusting: (inout cv_info) -> Void = { _ in }) {
        var instance: OpaquePointer?
        let result = cv_instance_create(validates ? 1 : 0, &instance)
        self.instance = instance
        guard let instance else {
            devices = []
            absence = Int(result) == Int(CV_NO_LOADER)
                ? "there is no Vulkan loader (libvulkan.so.1) of version 1.2" : "there is no Vulkan driver (error \(result))"
            return
        }
        var all: [VulkanDeviceInfo] = []
        for index in 0..<cv_device_count(instance) {
            var raw = cv_info()
            cv_device_describe(instance, index, &raw)
            adjusting(&raw)
            all.append(VulkanDeviceInfo(raw, systemIndex: Int(index)))
        }
        all.sort { ($0.kind.rank, $0.systemIndex) < ($1.kind.rank, $1.systemIndex) }
        for index in all.indices { all[index].index = index }
        devices = all
        absence = all.isEmpty ? "the Vulkan driver has no device" : nil
    }

    deinit { if let instance { cv_instance_destroy(instance) } }

    package var isValidating: Bool { instance.map { cv_instance_validates($0) != 0 } ?? false }
    /// Warnings and errors of the validation layer since the process began.
    package static var validationMessages: Int { Int(cv_validation_messages()) }

    /// Bytes of its own memory that the driver would still give this process; nil where it does not tell.
    package func freeBytes(_ device: VulkanDeviceInfo) -> Int? {
        guard let instance else { return nil }
        let bytes = cv_device_free_bytes(instance, Int32(device.systemIndex))
        return bytes == 0 ? nil : Int(clamping: bytes)
    }

    /// The device that is meant: the N-th, or, with nil, the best hardware that can be used.
    /// - Throws: `noDevice`.
    package func device(_ index: Int?) throws(EnlargerError) -> VulkanDeviceInfo {
        if let index {
            guard devices.indices.contains(index) else {
                throw EnlargerError(.noDevice, "there is no device vulkan:\(index): \(absence ?? "the last is vulkan:\(devices.count - 1)")")
            }
            if let reason = devices[index].unfitness { throw EnlargerError(.noDevice, "vulkan:\(index), \(devices[index].name), \(reason)") }
            return devices[index]
        }
        if let device = devices.first(where: { $0.kind != .software && $0.unfitness == nil }) { return device }
        let reasons = devices.map { "vulkan:\($0.index), \($0.name), \($0.unfitness ?? "is software and must be named")" }
        throw EnlargerError(.noDevice, "no Vulkan device: \(absence ?? reasons.joined(separator: "; "))")
    }
}

/// What a device is and can do.
package struct VulkanDeviceInfo: Sendable {
    package enum Kind: String, Sendable {
        case discrete, integrated, virtual, other, software
        var rank: Int { [.discrete: 0, .integrated: 1, .virtual: 2, .other: 3, .software: 4][self]! }
    }
    /// N of `vulkan:N`.
    package internal(set) var index = 0
    let systemIndex: Int
    package let name: String
    /// Its name and version, as the driver says.
    package let driver: String
    package let kind: Kind
    /// Of its own; of a device that shares the host's, what it may use of that.
    package let memoryBytes: Int
    let raw: cv_info

    package init(_ raw: cv_info, systemIndex: Int) {
        self.raw = raw
        self.systemIndex = systemIndex
        name = text(raw.name)
        driver = text(raw.driver)
        kind =
            switch raw.type {
            case CV_DISCRETE: .discrete
            case CV_INTEGRATED: .integrated
            case CV_VIRTUAL: .virtual
            case CV_SOFTWARE: .software
            default: .other
            }
        memoryBytes = Int(clamping: raw.local_bytes)
    }

    /// Bytes that one allocation may have.
    package var largestAllocation: Int { raw.largest_allocation == 0 ? .max : Int(clamping: raw.largest_allocation) }
    /// 16 bytes that tell it from any other.
    package var uuid: [UInt8] { withUnsafeBytes(of: raw.device_uuid) { Array($0) } }
    package var hasHalfPrecision: Bool { raw.has_fp16 != 0 }
    package var multipliesMatrices: Bool { raw.has_matrices != 0 && raw.shape_count > 0 }
    /// Sides of the square matrices that a subgroup multiplies.
    package var matrixSides: [Int] {
        let shapes = withUnsafeBytes(of: raw.shapes) { Array($0.bindMemory(to: cv_matrix_shape.self).prefix(Int(raw.shape_count))) }
        return shapes.filter { $0.workgroup == 0 && $0.m == $0.n && $0.n == $0.k }.map { Int($0.m) }
    }
    package var precisions: [String] { hasHalfPrecision ? ["fp16", "fp32"] : ["fp32"] }

    /// Why it cannot be used; nil where it can.
    package var unfitness: String? {
        if raw.compute_family < 0 { return "has no queue that computes" }
        if raw.has_core == 0 { return "lacks Vulkan 1.2 with buffer addresses, timeline semaphores and 64-bit integers" }
        return nil
    }
}

/// A C string in an array of fixed length.
private func text<Tuple>(_ characters: Tuple) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
