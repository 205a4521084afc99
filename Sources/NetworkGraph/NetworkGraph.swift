package import Tensors

/// A feed-forward network as a list of nodes in topological order: every input of a node has a smaller index.
package struct NetworkGraph: Sendable {
    package struct Node: Sendable {
        package var name: String
        package var operation: Operation
        /// Indices into `nodes`.
        package var inputs: [Int]

        package init(_ name: String, _ operation: Operation, inputs: [Int]) {
            self.name = name
            self.operation = operation
            self.inputs = inputs
        }
    }
    package struct Output: Sendable, Equatable {
        package var name: String
        package var node: Int
        package init(name: String, node: Int) {
            self.name = name
            self.node = node
        }
    }
    package private(set) var nodes: [Node]
    package private(set) var outputs: [Output]
    /// Channels of each node's value.
    package private(set) var channels: [Int]
    /// Height and width of each node's value, as a multiple of the input's.
    package private(set) var scales: [Int]
    /// Whether a node's value is the same at every pixel: a global mean, or computed from such values alone. Constants pass
    /// through 1x1 convolutions, activations and arithmetic, and then add to or multiply a map.
    package private(set) var isConstant: [Bool]

    /// Infers channels and scales and checks every node.
    /// - Throws: `modelInvalid`, naming the node, for a bad index, shape, channel count, scale or size.
    package init(nodes: [Node], outputs: [Output]) throws(EnlargerError) {
        self.nodes = nodes
        self.outputs = outputs
        (channels, scales) = try NetworkGraph.infer(nodes: nodes, outputs: outputs)
        isConstant = try NetworkGraph.findConstants(nodes: nodes, outputs: outputs, channels: channels)
    }

    /// The node whose operation is `.input`; there is exactly one.
    package var inputNode: Int {
        nodes.firstIndex { if case .input = $0.operation { true } else { false } }!
    }
}
