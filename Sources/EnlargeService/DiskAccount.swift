import Synchronization

/// Bytes of the service's inputs, results and spool, against a limit.
final class DiskAccount: Sendable {
    let limit: Int
    private let used = Mutex(0)

    init(limit: Int) { self.limit = limit }

    var bytes: Int { used.withLock { $0 } }

    /// - Returns: false, and nothing is changed, where there is no room.
    func reserve(_ count: Int) -> Bool {
        used.withLock { used in
            guard count <= limit - used else { return false }
            used += count
            return true
        }
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
