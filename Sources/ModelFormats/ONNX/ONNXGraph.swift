import NetworkGraph
import Tensors

/// ONNX networks (.onnx), operator sets 9 to 25.
enum ONNXGraph {
    static func recognises(_ storage: ByteStorage) -> Bool { ONNXModel.recognises(storage) }

    /// - Parameters:
    ///   - folder: where external data may lie; nil: nowhere.
    ///   - convention: what the caller knows of the network's pixels; the file's metadata come second.
    /// - Throws: `modelUnsupported` naming every node that cannot be read.
    static func read(_ storage: ByteStorage, folder: String?, convention: PixelConvention) throws(EnlargerError) -> Model {
        let model = try ONNXModel(storage), translation = try translated(model, folder)
        guard translation.problems.isEmpty else { throw ModelProblem.error(translation.problems) }
        var translated = translation, names: [(node: Int, name: String)] = [], notes: [String] = []
        for output in model.outputs {
            let name = String(model.valueNames[output].prefix(80))
            let node = try outputNode(&translated, output, name, &notes)
            if !names.contains(where: { $0.node == node }) { names.append((node, name)) }
        }
        let sorted = names.enumerated().sorted { (translated.scales[$0.element.node], $0.offset) < (translated.scales[$1.element.node], $1.offset) }
        let listed = try NetworkGraph(nodes: translated.nodes, outputs: sorted.map { .init(name: $0.element.name, node: $0.element.node) })
        let graph = try ModelFile.simplified(listed)
        if translated.isChannelsLast { notes.append("the input's dimensions are batch, height, width, channels") }
        if let fixed = translated.fixed {
            notes.append("the file fixes the input at \(Int(fixed.width)) x \(Int(fixed.height)); the network takes every size")
        }
        let (processing, assumed) = try ONNXConvention.processing(graph, model, convention)
        var metadata = model.metadata.filter { !$0.key.hasPrefix(ONNXConvention.prefix) }
        metadata["format"] = "ONNX, operator set \(model.opset)" + (model.producer.isEmpty ? "" : ", written by \(model.producer.prefix(40))")
        return Model(architecture: "onnx", graph: graph, processing: processing, metadata: metadata, notes: notes + assumed)
    }

    /// What the file holds, read or not.
    static func inspect(_ storage: ByteStorage, folder: String?) throws(EnlargerError) -> ModelInspection {
        let model = try ONNXModel(storage)
        var operations: [String: Int] = [:], parameters = 0
        for node in model.nodes where node.operation != "Constant" { operations[String(node.operation.prefix(80)), default: 0] += 1 }
        for tensor in model.initializers.values where tensor.type?.isInteger == false { parameters += tensor.count }
        return ModelInspection(operations: operations, parameters: parameters, problems: try translated(model, folder).problems)
    }

    private static func translated(_ model: ONNXModel, _ folder: String?) throws(EnlargerError) -> ONNXTranslation {
        let order = try model.order()
        var translation = try ONNXTranslation(model, folder: folder)
        for node in order { try translation.translate(node) }
        return translation
    }

    private static func outputNode(
        _ translation: inout ONNXTranslation, _ output: Int, _ name: String, _ notes: inout [String]
    ) throws(EnlargerError) -> Int {
        switch translation.value(output) {
        case .map(let node)?: return node
        case .view(let view)?:
            if let node = try translation.resolved(view, name: name) { return node }
            guard let turned = view.fromChannelsLast, let node = try translation.resolved(turned, name: name) else {
                throw EnlargerError(.modelUnsupported, "the output \"\(name)\": its dimensions are not batch, channels, height, width")
            }
            notes.append("the output's dimensions are batch, height, width, channels; here channels come before height")
            return node
        case .padded?: throw EnlargerError(.modelUnsupported, "the output \"\(name)\" is a padded map")
        default: throw EnlargerError(.modelUnsupported, "the output \"\(name)\" is a constant")
        }
    }
}
