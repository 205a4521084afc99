import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Counts the bytes of every arena that is alive. Tests compare it with what plans promise.
package enum MemoryAccount {
    private static let current = Atomic<Int>(0)
    private static let highest = Atomic<Int>(0)

    package static var bytes: Int { current.load(ordering: .relaxed) }
    /// The most bytes at once since `resetPeak`.
    package static var peakBytes: Int { highest.load(ordering: .relaxed) }
    package static func resetPeak() { highest.store(bytes, ordering: .relaxed) }

    /// Counts `bytes` that a buffer outside any arena holds; negative when it is freed.
    package static func add(_ bytes: Int) {
        let now = current.add(bytes, ordering: .relaxed).newValue
        var seen = highest.load(ordering: .relaxed)
        while now > seen {
            let (done, other) = highest.compareExchange(expected: seen, desired: now, ordering: .relaxed)
            if done { return }
            seen = other
        }
    }

    /// For tests: lets `count` more arenas succeed and the next one fail. Negative: none fails.
    package static func failAllocation(after count: Int) { allocationsUntilFailure.store(count, ordering: .relaxed) }
    private static let allocationsUntilFailure = Atomic<Int>(-1)

    static func nextAllocationFails() -> Bool {
        let remaining = allocationsUntilFailure.load(ordering: .relaxed)
        if remaining >= 0 { allocationsUntilFailure.store(remaining - 1, ordering: .relaxed) }
        return remaining == 0
    }
}

/// One zeroed block of memory, mapped in one piece and unmapped in `deinit`. Everything large that a run needs lives in arenas.
package final class Arena: @unchecked Sendable {  // the block itself never moves; who writes where is its users' contract
    package let base: UnsafeMutableRawPointer
    package let byteCount: Int

    /// - Throws: `allocationFailed`.
    package init(byteCount: Int) throws(EnlargerError) {
        let size = max(byteCount, 64)
        let block = MemoryAccount.nextAllocationFails() ? MAP_FAILED : Arena.map(size)
        guard let block, block != MAP_FAILED else {
            throw EnlargerError(.allocationFailed, "the system has no \(byteCount) bytes of memory left")
        }
        base = block
        self.byteCount = size
        MemoryAccount.add(size)
    }

    deinit {
        Arena.unmap(base, byteCount)
        MemoryAccount.add(-byteCount)
    }

    #if FUZZING
        // From the heap, whose blocks the address sanitizer watches at both ends.
        private static func map(_ size: Int) -> UnsafeMutableRawPointer? { memset(aligned_alloc(4096, (size + 4095) / 4096 * 4096), 0, size) }
        private static func unmap(_ block: UnsafeMutableRawPointer, _: Int) { free(block) }
    #else
        private static func map(_ size: Int) -> UnsafeMutableRawPointer? { mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) }
        private static func unmap(_ block: UnsafeMutableRawPointer, _ size: Int) { munmap(block, size) }
    #endif
}
