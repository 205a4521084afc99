import Foundation
import Glibc
import Synchronization

/// A web server on 127.0.0.1 that answers each request as a test says, one connection after the other.
final class LocalServer: Sendable {
    struct Request: Sendable {
        var path: String
        /// First byte of the Range header.
        var from: Int?
    }
    struct Response: Sendable {
        var status = 200
        var headers: [String] = []
        var body: [UInt8] = []
        /// Sends no more than so many bytes of the body, though Content-Length names all.
        var cutAfter: Int?
        /// Neither closes nor sends anything more, until the client goes.
        var hangs = false
    }
    let address: String
    private let listener: Int32
    private let log = Mutex<(requests: [Request], sent: Int)>(([], 0))
    var requests: [Request] { log.withLock { $0.requests } }
    /// Bytes of bodies that the system took.
    var bytesSent: Int { log.withLock { $0.sent } }

    init(answer: @escaping @Sendable (Request) -> Response) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { any in
                precondition(bind(listener, any, size) == 0 && listen(listener, 8) == 0 && getsockname(listener, any, &size) == 0)
            }
        }
        address = "http://127.0.0.1:\(UInt16(bigEndian: name.sin_port))"
        Thread.detachNewThread { [weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                self?.serve(connection, answer)
                close(connection)
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func serve(_ connection: Int32, _ answer: (Request) -> Response) {
        var text = "", buffer = [UInt8](repeating: 0, count: 4096)
        while !text.contains("\r\n\r\n") {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
        let lines = text.components(separatedBy: "\r\n")
        let range = lines.first { $0.lowercased().hasPrefix("range: bytes=") }
        let request = Request(
            path: lines[0].components(separatedBy: " ")[1], from: range.flatMap { Int($0.dropFirst(13).prefix { $0.isNumber }) })
        log.withLock { $0.requests.append(request) }
        let response = answer(request)
        var head = "HTTP/1.1 \(response.status) X\r\nContent-Length: \(response.body.count)\r\nConnection: close\r\n"
        for header in response.headers { head += header + "\r\n" }
        guard send(Array((head + "\r\n").utf8), to: connection) else { return }
        var rest = response.body.prefix(response.cutAfter ?? response.body.count)
        while !rest.isEmpty {
            let piece = Array(rest.prefix(16 << 10))
            guard send(piece, to: connection) else { return }
            log.withLock { $0.sent += piece.count }
            rest = rest.dropFirst(piece.count)
        }
        if response.hangs { while recv(connection, &buffer, buffer.count, 0) > 0 {} }
    }

    /// - Returns: false when the client is gone.
    private func send(_ bytes: [UInt8], to connection: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.send(connection, $0.baseAddress! + done, $0.count - done, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }
}
