import Glibc
import Tensors

/// A socket that listens for TCP connections.
struct ListeningSocket {
    let descriptor: Int32
    let port: UInt16

    /// - Parameters:
    ///   - address: numeric or a name, IPv4 or IPv6.
    ///   - port: 0: a free one.
    /// - Throws: `usage` for an address that there is not, `outputFailed` when it is taken.
    init(address: String, port: UInt16) throws(EnlargerError) {
        var hints = addrinfo()
        var found: UnsafeMutablePointer<addrinfo>?
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        let status = getaddrinfo(address, String(port), &hints, &found)
        guard status == 0, let info = found?.pointee else {
            throw EnlargerError(.usage, "there is no address \(address): \(String(cString: gai_strerror(status)))")
        }
        defer { freeaddrinfo(found) }
        let socket = Glibc.socket(
            info.ai_family, info.ai_socktype | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue),
            info.ai_protocol)
        guard socket >= 0 else { throw ListeningSocket.failure("no socket") }
        var yes: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard bind(socket, info.ai_addr, info.ai_addrlen) == 0, listen(socket, 1024) == 0 else {
            let failure = ListeningSocket.failure("\(address) port \(port) cannot be listened on")
            close(socket)
            throw failure
        }
        var bound = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let network = withUnsafeMutablePointer(to: &bound) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(socket, $0, &size) }
            // The port stands at the same place for IPv4 and IPv6.
            return storage.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { $0.pointee.sin_port }
        }
        descriptor = socket
        self.port = UInt16(bigEndian: network)
    }

    private static func failure(_ what: String) -> EnlargerError {
        EnlargerError(.outputFailed, "\(what): \(String(cString: strerror(errno)))")
    }
}
