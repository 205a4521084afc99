package import NetworkGraph
package import Tensors

/// A network with its weights packed for the processor: made once, shared by any number of runs.
///
/// Weights keep their stored width (8 or 16 bits) where Winograd reads them; the small rest is float32.
package final class CPUNetwork: Sendable {
    package let graph: NetworkGraph
    package let device: CPUDevice
    private let arena: Arena
    /// Byte offset of each node's constants in the arena.
    private let offsets: [Int]

    /// Packs all weights. Takes `device.weightsBytes(graph)` bytes.
    /// - Throws: `allocationFailed`.
    package init(graph: NetworkGraph, device: CPUDevice) throws(EnlargerError) {
        self.graph = graph
        self.device = device
        let arena = try Arena(byteCount: device.weightsBytes(graph))
        arena.preferHugePages()
        var offsets: [Int] = []
        var end = 0
        for (n, node) in graph.nodes.enumerated() {
            let layout = PackedNode.Layout(node.operation, channels: graph.channels[n])
            offsets.append(end)
            PackedNode(base: arena.base + end, layout: layout).fill(node.operation, channels: graph.channels[n])
            end += layout.byteCount
            // The packed copy is what runs: what was read of the file goes at once, or the model would count twice.
            if let weights = node.operation.weights, weights.byteCount > 64 << 10 {
                weights.storage.dropResidentPages(weights.offset..<weights.offset + weights.byteCount)
            }
        }
        var dropped: Set<ObjectIdentifier> = []
        for node in graph.nodes {
            guard let storage = node.operation.weights?.storage, dropped.insert(ObjectIdentifier(storage)).inserted
            else { continue }
            storage.dropResidentPages()
        }
        self.arena = arena
        self.offsets = offsets
    }

    /// The weights of `other` in another graph around the same network, or for another precision: nothing is packed again.
    /// - Precondition: the nodes that have constants are `other`'s, in order.
    package init(graph: NetworkGraph, sharing other: CPUNetwork, device: CPUDevice) {
        func constants(_ graph: NetworkGraph) -> [Int] {
            graph.nodes.indices.map {
                PackedNode.Layout(graph.nodes[$0].operation, channels: graph.channels[$0]).byteCount
            }
        }
        let sizes = constants(graph)
        let otherSizes = constants(other.graph)
        precondition(sizes.filter { $0 > 0 } == otherSizes.filter { $0 > 0 }, "another network's weights")
        self.graph = graph
        self.device = device
        arena = other.arena
        var places = zip(other.offsets, otherSizes).filter { $0.1 > 0 }.map(\.0).makeIterator()
        offsets = sizes.map { $0 > 0 ? places.next()! : 0 }
    }

    func packed(_ node: Int) -> PackedNode {
        PackedNode(
            base: arena.base + offsets[node], layout: .init(graph.nodes[node].operation, channels: graph.channels[node])
        )
    }
}
