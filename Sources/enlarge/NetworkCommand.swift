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
        let (height, width) = (input.shape[2], input.shape[3]), margin = upscaler.scale * upscaler.model.processing.margin
        guard min(height, width) > 2 * upscaler.model.processing.margin else {
            throw EnlargerError(.pictureInvalid, "\(inputPath): the network cuts \(upscaler.model.processing.margin) pixels off each edge of a map of \(width) x \(height)")
        }
        let plan = try upscaler.planner(graph).plan(width: width, height: height, budget: upscaler.device.budget(options.memory))
        let result = try Upscaler.runNetwork(graph, run: upscaler.run(graph, plan: plan), input: input.values)[0]
        let whole = Npy(shape: [1, result.channels, height * result.scale, width * result.scale], values: result.values)
        try without(margin, whole).write(path: outputPath)
        return ExitStatus.done
    }

    /// The planes less `margin` rows and columns at every edge.
    private static func without(_ margin: Int, _ planes: Npy) -> Npy {
        guard margin > 0 else { return planes }
        let (height, width) = (planes.shape[2], planes.shape[3])
        var values: [Float] = []
        for c in 0..<planes.shape[1] {
            for y in margin..<height - margin {
                let start = (c * height + y) * width
                values += planes.values[start + margin..<start + width - margin]
            }
        }
        return Npy(shape: [1, planes.shape[1], height - 2 * margin, width - 2 * margin], values: values)
    }
}
