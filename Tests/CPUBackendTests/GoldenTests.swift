import CPUBackend
import ModelFormats
import NetworkGraph
import StreamPlanner
import Tensors
import TestSupport
import Testing

/// OpenCV's recorded outputs, through the real engine: all twelve published small models and three small EDSR files.
@Suite(.serialized) struct `The engine against OpenCV` {
    @Test(arguments: SharedData.available(SharedData.tensorFlowNames, suffix: ".input.npy", in: ["golden"]))
    func `makes what OpenCV made`(name: String) throws {
        let model = try ModelFile.load(path: #require(SharedData.model(name)))
        let input = try Npy(path: #require(SharedData.path("golden/\(name).input.npy")))
        let expected = try Npy(path: #require(SharedData.path("golden/\(name).output.npy")))
        let (height, width) = (input.shape[2], input.shape[3])
        let largest = try #require(model.graph.outputs.last)
        let graph = try NetworkGraph(nodes: model.graph.nodes, outputs: [largest])
        let device = try CPUDevice(threads: 2)
        let planner = Planner(graph: graph, costs: device)
        let bound: Float = model.processing.inputScale == 1 ? 5e-3 : 2e-4
        var first: [[UInt32]]?
        for budget in [nil, planner.minimumBytes(width: width, height: height)] {
            let plan = try planner.plan(width: width, height: height, budget: budget)
            let result = try run(graph, plan, device: device, input: input.values)
            #expect(result[0].count == expected.values.count)
            let error = zip(result[0], expected.values).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            #expect(error <= bound)
            #expect(first == nil || bits(result) == first)
            first = bits(result)
        }
    }
}
