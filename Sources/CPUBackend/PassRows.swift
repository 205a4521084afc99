import NetworkGraph
import StreamPlanner

/// Where the rows of one pass stand in a run's memory.
struct PassRows {
    let network: CPUNetwork
    let plan: Plan
    let pass: Plan.Pass
    let pool: ThreadPool
    let scratch: UnsafeMutableRawPointer
    let zeroRow: UnsafeMutablePointer<Float>
    let constants: Constants
    /// Start of each row class.
    private let classBase: [UnsafeMutableRawPointer]

    /// - Parameter base: of the run's arena: scratch, constants, the row of zeros, then the rows of each class.
    init(network: CPUNetwork, plan: Plan, pass: Plan.Pass, base: UnsafeMutableRawPointer, pool: ThreadPool) {
        self.network = network
        self.plan = plan
        self.pass = pass
        self.pool = pool
        // Scratch first: its kernels want cache-line alignment, which every part keeps.
        scratch = base
        constants = Constants(network: network, plan: plan, base: base + plan.scratchBytes)
        var next = base + plan.scratchBytes + plan.constantBytes
        zeroRow = next.assumingMemoryBound(to: Float.self)
        next += pass.rowClasses.map(\.rowBytes).max()!
        var bases: [UnsafeMutableRawPointer] = []
        for rowClass in pass.rowClasses {
            bases.append(next)
            next += rowClass.rowBytes * rowClass.capacity
        }
        precondition(next <= base + plan.scratchBytes + plan.constantBytes + pass.activationBytes, "the plan's rows pass its bytes")
        classBase = bases
    }

    func clear() {
        UnsafeMutableRawPointer(zeroRow).initializeMemory(as: UInt8.self, repeating: 0, count: pass.activationBytes)
    }

    func rowClass(_ node: Int) -> Plan.RowClass { pass.rowClasses[pass.classOfNode[node]] }

    func rowPointer(_ node: Int, slot: Int) -> UnsafeMutablePointer<Float> {
        let c = pass.classOfNode[node]
        return (classBase[c] + slot * pass.rowClasses[c].rowBytes).assumingMemoryBound(to: Float.self)
    }

    /// Where a picture column of a node stands in its rows.
    func bufferColumn(_ node: Int, _ column: Int, _ strip: Strip) -> Int {
        column - network.graph.scales[node] * strip.input.lowerBound + plan.pad
    }

    func view(_ node: Int, slot: Int, columns: Range<Int>, _ strip: Strip) -> RowView {
        let rowClass = rowClass(node)
        return RowView(
            base: rowPointer(node, slot: slot), isPlanar: rowClass.isPlanar, blockStride: rowClass.blockStride,
            firstColumn: bufferColumn(node, columns.lowerBound, strip), count: columns.count)
    }
}
