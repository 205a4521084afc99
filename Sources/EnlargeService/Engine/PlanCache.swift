import Enlarger
import StreamPlanner
import Synchronization
import Tensors

/// Plans that were made not long ago: planning a small picture takes as long as running it.
final class PlanCache: Sendable {
    struct Key: Hashable {
        var model: String
        var kind: PictureKind
        var bits: Int
        var width: Int
        var height: Int
        var threads: Int
        var usesBFloat16: Bool
        var isBilinear: Bool
        var isAugmented: Bool
        var isForRows: Bool
        var budget: Int
    }

    private struct State {
        var plans: [Key: (plans: [Plan], lastUse: Int)] = [:]
        var clock = 0
    }
    private let state = Mutex(State())
    private let limit: Int

    init(limit: Int = 64) { self.limit = limit }

    func plans(_ key: Key, make: () throws(EnlargerError) -> [Plan]) throws(EnlargerError) -> [Plan] {
        let known = state.withLock { state -> [Plan]? in
            state.clock += 1
            state.plans[key]?.lastUse = state.clock
            return state.plans[key]?.plans
        }
        if let known { return known }
        let plans = try make()
        // Plans of many strips and passes are long; they are rare, and their pictures take long.
        guard plans.allSatisfy({ $0.stripCount * $0.passes.count <= 16 }) else { return plans }
        state.withLock { state in
            if state.plans.count >= limit, let oldest = state.plans.min(by: { $0.value.lastUse < $1.value.lastUse })?.key {
                state.plans[oldest] = nil
            }
            state.plans[key] = (plans, state.clock)
        }
        return plans
    }
}
