package import NetworkGraph
package import StreamPlanner
package import Tensors

extension Upscaler {
    /// The bare network on float planes: what `enlarge network` and `enlarge bench` run.
    ///
    /// - Parameter input: [channels][height][width].
    /// - Returns: each output as [channels][height][width], and its scale, in the order of `graph.outputs`.
    package static func runNetwork(
        _ graph: NetworkGraph, run: any NetworkRun, input: [Float]
    ) throws -> [(scale: Int, channels: Int, values: [Float])] {
        let plan = run.plan, (width, height) = (plan.width, plan.height)
        let channels = graph.channels[graph.inputNode]
        precondition(input.count == channels * width * height)
        var results = graph.outputs.map { output in
            let s = graph.scales[output.node]
            return (scale: s, channels: graph.channels[output.node], values: [Float](repeating: .nan, count: graph.channels[output.node] * width * height * s * s))
        }
        try input.withUnsafeBufferPointer { source in
            try run.run(
                fill: { s, row, view in
                    for c in 0..<channels {
                        view.fill(channel: c, from: source.baseAddress! + (c * height + row) * width + s.input.lowerBound)
                    }
                },
                deliver: { s, index, row, view in
                    let (scale, channels) = (results[index].scale, results[index].channels)
                    results[index].values.withUnsafeMutableBufferPointer { target in
                        for c in 0..<channels {
                            view.copy(channel: c, to: target.baseAddress! + (c * height * scale + row) * width * scale + s.core.lowerBound * scale)
                        }
                    }
                })
        }
        return results
    }
}

extension Upscaler {
    /// The network alone, up to the output of this upscaler's scale.
    package func bareGraph() throws(EnlargerError) -> NetworkGraph {
        try model.graph.pruned(to: model.graph.outputs.filter { model.graph.scales[$0.node] == scale })
    }

    /// The planner for the bare network on float planes.
    package func planner(_ graph: NetworkGraph) -> Planner { Planner(graph: graph, costs: device.costs, picture: device.planeBytes(graph)) }

    /// A run of the bare network, its weights packed for it alone.
    package func run(_ graph: NetworkGraph, plan: Plan) throws(EnlargerError) -> any NetworkRun { try device.load(graph).run(plan, pool: pool) }

    /// For people: "CPU (avx512), 2 threads, fp32".
    package var deviceDescription: String { device.description }
}
