import NetworkGraph


/// Which rows of which node stand in which slot: the bookkeeping of a run.
///
/// The planner drives it to count, the executor drives it to find its rows; they cannot disagree, since it is one code.
/// Slots come from one pool for each row class and are numbered from 0; `capacity` is the most ever in use.
package struct RowLedger: Sendable {
    package let schedule: Schedule
    /// The row class of each node.
    package let classes: [Int]
    /// Slots of each class that were ever in use at once.
    package private(set) var capacity: [Int]

    private struct Held: Sendable {
        /// First row still held, and the slots of it and those that follow.
        var first = 0
        var slots: [Int32] = []
    }
    private var held: [Held]
    private var free: [[Int32]]
    private let consumers: [[(node: Int, input: Int)]]

    package init(schedule: Schedule, classes: [Int]) {
        self.schedule = schedule
        self.classes = classes
        let count = (classes.max() ?? 0) + 1
        capacity = Array(repeating: 0, count: count)
        free = Array(repeating: [], count: count)
        held = Array(repeating: Held(), count: classes.count)
        var consumers = [[(node: Int, input: Int)]](repeating: [], count: classes.count)
        for n in schedule.part.nodes {
            for (index, input) in schedule.graph.nodes[n].inputs.enumerated() { consumers[input].append((n, index)) }
        }
        self.consumers = consumers
    }

    /// The slot that holds a row of a node.
    /// - Precondition: the row was made and is still needed.
    package func slot(_ node: Int, row: Int) -> Int {
        Int(held[node].slots[row - held[node].first])
    }

    /// Takes slots for the rows that `node` makes in `step` (none for a mean, which keeps no rows). A row that may overwrite its input takes over the input's slot:
    /// a residual add writes over the skip, an activation over its argument.
    package mutating func begin(_ node: Int, step: Int) -> Range<Int> {
        let rows = schedule.rows(node, step: step)
        guard !rows.isEmpty, classes[node] >= 0 else { return rows }
        var overwritable = 0
        let source = schedule.part.nodes.contains(node) ? schedule.graph.overwritableInput(node) : nil
        if let source, classes[schedule.graph.nodes[node].inputs[source]] == classes[node] {
            let input = schedule.graph.nodes[node].inputs[source]
            overwritable = .max
            for c in consumers[input] where !(c.node == node && c.input == source) {
                overwritable = min(overwritable, schedule.lowestNeeded(c.node, input: c.input, step: c.node < node ? step + 1 : step))
            }
        }
        if held[node].slots.isEmpty { held[node].first = rows.lowerBound }
        for row in rows {
            if row < overwritable, let source {
                let input = schedule.graph.nodes[node].inputs[source]
                let index = row - held[input].first
                held[node].slots.append(held[input].slots[index])
                held[input].slots[index] = -1 - held[input].slots[index]  // moved away; still readable until `end`
            } else {
                held[node].slots.append(take(classes[node]))
            }
        }
        return rows
    }

    /// The slot of input `index`'s row while its consumer runs, moved away or not.
    package func inputSlot(_ node: Int, row: Int) -> Int {
        let slot = held[node].slots[row - held[node].first]
        return Int(slot < 0 ? -1 - slot : slot)
    }

    /// Gives back the rows that nobody needs any more after `node` ran in `step`.
    package mutating func end(_ node: Int, step: Int) {
        if schedule.part.nodes.contains(node) {
            for input in Set(schedule.graph.nodes[node].inputs) { release(input, after: node, step: step) }
        }
        if consumers[node].isEmpty { release(node, after: node, step: step) }
    }

    private mutating func release(_ node: Int, after current: Int, step: Int) {
        var keep = Int.max
        for c in consumers[node] {
            keep = min(keep, schedule.lowestNeeded(c.node, input: c.input, step: c.node <= current ? step + 1 : step))
        }
        let drop = min(max(keep - held[node].first, 0), held[node].slots.count)
        guard drop > 0 else { return }
        for slot in held[node].slots[..<drop] where slot >= 0 { free[classes[node]].append(slot) }
        held[node].slots.removeFirst(drop)
        held[node].first += drop
    }

    private mutating func take(_ rowClass: Int) -> Int32 {
        if let slot = free[rowClass].popLast() { return slot }
        capacity[rowClass] += 1
        return Int32(capacity[rowClass] - 1)
    }
}

extension NetworkGraph {
    /// The input whose rows the node may write over, element by element, when nobody else needs them.
    fileprivate func overwritableInput(_ node: Int) -> Int? {
        switch nodes[node].operation {
        case .convolution(let conv): conv.residualScale == nil ? nil : 1
        case .activation, .affine: 0
        case .add, .subtract, .multiply: nodes[node].inputs.firstIndex { !isConstant[$0] }
        default: nil
        }
    }
}
