import ModelFormats
import NetworkGraph
import StreamPlanner
import Tensors
import TestSupport
import Testing
import VulkanBackend

extension VulkanTests {
    /// OpenCV's recorded outputs, and what PyTorch computed with the shipped models.
    @Suite(.serialized) struct `The Vulkan engine against others` {
        /// In parts of a level of the picture.
        private func bound(_ precision: VulkanDevice.Precision) -> Float { precision == .fp32 ? 0.01 : 1 }

        @Test(arguments: SharedData.available(SharedData.tensorFlowNames, suffix: ".input.npy", in: ["golden"]), TestDevice.precisions)
        func `makes what OpenCV made`(name: String, precision: VulkanDevice.Precision) throws {
            let model = try ModelFile.load(path: #require(SharedData.model(name)))
            let input = try Npy(path: #require(SharedData.path("golden/\(name).input.npy")))
            let expected = try Npy(path: #require(SharedData.path("golden/\(name).output.npy")))
            let graph = try NetworkGraph(nodes: model.graph.nodes, outputs: [#require(model.graph.outputs.last)])
            try compare(model, graph, input, expected, precision)
        }

        @Test(arguments: ["lite-x2", "lite-x3", "lite-x4", "photo-x2", "photo-x3", "photo-x4", "base-x3"], TestDevice.precisions)
        func `equals PyTorch on the shipped models`(name: String, precision: VulkanDevice.Precision) throws {
            let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
            let model = try ModelFile.load(path: "\(root)/models/\(name).safetensors")
            let input = try Npy(path: "\(root)/Tests/Fixtures/\(name).input.npy")
            let expected = try Npy(path: "\(root)/Tests/Fixtures/\(name).output.npy")
            try compare(model, model.graph, input, expected, precision)
        }

        private func compare(_ model: Model, _ graph: NetworkGraph, _ input: Npy, _ expected: Npy, _ precision: VulkanDevice.Precision) throws {
            let device = try TestDevice.device(precision)
            let plan = try device.planner(graph).plan(width: input.shape[3], height: input.shape[2])
            let result = try run(VulkanNetwork(graph: graph, device: device), plan, input: input.values)[0]
            #expect(result.count == expected.values.count)
            let error = zip(result, expected.values).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            #expect(error / model.processing.inputScale <= bound(precision))
            #expect(VulkanDriver.validationMessages == 0)
        }
    }
}
