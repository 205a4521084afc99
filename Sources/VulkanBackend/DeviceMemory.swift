import CVulkan
import Synchronization
import Tensors

/// Counts the bytes of a device's allocations, staging included. Tests compare it with what plans promise.
package final class DeviceAccount: Sendable {
    private let state = Mutex((bytes: 0, peak: 0))

    package var bytes: Int { state.withLock { $0.bytes } }
    /// The most bytes at once since `resetPeak`.
    package var peakBytes: Int { state.withLock { $0.peak } }
    package func resetPeak() { state.withLock { $0.peak = $0.bytes } }

    func add(_ bytes: Int) {
        state.withLock {
            $0.bytes += bytes
            $0.peak = max($0.peak, $0.bytes)
        }
    }
}

/// Failures on demand, for tests: of the n-th allocation, and of the n-th submission or wait, from now.
package final class DeviceFaults: Sendable {
    private let state = Mutex((allocations: -1, submissions: -1))

    /// Lets `count` more succeed and the next one fail. Negative: none fails.
    package func failAllocation(after count: Int) { state.withLock { $0.allocations = count } }
    package func loseDevice(after count: Int) { state.withLock { $0.submissions = count } }

    func nextAllocationFails() -> Bool { state.withLock { Self.next(&$0.allocations) } }
    func nextSubmissionFails() -> Bool { state.withLock { Self.next(&$0.submissions) } }

    private static func next(_ remaining: inout Int) -> Bool {
        guard remaining >= 0 else { return false }
        remaining -= 1
        return remaining < 0
    }
}

/// One allocation with a buffer in it; freed with the object.
final class DeviceMemory: @unchecked Sendable {  // who writes where is its users' contract
    let context: VulkanContext
    private var memory = cv_memory()
    var address: UInt64 { memory.address }
    var buffer: UInt64 { memory.buffer }
    /// Where the host sees it.
    var host: UnsafeMutableRawPointer { memory.host }
    let byteCount: Int

    /// - Parameters:
    ///   - byteCount: rounded up to the device's granule.
    ///   - isHost: both sides see it; else it is the device's own.
    /// - Throws: `allocationFailed`.
    init(_ context: VulkanContext, byteCount: Int, isHost: Bool) throws(EnlargerError) {
        self.context = context
        let size = context.rounded(byteCount)
        self.byteCount = size
        let result = context.faults.nextAllocationFails()
            ? Int32(CV_OUT_OF_DEVICE_MEMORY) : cv_memory_allocate(context.handle, UInt64(size), isHost ? 1 : 0, &memory)
        guard result == 0 else { throw EnlargerError(.allocationFailed, "\(context.info.name) has no \(size) bytes of memory left (error \(result))") }
        context.account.add(Int(clamping: memory.bytes))
    }

    deinit {
        context.account.add(-Int(clamping: memory.bytes))
        cv_memory_free(context.handle, &memory)
    }
}
