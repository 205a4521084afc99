import CKernels
import CPUBackend
import NetworkGraph
import StreamPlanner
import TestSupport
import Testing

/// `run` of a whole picture, whose name the suite's own hides.
private let wholeRun = run(_:_:device:input:)

@Suite struct `A range of rows` {
    /// All outputs of the range, [output][channel][row][column], and the input rows that were asked for.
    private func run(_ graph: NetworkGraph, _ plan: Plan, device: CPUDevice, input: [Float], rows: Range<Int>) throws -> (outputs: [[Float]], read: [Int]) {
        let execution = try CPURun(network: CPUNetwork(graph: graph, device: device), plan: plan, pool: ThreadPool(threads: device.threads))
        let gathered = try GatheredRun(graph, width: plan.width, height: plan.height, rows: rows, input: input) { fill, deliver in
            try execution.run(rows: rows, fill: fill, deliver: deliver)
        }
        #expect(gathered.isComplete)
        #expect(gathered.read == Array(execution.inputRows(for: rows)))
        return (gathered.outputs, gathered.read)
    }

    /// The same rows of a whole picture's outputs.
    private func part(_ whole: [[Float]], _ graph: NetworkGraph, width: Int, height: Int, rows: Range<Int>) -> [[Float]] {
        var parts: [[Float]] = []
        for (values, output) in zip(whole, graph.outputs) {
            let scale = graph.scales[output.node], line = width * scale * scale
            var part: [Float] = []
            for c in 0..<graph.channels[output.node] { part += values[(c * height + rows.lowerBound) * line..<(c * height + rows.upperBound) * line] }
            parts.append(part)
        }
        return parts
    }


    @Test(arguments: TestGraphs.inOnePass)
    func `has the bytes of the whole picture for every cut, band and strip count`(name: String) throws {
        let graph = TestGraphs.make(name)
        for (width, height, ranges) in [
            (7, 5, [0..<1, 1..<2, 2..<5, 4..<5, 0..<5]), (13, 1, [0..<1]),
            (21, 53, [0..<1, 0..<17, 3..<4, 17..<18, 16..<32, 29..<43, 41..<53, 52..<53, 49..<51, 0..<53]),
        ] {
            let input = TestGraphs.input(for: graph, width: width, height: height)
            for isa in [EK_SCALAR, ek_best_isa()] {
                let device = try CPUDevice(threads: 2, isa: isa), planner = Planner(graph: graph, costs: device)
                let whole = try wholeRun(graph, planner.wholePicturePlan(width: width, height: height), device, input)
                for (band, strips) in isa == EK_SCALAR ? [(8, 1)] : [(4, 1), (12, 1), (8, 3), (64, 1)] {
                    guard let plan = planner.makePlan(width: width, height: height, bandRows: band, stripCount: strips) else { continue }
                    for rows in ranges {
                        let (outputs, _) = try run(graph, plan, device: device, input: input, rows: rows)
                        #expect(
                            bits(outputs) == bits(part(whole, graph, width: width, height: height, rows: rows)),
                            "rows \(rows) of \(width) x \(height), bands of \(band), \(strips) strips")
                    }
                }
            }
        }
    }

    @Test(arguments: TestGraphs.inOnePass)
    func `takes no more rows than the plan of the whole picture has`(name: String) throws {
        let graph = TestGraphs.make(name), device = try CPUDevice(threads: 1), planner = Planner(graph: graph, costs: device)
        for (height, band) in [(83, 4), (83, 16), (200, 8), (30, 64)] {
            let plan = try #require(planner.makePlan(width: 9, height: height, bandRows: band, stripCount: 1)), pass = plan.passes[0]
            for first in [0, 1, 7, 29] {
                for end in [first + 1, 30, height] where end > first {
                    let schedule = Schedule(graph: graph, part: pass.part, height: height, bandRows: band, core: first..<end) { device.isTiled(graph, node: $0) }
                    var ledger = RowLedger(schedule: schedule, classes: pass.classOfNode)
                    for step in schedule.steps {
                        for n in pass.part.visited {
                            _ = ledger.begin(n, step: step)
                            ledger.end(n, step: step)
                        }
                    }
                    #expect(zip(ledger.capacity, pass.rowClasses).allSatisfy { $0 <= $1.capacity }, "rows \(first)..<\(end) of \(height), bands of \(band)")
                }
            }
        }
    }

    @Test func `reads few rows around it`() throws {
        let graph = TestGraphs.make("edsr"), device = try CPUDevice(threads: 1)
        let plan = try #require(Planner(graph: graph, costs: device).makePlan(width: 9, height: 4000, bandRows: 8, stripCount: 1))
        let run = try CPURun(network: CPUNetwork(graph: graph, device: device), plan: plan, pool: ThreadPool(threads: 1))
        let layers = graph.nodes.count { if case .convolution = $0.operation { true } else { false } }
        let rows = run.inputRows(for: 2000..<2100)
        #expect(rows.lowerBound >= 2000 - 4 * layers && rows.upperBound <= 2100 + 4 * layers)
        #expect(rows.contains(1999) && rows.contains(2100))
    }
}
