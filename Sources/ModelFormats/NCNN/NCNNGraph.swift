import NetworkGraph
import Tensors

/// ncnn networks: NAME.param, which is text, and NAME.bin beside it.
enum NCNNGraph {
    /// The two files of a network of which one is named; nil when the name has neither ending.
    static func files(of path: String) -> (param: String, weights: String)? {
        for ending in [".param", ".bin"] where path.hasSuffix(ending) {
            let stem = path.dropLast(ending.count)
            return ("\(stem).param", "\(stem).bin")
        }
        return nil
    }

    /// - Throws: `modelUnsupported` naming every layer whose kind is not read; other reasons name the first.
    static func read(param: ByteStorage, weights: ByteStorage, convention: PixelConvention) throws(EnlargerError)
        -> Model
    {
        let layers = try NCNNParam(param).layers
        let problems = self.problems(layers)
        guard problems.isEmpty else { throw ModelProblem.error(problems) }
        var translation = NCNNTranslation(weights: NCNNWeights(weights))
        for layer in layers { try translation.translate(layer) }
        let (whole, margin) = try translation.finished()
        let graph = try ModelFile.simplified(whole)
        let inputs = graph.channels[graph.inputNode]
        for output in graph.outputs where graph.channels[output.node] != inputs {
            throw unsupported(
                output.name, "an output of \(graph.channels[output.node]) channels from an input of \(inputs)")
        }
        var notes: [String] = []
        if convention.channels == nil, convention.white == nil {
            notes.append(
                "assumed: \(inputs == 1 ? "the channel is luma (Y)" : "channels are red, green, blue"), values are 0 to 1"
            )
        }
        var processing = try convention.processing(channels: inputs)
        processing.margin = margin
        return Model(
            architecture: "ncnn", graph: graph, processing: processing,
            metadata: ["format": "ncnn, \(layers.count) layers"],
            notes: notes)
    }

    static func inspect(param: ByteStorage) throws(EnlargerError) -> ModelInspection {
        let layers = try NCNNParam(param).layers
        var operations: [String: Int] = [:]
        var parameters = 0
        for layer in layers {
            operations[layer.kind, default: 0] += 1
            if layer.kind.hasPrefix("Convolution") || layer.kind.hasPrefix("Deconvolution") {
                parameters =
                    parameters.addingReportingOverflow(
                        try layer.integer(6, 0) + (try layer.integer(5, 0) != 0 ? try layer.integer(0, 0) : 0)
                    ).partialValue
            }
        }
        return ModelInspection(operations: operations, parameters: parameters, problems: problems(layers))
    }

    private static func problems(_ layers: [NCNNParam.Layer]) -> [ModelProblem] {
        layers.compactMap { layer in
            NCNNTranslation.reasonAgainst(layer.kind).map {
                ModelProblem(node: layer.name, operation: layer.kind, reason: $0)
            }
        }
    }
}
