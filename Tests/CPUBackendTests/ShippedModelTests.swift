import CPUBackend
import ModelFormats
import NetworkGraph
import StreamPlanner
import Tensors
import TestSupport
import Testing

/// The shipped models against what PyTorch computed with the same weights when they were exported.
@Suite struct `The shipped models` {
    @Test(arguments: ["lite-x2", "lite-x3", "lite-x4", "photo-x2", "photo-x3", "photo-x4", "base-x3"])
    func `equal PyTorch within 1e-3 of a level`(name: String) throws {
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
        let model = try ModelFile.load(path: "\(root)/models/\(name).safetensors")
        let input = try Npy(path: "\(root)/Tests/Fixtures/\(name).input.npy")
        let expected = try Npy(path: "\(root)/Tests/Fixtures/\(name).output.npy")
        let device = try CPUDevice(threads: 2)
        let plan = try Planner(graph: model.graph, costs: device).plan(width: input.shape[3], height: input.shape[2])
        let result = try run(model.graph, plan, device: device, input: input.values)[0]
        #expect(result.count == expected.values.count)
        let error = zip(result, expected.values).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(error / model.processing.inputScale <= 1e-3)
    }
}
