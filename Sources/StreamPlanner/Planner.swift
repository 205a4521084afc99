package import NetworkGraph
package import Tensors

/// Chooses the band height and the strips: the fastest plan that fits the budget.
package struct Planner: Sendable {
    package let graph: NetworkGraph
    package let costs: any DeviceCosts
    package let picture: PictureBytes
    private let rowLags: [Int]
    private let columnLags: [Int]
    private let tiled: [Bool]
    package let weightsBytes: Int

    package init(graph: NetworkGraph, costs: any DeviceCosts, picture: PictureBytes = .none) {
        self.graph = graph
        self.costs = costs
        self.picture = picture
        rowLags = graph.lags(.rows)
        columnLags = graph.lags(.columns)
        tiled = graph.nodes.indices.map { costs.isTiled(graph, node: $0) }
        weightsBytes = costs.weightsBytes(graph)
    }

    /// The largest picture side that is planned; products of sides and bytes stay far inside 64 bits.
    package static let sideLimit = 1 << 24

    /// More strips save nothing: where so many are needed, the rows that come in and go out take far more than they do.
    package static let stripLimit = 4096

    /// The fastest plan of at most `budget` bytes (nil: no limit).
    /// - Throws: `doesNotFit` with the bytes it would take.
    package func plan(width: Int, height: Int, budget: Int? = nil) throws(EnlargerError) -> Plan {
        guard width >= 1, height >= 1, width <= Planner.sideLimit, height <= Planner.sideLimit else {
            throw EnlargerError(.usage, "a picture of \(width) x \(height); sides of 1 to \(Planner.sideLimit) are possible")
        }
        var best: Plan?
        func consider(bandRows: Int, strips: Int) -> Bool {
            guard let plan = makePlan(width: width, height: height, bandRows: bandRows, stripCount: strips) else { return false }
            guard budget.map({ plan.plannedBytes <= $0 }) ?? true else { return false }
            if best.map({ plan.seconds < $0.seconds }) ?? true { best = plan }
            return true
        }
        let heights = bandHeights(for: height)
        for rows in heights { _ = consider(bandRows: rows, strips: 1) }
        if let best { return best }
        // Not even one band of full width: strips, as few as possible first; a few more if that makes bands higher.
        var count = 2
        var fitting = 0
        while count <= min(max(width, 2), Planner.stripLimit), fitting < 6 {
            var fits = false
            for rows in heights.prefix(6) where consider(bandRows: rows, strips: count) { fits = true }
            if fits || fitting > 0 { fitting += 1 }
            count = max(count + 1, count * 5 / 4)
        }
        if best == nil { _ = consider(bandRows: Schedule.tile, strips: min(width, Planner.stripLimit)) }
        if let best { return best }
        let minimum = minimumBytes(width: width, height: height)
        if let budget, budget >= minimum, let plan = minimumPlan(width: width, height: height) { return plan }
        throw EnlargerError(
            .doesNotFit, "a \(width) x \(height) picture needs at least \(minimum) bytes here; the budget is \(budget ?? 0) bytes",
            shortage: .init(neededBytes: minimum, budgetBytes: budget ?? 0))
    }

    /// The fewest bytes any plan takes.
    package func minimumBytes(width: Int, height: Int) -> Int {
        minimumPlan(width: width, height: height)!.plannedBytes
    }

    private func minimumPlan(width: Int, height: Int) -> Plan? {
        [1, min(width, Planner.stripLimit)].compactMap { makePlan(width: width, height: height, bandRows: Schedule.tile, stripCount: $0) }
            .min { $0.plannedBytes < $1.plannedBytes }
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

    /// The plan for one choice of band height and strip count. nil when there are fewer columns than strips.
    package func makePlan(width: Int, height: Int, bandRows: Int, stripCount: Int) -> Plan? {
        guard stripCount >= 1, stripCount <= width else { return nil }
        let schedule = Schedule(graph: graph, lags: rowLags, height: height, bandRows: bandRows)
        // Strips differ in width by a column at most; only the widest matters here, and few distinct ones exist.
        let strips = (0..<stripCount).map { i in
            graph.strip(
                core: width * i / stripCount..<width * (i + 1) / stripCount, width: width, columnLags: columnLags, isTiled: { tiled[$0] })
        }
        let widest = strips.map(\.input.count).max()!
        let pad = rowPad
        var rowClasses: [Plan.RowClass] = []
        var classOfNode: [Int] = []
        for n in graph.nodes.indices {
            let border = if case .border(_, let extent) = graph.nodes[n].operation { extent } else { 0 }
            let rowClass = Planner.rowClass(
                border: border, channels: graph.channels[n], isPlanar: graph.isPlanar(n), scale: graph.scales[n], width: widest, pad: pad,
                elementBytes: costs.elementBytes)
            if let known = rowClasses.firstIndex(of: rowClass) {
                classOfNode.append(known)
            } else {
                classOfNode.append(rowClasses.count)
                rowClasses.append(rowClass)
            }
        }
        let capacity = countRows(schedule, classes: classOfNode)
        for i in rowClasses.indices { rowClasses[i].capacity = capacity[i] }
        // One shared row of zeros, as long as the longest.
        let activationBytes = rowClasses.reduce(rowClasses.map(\.rowBytes).max()!) { $0 + $1.rowBytes * $1.capacity }

        var scratch = 0, seconds = 0.0
        for n in graph.nodes.indices {
            let rows = min(graph.scales[n] * bandRows, graph.scales[n] * height + Schedule.tile)
            for columns in Set(strips.map { $0.columns[n].count }) {
                scratch = max(scratch, costs.scratchBytes(graph, node: n, rows: rows, columns: columns))
            }
            let calls = Double((graph.scales[n] * height + rows - 1) / rows)
            for strip in strips { seconds += calls * costs.seconds(graph, node: n, rows: rows, columns: strip.columns[n].count) }
        }
        scratch += costs.overheadBytes(graph, height: height, bandRows: bandRows)
        let outputPixels = graph.outputs.reduce(0) { $0 + graph.scales[$1.node] * width * min(bandRows, height) * graph.scales[$1.node] }
        let io = picture.fixed + picture.input * widest * min(bandRows, height) + picture.output * outputPixels
        return Plan(
            width: width, height: height, threads: costs.threads, bandRows: bandRows, strips: strips, rowClasses: rowClasses, classOfNode: classOfNode,
            rowLags: rowLags, columnLags: columnLags, pad: pad, weightsBytes: weightsBytes, activationBytes: activationBytes,
            scratchBytes: scratch, ioBytes: io, seconds: seconds)
    }

    /// Zero columns that every kernel may read beyond the picture: a tile of 4 may start 3 columns early, and reads one more.
    private var rowPad: Int {
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

    static func rowClass(border: Int, channels: Int, isPlanar: Bool, scale: Int, width: Int, pad: Int, elementBytes: Int = 4) -> Plan.RowClass {
        let columns = scale * width + 2 * pad
        // Planes start on cache lines; a few lines between rows keep equal columns of neighbouring rows out of one cache set.
        let blockStride = isPlanar ? (columns + 15) / 16 * 16 : columns * 16
        let blocks = isPlanar ? channels : (channels + 15) / 16
        let bytes = (blocks * blockStride * elementBytes + 63) / 64 * 64
        return Plan.RowClass(
            scale: scale, channels: blocks * (isPlanar ? 1 : 16), isPlanar: isPlanar, border: border, columns: columns, blockStride: blockStride,
            rowBytes: bytes + (isPlanar ? 0 : 5 * 64), capacity: 0)
    }

    /// Runs the ledger without data. Steady steps repeat, so a long picture is counted on a short one of the same remainder.
    private func countRows(_ schedule: Schedule, classes: [Int]) -> [Int] {
        let r = schedule.bandRows
        let deepest = graph.nodes.indices.map { (rowLags[$0] + graph.scales[$0] - 1) / graph.scales[$0] }.max()!
        let enough = (deepest / r + 4) * r + schedule.height % r
        let counted = Schedule(graph: graph, lags: rowLags, height: min(schedule.height, enough), bandRows: r)
        var ledger = RowLedger(schedule: counted, classes: classes)
        for step in 0..<counted.steps {
            for n in graph.nodes.indices {
                _ = ledger.begin(n, step: step)
                ledger.end(n, step: step)
            }
        }
        return ledger.capacity
    }
}
