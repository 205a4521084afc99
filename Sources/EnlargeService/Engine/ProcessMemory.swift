import CSystem

/// What keeps the resident memory of a process that runs for weeks near what it uses.
package enum ProcessMemory {
    /// Few heaps, large blocks mapped and unmapped one by one, and nothing kept at a heap's end.
    ///
    /// glibc otherwise makes a heap for each of the threads that codecs start, and learns from the first large block that
    /// is freed to keep such blocks in a heap. To be called before other threads start.
    package static func configure() {
        es_limit_heaps(4, 256 << 10)
    }

    /// Gives free pages inside the heaps back to the system.
    package static func trim() { es_trim_heaps() }
}
