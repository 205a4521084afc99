/// Decides which picture runs next, within one byte budget and a number of compute slots. A pure value without clock or
/// threads: the same calls give the same decisions.
///
/// Pictures start in the order of their arrival, as far as these rules let them:
/// - A *large* one (long, or of more than a quarter of the budget) never takes the last slot, and large ones together
///   never the last quarter of the budget, so that small ones always get on. One that needs more than three quarters
///   may take all: nothing else could run it.
/// - One whose bytes are missing is overtaken `overtakes` times at most. Then its room is kept: large ones wait behind
///   it, and small ones run in what it will leave.
package struct Admission: Sendable {
    package struct Request: Sendable, Equatable {
        /// Bytes with which the run is possible, and with which it is fastest, codecs counted, weights not.
        package var leastBytes: Int
        package var wantedBytes: Int
        package var weights: String
        package var weightsBytes: Int
        /// With all processors.
        package var expectedSeconds: Double

        package init(leastBytes: Int, wantedBytes: Int, weights: String, weightsBytes: Int, expectedSeconds: Double) {
            self.leastBytes = leastBytes
            self.wantedBytes = max(leastBytes, wantedBytes)
            self.weights = weights
            self.weightsBytes = weightsBytes
            self.expectedSeconds = expectedSeconds
        }
    }

    package struct Grant: Sendable, Equatable {
        package var id: Int
        /// What the run may take, codecs counted, weights not.
        package var bytes: Int
        package var threads: Int
        /// Idle weights that must go before the run's memory is taken.
        package var evicted: [String]
    }

    /// More pictures wait than may.
    package struct QueueFull: Error, Equatable {
        /// When there may be room again.
        package var retryAfterSeconds: Double
    }

    package static let overtakes = 16
    /// A picture that is expected to take longer is large.
    package static let longSeconds = 2.0

    private struct Waiting: Sendable {
        let id: Int
        let request: Request
        var overtaken = 0
    }
    private struct Running: Sendable {
        let request: Request
        var bytes: Int
        let isLarge: Bool
        let start: Double
    }

    package let slots: Int
    package let processors: Int
    package let queueLimit: Int
    package private(set) var ledger: Ledger
    private var waiting: [Waiting] = []
    private var running: [Int: Running] = [:]
    private var nextID = 0

    package init(budget: Int, processors: Int, queueLimit: Int) {
        ledger = Ledger(budget: budget)
        self.processors = max(1, processors)
        slots = max(2, processors)
        self.queueLimit = max(1, queueLimit)
    }

    package var waitingCount: Int { waiting.count }
    package var runningCount: Int { running.count }
    package var isIdle: Bool { waiting.isEmpty && running.isEmpty }

    /// Whether a picture could run if it were alone.
    package func canEverFit(_ request: Request) -> Bool {
        request.leastBytes <= ledger.budget && request.weightsBytes <= ledger.budget - request.leastBytes
    }

    /// Seconds until what waits and runs is done, as far as expectations are right.
    package func secondsOfWork(now: Double) -> Double {
        running.values.reduce(0.0) { $0 + max(0, $1.request.expectedSeconds - (now - $1.start)) }
            + waiting.reduce(0.0) { $0 + $1.request.expectedSeconds }
    }

    /// - Precondition: `canEverFit(request)`.
    package mutating func enqueue(_ request: Request, now: Double) throws(QueueFull) -> Int {
        precondition(canEverFit(request))
        guard waiting.count < queueLimit else {
            // One place is free when the first of those that wait gets on.
            throw QueueFull(retryAfterSeconds: max(1, secondsOfWork(now: now) / Double(waiting.count + running.count)))
        }
        nextID += 1
        waiting.append(Waiting(id: nextID, request: request))
        return nextID
    }

    /// The next picture to start, nil when none may. Call it again until it is nil.
    package mutating func next(now: Double) -> Grant? {
        guard running.count < slots else { return nil }
        var passed: [Int] = []  // indices of those whose bytes are missing
        var kept: Request?  // the first of them that is overtaken no more
        for index in waiting.indices {
            let request = waiting[index].request
            let isLarge = isLarge(request)
            if isLarge, kept != nil || running.values.count(where: \.isLarge) >= slots - 1 { continue }
            let room = room(for: request, isLarge: isLarge, behind: kept)
            guard request.leastBytes <= room else {
                if kept == nil {
                    passed.append(index)
                    if waiting[index].overtaken >= Self.overtakes { kept = request }
                }
                continue
            }
            // The room of one that is kept is its own: whoever runs beside it does not overtake it.
            for other in passed where waiting[other].overtaken < Self.overtakes { waiting[other].overtaken += 1 }
            return start(index, room: room, now: now)
        }
        return nil
    }

    private mutating func start(_ index: Int, room: Int, now: Double) -> Grant {
        let request = waiting[index].request, id = waiting[index].id
        waiting.remove(at: index)
        // Half of the budget for one alone, less the more there are.
        let others = min(slots, running.count + waiting.count)
        let bytes = min(room, request.wantedBytes, max(request.leastBytes, ledger.budget / max(2, others + 1)))
        let evicted = ledger.take(run: bytes, weights: request.weights, bytes: request.weightsBytes)
        running[id] = Running(request: request, bytes: bytes, isLarge: isLarge(request), start: now)
        return Grant(id: id, bytes: bytes, threads: threads(of: id), evicted: evicted)
    }

    /// A large one starts with as many threads as it may ever have, of which `threadLimits` says how many work. A small
    /// one is soon over: it keeps what it starts with.
    private func threads(of id: Int) -> Int {
        let large = running.values.count(where: \.isLarge)
        if running[id]!.isLarge { return max(1, processors / large) }
        let waitingLarge = waiting.count { isLarge($0.request) }
        let together = min(slots, min(large + waitingLarge, slots - 1) + running.count - large + waiting.count - waitingLarge)
        return max(1, processors / together)
    }

    /// For each large one that runs, how many threads should work now: what small ones leave.
    package func threadLimits() -> [Int: Int] {
        let large = running.filter(\.value.isLarge)
        guard !large.isEmpty else { return [:] }
        let small = min(running.count - large.count + waiting.count { !isLarge($0.request) }, slots - large.count)
        return large.mapValues { _ in max(1, (processors - small) / large.count) }
    }

    /// The run needs fewer bytes than it was granted.
    package mutating func shrink(_ id: Int, to bytes: Int) {
        guard var run = running[id], bytes < run.bytes else { return }
        ledger.giveBack(run: run.bytes - bytes)
        run.bytes = bytes
        running[id] = run
    }

    /// - Parameter weightsAreLoaded: false when they could not be.
    /// - Returns: whether the ledger has forgotten them for that.
    @discardableResult
    package mutating func finish(_ id: Int, weightsAreLoaded: Bool = true) -> Bool {
        let run = running.removeValue(forKey: id)!
        ledger.giveBack(run: run.bytes)
        return ledger.release(weights: run.request.weights, areLoaded: weightsAreLoaded)
    }

    /// Takes one that waits out of the queue.
    /// - Returns: false when it does not wait (any more).
    package mutating func cancel(_ id: Int) -> Bool {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return false }
        waiting.remove(at: index)
        return true
    }

    private var reserve: Int { ledger.budget / 4 }

    private func isLarge(_ request: Request) -> Bool {
        request.expectedSeconds > Self.longSeconds || request.leastBytes > reserve - min(reserve, request.weightsBytes)
    }

    private func needsAll(_ request: Request) -> Bool { request.leastBytes + request.weightsBytes > ledger.budget - reserve }

    /// The bytes that a picture may have now.
    private func room(for request: Request, isLarge: Bool, behind kept: Request?) -> Int {
        let free = ledger.room(weights: request.weights, bytes: request.weightsBytes)
        if isLarge {
            guard !needsAll(request) else { return free }
            let large = running.values.filter(\.isLarge)
            let weights = Self.weightsBytes([request] + large.map(\.request))
            return min(free, ledger.budget - reserve - weights - large.reduce(0) { $0 + $1.bytes })
        }
        guard let kept else { return free }
        // Once large ones have ended, small ones and their weights stand beside the one that is kept.
        let small = running.values.filter { !$0.isLarge }
        let weights = Self.weightsBytes([request, kept] + small.map(\.request))
        let later = ledger.budget - kept.leastBytes - weights - small.reduce(0) { $0 + $1.bytes }
        return min(free, later)
    }

    /// Bytes of the weights of several, each once.
    private static func weightsBytes(_ requests: [Request]) -> Int {
        Dictionary(requests.map { ($0.weights, $0.weightsBytes) }) { first, _ in first }.values.reduce(0, +)
    }
}
