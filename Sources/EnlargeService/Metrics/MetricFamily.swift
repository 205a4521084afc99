/// One metric with all its label values, in Prometheus' text exposition format (version 0.0.4).
struct MetricFamily {
    enum Kind: String { case counter, gauge, histogram }
    let name: String
    let kind: Kind
    let help: String
    let lines: [String]

    init(_ name: String, _ kind: Kind, _ help: String, _ samples: [(labels: [(String, String)], value: Double)]) {
        self.init(name, kind, help, lines: samples.map { MetricFamily.line(name, $0.labels, $0.value) })
    }

    init(_ name: String, _ kind: Kind, _ help: String, _ value: Double) { self.init(name, kind, help, [([], value)]) }

    private init(_ name: String, _ kind: Kind, _ help: String, lines: [String]) {
        (self.name, self.kind, self.help, self.lines) = (name, kind, help, lines)
    }

    static func histogram(
        _ name: String, _ help: String, _ series: [(labels: [(String, String)], histogram: Histogram)]
    ) -> MetricFamily {
        MetricFamily(
            name, .histogram, help,
            lines: series.flatMap { labels, histogram in
                var count = 0
                var lines = zip(histogram.bounds, histogram.counts).map { bound, inBucket in
                    count += inBucket
                    return line(name + "_bucket", labels + [("le", number(bound))], Double(count))
                }
                lines.append(line(name + "_bucket", labels + [("le", "+Inf")], Double(histogram.count)))
                return lines + [
                    line(name + "_sum", labels, histogram.sum), line(name + "_count", labels, Double(histogram.count)),
                ]
            })
    }

    var text: String { "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n" + lines.map { $0 + "\n" }.joined() }

    private static func line(_ name: String, _ labels: [(String, String)], _ value: Double) -> String {
        let list = labels.map { "\($0.0)=\"\(escaped($0.1))\"" }.joined(separator: ",")
        return "\(name)\(list.isEmpty ? "" : "{\(list)}") \(number(value))"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { $0 += ["\\": "\\\\", "\"": "\\\"", "\n": "\\n"][$1] ?? String($1) }
    }
}

/// Counts of values up to each bound.
struct Histogram: Sendable {
    let bounds: [Double]
    /// Values in each bucket alone; those above the last bound are in `count` only.
    private(set) var counts: [Int]
    private(set) var count = 0
    private(set) var sum = 0.0

    /// Seconds: from a trivial request to a picture of many megapixels.
    static let durations = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900,
    ]

    init(bounds: [Double] = Histogram.durations) {
        self.bounds = bounds
        counts = [Int](repeating: 0, count: bounds.count)
    }

    mutating func add(_ value: Double) {
        if let bucket = bounds.firstIndex(where: { value <= $0 }) { counts[bucket] += 1 }
        count += 1
        sum += value
    }
}
