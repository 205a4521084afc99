import Glibc
package import Tensors

/// The folder of a service's data, locked: one process at a time uses it. Made with mode 0700 where it is missing.
/// It holds `jobs.sqlite`, `inputs`, `results`, `spool` and `lock`.
package final class DataFolder: Sendable {
    package let path: String
    private let lock: Int32

    /// - Throws: `dataUnusable` when another process has it, or it cannot be made or written.
    package init(path: String) throws(EnlargerError) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Self.unusable(path) }
        // SQLite refuses a path with links in it, and the folder may lie behind one.
        guard let resolved = realpath(path, nil) else { throw Self.unusable(path) }
        defer { free(resolved) }
        let path = String(cString: resolved)
        self.path = path
        lock = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw Self.unusable(path) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw Self.unusable(path) }
            throw EnlargerError(
                .dataUnusable, "\(path) is in use by another process: one service at a time works on a data folder")
        }
        for folder in [inputs, results, spool] {
            guard mkdir(folder, 0o700) == 0 || errno == EEXIST, access(folder, R_OK | W_OK | X_OK) == 0 else {
                throw Self.unusable(folder)
            }
        }
        try synchronizeFolder(path)
    }

    deinit { close(lock) }

    var inputs: String { path + "/inputs" }
    var results: String { path + "/results" }
    /// What comes in or is made, until it has another place: of no value after a crash.
    var spool: String { path + "/spool" }
    var database: String { path + "/jobs.sqlite" }

    private static func unusable(_ path: String) -> EnlargerError {
        EnlargerError(.dataUnusable, "the data folder cannot be used: \(path): \(String(cString: strerror(errno)))")
    }
}
