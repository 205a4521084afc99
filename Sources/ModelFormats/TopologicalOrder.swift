import Tensors

/// Nodes that `ends` depend on, inputs first. Depth-first, with a stack of its own: a file may chain more nodes than the
/// thread's stack takes.
/// - Throws: `modelInvalid`, naming a node, for a cycle.
func topologicalOrder(from ends: [Int], inputs: [[Int]], name: (Int) -> String) throws(EnlargerError) -> [Int] {
    enum State { case new, open, done }
    var state = [State](repeating: .new, count: inputs.count)
    var order: [Int] = []
    for end in ends where state[end] == .new {
        var stack = [(node: end, next: 0)]
        state[end] = .open
        while let (node, next) = stack.last {
            if next == inputs[node].count {
                state[node] = .done
                order.append(node)
                stack.removeLast()
                continue
            }
            stack[stack.count - 1].next += 1
            let input = inputs[node][next]
            switch state[input] {
            case .new:
                state[input] = .open
                stack.append((input, 0))
            case .open: throw invalid(name(input), "it depends on itself")
            case .done: break
            }
        }
    }
    return order
}
