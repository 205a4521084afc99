import CPUBackend
import Synchronization

/// Idle thread pools, one of each size at most, so that a small picture does not start threads of its own.
final class PoolStock: Sendable {
    private let idle = Mutex<[Int: ThreadPool]>([:])

    func take(threads: Int) -> ThreadPool {
        idle.withLock { $0.removeValue(forKey: threads) } ?? ThreadPool(threads: threads)
    }

    func put(_ pool: ThreadPool) {
        pool.limit = pool.threads
        idle.withLock { if $0[pool.threads] == nil { $0[pool.threads] = pool } }
    }
}
