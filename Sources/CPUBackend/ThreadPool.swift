import CKernels
import Glibc
import Synchronization

/// Threads that are made once and share out the tasks of one call at a time. Idle threads sleep.
///
/// Tasks are handed out one by one, so an uneven split evens out; a task's result never depends on its thread.
/// All tasks, the caller's included, run with subnormal numbers taken for zero; the caller's own mode is restored.
///
/// Between two layers a thread looks for work for a while before it sleeps, and no lock is taken unless somebody
/// sleeps. A call waits for the threads that took part in it, not for those that are slow to wake.
package final class ThreadPool: @unchecked Sendable {  // state is atomic, or written while no thread takes part in a call
    package let threads: Int
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let done = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let unpark = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var handles: [pthread_t] = []
    /// The call's; read by threads that take part.
    private var body: (@Sendable (_ task: Int, _ thread: Int) -> Void)?
    private var taskCount = 0
    private let next = Atomic<Int>(0)
    /// Counts the calls, and the end of the pool.
    private let generation = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    /// Whether threads may still join the call, and how many take part.
    private let isOpen = Atomic<Bool>(false)
    private let active = Atomic<Int>(0)
    /// Threads that wait for `wake`, and whether the caller waits for `done`.
    private let sleepers = Atomic<Int>(0)
    private let callerSleeps = Atomic<Bool>(false)

    private let currentLimit: Atomic<Int>

    /// Threads that take part from the next call on, 1...`threads`: all at first. The others sleep, and no call wakes
    /// them. Any thread may set it at any time.
    package var limit: Int {
        get { currentLimit.load(ordering: .relaxed) }
        set {
            let new = min(max(newValue, 1), threads)
            guard new != currentLimit.exchange(new, ordering: .sequentiallyConsistent) else { return }
            pthread_mutex_lock(mutex)
            pthread_cond_broadcast(unpark)
            pthread_mutex_unlock(mutex)
        }
    }

    /// How often a thread looks before it sleeps: 50 to 100 microseconds, more than the gap between two layers.
    private static let patience = 2_000

    package init(threads: Int) {
        self.threads = max(1, threads)
        currentLimit = Atomic(self.threads)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(wake, nil)
        pthread_cond_init(done, nil)
        pthread_cond_init(unpark, nil)
        for thread in 1..<max(self.threads, 1) where thread < self.threads {
            var handle = pthread_t()
            let start = Unmanaged.passRetained(Start(pool: self, thread: thread))
            let failed = pthread_create(&handle, nil, { argument in
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                let (shared, thread) = (start.shared, start.thread)
                ThreadPool.serve(shared, thread: thread)
                return nil
            }, start.toOpaque())
            precondition(failed == 0, "no thread could be started")
            handles.append(handle)
        }
    }

    deinit {
        stopping.store(true, ordering: .sequentiallyConsistent)
        announce()
        pthread_mutex_lock(mutex)
        pthread_cond_broadcast(unpark)
        pthread_mutex_unlock(mutex)
        for handle in handles { pthread_join(handle, nil) }
        pthread_cond_destroy(wake)
        pthread_cond_destroy(done)
        pthread_cond_destroy(unpark)
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
        wake.deallocate()
        done.deallocate()
        unpark.deallocate()
    }

    /// Runs `body(task, thread)` for every task in 0..<tasks, on up to `limit` threads, and returns when all are done.
    /// Not reentrant; one caller at a time.
    package func run(tasks: Int, _ body: @escaping @Sendable (_ task: Int, _ thread: Int) -> Void) {
        let mode = ek_flush_subnormals()
        defer { ek_restore_mode(mode) }
        guard limit > 1, tasks > 1 else {
            for task in 0..<tasks { body(task, 0) }
            return
        }
        self.body = body
        taskCount = tasks
        next.store(0, ordering: .relaxed)
        isOpen.store(true, ordering: .sequentiallyConsistent)
        announce()
        work(thread: 0)
        // All tasks are taken. Who has not joined by now need not; who has is waited for.
        isOpen.store(false, ordering: .sequentiallyConsistent)
        var looks = 0
        while active.load(ordering: .sequentiallyConsistent) > 0 {
            if looks < Self.patience {
                looks += 1
                ek_pause()
            } else {
                pthread_mutex_lock(mutex)
                callerSleeps.store(true, ordering: .sequentiallyConsistent)
                while active.load(ordering: .sequentiallyConsistent) > 0 { pthread_cond_wait(done, mutex) }
                callerSleeps.store(false, ordering: .sequentiallyConsistent)
                pthread_mutex_unlock(mutex)
            }
        }
        self.body = nil
    }

    /// A sleeper counts itself before it looks at the generation, and the generation counts up before anyone looks for
    /// sleepers: one of the two sees the other.
    private func announce() {
        generation.add(1, ordering: .sequentiallyConsistent)
        guard sleepers.load(ordering: .sequentiallyConsistent) > 0 else { return }
        pthread_mutex_lock(mutex)
        pthread_cond_broadcast(wake)
        pthread_mutex_unlock(mutex)
    }

    private func work(thread: Int) {
        let body = body!, taskCount = taskCount
        while true {
            let task = next.add(1, ordering: .relaxed).oldValue
            if task >= taskCount { return }
            body(task, thread)
        }
    }

    /// A thread counts itself before it looks whether the call is open, and the caller closes the call before it looks
    /// for threads: a thread that finds the call open is waited for, and may read its body.
    private func join(thread: Int) {
        active.add(1, ordering: .sequentiallyConsistent)
        if isOpen.load(ordering: .sequentiallyConsistent) { work(thread: thread) }
        guard active.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 else { return }
        guard callerSleeps.load(ordering: .sequentiallyConsistent) else { return }
        pthread_mutex_lock(mutex)
        pthread_cond_signal(done)
        pthread_mutex_unlock(mutex)
    }

    /// Returns when the thread may take part in calls.
    private func park(thread: Int) {
        pthread_mutex_lock(mutex)
        while thread >= currentLimit.load(ordering: .sequentiallyConsistent), !stopping.load(ordering: .sequentiallyConsistent) {
            pthread_cond_wait(unpark, mutex)
        }
        pthread_mutex_unlock(mutex)
    }

    /// Returns when the generation is no longer `seen`.
    private func awaitGeneration(after seen: Int) {
        for _ in 0..<Self.patience {
            if generation.load(ordering: .acquiring) != seen { return }
            ek_pause()
        }
        pthread_mutex_lock(mutex)
        sleepers.add(1, ordering: .sequentiallyConsistent)
        while generation.load(ordering: .sequentiallyConsistent) == seen { pthread_cond_wait(wake, mutex) }
        sleepers.subtract(1, ordering: .sequentiallyConsistent)
        pthread_mutex_unlock(mutex)
    }

    /// What a thread holds on to: not the pool, which must be able to end.
    private final class Start {
        let shared: Unmanaged<ThreadPool>
        let thread: Int
        init(pool: ThreadPool, thread: Int) {
            shared = .passUnretained(pool)
            self.thread = thread
        }
    }

    private static func serve(_ shared: Unmanaged<ThreadPool>, thread: Int) {
        // `deinit` joins this thread before the pool is gone, so the unretained reference stays valid.
        shared._withUnsafeGuaranteedRef { pool in
            _ = ek_flush_subnormals()
            var seen = 0
            while !pool.stopping.load(ordering: .sequentiallyConsistent) {
                if thread >= pool.limit { pool.park(thread: thread) }
                pool.awaitGeneration(after: seen)
                seen = pool.generation.load(ordering: .sequentiallyConsistent)
                pool.join(thread: thread)
            }
        }
    }
}
