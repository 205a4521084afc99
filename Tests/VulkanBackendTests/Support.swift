import NetworkGraph
import StreamPlanner
import Tensors
import TestSupport
import Testing
import VulkanBackend

/// The device that tests run on: the first that can be used, mostly Mesa's software rasteriser. Messages of the validation
/// layer, where it is installed, fail the tests.
enum TestDevice {
    static let driver = VulkanDriver(validates: true)
    /// nil where there is no driver: tests of the device are then skipped.
    static let context: VulkanContext? = {
        guard let info = driver.devices.first(where: { $0.unfitness == nil }) else {
            print("skipped, no Vulkan device: \(driver.absence ?? "none can be used")")
            return nil
        }
        return try? VulkanContext(driver: driver, info: info, cacheFolder: nil)
    }()
    static var isPresent: Bool { context != nil }

    static func device(_ precision: VulkanDevice.Precision) throws -> VulkanDevice {
        try VulkanDevice(context: #require(context), precision: precision)
    }
    static let precisions: [VulkanDevice.Precision] = context?.info.hasHalfPrecision == true ? [.fp32, .fp16] : [.fp32]
}

extension VulkanDevice {
    func planner(_ graph: NetworkGraph) -> Planner { Planner(graph: graph, costs: self, picture: VulkanDevice.planeBytes(graph)) }
}

/// Runs a plan and gives back all outputs, [output][channel][row][column].
func run(_ network: VulkanNetwork, _ plan: Plan, input: [Float]) throws -> [[Float]] {
    try outputs(of: VulkanRun(network: network, plan: plan), network.graph, input: input)
}

func outputs(of execution: any NetworkRun, _ graph: NetworkGraph, input: [Float]) throws -> [[Float]] {
    let gathered = try GatheredRun(execution, graph, input: input)
    #expect(gathered.isComplete)
    return gathered.outputs
}

func bits(_ values: [[Float]]) -> [[UInt32]] { values.map { $0.map(\.bitPattern) } }

/// The largest difference, in parts of the largest value (at least 1).
func relativeError(_ result: [Float], _ wanted: [Float]) -> Float {
    guard result.count == wanted.count else { return .infinity }
    let largest = wanted.reduce(Float(1)) { max($0, abs($1)) }
    return zip(result, wanted).reduce(Float(0)) { $1.0.isFinite ? max($0, abs($1.0 - $1.1)) : .infinity } / largest
}
