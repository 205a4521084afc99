/// The one byte budget, as bookkeeping: bytes of runs, and of weights that several runs share. A pure value.
package struct Ledger: Sendable {
    package let budget: Int
    /// Bytes granted to runs.
    package private(set) var runBytes = 0
    private var resident: [String: Weights] = [:]
    private var clock = 0

    private struct Weights: Sendable {
        var bytes: Int
        var users: Int
        /// The ledger's own count of uses, for the least recently used.
        var lastUse: Int
    }

    package init(budget: Int) { self.budget = budget }

    package var weightsBytes: Int { resident.values.reduce(0) { $0 + $1.bytes } }
    /// Bytes of weights that a run uses at the moment.
    package var weightsInUse: Int { resident.values.reduce(0) { $0 + ($1.users > 0 ? $1.bytes : 0) } }
    package var usedBytes: Int { runBytes + weightsBytes }
    package var residentWeights: [String] { resident.keys.sorted() }

    /// The most bytes a run with these weights could be granted now, idle weights of others evicted. May be negative.
    package func room(weights name: String, bytes: Int) -> Int {
        let others = resident.reduce(0) { $0 + ($1.key != name && $1.value.users > 0 ? $1.value.bytes : 0) }
        return budget - runBytes - others - bytes
    }

    /// Grants `run` bytes beside the weights `name`, which count once however many use them.
    /// - Precondition: `run <= room(weights:bytes:)`.
    /// - Returns: the idle weights that had to go, least recently used first.
    package mutating func take(run: Int, weights name: String, bytes: Int) -> [String] {
        precondition(run >= 0 && bytes >= 0 && run <= room(weights: name, bytes: bytes), "beyond the budget")
        clock += 1
        resident[name, default: Weights(bytes: bytes, users: 0, lastUse: 0)].users += 1
        resident[name]!.lastUse = clock
        runBytes += run
        var evicted: [String] = []
        while usedBytes > budget {
            let oldest = resident.filter { $0.value.users == 0 }.min { $0.value.lastUse < $1.value.lastUse }!.key
            resident[oldest] = nil
            evicted.append(oldest)
        }
        return evicted
    }

    /// Gives back bytes of a run that goes on.
    package mutating func giveBack(run bytes: Int) {
        precondition(bytes >= 0 && bytes <= runBytes)
        runBytes -= bytes
    }

    /// Ends a use of weights; they stay until their room is needed, unless they never came (`areLoaded` false).
    /// - Returns: whether they are no longer counted.
    package mutating func release(weights name: String, areLoaded: Bool) -> Bool {
        resident[name]!.users -= 1
        guard resident[name]!.users == 0, !areLoaded else { return false }
        resident[name] = nil
        return true
    }
}
