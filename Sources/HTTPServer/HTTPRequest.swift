/// A request's line and header (RFC 9110, 9112).
package struct HTTPRequest: Sendable {
    package let method: String
    /// Decoded, without the query.
    package let path: String
    /// Decoded, in their order.
    package let query: [(name: String, value: String)]
    /// In their order; names in lower case.
    package let headers: [(name: String, value: String)]
    /// The client's IP address.
    package let client: String

    package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    /// nil: none was said, as for chunks. A server accepts one length alone.
    package var contentLength: Int? { header("content-length").flatMap { Int($0) } }
    package var isChunked: Bool { header("transfer-encoding") != nil }
    package var hasBody: Bool { isChunked || (contentLength ?? 0) > 0 }

    /// Bytes of the header that make the message's end doubtful are refused: two lengths, or a length and chunks.
    var hasDoubtfulLength: Bool {
        let lengths = headers.filter { $0.name == "content-length" }
        let encodings = headers.filter { $0.name == "transfer-encoding" }
        if lengths.count > 1 || encodings.count > 1 || (!lengths.isEmpty && !encodings.isEmpty) { return true }
        if let encoding = encodings.first, encoding.value.lowercased() != "chunked" { return true }
        if let length = lengths.first,
            !length.value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) || Int(length.value) == nil
        {
            return true
        }
        return false
    }
}

/// A request's target, taken apart and percent-decoded (RFC 3986).
struct HTTPTarget {
    var path: String
    var query: [(name: String, value: String)] = []

    /// nil when it cannot be decoded, or the path holds control characters, or the query zero bytes.
    init?(_ text: String) {
        // A proxy's form of the target; a fragment does not belong into one.
        var rest = Substring(text)
        if !rest.hasPrefix("/") {
            guard let scheme = rest.range(of: "://"), let slash = rest[scheme.upperBound...].firstIndex(of: "/") else {
                return nil
            }
            rest = rest[slash...]
        }
        let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard !rest.contains("#"), let path = HTTPTarget.decoded(parts[0], isQuery: false) else { return nil }
        self.path = path
        guard parts.count > 1 else { return }
        for field in parts[1].split(separator: "&") {
            let sides = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = HTTPTarget.decoded(sides[0], isQuery: true),
                let value = HTTPTarget.decoded(sides.count > 1 ? sides[1] : "", isQuery: true)
            else { return nil }
            query.append((name, value))
        }
    }

    private static func decoded(_ text: Substring, isQuery: Bool) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        func digit(_ byte: UInt8?) -> UInt8? {
            switch byte {
            case .some(0x30...0x39): byte! - 0x30
            case .some(0x41...0x46): byte! - 0x37
            case .some(0x61...0x66): byte! - 0x57
            default: nil
            }
        }
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = digit(rest.popFirst()), let low = digit(rest.popFirst()) else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where isQuery: bytes.append(0x20)
            default: bytes.append(byte)
            }
        }
        guard bytes.allSatisfy({ isQuery ? $0 != 0 : $0 >= 0x20 && $0 != 0x7F }) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension Substring {
    /// Foundation is not needed for one search.
    fileprivate func range(of word: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(word) { return start..<index(start, offsetBy: word.count) }
            start = index(after: start)
        }
        return nil
    }
}
