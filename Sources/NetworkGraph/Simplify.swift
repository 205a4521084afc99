package import Tensors

extension NetworkGraph {
    /// The same function in fewer nodes: what a file spells out in elementary operations becomes the fused
    /// operations of the intermediate form.
    ///
    /// - offsets after a convolution become its bias, also through `depthToSpace` when one value serves all channels;
    /// - chains of affine nodes become one, identities go;
    /// - `relu(x) + a·(x - |x|)` and `relu(x) - a·relu(-x)` become PReLU;
    /// - relu and PReLU right after a convolution are fused into it;
    /// - `add(x, s · conv(y))` becomes a convolution with `residualScale`.
    ///
    /// A node is fused only when nothing else uses it. A fused node stands where the last of its parts stood, so
    /// the order stays topological. Nodes that no output needs are removed. Values differ from the original's by
    /// rounding alone. O(nodes + per-channel parameters) a round, at most eight rounds.
    package func simplified() throws(EnlargerError) -> NetworkGraph {
        var simplifier = Simplifier(self)
        for _ in 0..<8 where simplifier.changed {
            simplifier.changed = false
            // Before affine nodes are merged: bias, then scale, must not become one affine node that no convolution takes.
            simplifier.sweep { $0.foldOffset($1) }
            simplifier.sweep { $0.mergeAffine($1) }
            simplifier.sweep { $0.recogniseActivation($1) }
            simplifier.sweep { $0.removeIdentity($1) }
            simplifier.sweep { $0.fuseActivation($1) }
            simplifier.sweep { $0.fuseResidual($1) }
        }
        return try simplifier.finished()
    }
}

/// A graph in which nodes are being replaced: a dead node keeps its index until the end.
struct Simplifier {
    var nodes: [NetworkGraph.Node]
    private var outputs: [NetworkGraph.Output]
    let channels: [Int], scales: [Int], isConstant: [Bool]
    /// How often a node's value is used, outputs included; 0: dead.
    private(set) var uses: [Int]
    /// A node that another one stands for (itself when none does).
    private var standIn: [Int]
    var changed = true

    init(_ graph: NetworkGraph) {
        nodes = graph.nodes
        outputs = graph.outputs
        channels = graph.channels
        scales = graph.scales
        isConstant = graph.isConstant
        uses = [Int](repeating: 0, count: graph.nodes.count)
        standIn = Array(graph.nodes.indices)
        for output in outputs { uses[output.node] += 1 }
        for (index, node) in nodes.enumerated().reversed() where uses[index] > 0 {
            for input in node.inputs { uses[input] += 1 }
        }
    }

    /// Applies `rule` to every live node in topological order.
    mutating func sweep(_ rule: (inout Simplifier, Int) -> Void) {
        for index in nodes.indices where uses[index] > 0 {
            for position in nodes[index].inputs.indices {
                let input = nodes[index].inputs[position]
                if standIn[input] != input { nodes[index].inputs[position] = standIn[input] }
            }
            rule(&self, index)
        }
        for position in outputs.indices { outputs[position].node = standIn[outputs[position].node] }
    }

    /// True when exactly one node or output uses the value.
    func isUsedOnce(_ index: Int) -> Bool { uses[index] == 1 }

    /// Puts another operation in place of node `index`; parts that nothing uses any more die.
    mutating func replace(_ index: Int, name: String, _ operation: Operation, inputs: [Int]) {
        for input in inputs { uses[input] += 1 }
        let old = nodes[index].inputs
        nodes[index] = NetworkGraph.Node(name, operation, inputs: inputs)
        release(old)
        changed = true
    }

    /// Lets every user of `index` use its (first) input instead.
    mutating func bypass(_ index: Int) {
        let input = nodes[index].inputs[0]
        uses[input] += uses[index]
        uses[index] = 0
        standIn[index] = input
        release([input])
        changed = true
    }

    private mutating func release(_ inputs: [Int]) {
        var pending = inputs
        while let input = pending.popLast() {
            uses[input] -= 1
            if uses[input] == 0 { pending += nodes[input].inputs.map { standIn[$0] } }
        }
    }

    /// The live nodes, renumbered.
    func finished() throws(EnlargerError) -> NetworkGraph {
        var newIndex = [Int](repeating: -1, count: nodes.count), kept: [NetworkGraph.Node] = []
        for index in nodes.indices where uses[index] > 0 {
            newIndex[index] = kept.count
            var node = nodes[index]
            node.inputs = node.inputs.map { newIndex[standIn[$0]] }
            kept.append(node)
        }
        return try NetworkGraph(nodes: kept, outputs: outputs.map { .init(name: $0.name, node: newIndex[standIn[$0.node]]) })
    }
}
