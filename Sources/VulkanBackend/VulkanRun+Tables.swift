import NetworkGraph
import StreamPlanner

extension VulkanRun {
    /// Writes a step's tables: the ledger is driven as the planner drove it.
    /// - Returns: the rows of each output that the step makes.
    func fillTables(_ band: Int, strip: Strip, step: Int, ledger: inout RowLedger) -> [Range<Int>] {
        let graph = network.graph
        let words = (host.host + layout.tables(band)).assumingMemoryBound(to: Int32.self)
        var outputs = graph.outputs.map { _ in 0..<0 }
        for n in graph.nodes.indices {
            let rows = ledger.begin(n, step: step), table = tables.nodes[n]
            let start = words + table.start
            start.pointee = 0
            if !rows.isEmpty { fill(start, n, rows: rows, strip: strip, table, ledger) }
            for (index, output) in graph.outputs.enumerated() where output.node == n {
                let port = tables.ports[index], scale = graph.scales[n]
                let columns = scale * strip.core.lowerBound..<scale * strip.core.upperBound
                var header = CallHeader()
                header.rows = rows.count
                header.columns = columns.count
                header.column = bufferColumn(n, columns.lowerBound, strip)
                header.write(to: words + port.start)
                for (i, row) in rows.enumerated() { words[port.start + port.inputs[0] + i] = slotUnit(n, ledger.slot(n, row: row)) }
                outputs[index] = rows
            }
            ledger.end(n, step: step)
        }
        return outputs
    }

    private func fill(
        _ words: UnsafeMutablePointer<Int32>, _ n: Int, rows: Range<Int>, strip: Strip, _ table: StepTables.Table, _ ledger: RowLedger
    ) {
        let graph = network.graph, node = graph.nodes[n], first = strip.input.lowerBound
        var header = CallHeader()
        if case .input = node.operation { header.columns = strip.input.count } else { header.columns = strip.columns(n).count }
        header.firstColumn = if case .input = node.operation { first } else { strip.columns(n).lowerBound }
        header.column = bufferColumn(n, header.firstColumn, strip)
        header.rows = rows.count
        header.firstRow = rows.lowerBound
        header.outputOrigin = graph.scales[n] * first - plan.pad
        header.outputWidth = graph.scales[n] * plan.width
        for (index, input) in node.inputs.enumerated() {
            let needed = node.operation.needed(.rows, input: index, for: rows)
            precondition(needed.count <= table.inputRows[index], "a table is too small")
            if index == 0 {
                header.inputOrigin = graph.scales[input] * first - plan.pad
                header.inputRow = needed.lowerBound
                header.inputRows = needed.count
                header.inputWidth = graph.scales[input] * plan.width
            }
            for (i, row) in needed.enumerated() { words[table.inputs[index] + i] = inputUnit(n, index, input, row, ledger) }
        }
        header.write(to: words)
        for (i, row) in rows.enumerated() { words[table.output + i] = slotUnit(n, ledger.slot(n, row: row)) }
    }

    /// The row that stands for `row` of an input: itself, one of its border, or, outside the picture, the row of zeros.
    private func inputUnit(_ n: Int, _ index: Int, _ input: Int, _ row: Int, _ ledger: RowLedger) -> Int32 {
        let graph = network.graph, limit = graph.scales[input] * plan.height
        var row = row
        if row < 0 || row >= limit {
            switch graph.nodes[n].operation {
            case .resize, .resample: row = min(max(row, 0), limit - 1)
            case .convolution(let conv) where index == 0:
                guard case .border(let mode, _) = graph.nodes[input].operation, row >= -conv.padTop, row < limit + conv.padBottom else { return 0 }
                row = mode.place(row, in: limit)
            default: return 0
            }
        }
        return slotUnit(input, ledger.inputSlot(input, row: row))
    }

    /// Where a slot stands in the arena, in units of 64 bytes.
    private func slotUnit(_ node: Int, _ slot: Int) -> Int32 {
        let c = pass.classOfNode[node]
        return Int32(bitPattern: UInt32((classOffset[c] + slot * pass.rowClasses[c].rowBytes) / 64))
    }

    /// Where a picture column of a node stands in its rows.
    private func bufferColumn(_ node: Int, _ column: Int, _ strip: Strip) -> Int {
        column - network.graph.scales[node] * strip.input.lowerBound + plan.pad
    }
}
