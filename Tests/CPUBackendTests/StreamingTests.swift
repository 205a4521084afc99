import CKernels
import CPUBackend
import NetworkGraph
import StreamPlanner
import Tensors
import TestSupport
import Testing

/// Runs a plan and gives back all outputs, [output][channel][row][column]. Every row must come once, in order, in every strip.
func run(_ graph: NetworkGraph, _ plan: Plan, device: CPUDevice, input: [Float]) throws -> [[Float]] {
    let execution = try CPURun(network: CPUNetwork(graph: graph, device: device), plan: plan, pool: ThreadPool(threads: device.threads))
    let gathered = try GatheredRun(execution, graph, input: input)
    #expect(gathered.isComplete)
    return gathered.outputs
}

func bits(_ values: [[Float]]) -> [[UInt32]] { values.map { $0.map(\.bitPattern) } }

@Suite(.serialized) struct `The streaming engine on the CPU` {
    @Test(arguments: TestGraphs.names)
    func `equals the plain evaluation of the graph`(name: String) throws {
        let graph = TestGraphs.make(name)
        for (width, height) in [(1, 1), (1, 6), (7, 5), (23, 18)] {
            let input = TestGraphs.input(for: graph, width: width, height: height)
            let expected = ReferenceEvaluator.evaluate(graph: graph, input: input, width: width, height: height)
            for isa in [EK_SCALAR, ek_best_isa()] {
                let device = try CPUDevice(threads: 2, isa: isa)
                let plan = Planner(graph: graph, costs: device).wholePicturePlan(width: width, height: height)
                let results = try run(graph, plan, device: device, input: input)
                for (result, wanted) in zip(results, expected) {
                    #expect(result.count == wanted.count)
                    let largest = wanted.reduce(1) { max($0, abs($1)) }
                    let error = zip(result, wanted).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
                    #expect(error <= 3e-5 * largest, "\(width) x \(height), \(String(cString: ek_isa_name(isa)))")
                    #expect(result.allSatisfy { $0.isFinite })
                }
            }
        }
    }

    @Test(arguments: TestGraphs.names)
    func `gives the same bytes for every budget, band, strip and thread count`(name: String) throws {
        let graph = TestGraphs.make(name)
        for (width, height) in [(1, 1), (1, 37), (7, 5), (61, 50)] {
            let input = TestGraphs.input(for: graph, width: width, height: height)
            let one = try CPUDevice(threads: 1)
            let whole = Planner(graph: graph, costs: one).wholePicturePlan(width: width, height: height)
            let expected = bits(try run(graph, whole, device: one, input: input))
            for threads in [1, 2, 3] {
                let device = try CPUDevice(threads: threads)
                let planner = Planner(graph: graph, costs: device)
                let minimum = planner.minimumBytes(width: width, height: height)
                let most = planner.wholePicturePlan(width: width, height: height).plannedBytes
                let budgets = (width == 61 && threads == 2 ? 24 : 6)
                var plans = try (0..<budgets).map { try planner.plan(width: width, height: height, budget: minimum + (most - minimum) * $0 / (budgets - 1)) }
                plans += [4, 8, 12, 28].compactMap { planner.makePlan(width: width, height: height, bandRows: $0, stripCount: 1) }
                plans += [2, 3, 7, width].compactMap { planner.makePlan(width: width, height: height, bandRows: 8, stripCount: $0) }
                let all = planner.possibleCuts, some = all.enumerated().filter { $0.offset % 3 == 1 }.map(\.element)
                plans += [(4, 1, all), (12, 1, some), (8, 3, some), (4, 7, all)].compactMap {
                    planner.makePlan(width: width, height: height, bandRows: $0.0, stripCount: $0.1, cuts: $0.2)
                }
                var seen: [Plan] = []
                for plan in plans where !seen.contains(plan) {
                    seen.append(plan)
                    #expect(
                        bits(try run(graph, plan, device: device, input: input)) == expected,
                        "\(width) x \(height), \(threads) threads, bands of \(plan.bandRows), \(plan.stripCount) strips, \(plan.passes.count) passes")
                }
            }
        }
    }

    @Test func `gives the same bytes on a picture of odd size and many bands`() throws {
        let graph = TestGraphs.make("edsr, 8-bit weights"), (width, height) = (333, 250)
        let input = TestGraphs.input(for: graph, width: width, height: height)
        let device = try CPUDevice(threads: 2), planner = Planner(graph: graph, costs: device)
        let expected = bits(try run(graph, planner.wholePicturePlan(width: width, height: height), device: device, input: input))
        for budget in [nil, planner.minimumBytes(width: width, height: height), 2 << 20, 3 << 20, 5 << 20] {
            let plan = try planner.plan(width: width, height: height, budget: budget)
            #expect(bits(try run(graph, plan, device: device, input: input)) == expected, "\(plan.plannedBytes) bytes")
        }
    }

    @Test(arguments: TestGraphs.names)
    func `allocates what the plan says`(name: String) throws {
        let graph = TestGraphs.make(name)
        let device = try CPUDevice(threads: 2)
        let planner = Planner(graph: graph, costs: device)
        let (width, height) = (61, 50)
        let input = TestGraphs.input(for: graph, width: width, height: height)
        for budget in [planner.minimumBytes(width: width, height: height), nil] {
            let plan = try planner.plan(width: width, height: height, budget: budget)
            let before = MemoryAccount.bytes
            MemoryAccount.resetPeak()
            _ = try run(graph, plan, device: device, input: input)
            let allocated = MemoryAccount.peakBytes - before
            #expect(allocated <= plan.plannedBytes)
            #expect(Double(allocated) >= 0.9 * Double(plan.plannedBytes))
            #expect(MemoryAccount.bytes == before)
        }
    }

    @Test func `reports a failed allocation and frees what it had`() throws {
        let graph = TestGraphs.make("edsr")
        let device = try CPUDevice(threads: 2)
        let plan = try Planner(graph: graph, costs: device).plan(width: 20, height: 20)
        let input = TestGraphs.input(for: graph, width: 20, height: 20)
        let before = MemoryAccount.bytes
        for count in 0..<2 {
            MemoryAccount.failAllocation(after: count)
            let error = #expect(throws: EnlargerError.self) { try run(graph, plan, device: device, input: input) }
            #expect(error?.code == .allocationFailed)
            #expect(MemoryAccount.bytes == before)
        }
        MemoryAccount.failAllocation(after: -1)
        _ = try run(graph, plan, device: device, input: input)
    }

    @Test func `runs again on the next picture as on the first`() throws {
        let graph = TestGraphs.make("edsr")
        let device = try CPUDevice(threads: 2)
        let plan = try #require(Planner(graph: graph, costs: device).makePlan(width: 31, height: 40, bandRows: 8, stripCount: 1))
        let execution = try CPURun(network: CPUNetwork(graph: graph, device: device), plan: plan, pool: ThreadPool(threads: 2))
        func once(_ seed: UInt64) throws -> [Float] {
            let input = TestGraphs.input(for: graph, width: 31, height: 40, seed: seed)
            var first: [Float] = []
            try execution.run(
                fill: { _, row, view in input.withUnsafeBufferPointer { for c in 0..<3 { view.fill(channel: c, from: $0.baseAddress! + (c * 40 + row) * 31) } } },
                deliver: { _, _, _, view in first += (0..<view.count).map { view.plane(0)[$0] } })
            return first
        }
        let a = try once(1)
        _ = try once(2)
        #expect(try once(1) == a)
    }
}
