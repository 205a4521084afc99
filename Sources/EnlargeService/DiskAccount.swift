import Glibc
import Synchronization

/// Bytes of the service's inputs, results and spool, against a limit; and what the disk itself has left.
///
/// Some of the disk is left to the database: without room for it no job could end, and none be removed.
final class DiskAccount: Sendable {
    let limit: Int
    private let folder: String
    private let used = Mutex(0)

    init(limit: Int, folder: String) {
        self.limit = limit
        self.folder = folder
    }

    var bytes: Int { used.withLock { $0 } }

    /// - Returns: false, and nothing is changed, where there is no room.
    func reserve(_ count: Int) -> Bool {
        used.withLock { used in
            guard count <= limit - used, diskHasRoom(for: count) else { return false }
            used += count
            return true
        }
    }

    private func diskHasRoom(for count: Int) -> Bool {
        var disk = statvfs()
        guard statvfs(folder, &disk) == 0 else { return true }
        let block = Int(disk.f_frsize)
        let kept = min(64 << 20, Int(clamping: disk.f_blocks) / 8 * block)
        return Int(clamping: disk.f_bavail) * block - count >= kept
    }

    /// For what is there already.
    func add(_ count: Int) { used.withLock { $0 += count } }
    func release(_ count: Int) { used.withLock { $0 -= count } }
}

/// The bytes of one file that grows while others write it; given back with it, unless someone takes them over.
final class GrowingFileBytes: Sendable {
    private let account: DiskAccount
    private let counted = Mutex(0)

    init(_ account: DiskAccount) { self.account = account }
    deinit { account.release(counted.withLock { $0 }) }

    /// - Returns: false where the account has no room for what the file has become.
    func grow(to bytes: Int) -> Bool {
        counted.withLock { counted in
            guard bytes > counted else { return true }
            guard account.reserve(bytes - counted) else { return false }
            counted = bytes
            return true
        }
    }

    /// They stay in the account, as another's.
    func handOver() { counted.withLock { $0 = 0 } }
}
