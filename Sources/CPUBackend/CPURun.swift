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
    private let schedule: Schedule
    /// Start of each row class in the arena.
    private let classBase: [UnsafeMutableRawPointer]
    let zeroRow: UnsafeMutablePointer<Float>
    let scratch: UnsafeMutableRawPointer
    /// Row pointers of the call at hand, reused.
    var inputRows: [[UnsafeMutablePointer<Float>?]] = []
    var outputRows: [UnsafeMutablePointer<Float>?] = []

    /// - Parameter plan: made by a planner for `network.graph` and `network.device`.
    /// - Throws: `allocationFailed`.
    package init(network: CPUNetwork, plan: Plan, pool: ThreadPool) throws(EnlargerError) {
        self.network = network
        self.plan = plan
        self.pool = pool
        arena = try Arena(byteCount: plan.activationBytes + plan.scratchBytes)
        arena.preferHugePages()
        schedule = Schedule(graph: network.graph, lags: plan.rowLags, height: plan.height, bandRows: plan.bandRows)
        // Scratch first: its kernels want cache-line alignment, which every part keeps.
        scratch = arena.base
        var next = arena.base + plan.scratchBytes
        zeroRow = next.assumingMemoryBound(to: Float.self)
        next += plan.rowClasses.map(\.rowBytes).max()!
        var bases: [UnsafeMutableRawPointer] = []
        for rowClass in plan.rowClasses {
            bases.append(next)
            next += rowClass.rowBytes * rowClass.capacity
        }
        precondition(next <= arena.base + arena.byteCount, "the plan's rows pass its bytes")
        classBase = bases
    }

    /// Streams the picture through.
    ///
    /// - Parameters:
    ///   - fill: called for every strip in turn, and in it for every input row in order: writes the columns `strip.input`.
    ///   - deliver: called for every output (by its index in `graph.outputs`) and each of its rows in order;
    ///     the view holds the columns of `strip.core`, enlarged.
    package func run(
        fill: (_ strip: Int, _ row: Int, _ view: RowView) throws -> Void,
        deliver: (_ strip: Int, _ output: Int, _ row: Int, _ view: RowView) throws -> Void
    ) throws {
        let graph = network.graph
        for (s, strip) in plan.strips.enumerated() {
            if s > 0 || plan.strips.count > 1 { clearRows() }
            var ledger = RowLedger(schedule: schedule, classes: plan.classOfNode)
            for step in 0..<schedule.steps {
                for n in graph.nodes.indices {
                    let rows = ledger.begin(n, step: step)
                    if !rows.isEmpty {
                        if case .input = graph.nodes[n].operation {
                            for row in rows { try fill(s, row, view(n, slot: ledger.slot(n, row: row), columns: strip.input, strip)) }
                        } else {
                            execute(n, rows: rows, step: step, strip: strip, ledger: ledger)
                        }
                        for (index, output) in graph.outputs.enumerated() where output.node == n {
                            let scale = graph.scales[n]
                            let columns = scale * strip.core.lowerBound..<scale * strip.core.upperBound
                            for row in rows { try deliver(s, index, row, view(n, slot: ledger.slot(n, row: row), columns: columns, strip)) }
                        }
                    }
                    ledger.end(n, step: step)
                }
            }
        }
    }

    /// Zero columns at the sides must be zero again when a strip of another width comes.
    private func clearRows() {
        let start = UnsafeMutableRawPointer(zeroRow)
        start.initializeMemory(as: UInt8.self, repeating: 0, count: plan.activationBytes)
    }

    private func view(_ node: Int, slot: Int, columns: Range<Int>, _ strip: Strip) -> RowView {
        let rowClass = plan.rowClasses[plan.classOfNode[node]]
        return RowView(
            base: rowPointer(node, slot: slot), isPlanar: rowClass.isPlanar, blockStride: rowClass.blockStride,
            firstColumn: bufferColumn(node, columns.lowerBound, strip), count: columns.count)
    }

    func rowPointer(_ node: Int, slot: Int) -> UnsafeMutablePointer<Float> {
        let c = plan.classOfNode[node]
        return (classBase[c] + slot * plan.rowClasses[c].rowBytes).assumingMemoryBound(to: Float.self)
    }

    /// Where a picture column of a node stands in its rows.
    func bufferColumn(_ node: Int, _ column: Int, _ strip: Strip) -> Int {
        column - network.graph.scales[node] * strip.input.lowerBound + plan.pad
    }

    private func execute(_ n: Int, rows: Range<Int>, step: Int, strip: Strip, ledger: RowLedger) {
        let graph = network.graph
        let call = NodeCall(
            run: self, node: n, rows: rows, gridStart: schedule.unclippedStart(n, step: step), columns: strip.columns[n], strip: strip,
            output: { self.rowPointer(n, slot: ledger.slot(n, row: $0)) },
            input: { index, row in
                let input = graph.nodes[n].inputs[index]
                return self.rowPointer(input, slot: ledger.inputSlot(input, row: row))
            })
        call.execute()
    }
}
