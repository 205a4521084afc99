import Foundation
import Glibc
import Synchronization
import Tensors
import Testing

@testable import HTTPServer

/// A server against raw sockets. What clients can do wrong is tried from outside: Tests/service/test_hostile.py.
@Suite(.serialized) struct HTTPServerTests {
    @Test func bodiesComeAsTheyWereSent() throws {
        try withServer { port, _ in
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 >> 8) }
            let answer = try exchange(port, head: "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: \(bytes.count)\r\n\r\n", bytes)
            #expect(answer.head.hasPrefix("HTTP/1.1 200"))
            #expect(answer.body == bytes)
        }
    }

    @Test func aStreamIsSentInItsOrderAndEndsWithATrailer() throws {
        try withServer { port, _ in
            let answer = try exchange(port, head: "GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let text = String(decoding: answer.body, as: UTF8.self)
            #expect(answer.head.contains("Transfer-Encoding: chunked"))
            #expect(text.hasSuffix("0\r\nX-Sum: 45\r\n\r\n"))
            #expect((0..<10).allSatisfy { text.contains("line \($0)\n") })
        }
    }

    @Test func aStreamThatFailsIsCutOff() throws {
        try withServer { port, _ in
            let answer = try exchange(port, head: "GET /broken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(!String(decoding: answer.body, as: UTF8.self).hasSuffix("0\r\n\r\n"))
        }
    }

    @Test func whoeverLeavesIsNoticed() throws {
        try withServer { port, handler in
            let socket = try connected(port)
            sendAll(socket, Array("GET /never HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
            try wait { handler.waiting.withLock { $0 } == 1 }
            close(socket)
            try wait { handler.gone.withLock { $0 } == [.clientLeft] }
            try wait { handler.ended.withLock { $0 } == 1 }
        }
    }

    @Test func timeEndsARequestWithAnAnswer() throws {
        try withServer(change: { $0.requestSeconds = 1 }) { port, handler in
            let answer = try exchange(port, head: "GET /never HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(answer.head.hasPrefix("HTTP/1.1 408"))
            #expect(handler.gone.withLock { $0 } == [.timeout])
        }
    }

    @Test func stoppingEndsWhatRuns() throws {
        try withServer { port, handler in
            let socket = try connected(port)
            defer { close(socket) }
            sendAll(socket, Array("GET /never HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
            try wait { handler.waiting.withLock { $0 } == 1 }
            // withServer stops it; that must not hang, nor leave the request.
        }
    }

    @Test func nothingIsLeftOfAHundredRequests() throws {
        try withServer { port, handler in
            for index in 0..<100 {
                let path = ["/echo", "/stream", "/broken", "/none"][index % 4]
                _ = try exchange(port, head: "POST \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n", [1, 2, 3])
            }
            try wait { handler.ended.withLock { $0 } == 100 }
            #expect(try FileManager.default.contentsOfDirectory(atPath: handler.folder).isEmpty)
            #expect(handler.reserved.withLock { $0 } == 0)
        }
    }
}

private final class TestHandler: HTTPHandler {
    let folder = NSTemporaryDirectory() + "enlarge-http-" + UUID().uuidString
    let waiting = Mutex(0)
    let ended = Mutex(0)
    let gone = Mutex<[HTTPGone]>([])
    let reserved = Mutex(0)

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func plan(for exchange: HTTPExchange) -> HTTPBodyPlan {
        guard exchange.request.method == "POST" else { return .discard }
        return .spool(
            HTTPSpoolRules(
                folder: folder, fileLimit: 1 << 20, filePart: "image",
                reserve: { count in
                    self.reserved.withLock { $0 += count }
                    return true
                }, release: { count in self.reserved.withLock { $0 -= count } }))
    }

    func respond(to exchange: HTTPExchange) {
        switch exchange.request.path {
        case "/echo":
            let body = exchange.takeBody()!
            var bytes = [UInt8](repeating: 0, count: body.count)
            _ = pread(body.descriptor, &bytes, bytes.count, 0)
            exchange.answer(HTTPResponse(status: 200, body: .bytes(bytes)))
        case "/stream": Thread.detachNewThread { SlowStream(exchange, breaks: false).run() }
        case "/broken": Thread.detachNewThread { SlowStream(exchange, breaks: true).run() }
        case "/never":
            waiting.withLock { $0 += 1 }
            exchange.whenGone { reason in self.gone.withLock { $0.append(reason) } }
        default: exchange.answer(HTTPResponse(status: 404))
        }
    }

    func answer(to failure: HTTPFailure, of exchange: HTTPExchange) -> HTTPResponse {
        HTTPResponse(status: failure == .timeout ? 408 : failure == .shuttingDown ? 503 : 400)
    }

    func ended(_ exchange: HTTPExchange, status: Int?, isComplete: Bool, seconds: Double) { ended.withLock { $0 += 1 } }
}

/// Ten lines, one every few milliseconds.
private final class SlowStream: HTTPStream {
    private let exchange: HTTPExchange
    private let breaks: Bool
    private let state = Mutex((text: [UInt8](), lines: 0))

    init(_ exchange: HTTPExchange, breaks: Bool) { (self.exchange, self.breaks) = (exchange, breaks) }

    func run() {
        exchange.answer(HTTPResponse(status: 200, body: .stream(self)))
        for line in 0..<10 {
            usleep(2000)
            state.withLock { $0 = ($0.text + Array("line \(line)\n".utf8), $0.lines + 1) }
            exchange.wake()
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> HTTPStreamStep {
        state.withLock { state in
            if offset < state.text.count {
                let count = min(buffer.count, state.text.count - offset)
                buffer.copyBytes(from: state.text[offset..<offset + count])
                return .bytes(count)
            }
            if breaks, state.lines >= 5 { return .failed }
            return state.lines == 10 ? .end(trailers: [("X-Sum", "45")]) : .wait
        }
    }

    func close() {}
}

private func withServer(change: (inout HTTPServer.Settings) -> Void = { _ in }, _ body: (UInt16, TestHandler) throws -> Void) throws {
    // As the command does: a client that is gone is an error of the write.
    signal(SIGPIPE, SIG_IGN)
    var settings = HTTPServer.Settings()
    change(&settings)
    let handler = try TestHandler()
    let server = try HTTPServer(settings: settings, handler: handler)
    defer {
        server.stop(grace: 0.2)
        #expect(server.requestCount == 0)
    }
    try body(server.port, handler)
}

private func connected(_ port: UInt16) throws -> Int32 {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let status = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    try #require(status == 0)
    return socket
}

private func sendAll(_ socket: Int32, _ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard count > 0 else { return }
        rest = rest.dropFirst(count)
    }
}

/// The answer, read to the connection's end.
private func exchange(_ port: UInt16, head: String, _ body: [UInt8] = []) throws -> (head: String, body: [UInt8]) {
    let socket = try connected(port)
    defer { close(socket) }
    sendAll(socket, Array(head.utf8) + body)
    var answer: [UInt8] = [], buffer = [UInt8](repeating: 0, count: 65536)
    while case let count = recv(socket, &buffer, buffer.count, 0), count > 0 { answer += buffer[..<count] }
    let end = try #require(answer.indices.first { Array(answer[$0...].prefix(4)) == [13, 10, 13, 10] })
    return (String(decoding: answer[..<end], as: UTF8.self), Array(answer[(end + 4)...]))
}

private func wait(_ condition: () -> Bool) throws {
    for _ in 0..<1000 {
        if condition() { return }
        usleep(10_000)
    }
    Issue.record("it never came")
}
