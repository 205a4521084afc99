import CVulkan
package import NetworkGraph
package import Tensors

/// A network with its weights on the device: made once, shared by any number of runs.
package final class VulkanNetwork: Sendable {
    package let graph: NetworkGraph
    package let device: VulkanDevice
    private let memory: DeviceMemory
    /// Byte offset of each node's constants, and the factor of its weights.
    private let places: [Place]

    private struct Place: Sendable {
        var offset = 0
        var factor: Float = 1
    }

    /// Weights pass through a buffer of at most so many bytes.
    static let uploadBytes = 256 << 10

    /// Packs all weights. Takes `device.weightsBytes(graph)` bytes of the device, of which one buffer is given back at the end.
    /// - Throws: `allocationFailed`, `deviceLost`.
    package init(graph: NetworkGraph, device: VulkanDevice) throws(EnlargerError) {
        self.graph = graph
        self.device = device
        let layouts = graph.nodes.indices.map { NodeConstants(graph, node: $0, precision: device.precision) }
        let bytes = layouts.reduce(0) { $0 + $1.byteCount }
        memory = try DeviceMemory(device.context, byteCount: bytes, isHost: false)
        let upload = try WeightUpload(to: memory, byteCount: min(Self.uploadBytes, bytes))
        var places: [Place] = [], next = 0
        for layout in layouts {
            let factor = layout.factor()
            places.append(Place(offset: next, factor: factor))
            if layout.byteCount > 0 { try upload.append(layout.packed(factor: factor)) }
            next += layout.byteCount
        }
        try upload.finish()
        self.places = places
        // What was read of a mapped file need not stay in the host's memory.
        for node in graph.nodes { node.operation.weights?.storage.dropResidentPages() }
    }

    /// The weights of `other` in another graph around the same network.
    /// - Precondition: the nodes that have constants are `other`'s, in order, and the precision is the same.
    package init(graph: NetworkGraph, sharing other: VulkanNetwork) {
        func sizes(_ graph: NetworkGraph) -> [Int] {
            graph.nodes.indices.map { NodeConstants(graph, node: $0, precision: other.device.precision).byteCount }
        }
        let own = sizes(graph), others = sizes(other.graph)
        precondition(own.filter { $0 > 0 } == others.filter { $0 > 0 }, "another network's weights")
        self.graph = graph
        device = other.device
        memory = other.memory
        var known = zip(other.places, others).filter { $0.1 > 0 }.map(\.0).makeIterator()
        places = own.map { $0 > 0 ? known.next()! : Place() }
    }

    func constants(_ node: Int) -> NodeConstants { NodeConstants(graph, node: node, precision: device.precision) }
    func address(_ node: Int) -> UInt64 { memory.address + UInt64(places[node].offset) }
    func factor(_ node: Int) -> Float { places[node].factor }
}

/// Brings bytes to the device's own memory, one buffer after the other.
private final class WeightUpload {
    private let target: DeviceMemory
    private let staging: DeviceMemory
    private let commands: CommandList
    private var filled = 0
    private var done = 0

    init(to target: DeviceMemory, byteCount: Int) throws(EnlargerError) {
        self.target = target
        staging = try DeviceMemory(target.context, byteCount: byteCount, isHost: true)
        commands = try CommandList(target.context, buffers: 1)
    }

    deinit { commands.drain() }

    func append(_ bytes: [UInt8]) throws(EnlargerError) {
        var start = 0
        while start < bytes.count {
            let count = min(bytes.count - start, staging.byteCount - filled)
            bytes.withUnsafeBytes { (staging.host + filled).copyMemory(from: $0.baseAddress! + start, byteCount: count) }
            start += count
            filled += count
            if filled == staging.byteCount { try finish() }
        }
    }

    /// Moves what waits.
    func finish() throws(EnlargerError) {
        guard filled > 0 else { return }
        try commands.record(0) { list in
            cv_copy(list, 0, staging.buffer, 0, target.buffer, UInt64(done), UInt64(filled))
            cv_barrier(list, 0)
        }
        try commands.submit(0, count: 1)
        try commands.wait()
        done += filled
        filled = 0
    }
}
