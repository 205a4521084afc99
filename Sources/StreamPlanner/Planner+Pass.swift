import NetworkGraph

extension Planner {
    /// Bytes a second that values between passes are written and read back with: slower than memory, as they may reach a disk.
    private static let fileRate = 1e9

    /// One part of the network, its rows and seconds counted.
    func makePass(_ part: NetworkPart, width: Int, height: Int, bandRows: Int, stripCount: Int) -> Plan.Pass {
        // Only what the strips add up to is kept: there may be thousands.
        var widest = 0, scratch = 0, seconds = 0.0
        for i in 0..<stripCount {
            let core = width * i / stripCount..<width * (i + 1) / stripCount
            let strip = graph.strip(core: core, width: width, part: part, isTiled: { tiled[$0] })
            widest = max(widest, strip.input.count)
            for n in part.visited where part.nodes.contains(n) {
                let rows = min(graph.scales[n] * bandRows, graph.scales[n] * height + Schedule.tile), columns = strip.columns(n).count
                let calls = Double((graph.scales[n] * height + rows - 1) / rows)
                scratch = max(scratch, costs.scratchBytes(graph, node: n, rows: rows, columns: columns))
                seconds += calls * costs.seconds(graph, node: n, rows: rows, columns: columns)
            }
        }
        scratch += costs.overheadBytes(graph, height: height, bandRows: bandRows)
        for value in part.loads + part.stores { seconds += Double(storedBytes(value, pixels: width * height)) / Planner.fileRate }
        let pad = rowPad
        var rowClasses: [Plan.RowClass] = []
        var classOfNode = [Int](repeating: -1, count: graph.nodes.count)
        for n in part.visited where !part.means.contains(n) {
            let border = if case .border(_, let extent) = graph.nodes[n].operation { extent } else { 0 }
            let rowClass = Planner.rowClass(
                border: border, channels: graph.channels[n], isPlanar: graph.isPlanar(n), scale: graph.scales[n], width: widest, pad: pad,
                elementBytes: costs.elementBytes)
            if let known = rowClasses.firstIndex(of: rowClass) {
                classOfNode[n] = known
            } else {
                classOfNode[n] = rowClasses.count
                rowClasses.append(rowClass)
            }
        }
        let capacity = countRows(Schedule(graph: graph, part: part, height: height, bandRows: bandRows), classes: classOfNode)
        for i in rowClasses.indices { rowClasses[i].capacity = capacity[i] }
        // One shared row of zeros, as long as the longest.
        let activationBytes = rowClasses.reduce(rowClasses.map(\.rowBytes).max()!) { $0 + $1.rowBytes * $1.capacity }

        return Plan.Pass(
            part: part, stripCount: stripCount, widestInput: widest, rowClasses: rowClasses, classOfNode: classOfNode, activationBytes: activationBytes,
            scratchBytes: scratch, seconds: seconds)
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
        let r = schedule.bandRows, part = schedule.part
        let deepest = part.visited.map { (part.lags[$0] + graph.scales[$0] - 1) / graph.scales[$0] }.max()!
        let enough = (deepest / r + 4) * r + schedule.height % r
        let counted = Schedule(graph: graph, part: part, height: min(schedule.height, enough), bandRows: r)
        var ledger = RowLedger(schedule: counted, classes: classes)
        for step in counted.steps {
            for n in part.visited {
                _ = ledger.begin(n, step: step)
                ledger.end(n, step: step)
            }
        }
        return ledger.capacity
    }
}
