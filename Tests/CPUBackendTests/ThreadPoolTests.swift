import CPUBackend
import Synchronization
import Testing

@Suite struct `The thread pool` {
    @Test(arguments: [1, 2, 3, 8])
    func `runs every task once, call after call`(threads: Int) {
        let pool = ThreadPool(threads: threads)
        for tasks in [0, 1, 2, 5, 100] + Array(repeating: 7, count: 300) {
            let counts = Mutex([Int](repeating: 0, count: tasks))
            pool.run(tasks: tasks) { task, thread in
                precondition(thread >= 0 && thread < threads)
                counts.withLock { $0[task] += 1 }
            }
            #expect(counts.withLock { $0.allSatisfy { $0 == 1 } })
        }
    }

    @Test(arguments: [1, 2, 5])
    func `takes subnormal numbers for zero in every task and not outside`(threads: Int) {
        let tiny = Mutex(Float.leastNormalMagnitude)
        let half = { tiny.withLock { $0 } / 2 }
        let results = Mutex([Float](repeating: 1, count: 40))
        ThreadPool(threads: threads).run(tasks: 40) { task, _ in
            let value = tiny.withLock { $0 } / 2
            results.withLock { $0[task] = value }
        }
        #expect(results.withLock { $0.allSatisfy { $0 == 0 } })
        #expect(half() > 0)
    }

    @Test func `ends while its threads sleep`() {
        for _ in 0..<50 { _ = ThreadPool(threads: 3) }
    }

    @Test func `no more threads work than the limit says, whenever it changes`() {
        let pool = ThreadPool(threads: 4)
        for (round, limit) in [4, 2, 1, 3, 9, 0].enumerated() {
            pool.limit = limit
            #expect(pool.limit == min(max(limit, 1), 4))
            for _ in 0..<50 {
                let threads = Mutex<Set<Int>>([]), done = Mutex(0)
                pool.run(tasks: 40) { _, thread in
                    threads.withLock { _ = $0.insert(thread) }
                    done.withLock { $0 += 1 }
                }
                #expect(done.withLock { $0 } == 40)
                // A thread that joined the last call may find the next one before it sees the limit.
                if limit <= 1 { #expect(threads.withLock { $0 } == [0], "round \(round)") }
            }
        }
    }
}
