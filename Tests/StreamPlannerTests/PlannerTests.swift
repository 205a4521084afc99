import NetworkGraph
import StreamPlanner
import Tensors
import TestSupport
import Testing

/// A device that costs nothing but rows: what is left is the streaming rule itself.
private struct RowsOnly: DeviceCosts {
    let threads = 1
    let takesPasses = true
    func weightsBytes(_ graph: NetworkGraph) -> Int { 1000 }
    func scratchBytes(_ graph: NetworkGraph, node: Int, rows: Int, columns: Int) -> Int { 64 * rows }
    func isTiled(_ graph: NetworkGraph, node: Int) -> Bool {
        if case .convolution(let conv) = graph.nodes[node].operation { conv.kernelHeight == 3 && conv.dilation == 1 } else { false }
    }
    func seconds(_ graph: NetworkGraph, node: Int, rows: Int, columns: Int) -> Double { Double(rows * columns) + 100 }
}

@Suite struct `The planner` {
    /// The network in one part (or as few as it takes), and in as many as possible.
    private func allParts(_ graph: NetworkGraph) -> [NetworkPart] {
        let lags = graph.lags(.rows), cuts = Planner(graph: graph, costs: RowsOnly()).possibleCuts
        return graph.parts(cutAt: [], rowLags: lags) + graph.parts(cutAt: cuts, rowLags: lags)
    }

    @Test(arguments: TestGraphs.names)
    func `makes every row of every node exactly once, in order`(name: String) {
        let graph = TestGraphs.make(name)
        for part in allParts(graph) {
            for height in [1, 3, 4, 17, 40] {
                for band in [4, 8, 16, 64] {
                    let schedule = Schedule(graph: graph, part: part, height: height, bandRows: band)
                    for n in part.visited {
                        var next = 0
                        for step in schedule.steps {
                            let rows = schedule.rows(n, step: step)
                            guard !rows.isEmpty else { continue }
                            #expect(rows.lowerBound == next)
                            next = rows.upperBound
                        }
                        #expect(next == graph.scales[n] * height, "node \(n), height \(height), band \(band)")
                    }
                }
            }
        }
    }

    @Test(arguments: TestGraphs.names)
    func `never asks for a row that is not there yet or no longer there`(name: String) {
        let graph = TestGraphs.make(name)
        for part in allParts(graph) {
            for height in [1, 5, 33] {
                for band in [4, 12] {
                    let schedule = Schedule(graph: graph, part: part, height: height, bandRows: band)
                    var ledger = RowLedger(schedule: schedule, classes: graph.nodes.indices.map { part.means.contains($0) ? -1 : 0 })
                    for step in schedule.steps {
                        for n in part.visited {
                            let rows = ledger.begin(n, step: step), node = graph.nodes[n]
                            for (index, input) in node.inputs.enumerated() where !rows.isEmpty && part.nodes.contains(n) && !graph.isConstant[input] {
                                let limit = graph.scales[input] * height
                                for row in node.operation.needed(.rows, input: index, for: rows) where row >= 0 && row < limit {
                                    #expect(ledger.inputSlot(input, row: row) >= 0)
                                }
                            }
                            ledger.end(n, step: step)
                        }
                    }
                }
            }
        }
    }

    @Test(arguments: TestGraphs.names)
    func `keeps every tile grid of the whole network in each of its parts`(name: String) {
        let graph = TestGraphs.make(name), lags = graph.lags(.rows)
        for part in allParts(graph) {
            for n in part.visited where part.nodes.contains(n) {
                #expect(part.lags[n] >= 0 && (lags[n] - part.lags[n]) % Schedule.tile == 0)
            }
        }
    }

    @Test func `holds the rows of a residual chain that the design names`() throws {
        // 2(2B + 2) rows of convolution history, 2B + 1 + R of global skip, 2R of band; the head's input apart.
        let graph = TestGraphs.make("edsr"), blocks = 3
        for band in [4, 8, 16] {
            let plan = try #require(Planner(graph: graph, costs: RowsOnly()).makePlan(width: 64, height: 400, bandRows: band, stripCount: 1))
            let features = try #require(plan.passes[0].rowClasses.first { $0.channels == 32 })
            #expect(features.capacity <= 6 * blocks + 5 + 3 * band + 2)
        }
    }

    @Test func `counts a long picture like a longer one`() throws {
        let planner = Planner(graph: TestGraphs.make("edsr"), costs: RowsOnly())
        let short = try #require(planner.makePlan(width: 40, height: 2_003, bandRows: 8, stripCount: 1))
        let long = try #require(planner.makePlan(width: 40, height: 40_003, bandRows: 8, stripCount: 1))
        #expect(short.passes[0].rowClasses == long.passes[0].rowClasses)
        #expect(short.plannedBytes == long.plannedBytes)
    }

    @Test(arguments: TestGraphs.names)
    func `fits every budget from its minimum on, and refuses one byte less`(name: String) throws {
        let planner = Planner(graph: TestGraphs.make(name), costs: RowsOnly(), picture: PictureBytes(input: 3, output: 3, fixed: 100))
        for (width, height) in [(1, 1), (7, 5), (90, 33)] {
            let minimum = planner.minimumBytes(width: width, height: height)
            let most = planner.wholePicturePlan(width: width, height: height).plannedBytes
            for budget in stride(from: minimum, through: most, by: max(1, (most - minimum) / 10)) {
                #expect(try planner.plan(width: width, height: height, budget: budget).plannedBytes <= budget)
            }
            let error = #expect(throws: EnlargerError.self) { try planner.plan(width: width, height: height, budget: minimum - 1) }
            #expect(error?.code == .doesNotFit)
            #expect(error?.message.contains("\(minimum)") == true)
        }
    }

    @Test func `cuts strips that cover the picture and read their halo`() throws {
        let graph = TestGraphs.make("edsr")
        let costs = RowsOnly(), part = try #require(graph.parts(cutAt: [], rowLags: graph.lags(.rows)).first)
        let plan = try #require(Planner(graph: graph, costs: costs).makePlan(width: 103, height: 20, bandRows: 4, stripCount: 5))
        let strips = (0..<5).map { i in
            graph.strip(core: plan.core(i, of: plan.passes[0]), width: 103, part: part) { costs.isTiled(graph, node: $0) }
        }
        #expect(strips.map(\.core).reduce(0) { $0 == $1.lowerBound ? $1.upperBound : -1 } == 103)
        for strip in strips {
            #expect(strip.input.lowerBound <= max(0, strip.core.lowerBound - 9))
            #expect(strip.input.upperBound >= min(103, strip.core.upperBound + 9))
            #expect(strip.input.count <= plan.widestInput)
        }
    }
}
