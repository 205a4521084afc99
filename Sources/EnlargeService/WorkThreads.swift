import Glibc

/// A few threads for what may block: headers of pictures, plans, the database. They live as long as the process.
final class WorkThreads: Sendable {
    private let queue = Monitor<[@Sendable () -> Void]>([])

    init(count: Int) {
        for _ in 0..<count {
            var thread = pthread_t()
            let failed = pthread_create(
                &thread, nil,
                { argument in
                    let queue = Unmanaged<Monitor<[@Sendable () -> Void]>>.fromOpaque(argument!).takeRetainedValue()
                    while let work = queue.wait({ $0.isEmpty ? nil : $0.removeFirst() }) { work() }
                    return nil
                }, Unmanaged.passRetained(queue).toOpaque())
            precondition(failed == 0, "no thread could be started")
            pthread_detach(thread)
        }
    }

    func run(_ work: @escaping @Sendable () -> Void) { queue.changeForOne { $0.append(work) } }
}
