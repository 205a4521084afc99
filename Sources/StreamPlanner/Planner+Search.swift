import NetworkGraph

extension Planner {
    /// Looks through the ways to run one picture within one budget.
    struct Search {
        let planner: Planner
        let width: Int, height: Int
        let budget: Int?
        private var heights: [Int] { planner.bandHeights(for: height) }

        private func fits(_ plan: Plan) -> Bool { budget.map { plan.plannedBytes <= $0 } ?? true }

        /// One pass at full width, in the band height that is fastest.
        func streams() -> Plan? {
            heights.compactMap { planner.makePlan(width: width, height: height, bandRows: $0, stripCount: 1) }.filter(fits)
                .min { $0.seconds < $1.seconds }
        }

        /// Several passes at full width, or several strips in one pass.
        func passesOrStrips() -> Plan? {
            let passes = heights.prefix(6).compactMap { inPasses(bandRows: $0, stripCount: 1) }.min { $0.seconds < $1.seconds }
            return inStrips(slowest: passes?.seconds ?? .infinity) ?? passes
        }

        /// As few strips as possible first, then a few more if that makes bands higher. nil when none is faster than `slowest`.
        func inStrips(slowest: Double) -> Plan? {
            var best: Plan?, count = 2, fitting = 0
            while count <= min(width, Planner.stripLimit), fitting < 6 {
                var isSlower = true
                for rows in heights.prefix(6) {
                    guard let plan = planner.makePlan(width: width, height: height, bandRows: rows, stripCount: count) else { continue }
                    guard plan.seconds < min(slowest, best?.seconds ?? .infinity) else { continue }
                    isSlower = false
                    if fits(plan) { best = plan }
                }
                // More strips have more halo.
                if isSlower, best != nil || slowest < .infinity { break }
                if best != nil { fitting += 1 }
                count = max(count + 1, count * 5 / 4)
            }
            return best
        }

        /// Passes whose rows are cut into strips as well, as few as will do.
        func stripsOfPasses() -> Plan? {
            var count = 2
            while count <= min(width, Planner.stripLimit) {
                if let plan = inPasses(bandRows: Schedule.tile, stripCount: count) { return plan }
                count = max(count + 1, count * 5 / 4)
            }
            return nil
        }

        /// As few passes as the budget allows: each takes as many layers as fit, or fewer if less then crosses to the next.
        /// nil when what lies between two cuts does not fit by itself.
        private func inPasses(bandRows: Int, stripCount: Int) -> Plan? {
            guard let budget, planner.costs.takesPasses, !planner.cuts.isEmpty else { return nil }
            let needed = planner.graph.neededCuts
            guard stripCount == 1 || needed.isEmpty else { return nil }
            let ends = planner.cuts + [.init(node: planner.graph.nodes.count, size: 0)]
            var passes: [Plan.Pass] = [], start = 0, first = 0
            while start < planner.graph.nodes.count {
                func pass(to index: Int) -> Plan.Pass? {
                    guard !needed.contains(where: { start < $0 && $0 < ends[index].node }) else { return nil }
                    let part = planner.graph.part(start..<ends[index].node, rowLags: planner.rowLags)
                    let pass = planner.makePass(part, width: width, height: height, bandRows: bandRows, stripCount: stripCount)
                    let plan = planner.plan(of: passes + [pass], width: width, height: height, bandRows: bandRows)
                    return plan.plannedBytes <= budget ? pass : nil
                }
                guard var (last, longest) = farthest(from: first, count: ends.count, pass) else { return nil }
                let cheapest = ((first + last) / 2...last).reversed().min { ends[$0].size < ends[$1].size }!
                if cheapest < last, let shorter = pass(to: cheapest) { (last, longest) = (cheapest, shorter) }
                passes.append(longest)
                start = ends[last].node
                first = last + 1
            }
            return planner.plan(of: passes, width: width, height: height, bandRows: bandRows)
        }

        /// The farthest index at or after `first` that has a pass, sought in steps that double and then halve.
        private func farthest(from first: Int, count: Int, _ pass: (Int) -> Plan.Pass?) -> (index: Int, pass: Plan.Pass)? {
            guard var best = pass(first).map({ (index: first, pass: $0) }) else { return nil }
            var reach = 1
            while best.index + reach < count, let longer = pass(best.index + reach) {
                best = (best.index + reach, longer)
                reach *= 2
            }
            while reach > 1 {
                reach /= 2
                if best.index + reach < count, let longer = pass(best.index + reach) { best = (best.index + reach, longer) }
            }
            return best
        }
    }
}
