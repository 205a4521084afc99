import NetworkGraph
import StreamPlanner
import Tensors
import TestSupport
import Testing
import VulkanBackend

@Suite(.serialized, .enabled(if: TestDevice.isPresent)) struct `The streaming engine on a Vulkan device` {
    @Test(arguments: TestGraphs.names, TestDevice.precisions)
    func `equals the plain evaluation of the graph`(name: String, precision: VulkanDevice.Precision) throws {
        let graph = TestGraphs.make(name), device = try TestDevice.device(precision)
        let network = try VulkanNetwork(graph: graph, device: device)
        for (width, height) in [(1, 1), (1, 6), (7, 5), (23, 18)] {
            let input = TestGraphs.input(for: graph, width: width, height: height)
            let expected = ReferenceEvaluator.evaluate(graph: graph, input: input, width: width, height: height)
            let results = try run(network, device.planner(graph).plan(width: width, height: height), input: input)
            for (result, wanted) in zip(results, expected) {
                #expect(relativeError(result, wanted) <= (precision == .fp32 ? 3e-5 : 1e-2), "\(width) x \(height)")
            }
        }
        #expect(VulkanDriver.validationMessages == 0)
    }
}
