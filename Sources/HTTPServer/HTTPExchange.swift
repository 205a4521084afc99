import CMicroHTTP
import Synchronization

/// A request and its answer, from the header to the last byte. Any thread may use it.
package final class HTTPExchange: Sendable {
    package let request: HTTPRequest
    /// Unique: the client's `X-Request-Id` where it is harmless, else a random one.
    package let identifier: String
    /// In `monotonicSeconds`' terms.
    package let start: Double
    package let deadline: Double
    private nonisolated(unsafe) let connection: OpaquePointer
    private let state = Mutex(State())

    private struct State {
        var body: HTTPSpool?
        var answer: HTTPResponse?
        var isAnswered = false
        /// The connection sleeps: until there is an answer, or until its stream has more.
        var isSuspended = false
        var wakes = 0
        var gone: HTTPGone?
        var whenGone: (@Sendable (HTTPGone) -> Void)?
        var status: Int?
        var isComplete = false
        var isOver = false
    }

    init(request: HTTPRequest, connection: OpaquePointer, start: Double, deadline: Double) {
        self.request = request
        self.connection = connection
        self.start = start
        self.deadline = deadline
        identifier = HTTPExchange.identifier(request.header("x-request-id"))
    }

    private static func identifier(_ wished: String?) -> String {
        let isHarmless = { (byte: UInt8) in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x2D
                || byte == 0x5F
        }
        if let wished, (1...64).contains(wished.utf8.count), wished.utf8.allSatisfy(isHarmless) { return wished }
        let digits = String(UInt64.random(in: 0...UInt64.max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// What was spooled, once the request is complete.
    package var body: HTTPSpool? { state.withLock { $0.body } }
    package func takeBody() -> HTTPSpool? {
        state.withLock { state in
            defer { state.body = nil }
            return state.body
        }
    }

    /// Answers, unless that was done.
    package func answer(_ response: HTTPResponse) {
        let isLate = state.withLock { state in
            guard !state.isAnswered, !state.isOver else { return true }
            state.isAnswered = true
            state.answer = response
            resume(&state)
            return false
        }
        if isLate { response.discard() }
    }

    /// The answer's stream may have more.
    package func wake() {
        state.withLock { state in
            state.wakes += 1
            if state.isAnswered { resume(&state) }
        }
    }

    /// - Parameter body: called once, at once where it has happened: nobody waits for the answer any more.
    package func whenGone(_ body: @escaping @Sendable (HTTPGone) -> Void) {
        let gone = state.withLock { state in
            if state.gone == nil { state.whenGone = body }
            return state.gone
        }
        if let gone { body(gone) }
    }

    // MARK: The server's side

    private func resume(_ state: inout State) {
        guard state.isSuspended else { return }
        state.isSuspended = false
        hs_resume(connection)
    }

    var isSuspended: Bool { state.withLock { $0.isSuspended } }
    /// The request has come as a whole.
    var isComplete: Bool { state.withLock { $0.isComplete } }
    package var isOver: Bool { state.withLock { $0.isOver } }
    var status: Int? { state.withLock { $0.status } }

    func complete(body: HTTPSpool?) {
        state.withLock { state in
            state.isComplete = true
            state.body = body
        }
    }

    /// The answer, or nil: then the connection sleeps until there is one.
    func takeAnswer() -> HTTPResponse? {
        state.withLock { state in
            if let answer = state.answer {
                state.answer = nil
                state.status = answer.status
                return answer
            }
            state.isSuspended = true
            hs_suspend(connection)
            return nil
        }
    }

    /// Reads on with `stream`; 0 when the connection sleeps now.
    func read(
        _ stream: any HTTPStream, _ buffer: UnsafeMutableRawBufferPointer, at offset: Int,
        trailers: (String, String) -> Void
    ) -> Int {
        while true {
            let (wakes, isGone) = state.withLock { ($0.wakes, $0.gone != nil) }
            if isGone { return hs_failure }
            switch stream.read(into: buffer, at: offset) {
            case .bytes(let count): return count
            case .failed: return hs_failure
            case .end(let list):
                for trailer in list { trailers(trailer.name, trailer.value) }
                return hs_end
            case .wait:
                let sleeps = state.withLock { state in
                    guard state.wakes == wakes, state.gone == nil else { return false }
                    state.isSuspended = true
                    hs_suspend(connection)
                    return true
                }
                if sleeps { return 0 }
            }
        }
    }

    /// Nobody waits any more: `answer` is for the case that there is still a way to say it.
    func leave(_ reason: HTTPGone, answer: HTTPResponse?) {
        let call = state.withLock { state -> (@Sendable (HTTPGone) -> Void)? in
            guard state.gone == nil else { return nil }
            state.gone = reason
            defer { state.whenGone = nil }
            return state.whenGone
        }
        call?(reason)
        if let answer { self.answer(answer) }
        wake()
    }

    func end(isComplete: Bool) {
        if !isComplete { leave(.clientLeft, answer: nil) }
        let unsent = state.withLock { state in
            state.isOver = true
            state.whenGone = nil
            state.body = nil
            defer { state.answer = nil }
            return state.answer
        }
        unsent?.discard()
    }
}
