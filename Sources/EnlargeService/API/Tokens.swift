import Glibc
import Tensors

/// Who may use the service: names, each with a secret.
struct Tokens: Sendable {
    private let list: [(name: String, token: [UInt8])]

    /// - Throws: `usage` for a file that cannot be read or has no token, or a line that is none.
    init(path: String) throws(EnlargerError) {
        guard let file = fopen(path, "re") else {
            throw EnlargerError(.usage, "\(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var list: [(name: String, token: [UInt8])] = []
        var line: UnsafeMutablePointer<CChar>?
        var room = 0
        var number = 0
        defer { free(line) }
        while getline(&line, &room, file) >= 0 {
            number += 1
            let text = String(cString: line!).split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
            if text.isEmpty || text.hasPrefix("#") { continue }
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, parts[1].utf8.count >= 16,
                parts[1].utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
            else {
                throw EnlargerError(
                    .usage,
                    "\(path), line \(number): NAME:TOKEN is meant, the token with at least 16 characters and no space")
            }
            guard !list.contains(where: { $0.name == parts[0] }) else {
                throw EnlargerError(.usage, "\(path), line \(number): \(parts[0]) is there twice")
            }
            list.append((String(parts[0]), Array(parts[1].utf8)))
        }
        guard !list.isEmpty else { throw EnlargerError(.usage, "\(path) has no token") }
        self.list = list
    }

    /// The name that goes with `Authorization: Bearer TOKEN`. All tokens are compared as a whole, so that the time tells nothing.
    func name(authorization: String?) -> String? {
        guard let authorization, authorization.lowercased().hasPrefix("bearer ") else { return nil }
        let given = Array(authorization.utf8.dropFirst(7).drop { $0 == 0x20 })
        var found: String?
        for (name, token) in list {
            var difference = UInt8(token.count == given.count ? 0 : 1)
            for index in token.indices { difference |= token[index] ^ (index < given.count ? given[index] : 0) }
            if difference == 0 { found = name }
        }
        return found
    }
}
