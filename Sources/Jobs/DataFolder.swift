package import Tensors
import Glibc

/// The folder of a service's data, locked: one process at a time uses it. Made with mode 0700 where it is missing.
package final class DataFolder: Sendable {
    package let path: String
    private let lock: Int32

    /// - Throws: `dataUnusable` when another process has it, or it cannot be made or written.
    package init(path: String) throws(EnlargerError) {
        self.path = path
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Self.unusable(path) }
        lock = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw Self.unusable(path) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            close(lock)
            if reason == EWOULDBLOCK {
                throw EnlargerError(.dataUnusable, "\(path) is in use by another process: one service at a time works on a data folder")
            }
            throw Self.unusable(path, number: reason)
        }
        do throws(EnlargerError) {
            for name in ["inputs", "results"] {
                guard mkdir("\(path)/\(name)", 0o700) == 0 || errno == EEXIST else { throw Self.unusable("\(path)/\(name)") }
                guard access("\(path)/\(name)", R_OK | W_OK | X_OK) == 0 else { throw Self.unusable("\(path)/\(name)") }
            }
            try synchronizeFolder(path)
        } catch {
            close(lock)
            throw error
        }
    }

    deinit { close(lock) }

    var inputs: String { path + "/inputs" }
    var results: String { path + "/results" }
    var database: String { path + "/jobs.sqlite" }

    private static func unusable(_ path: String, number: Int32 = errno) -> EnlargerError {
        EnlargerError(.dataUnusable, "the data folder cannot be used: \(path): \(String(cString: strerror(number)))")
    }
}
