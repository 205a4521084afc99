import EnlargeService
import TestSupport
import Testing

@Suite("Admission") struct EngineAdmissionTests {
    static let budget = 1000

    /// Small and short unless said otherwise; weights of 100 bytes.
    private func request(_ least: Int, wanted: Int? = nil, seconds: Double = 0.1, weights: String = "a") -> Admission.Request {
        .init(leastBytes: least, wantedBytes: wanted ?? least, weights: weights, weightsBytes: 100, expectedSeconds: seconds)
    }

    private func admission(processors: Int = 2, queue: Int = 100) -> Admission {
        Admission(budget: Self.budget, processors: processors, queueLimit: queue)
    }

    private func started(_ admission: inout Admission) -> [Admission.Grant] {
        var grants: [Admission.Grant] = []
        while let grant = admission.next(now: 0) { grants.append(grant) }
        return grants
    }

    @Test func `pictures start in the order of their arrival, as many as there are slots`() throws {
        var admission = admission(processors: 3)
        let ids = try (0..<5).map { _ in try admission.enqueue(request(50), now: 0) }
        #expect(started(&admission).map(\.id) == Array(ids[..<3]))
        admission.finish(ids[1])
        #expect(started(&admission).map(\.id) == [ids[3]])
        #expect(admission.runningCount == 3 && admission.waitingCount == 1)
        #expect(admission.ledger.usedBytes == 3 * 50 + 100)
    }

