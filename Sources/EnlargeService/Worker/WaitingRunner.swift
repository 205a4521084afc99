import Glibc
import Jobs
import Synchronization
import Tensors

/// A test device: it waits instead of computing, and hands its input on. What is left is the cost of queue and store.
final class WaitingRunner: JobRunner {
    let slots: Int
    private let seconds: Double
    private let free: Monitor<Int>
    private let next = Atomic<Int>(0)

    init(slots: Int, seconds: Double) {
        self.slots = slots
        self.seconds = seconds
        free = Monitor(slots)
    }

    func prepare(_ job: Job, input: Int32) throws -> any PreparedJob {
        let copy = dup(input)
        guard copy >= 0 else { throw EnlargerError(.outputFailed, "too many open files") }
        return Prepared(runner: self, input: copy)
    }

    func cancel(_ run: Int) {}
    func completed(_ job: Job) {}

    private final class Prepared: PreparedJob {
        let runner: WaitingRunner
        let input: Int32

        init(runner: WaitingRunner, input: Int32) { (self.runner, self.input) = (runner, input) }
        deinit { close(input) }

        func start(
            _ result: any JobResult, progressed: @escaping @Sendable (Double, Bool) -> Void,
            finished: @escaping @Sendable (Result<RunResult, EnlargerError>) -> Void
        ) throws -> Int {
            detachThread {
                let queued = monotonicSeconds()
                _ = self.runner.free.wait { free -> Bool? in
                    guard free > 0 else { return nil }
                    free -= 1
                    return true
                }
                let began = monotonicSeconds()
                usleep(UInt32(self.runner.seconds * 1e6))
                self.runner.free.change { $0 += 1 }
                var bytes = [UInt8](repeating: 0, count: 64 << 10), count = 0
                while case let got = pread(self.input, &bytes, bytes.count, count), got > 0, write(result.descriptor, bytes, got) == got { count += got }
                let start = RunStart(
                    queueSeconds: began - queued, plannedBytes: 0, threads: 1, bandRows: 0, strips: 1, expectedSeconds: self.runner.seconds)
                let seconds = monotonicSeconds() - began
                finished(
                    .success(
                        RunResult(
                            start: start, width: 0, height: 0, seconds: seconds, decodeSeconds: 0, computeSeconds: seconds, encodeSeconds: 0,
                            resultBytes: count, notes: [])))
            }
            return runner.next.add(1, ordering: .relaxed).newValue
        }
    }
}
