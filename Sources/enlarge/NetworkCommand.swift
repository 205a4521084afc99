import Enlarger
import ModelFormats
import NetworkGraph
import StreamPlanner
import Tensors

enum NetworkCommand {
    static func run(_ words: [String]) throws -> Int32 {
        let arguments = try Arguments(
            words, withValue: SharedFlags.withValue.merging(["--input": "--input", "--output": "--output"]) { a, _ in a }, alone: SharedFlags.alone)
        guard let inputPath = arguments.value("--input"), let outputPath = arguments.value("--output") else {
            throw EnlargerError(.usage, "network needs a MODEL, --input IN.npy and --output OUT.npy")
        }
        var options = try SharedFlags.options(arguments)
        if let model = arguments.positional.first { options.model = model }
        guard arguments.positional.count <= 1 else { throw EnlargerError(.usage, "network takes one MODEL") }
        let upscaler = try Upscaler(options: options)
        let input = try Npy(path: inputPath)
        let graph = try upscaler.bareGraph()
        let channels = graph.channels[graph.inputNode]
        guard input.shape.count == 4, input.shape[0] == 1, input.shape[1] == channels, input.shape[2] >= 1, input.shape[3] >= 1 else {
            throw EnlargerError(.pictureInvalid, "\(inputPath) has shape \(input.shape); 1 x \(channels) x height x width is needed")
        }
        let (height, width) = (input.shape[2], input.shape[3])
        let plan = try upscaler.planner(graph).plan(width: width, height: height, budget: upscaler.device.budget(options.memory))
        let result = try Upscaler.runNetwork(graph, run: upscaler.run(graph, plan: plan), input: input.values)[0]
        try Npy(shape: [1, result.channels, height * result.scale, width * result.scale], values: result.values).write(path: outputPath)
        return ExitStatus.done
    }
}