    @Test func `one processor has two slots`() { #expect(admission(processors: 1).slots == 2) }

    @Test func `a full queue says when to come back`() throws {
        var admission = admission(queue: 2)
        for _ in 0..<2 { _ = try admission.enqueue(request(50, seconds: 3), now: 0) }
        let refusal = #expect(throws: Admission.QueueFull.self) { _ = try admission.enqueue(self.request(50), now: 0) }
        #expect(refusal?.retryAfterSeconds == 3)
        _ = started(&admission)
        _ = try admission.enqueue(request(50), now: 0)
    }

    @Test func `one alone has all processors and half of the budget, several have less`() throws {
        var admission = admission(processors: 4)
        let alone = try admission.enqueue(request(100, wanted: 900), now: 0)
        let first = started(&admission)[0]
        #expect(first.threads == 4 && first.bytes == 500)
        admission.shrink(alone, to: 450)
        #expect(admission.ledger.runBytes == 450)
        admission.finish(alone)
        for _ in 0..<4 { _ = try admission.enqueue(request(100, wanted: 900), now: 0) }
        let grants = started(&admission)
        #expect(grants.allSatisfy { $0.threads == 1 } && grants.count == 4, "\(grants)")
        #expect(grants.allSatisfy { $0.bytes < 500 && $0.bytes >= 100 })
        #expect(admission.ledger.usedBytes <= Self.budget)
    }

    @Test func `two large ones on two processors run one by one, with both`() throws {
        var admission = admission()
        for _ in 0..<2 { _ = try admission.enqueue(request(100, seconds: 50), now: 0) }
        let grants = started(&admission)
        #expect(grants.count == 1 && grants[0].threads == 2)
    }

    @Test func `a large one works with the threads that small ones leave`() throws {
        var admission = admission(processors: 4)
        let large = try admission.enqueue(request(100, seconds: 50), now: 0)
        #expect(started(&admission).map(\.threads) == [4] && admission.threadLimits() == [large: 4])
        let small = try admission.enqueue(request(100), now: 0)
        #expect(started(&admission).map(\.threads) == [2] && admission.threadLimits() == [large: 3])
        for _ in 0..<5 { _ = try admission.enqueue(request(100), now: 0) }
        #expect(started(&admission).allSatisfy { $0.threads == 1 } && admission.threadLimits() == [large: 1])
        admission.finish(large)
        admission.finish(small)
        #expect(admission.threadLimits().isEmpty)
    }

    @Test func `long ones leave a slot and a quarter of the budget`() throws {
        var admission = admission(processors: 4)
        for _ in 0..<6 { _ = try admission.enqueue(request(150, wanted: 600, seconds: 100), now: 0) }
        let long = started(&admission)
        #expect(long.count == 3)
        #expect(long.reduce(100) { $0 + $1.bytes } <= 750)
        let small = try admission.enqueue(request(150), now: 1)
        #expect(started(&admission).map(\.id) == [small])
    }

    @Test func `one that needs nearly all may take it`() throws {
        var admission = admission()
        let huge = try admission.enqueue(request(880, seconds: 100), now: 0)
        #expect(started(&admission).map(\.id) == [huge])
        #expect(admission.canEverFit(request(900)) && !admission.canEverFit(request(901)))
    }

    @Test func `one whose bytes are missing is overtaken so many times, then its room is kept`() throws {
        var admission = admission()
        var running = try admission.enqueue(request(140), now: 0)
        _ = started(&admission)
        let huge = try admission.enqueue(request(850, seconds: 100), now: 0)
        var overtakers = 0
        // Small ones come one after the other, two of them at a time: there is never room for the huge one.
        while overtakers < 100 {
            let next = try admission.enqueue(request(140), now: 0)
            guard started(&admission).map(\.id) == [next] else { break }
            overtakers += 1
            admission.finish(running)
            running = next
        }
        #expect(overtakers == Admission.overtakes)
        admission.finish(running)
        #expect(started(&admission).map(\.id) == [huge])
    }

    @Test func `behind a large one whose room is kept, small ones go on in the rest`() throws {
        var admission = admission(processors: 4)
        let first = try admission.enqueue(request(400, seconds: 100), now: 0)
        _ = started(&admission)
        let second = try admission.enqueue(request(600, seconds: 100), now: 0)
        for _ in 0..<200 {
            let small = try admission.enqueue(request(100), now: 0)
            #expect(started(&admission).map(\.id) == [small])
            admission.finish(small)
        }
        admission.finish(first)
        #expect(started(&admission).map(\.id) == [second])
    }

    @Test func `weights count once, stay when idle, and go when their room is needed, the oldest first`() throws {
        var admission = admission(processors: 4)
        for name in ["a", "b", "c"] {
            for _ in 0..<2 {
                let id = try admission.enqueue(request(50, weights: name), now: 0)
                #expect(started(&admission).map(\.evicted) == [[]])
                admission.finish(id)
            }
        }
        #expect(admission.ledger.usedBytes == 300)
        _ = try admission.enqueue(request(750, weights: "b"), now: 0)
        #expect(started(&admission).map(\.evicted) == [["a"]])
        #expect(admission.ledger.residentWeights == ["b", "c"])
        let id = try admission.enqueue(request(50, weights: "c"), now: 0)
        #expect(started(&admission).count == 1)
        let isForgotten = admission.finish(id, weightsAreLoaded: false)
        #expect(isForgotten)
        #expect(admission.ledger.residentWeights == ["b"])
    }

    @Test func `a cancelled one leaves the queue`() throws {
        var admission = admission()
        let ids = try (0..<4).map { _ in try admission.enqueue(request(50), now: 0) }
        _ = started(&admission)
        let answers = [ids[0], ids[2], ids[2]].map { admission.cancel($0) }
        #expect(answers == [false, true, false])
        admission.finish(ids[0])
        #expect(started(&admission).map(\.id) == [ids[3]])
    }

    @Test(arguments: [1, 2, 3, 8])
    func `ten thousand pictures: never beyond the budget, none forgotten, the small ones soon`(processors: Int) throws {
        var random = SeededGenerator(seed: UInt64(processors))
        let budget = 1_000_000
        var admission = Admission(budget: budget, processors: processors, queueLimit: 64)
        var now = 0.0, submitted = 0, refused = 0, finished = 0
        var arrivals: [Int: (time: Double, request: Admission.Request)] = [:]
        var running: [(id: Int, end: Double, seconds: Double)] = []
        var longestSmallWait = 0.0, longestRun = 0.0, largeWaits: [Double] = []
        func next() {
            while let grant = admission.next(now: now) {
                let (time, request) = arrivals.removeValue(forKey: grant.id)!
                #expect(grant.bytes >= request.leastBytes && grant.bytes <= request.wantedBytes && grant.threads >= 1)
                if Bool.random(using: &random) { admission.shrink(grant.id, to: Int.random(in: request.leastBytes...grant.bytes, using: &random)) }
                let seconds = request.expectedSeconds * Double.random(in: 0.5...3, using: &random)
                running.append((grant.id, now + seconds, seconds))
                if request.expectedSeconds < 1 { longestSmallWait = max(longestSmallWait, now - time) } else { largeWaits.append(now - time) }
                longestRun = max(longestRun, seconds)
            }
            #expect(admission.ledger.usedBytes <= budget && admission.runningCount <= admission.slots)
        }
        func endOne() {
            let first = running.indices.min { running[$0].end < running[$1].end }!
            now = max(now, running[first].end)
            admission.finish(running[first].id)
            running.remove(at: first)
            finished += 1
            next()
        }
        while submitted + refused < 10_000 {
            let isLarge = Int.random(in: 0..<50, using: &random) == 0
            let least = isLarge ? Int.random(in: 100_000...900_000, using: &random) : Int.random(in: 1000...40_000, using: &random)
            let request = Admission.Request(
                leastBytes: least, wantedBytes: least * Int.random(in: 1...4, using: &random),
                weights: "\(Int.random(in: 0..<4, using: &random))", weightsBytes: 50_000,
                expectedSeconds: isLarge ? Double.random(in: 5...50, using: &random) : Double.random(in: 0.01...0.2, using: &random))
            now += Double.random(in: 0...0.4, using: &random)
            while let end = running.map(\.end).min(), end <= now { endOne() }
            do throws(Admission.QueueFull) {
                let id = try admission.enqueue(request, now: now)
                arrivals[id] = (now, request)
                submitted += 1
            } catch {
                #expect(error.retryAfterSeconds >= 1)
                refused += 1
            }
            next()
        }
        while !running.isEmpty { endOne() }
        #expect(finished == submitted && admission.isIdle && arrivals.isEmpty)
        #expect(admission.ledger.runBytes == 0 && admission.ledger.weightsInUse == 0)
        #expect(submitted > 1000 && largeWaits.count > 20)
        // A picture that needs nearly all of the budget is waited for, but for no more than a few such.
        #expect(longestSmallWait < 4 * longestRun, "\(longestSmallWait) of \(longestRun)")
    }
}
