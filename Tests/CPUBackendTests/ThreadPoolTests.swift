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

    @Test func `ends while its threads sleep`() {
        for _ in 0..<50 { _ = ThreadPool(threads: 3) }
    }
}
