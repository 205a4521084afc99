import Glibc
package import Tensors

/// Where a NATS server is, and how one gets in.
package struct NATSSettings: Sendable {
    /// `nats://HOST:PORT` or `tls://HOST:PORT`; those of one cluster.
    package var servers: [String]
    /// Begins the names of the streams, so that several deployments may share a cluster.
    package var prefix = "enlarge"
    /// Copies that the cluster keeps of everything, for streams that are made by this process.
    package var replicas = 1
    /// A `.creds` file, or a file whose first line is `USER:PASSWORD` or a token.
    package var credentialsFile: String?
    /// PEM files. The authority makes the connection TLS whatever the address says.
    package var authorityFile: String?
    package var certificateFile: String?
    package var keyFile: String?

    /// - Parameter addresses: separated by commas.
    /// - Throws: `usage`.
    package init(addresses: String) throws(EnlargerError) {
        servers = addresses.split(separator: ",").map(String.init)
        for server in servers {
            guard server.hasPrefix("nats://") || server.hasPrefix("tls://") else {
                throw EnlargerError(.usage, "\(server): an address such as nats://127.0.0.1:4222 is meant; several are separated by commas")
            }
            guard !server.contains("@") else {
                throw EnlargerError(.usage, "credentials belong in a file, not in an address: --queue-credentials FILE")
            }
        }
        guard !servers.isEmpty else { throw EnlargerError(.usage, "no address of a NATS server is given") }
    }

    var isSecure: Bool { authorityFile != nil || certificateFile != nil || servers.contains { $0.hasPrefix("tls://") } }

    enum Credentials {
        case file(String)
        case user(String, password: String)
        case token(String)
    }

    /// - Throws: `usage` for a file that cannot be read or holds nothing.
    func credentials() throws(EnlargerError) -> Credentials? {
        guard let path = credentialsFile else { return nil }
        guard let file = fopen(path, "re") else { throw EnlargerError(.usage, "\(path): \(String(cString: strerror(errno)))") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while bytes.count < 64 << 10, case let byte = getc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
        let text = String(decoding: bytes, as: UTF8.self)
        if text.contains("BEGIN NATS USER JWT") { return .file(path) }
        guard let line = text.split(whereSeparator: \.isNewline).first(where: { !$0.isEmpty }) else {
            throw EnlargerError(.usage, "\(path): it holds no credentials: a .creds file, or a line USER:PASSWORD or TOKEN is meant")
        }
        guard let colon = line.firstIndex(of: ":") else { return .token(String(line)) }
        return .user(String(line[..<colon]), password: String(line[line.index(after: colon)...]))
    }
}
