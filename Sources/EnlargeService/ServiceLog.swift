import Glibc

/// What happens: one JSON object a line on standard error.
struct ServiceLog: Sendable {
    enum Level: String { case info, warning, error }
    private let tell: @Sendable (Level, _ event: String, _ fields: [(String, JSON)]) -> Void

    init() {
        tell = { level, event, fields in
            let line = JSON.object(
                [
                    ("time", .string(RFC3339.text(milliseconds: RFC3339.now))), ("level", .string(level.rawValue)),
                    ("event", .string(event)),
                ] + fields
            ).text
            let bytes = Array((line + "\n").utf8)
            _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
        }
    }

    /// The messages alone, for people.
    init(messages: @escaping @Sendable (String) -> Void) {
        tell = { _, _, fields in
            for case ("message", .string(let message)) in fields { messages(message) }
        }
    }

    func callAsFunction(_ level: Level, _ event: String, _ fields: [(String, JSON)] = []) { tell(level, event, fields) }
}

/// Times as RFC 3339 writes them, in UTC.
enum RFC3339 {
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    static func text(milliseconds: Int64) -> String {
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func digits(_ number: some BinaryInteger, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let date = "\(digits(parts.tm_year + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
        return
            "\(date)T\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2)).\(digits(milliseconds % 1000, 3))Z"
    }
}
