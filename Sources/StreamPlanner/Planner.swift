package import NetworkGraph
package import Tensors

/// Chooses the band height, the strips and the passes: the fastest plan that fits the budget.
package struct Planner: Sendable {
    package let graph: NetworkGraph
    package let costs: any DeviceCosts
    package let picture: PictureBytes
    /// Pixels by which a picture is extended at every edge; plans are of the extended one.
    package let margin: Int
    let rowLags: [Int]
    let tiled: [Bool]
    let cuts: [NetworkGraph.Cut]
    /// Where the network may be cut into passes.
    package var possibleCuts: [Int] { cuts.map(\.node) }
    package let weightsBytes: Int

    package init(graph: NetworkGraph, costs: any DeviceCosts, picture: PictureBytes = .none, margin: Int = 0) {
        self.margin = margin
        self.graph = graph
        self.costs = costs
        self.picture = picture
        rowLags = graph.lags(.rows)
        tiled = graph.nodes.indices.map { costs.isTiled(graph, node: $0) }
        cuts = graph.cuts
        weightsBytes = costs.weightsBytes(graph)
    }

    /// The largest picture side that is planned; products of sides and bytes stay far inside 64 bits.
    package static let sideLimit = 1 << 24
    /// More strips save nothing: where so many are needed, the rows that come in and go out take far more than they do.
    package static let stripLimit = 4096

    /// The fastest plan of at most `budget` bytes (nil: no limit). One that streams from end to end goes before all others;
    /// without one, the network runs in passes or in strips, whichever is faster, and in both if it must.
    /// - Throws: `doesNotFit` with the bytes it would take.
    package func plan(width: Int, height: Int, budget: Int? = nil) throws(EnlargerError) -> Plan {
        try check(width, height)
        guard costs.takesPasses || graph.neededCuts.isEmpty else {
            throw EnlargerError(.modelUnsupported, "the network takes means over the whole picture, which this device does not")
        }
        let search = Search(planner: self, width: width + 2 * margin, height: height + 2 * margin, budget: budget)
        if let best = search.streams() ?? search.passesOrStrips() ?? search.stripsOfPasses() { return best }
        let minimum = minimumPlan(width: width + 2 * margin, height: height + 2 * margin)
        if let budget, budget >= minimum.plannedBytes { return minimum }
        throw EnlargerError(
            .doesNotFit, "a \(width) x \(height) picture needs at least \(minimum.plannedBytes) bytes here; the budget is \(budget ?? 0) bytes",
            shortage: .init(neededBytes: minimum.plannedBytes, budgetBytes: budget ?? 0))
    }

    /// The fastest plan in one pass, which can run ranges of the picture's rows on their own.
    /// - Throws: `doesNotFit`.
    package func planInOnePass(width: Int, height: Int, budget: Int?) throws(EnlargerError) -> Plan {
        precondition(graph.neededCuts.isEmpty, "means over the picture take passes")
        try check(width, height)
        let search = Search(planner: self, width: width, height: height, budget: budget)
        if let best = search.streams() ?? search.inStrips(slowest: .infinity) { return best }
        let needed = [1, min(width, Planner.stripLimit)].map {
            makePlan(width: width, height: height, bandRows: Schedule.tile, stripCount: $0)!.plannedBytes
        }.min()!
        throw EnlargerError(
            .doesNotFit, "parts of a \(width) x \(height) picture need at least \(needed) bytes here; the budget is \(budget ?? 0) bytes",
            shortage: .init(neededBytes: needed, budgetBytes: budget ?? 0))
    }

    private func check(_ width: Int, _ height: Int) throws(EnlargerError) {
        guard width >= 1, height >= 1, width <= Planner.sideLimit, height <= Planner.sideLimit else {
            throw EnlargerError(.usage, "a picture of \(width) x \(height); sides of 1 to \(Planner.sideLimit) are possible")
        }
    }

    /// The fewest bytes any plan takes.
    package func minimumBytes(width: Int, height: Int) -> Int {
        minimumPlan(width: width + 2 * margin, height: height + 2 * margin).plannedBytes
    }

    private func minimumPlan(width: Int, height: Int) -> Plan {
        let narrowest = min(width, Planner.stripLimit)
        let cuts = costs.takesPasses ? possibleCuts : []
        let choices: [(strips: Int, cuts: [Int])] = [(1, []), (narrowest, []), (1, cuts), (narrowest, cuts)]
        return choices.compactMap { makePlan(width: width, height: height, bandRows: Schedule.tile, stripCount: $0.strips, cuts: $0.cuts) }
            .min { $0.plannedBytes < $1.plannedBytes }!
    }

    /// A plan that runs the whole picture in one step: the reference that every other plan must equal.
    package func wholePicturePlan(width: Int, height: Int) -> Plan {
        let tallest = graph.nodes.indices.map { (graph.scales[$0] * height + rowLags[$0] + graph.scales[$0] - 1) / graph.scales[$0] }.max()!
        return makePlan(width: width, height: height, bandRows: (tallest + 3) / 4 * 4, stripCount: 1)!
    }

    /// Band heights worth trying, lowest first.
    package func bandHeights(for height: Int) -> [Int] {
        [4, 8, 12, 16, 24, 32, 48, 64].filter { $0 < height + 4 }
    }

    /// The plan for one choice of band height, strips and cuts, of the extended picture. nil when there are fewer columns than strips, and for strips of a
    /// network with means over the picture, whose sums must not depend on the order of strips.
    /// - Parameter cuts: of `possibleCuts`, ascending.
    package func makePlan(width: Int, height: Int, bandRows: Int, stripCount: Int, cuts: [Int] = []) -> Plan? {
        guard stripCount >= 1, stripCount <= width, stripCount == 1 || graph.neededCuts.isEmpty else { return nil }
        let passes = graph.parts(cutAt: cuts, rowLags: rowLags).map {
            makePass($0, width: width, height: height, bandRows: bandRows, stripCount: stripCount)
        }
        return plan(of: passes, width: width, height: height, bandRows: bandRows)
    }

    func plan(of passes: [Plan.Pass], width: Int, height: Int, bandRows: Int) -> Plan {
        Plan(
            width: width, height: height, threads: costs.threads, bandRows: bandRows, passes: passes, pad: rowPad, weightsBytes: weightsBytes,
            constantBytes: Plan.constantOffsets(graph).total, ioBytes: ioBytes(width: width, height: height, bandRows: bandRows, widestInput: passes[0].widestInput),
            temporaryBytes: temporaryBytes(passes.map(\.part), pixels: width * height))
    }

    func ioBytes(width: Int, height: Int, bandRows: Int, widestInput: Int) -> Int {
        let rows = min(bandRows, height)
        let outputPixels = graph.outputs.reduce(0) { $0 + graph.scales[$1.node] * width * rows * graph.scales[$1.node] }
        return picture.fixed + picture.input * widestInput * rows + picture.output * outputPixels
    }

    /// A value's file lives from the pass that makes it to the last that reads it.
    private func temporaryBytes(_ parts: [NetworkPart], pixels: Int) -> Int {
        var live: Set<Int> = [], most = 0
        for (index, part) in parts.enumerated() {
            live.formUnion(part.stores)
            most = max(most, live.reduce(0) { $0 + storedBytes($1, pixels: pixels) })
            let readLater = Set(parts[(index + 1)...].flatMap(\.loads))
            live.formIntersection(readLater)
        }
        return most
    }

    func storedBytes(_ node: Int, pixels: Int) -> Int { 4 * graph.channels[node] * graph.scales[node] * graph.scales[node] * pixels }

    /// Zero columns that every kernel may read beyond the picture: a tile of 4 may start 3 columns early, and reads one more.
    var rowPad: Int {
        var pad = 4
        for node in graph.nodes {
            switch node.operation {
            case .convolution(let conv): pad = max(pad, conv.padLeft, conv.padRight)
            case .transposedConvolution(let conv): pad = max(pad, conv.kernelWidth)
            case .border(_, let extent): pad = max(pad, extent)
            default: break
            }
        }
        return pad
    }
}
