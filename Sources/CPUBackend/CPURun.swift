import NetworkGraph
package import StreamPlanner
package import Tensors

/// Runs one plan of a network on the processor: rows in, rows out, in the memory the plan names.
///
/// One run at a time; the object can run again, on another picture of the same size.
package final class CPURun: NetworkRun {
    package let network: CPUNetwork
    package let plan: Plan
    let pool: ThreadPool
    private let arena: Arena

    /// - Parameter plan: made by a planner for `network.graph` and `network.device`.
    /// - Throws: `allocationFailed`.
    package init(network: CPUNetwork, plan: Plan, pool: ThreadPool) throws(EnlargerError) {
        self.network = network
        self.plan = plan
        self.pool = pool
        arena = try Arena(byteCount: plan.activationBytes + plan.constantBytes + plan.scratchBytes)
        arena.preferHugePages()
    }

    /// Streams the picture through.
    ///
    /// - Parameters:
    ///   - rows: input rows whose enlargement is delivered, of a plan in one pass; nil: the whole picture. `fill` is called for
    ///     `inputRows(for: rows)` then. The bytes are those of the whole picture's run.
    ///   - fill: called for every strip of the first pass in turn, and in it for every input row in order: writes the columns
    ///     `strip.input`.
    ///   - deliver: called for every output (by its index in `graph.outputs`), in every strip of the pass that makes it, for
    ///     each of its rows in order; the view holds the columns of `strip.core`, enlarged.
    ///   - progress: told the finished part, 0...1, after every step.
    package func run(
        rows wanted: Range<Int>?,
        fill: (_ strip: Strip, _ row: Int, _ view: RowView) throws -> Void,
        deliver: (_ strip: Strip, _ output: Int, _ row: Int, _ view: RowView) throws -> Void,
        progress: (Double) throws -> Void = { _ in }
    ) throws {
        let graph = network.graph
        var stored = StoredValues(graph: graph, plan: plan)
        var spent = 0.0
        for pass in plan.passes {
            let rows = PassRows(network: network, plan: plan, pass: pass, base: arena.base, pool: pool)
            try stored.begin(pass.part)
            rows.constants.begin(pass.part)
            let schedule = schedule(pass, wanted)
            for s in 0..<pass.stripCount {
                let strip = graph.strip(core: plan.core(s, of: pass), width: plan.width, part: pass.part) { network.device.isTiled(graph, node: $0) }
                // Zero columns at the sides must be zero again, whatever stood there before.
                if plan.passes.count > 1 || pass.stripCount > 1 { rows.clear() }
                var ledger = RowLedger(schedule: schedule, classes: pass.classOfNode)
                for (index, step) in schedule.steps.enumerated() {
                    for n in pass.part.visited {
                        let made = ledger.begin(n, step: step)
                        if !made.isEmpty {
                            func view(_ row: Int, _ columns: Range<Int>) -> RowView {
                                rows.view(n, slot: ledger.slot(n, row: row), columns: columns, strip)
                            }
                            let core = graph.scales[n] * strip.core.lowerBound..<graph.scales[n] * strip.core.upperBound
                            if n < pass.part.nodes.lowerBound {
                                for row in made { try stored.read(n, row, into: view(row, strip.columns(n)), from: strip.columns(n).lowerBound) }
                            } else if case .input = graph.nodes[n].operation {
                                for row in made { try fill(strip, row, view(row, strip.input)) }
                            } else {
                                execute(n, rows: made, in: rows, schedule: schedule, step: step, strip: strip, ledger: ledger)
                            }
                            if pass.part.stores.contains(n) {
                                for row in made { try stored.write(n, row, view(row, core), to: core.lowerBound) }
                            }
                            // An output that a later pass reads again was delivered by the pass that made it.
                            for (output, end) in graph.outputs.enumerated() where end.node == n && pass.part.nodes.contains(n) {
                                let wanted = wanted.map { made.clamped(to: graph.scales[n] * $0.lowerBound..<graph.scales[n] * $0.upperBound) } ?? made
                                for row in wanted { try deliver(strip, output, row, view(row, core)) }
                            }
                        }
                        ledger.end(n, step: step)
                    }
                    let done = (Double(s) + Double(index + 1) / Double(schedule.steps.count)) / Double(pass.stripCount)
                    try progress((spent + done * pass.seconds) / plan.seconds)
                }
            }
            spent += pass.seconds
            rows.constants.end(pass.part)
            stored.end(pass.part)
        }
    }

    private func schedule(_ pass: Plan.Pass, _ rows: Range<Int>?) -> Schedule {
        precondition(rows == nil || plan.passes.count == 1, "a range of rows takes one pass")
        return Schedule(graph: network.graph, part: pass.part, height: plan.height, bandRows: plan.bandRows, core: rows) {
            network.device.isTiled(network.graph, node: $0)
        }
    }

    /// The input rows that the enlargement of `rows` depends on: those themselves, and some above and below.
    package func inputRows(for rows: Range<Int>) -> Range<Int> { schedule(plan.passes[0], rows).allRows(network.graph.inputNode) }

    package func run(
        fill: (_ strip: Strip, _ row: Int, _ view: RowView) throws -> Void,
        deliver: (_ strip: Strip, _ output: Int, _ row: Int, _ view: RowView) throws -> Void,
        progress: (Double) throws -> Void
    ) throws {
        try run(rows: nil, fill: fill, deliver: deliver, progress: progress)
    }

    private func execute(_ n: Int, rows: Range<Int>, in memory: PassRows, schedule: Schedule, step: Int, strip: Strip, ledger: RowLedger) {
        let graph = network.graph
        let call = NodeCall(
            run: memory, node: n, rows: rows, gridStart: schedule.unclippedStart(n, step: step), columns: strip.columns(n), strip: strip,
            output: { memory.rowPointer(n, slot: ledger.slot(n, row: $0)) },
            input: { index, row in
                let input = graph.nodes[n].inputs[index]
                return memory.rowPointer(input, slot: ledger.inputSlot(input, row: row))
            })
        call.execute()
    }
}
