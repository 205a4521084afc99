import HTTPServer
import Jobs
import Synchronization

/// Server-sent events (WHATWG HTML, 9.2) of one job: every change, until it is finished.
final class EventStream: HTTPStream {
    let job: JobIdentifier
    private let hub: JobHub
    private let exchange: HTTPExchange
    private let state = Mutex(State())

    private struct State {
        var pending: [UInt8] = Array("retry: 2000\n\n".utf8)
        var hasEnded = false
    }

    /// Text that waits: a client that does not read loses steps of progress, never the end.
    private static let room = 64 << 10

    init(job: JobIdentifier, hub: JobHub, exchange: HTTPExchange) {
        (self.job, self.hub, self.exchange) = (job, hub, exchange)
    }

    func add(_ job: Job) {
        state.withLock { state in
            guard !state.hasEnded, job.state.isFinished || state.pending.count < EventStream.room else { return }
            state.pending += Array("event: job\ndata: \(job.json.text)\n\n".utf8)
            state.hasEnded = job.state.isFinished
        }
        exchange.wake()
    }

    /// A comment, so that no one between takes the connection for dead.
    func beat() {
        state.withLock { state in
            if state.pending.isEmpty, !state.hasEnded { state.pending = Array(":\n\n".utf8) }
        }
        exchange.wake()
    }

    /// The service ends; the client will ask again.
    func end() {
        state.withLock { $0.hasEnded = true }
        exchange.wake()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> HTTPStreamStep {
        state.withLock { state in
            guard !state.pending.isEmpty else { return state.hasEnded ? .end(trailers: []) : .wait }
            let count = min(buffer.count, state.pending.count)
            buffer.copyBytes(from: state.pending[..<count])
            state.pending.removeFirst(count)
            return .bytes(count)
        }
    }

    func close() { hub.leave(self) }
}
