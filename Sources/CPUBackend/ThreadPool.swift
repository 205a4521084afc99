import Glibc
import Synchronization

/// Threads that are made once and share out the tasks of one call at a time. Idle threads sleep.
///
/// Tasks are handed out one by one, so an uneven split evens out; a task's result never depends on its thread.
package final class ThreadPool: @unchecked Sendable {  // state is atomic or guarded by `mutex`
    package let threads: Int
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let done = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var handles: [pthread_t] = []
    private var body: (@Sendable (_ task: Int, _ thread: Int) -> Void)?
    private var taskCount = 0
    private var stopping = false
    private let generation = Atomic<Int>(0)
    private let next = Atomic<Int>(0)
    private let working = Atomic<Int>(0)

    /// How often a thread looks for work before it sleeps: some microseconds, about the gap between two layers.
    private static let patience = 2_000

    package init(threads: Int) {
        self.threads = max(1, threads)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(wake, nil)
        pthread_cond_init(done, nil)
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
        pthread_mutex_lock(mutex)
        stopping = true
        generation.add(1, ordering: .releasing)
        pthread_cond_broadcast(wake)
        pthread_mutex_unlock(mutex)
        for handle in handles { pthread_join(handle, nil) }
        pthread_cond_destroy(wake)
        pthread_cond_destroy(done)
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
        wake.deallocate()
        done.deallocate()
    }

    /// Runs `body(task, thread)` for every task in 0..<tasks, on up to `threads` threads, and returns when all are done.
    /// Not reentrant; one caller at a time.
    package func run(tasks: Int, _ body: @escaping @Sendable (_ task: Int, _ thread: Int) -> Void) {
        guard threads > 1, tasks > 1 else {
            for task in 0..<tasks { body(task, 0) }
            return
        }
        pthread_mutex_lock(mutex)
        self.body = body
        taskCount = tasks
        next.store(0, ordering: .relaxed)
        working.store(threads - 1, ordering: .relaxed)
        generation.add(1, ordering: .releasing)
        pthread_cond_broadcast(wake)
        pthread_mutex_unlock(mutex)
        work(thread: 0)
        var spins = 0
        while working.load(ordering: .acquiring) > 0, spins < Self.patience { spins += 1 }
        if working.load(ordering: .acquiring) > 0 {
            pthread_mutex_lock(mutex)
            while working.load(ordering: .acquiring) > 0 { pthread_cond_wait(done, mutex) }
            pthread_mutex_unlock(mutex)
        }
        self.body = nil
    }

    private func work(thread: Int) {
        let body = body!
        while true {
            let task = next.add(1, ordering: .relaxed).oldValue
            if task >= taskCount { return }
            body(task, thread)
        }
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
            var seen = 0
            while true {
                var spins = 0
                while pool.generation.load(ordering: .acquiring) == seen, spins < patience { spins += 1 }
                pthread_mutex_lock(pool.mutex)
                while pool.generation.load(ordering: .acquiring) == seen { pthread_cond_wait(pool.wake, pool.mutex) }
                seen = pool.generation.load(ordering: .acquiring)
                let stop = pool.stopping
                pthread_mutex_unlock(pool.mutex)
                if stop { return }
                pool.work(thread: thread)
                if pool.working.subtract(1, ordering: .releasing).newValue == 0 {
                    pthread_mutex_lock(pool.mutex)
                    pthread_cond_signal(pool.done)
                    pthread_mutex_unlock(pool.mutex)
                }
            }
        }
    }
}
