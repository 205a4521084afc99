import Glibc

/// A value that threads share, and a condition to wait for its changes.
final class Monitor<Value>: @unchecked Sendable {  // `value` is touched under the mutex alone
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var value: Value

    init(_ value: sending Value) {
        self.value = value
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    func withLock<Result, Failure: Error>(_ body: (inout Value) throws(Failure) -> Result) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }

    /// As `withLock`; threads in `wait` look again afterwards.
    func change<Result, Failure: Error>(_ body: (inout Value) throws(Failure) -> Result) throws(Failure) -> Result {
        try withLock { value throws(Failure) in
            defer { pthread_cond_broadcast(changed) }
            return try body(&value)
        }
    }

    /// As `change`, where whoever waits takes one thing away and any of them will do: one thread looks again.
    func changeForOne<Result, Failure: Error>(_ body: (inout Value) throws(Failure) -> Result) throws(Failure) -> Result {
        try withLock { value throws(Failure) in
            defer { pthread_cond_signal(changed) }
            return try body(&value)
        }
    }

    /// Waits until `body` makes a result of the value; nil at `deadline` (seconds of `monotonicSeconds()`).
    func wait<Result>(until deadline: Double = .infinity, _ body: (inout Value) -> Result?) -> Result? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&value) { return result }
            guard deadline < .infinity else {
                pthread_cond_wait(changed, mutex)
                continue
            }
            guard monotonicSeconds() < deadline else { return nil }
            var end = timespec(tv_sec: Int(deadline), tv_nsec: Int(deadline.truncatingRemainder(dividingBy: 1) * 1e9))
            pthread_cond_timedwait(changed, mutex, &end)
        }
    }
}

/// Seconds since some fixed moment, never going back.
package func monotonicSeconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
}
