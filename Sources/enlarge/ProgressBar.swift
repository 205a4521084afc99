import Glibc

/// A bar with a time to finish on a terminal's standard error, and nothing anywhere else.
final class ProgressBar: @unchecked Sendable {  // drawn by one thread; `clear` touches nothing
    private let label: String
    private let isShown: Bool
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private var drawn: ContinuousClock.Instant

    init(label: String, isQuiet: Bool) {
        self.label = label
        isShown = !isQuiet && isatty(STDERR_FILENO) == 1
        start = clock.now
        drawn = start
    }

    /// - Parameter label: in place of the bar's own.
    func update(_ part: Double, of label: String? = nil) {
        guard isShown else { return }
        let now = clock.now
        guard drawn.duration(to: now) > .milliseconds(100) || part >= 1 else { return }
        drawn = now
        let width = 30, filled = Int(part * Double(width))
        let elapsed = start.duration(to: now) / .seconds(1)
        let left = part > 0.01 ? " \(seconds(elapsed / part - elapsed)) left" : ""
        let bar = String(repeating: "=", count: filled) + String(repeating: " ", count: width - filled)
        draw("\r\u{1B}[K\(label ?? self.label) [\(bar)] \(Int(part * 100)) %\(left)")
    }

    func clear() {
        if isShown { draw("\r\u{1B}[K") }
    }

    private func draw(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
