/// `Range: bytes=...` with one range (RFC 9110, 14.2).
enum ByteRange: Equatable {
    /// None, or one that may be ignored: several, another unit, nonsense.
    case whole
    case part(offset: Int, count: Int)
    case unsatisfiable

    init(_ header: String?, of size: Int) {
        self = .whole
        guard let header, header.hasPrefix("bytes=") else { return }
        let parts = header.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
        func number(_ text: Substring) -> Int? {
            !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) ?? .max : nil
        }
        guard parts.count == 2 else { return }
        switch (number(parts[0]), number(parts[1])) {
        case (let first?, let last?) where first <= last:
            self = first < size ? .part(offset: first, count: min(last, size - 1) - first + 1) : .unsatisfiable
        case (let first?, nil) where parts[1].isEmpty:
            self = first < size ? .part(offset: first, count: size - first) : .unsatisfiable
        case (nil, let suffix?) where parts[0].isEmpty:
            self =
                suffix > 0 && size > 0 ? .part(offset: max(0, size - suffix), count: min(suffix, size)) : .unsatisfiable
        default: return
        }
    }
}
