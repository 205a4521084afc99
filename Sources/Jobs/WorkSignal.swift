import Glibc

/// Wakes threads that wait for work. `generation` read before a look at the queue makes sure that what is announced
/// between the look and the wait is not missed.
package final class WorkSignal: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var count: UInt64 = 0
    private var wakeCount: UInt64 = 0

    package init() {
        pthread_mutex_init(lock, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(lock)
        condition.deallocate()
        lock.deallocate()
    }

    package var generation: UInt64 {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return count
    }

    /// How often `wake` was called: who waits compares it to know that it should wait no more.
    package var wakes: UInt64 {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return wakeCount
    }

    package func wake() {
        pthread_mutex_lock(lock)
        wakeCount += 1
        pthread_mutex_unlock(lock)
        announce()
    }

    package func announce() {
        pthread_mutex_lock(lock)
        count += 1
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(lock)
    }

    /// Blocks while the generation is `seen`.
    /// - Returns: false when the time was over first.
    @discardableResult
    package func wait(whileGeneration seen: UInt64, timeout: Duration) -> Bool {
        let milliseconds = min(max(timeout.inMilliseconds, 0), 86_400_000)
        var end = timespec()
        clock_gettime(CLOCK_MONOTONIC, &end)
        let nanoseconds = Int64(end.tv_nsec) + milliseconds % 1000 * 1_000_000
        end.tv_sec += Int(milliseconds / 1000 + nanoseconds / 1_000_000_000)
        end.tv_nsec = Int(nanoseconds % 1_000_000_000)
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while count == seen {
            if pthread_cond_timedwait(condition, lock, &end) == ETIMEDOUT { return count != seen }
        }
        return true
    }
}
