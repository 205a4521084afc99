import ModelFormats
import NetworkGraph
import Tensors
import TestSupport
import Testing

@Suite struct GoldenTests {
    /// x4 and x8 of LapSRN take minutes here; the engine's tests cover them.
    static let names = SharedData.available(
        SharedData.tensorFlowNames.filter { !["LapSRN_x4", "LapSRN_x8"].contains($0) }, suffix: ".pb", in: ["models/opencv", "golden"])

    @Test(arguments: names) func `the reference evaluator reproduces recorded outputs`(name: String) throws {
        let model = try ModelFile.load(path: try #require(SharedData.model(name)))
        let input = try Npy(path: try #require(SharedData.path("golden/\(name).input.npy")))
        let expected = try Npy(path: try #require(SharedData.path("golden/\(name).output.npy")))
        let (height, width) = (input.shape[2], input.shape[3])
        let outputs = ReferenceEvaluator.evaluate(graph: model.graph, input: input.values, width: width, height: height)
        let actual = try #require(outputs.last)
        try #require(actual.count == expected.values.count)
        let difference = zip(actual, expected.values).map { abs($0 - $1) }.max()!
        #expect(difference <= (model.architecture == "edsr" ? 5e-3 : 2e-4))
        #expect(model.scales.last == expected.shape[3] / width)
    }
}
