import Glibc

/// A moment: milliseconds since 1970-01-01 00:00 UTC.
package struct JobTime: Comparable, Hashable, Sendable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// The machine's clock.
    package static var now: JobTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return JobTime(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    package static func < (a: JobTime, b: JobTime) -> Bool { a.milliseconds < b.milliseconds }

    /// Later by `duration`; at most the last moment that there is.
    package static func + (time: JobTime, duration: Duration) -> JobTime {
        let (sum, isTooLate) = time.milliseconds.addingReportingOverflow(duration.inMilliseconds)
        return JobTime(milliseconds: isTooLate ? .max : sum)
    }

    package static func - (end: JobTime, start: JobTime) -> Duration {
        .milliseconds(end.milliseconds - start.milliseconds)
    }
}

extension Duration {
    /// Rounded down, and cut to what an `Int64` holds.
    package var inMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        guard !overflow else { return seconds > 0 ? .max : .min }
        let (sum, sumOverflow) = whole.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return sumOverflow ? (seconds > 0 ? .max : .min) : sum
    }
}
