import Glibc
import Synchronization

/// A client's connection, as the clock sees it.
final class Connection: Sendable {
    let socket: Int32
    let client: String
    private let state: Mutex<State>

    private struct State {
        /// By when the header of the next request has to be there.
        var headerDeadline: Double
        var exchange: HTTPExchange?
        var isClosed = false
    }

    init(socket: Int32, client: String, headerDeadline: Double) {
        self.socket = socket
        self.client = client
        state = Mutex(State(headerDeadline: headerDeadline))
    }

    var exchange: HTTPExchange? { state.withLock { $0.exchange } }

    func await(headerBy deadline: Double) {
        state.withLock { state in
            state.exchange = nil
            state.headerDeadline = deadline
        }
    }

    func begin(_ exchange: HTTPExchange) { state.withLock { $0.exchange = exchange } }

    /// Its descriptor is another's from now on.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.exchange = nil
        }
    }

    /// Ends the connection under libmicrohttpd, which will notice.
    func cut() {
        state.withLock { state in
            if !state.isClosed { shutdown(socket, Int32(SHUT_RDWR)) }
        }
    }

    func isLate(_ now: Double) -> Bool {
        state.withLock { !$0.isClosed && $0.exchange == nil && now > $0.headerDeadline }
    }

    /// The client has closed its side. Looked at while the connection sleeps, when nobody reads from it.
    var isLeft: Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            var poller = pollfd(fd: socket, events: Int16(POLLRDHUP), revents: 0)
            return poll(&poller, 1, 0) > 0 && poller.revents & Int16(POLLRDHUP | POLLHUP | POLLERR) != 0
        }
    }
}

let POLLRDHUP: Int32 = 0x2000

func seconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
}
