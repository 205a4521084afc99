import CVips

/// Files that must not outlive an interrupted process.
package enum TemporaryFiles {
    /// Unlinks every unfinished output of this process. Touches no lock and no heap: it may be called from a signal
    /// handler.
    package static func removeAll() { ev_remove_temporaries() }

    static func add(_ path: String) -> Int32 { ev_temporary_add(path) }
    static func remove(_ slot: Int32) { ev_temporary_remove(slot) }
}
