import CVulkan
import Tensors

/// Recorded work and how far the device is with it: the n-th submission is finished when the timeline says n.
final class CommandList {
    let context: VulkanContext
    private let handle: OpaquePointer
    private(set) var submitted = 0

    /// - Throws: `allocationFailed`.
    init(_ context: VulkanContext, buffers: Int) throws(EnlargerError) {
        self.context = context
        var handle: OpaquePointer?
        try check(cv_commands_create(context.handle, Int32(buffers), &handle), "command buffers cannot be made")
        self.handle = handle!
    }

    deinit {
        drain()
        cv_commands_destroy(handle)
    }

    /// Waits for what runs: nobody may free memory under it. A lost device runs nothing.
    func drain() {
        if submitted > 0 { _ = cv_wait(handle, UInt64(submitted)) }
    }

    /// - Parameter isRepeated: it may be submitted again before it has finished.
    func record(_ buffer: Int, isRepeated: Bool = false, _ body: (OpaquePointer) throws(EnlargerError) -> Void) throws(EnlargerError) {
        try check(cv_begin(handle, Int32(buffer), isRepeated ? 1 : 0), "a command buffer cannot be begun")
        try body(handle)
        try check(cv_end(handle, Int32(buffer)), "a command buffer cannot be ended")
    }

    func submit(_ first: Int, count: Int) throws(EnlargerError) {
        try failOnDemand()
        try check(cv_submit(handle, Int32(first), Int32(count), UInt64(submitted + 1)), "work cannot be submitted")
        submitted += 1
    }

    /// Waits for the n-th submission; nil: for the last.
    func wait(for number: Int? = nil) throws(EnlargerError) {
        let number = number ?? submitted
        guard number > 0 else { return }
        try failOnDemand()
        try check(cv_wait(handle, UInt64(number)), "the device does not answer")
    }

    private func failOnDemand() throws(EnlargerError) {
        if context.faults.nextSubmissionFails() { try check(Int32(CV_DEVICE_LOST), "on demand") }
    }
}
