import StreamPlanner
import Tensors

/// The words of a command line, taken apart: flags with and without values, and the rest in order.
struct Arguments {
    private(set) var positional: [String] = []
    private var values: [String: [String]] = [:]
    private var switches: Set<String> = []

    /// - Parameters:
    ///   - withValue: names that take the next word (or what follows "="), aliases mapped to one name.
    ///   - alone: names that stand alone, likewise.
    /// - Throws: `usage`, for a flag that is not named.
    init(_ words: [String], withValue: [String: String], alone: [String: String]) throws(EnlargerError) {
        var index = 0, onlyPositional = false
        while index < words.count {
            let word = words[index]
            index += 1
            if onlyPositional || word == "-" || !word.hasPrefix("-") {
                positional.append(word)
            } else if word == "--" {
                onlyPositional = true
            } else {
                let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                let name = word.hasPrefix("--") ? parts[0] : word
                if let canonical = alone[name], parts.count == 1 || !word.hasPrefix("--") {
                    switches.insert(canonical)
                } else if let canonical = withValue[name] {
                    if word.hasPrefix("--"), parts.count == 2 {
                        values[canonical, default: []].append(parts[1])
                    } else {
                        guard index < words.count else { throw EnlargerError(.usage, "\(name) needs a value") }
                        values[canonical, default: []].append(words[index])
                        index += 1
                    }
                } else {
                    throw EnlargerError(.usage, "there is no option \(name)")
                }
            }
        }
    }

    func has(_ name: String) -> Bool { switches.contains(name) }

    /// The last value given; nil if none was.
    func value(_ name: String) -> String? { values[name]?.last }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(EnlargerError) -> Int? {
        guard let text = value(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw EnlargerError(.usage, "\(name) \(text): a whole number of \(range.lowerBound) to \(range.upperBound) is needed")
        }
        return number
    }

    /// A number of bytes; K, M and G are powers of 1024.
    func bytes(_ name: String) throws(EnlargerError) -> Int? {
        guard let text = value(name) else { return nil }
        var digits = text.uppercased()
        if digits.hasSuffix("IB") { digits.removeLast(2) } else if digits.hasSuffix("B") { digits.removeLast() }
        var factor = 1
        if let unit = digits.last, let shift = ["K": 10, "M": 20, "G": 30, "T": 40][unit] {
            factor = 1 << shift
            digits.removeLast()
        }
        guard let number = Int(digits), number > 0 else { throw EnlargerError(.usage, "\(name) \(text): a size such as 200M is needed") }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow else { throw EnlargerError(.usage, "\(name) \(text): too large") }
        return product
    }

    /// Two numbers joined by "x", of at most `Planner.sideLimit`: arithmetic on them stays inside 64 bits.
    func size(_ name: String) throws(EnlargerError) -> (width: Int, height: Int)? {
        guard let text = value(name) else { return nil }
        let parts = text.lowercased().split(separator: "x", omittingEmptySubsequences: false)
        guard parts.count == 2, let width = Int(parts[0]), let height = Int(parts[1]), width > 0, height > 0 else {
            throw EnlargerError(.usage, "\(name) \(text): a size such as 500x400 is needed")
        }
        guard max(width, height) <= Planner.sideLimit else {
            throw EnlargerError(.usage, "\(name) \(text): sides of at most \(Planner.sideLimit) are possible")
        }
        return (width, height)
    }
}
