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
        arena = try Arena(byteCount: plan.activationBytes + plan.scratchBytes)
        arena.preferHugePages()
    }

    package func run(
        fill: (_ strip: Strip, _ row: Int, _ view: RowView) throws -> Void,
        deliver: (_ strip: Strip, _ output: Int, _ row: Int, _ view: RowView) throws -> Void,
        progress: (Double) throws -> Void
    ) throws {
        let graph = network.graph
        var stored = StoredValues(graph: graph, plan: plan)
        var spent = 0.0
        for pass in plan.passes {
            let rows = PassRows(network: network, plan: plan, pass: pass, base: arena.base, pool: pool)
            try stored.begin(pass.part)
            let schedule = Schedule(graph: graph, part: pass.part, height: plan.height, bandRows: plan.bandRows)
            for s in 0..<pass.stripCount {
                let strip = graph.strip(core: plan.core(s, of: pass), width: plan.width, part: pass.part) { network.device.isTiled(graph, node: $0) }
                // Zero columns at the sides must be zero again, whatever stood there before.
                if plan.passes.count > 1 || pass.stripCount > 1 { rows.clear() }
                var ledger = RowLedger(schedule: schedule, classes: pass.classOfNode)
                for step in 0..<schedule.steps {
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
                            for (index, output) in graph.outputs.enumerated() where output.node == n {
                                for row in made { try deliver(strip, index, row, view(row, core)) }
                            }
                        }
                        ledger.end(n, step: step)
                    }
                    let done = (Double(s) + Double(step + 1) / Double(schedule.steps)) / Double(pass.stripCount)
                    try progress((spent + done * pass.seconds) / plan.seconds)
                }
            }
            spent += pass.seconds
            stored.end(pass.part)
        }
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
