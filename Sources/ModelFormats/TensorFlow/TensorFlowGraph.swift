import NetworkGraph
import Tensors

/// TensorFlow frozen graphs (.pb), as published for OpenCV's dnn_superres: NHWC inside, a Transpose to NCHW at the end.
enum TensorFlowGraph {
    /// A GraphDef begins with a node, or with its versions or library.
    static func recognises(_ storage: ByteStorage) -> Bool {
        guard storage.bytes.count >= 2 else { return false }
        return [0x0A, 0x12, 0x22].contains(storage.bytes[0])
    }

    static func read(_ storage: ByteStorage) throws(EnlargerError) -> Model {
        let definition = try GraphDef(storage)
        let outputs = outputNodes(definition)
        guard !outputs.isEmpty else { throw EnlargerError(.modelInvalid, "no node is an output") }
        guard outputs.count <= Limits.outputs else { throw EnlargerError(.modelUnsupported, "\(outputs.count) nodes are outputs; at most \(Limits.outputs) are read") }
        let order = try topologicalOrder(from: outputs, inputs: definition.nodes.map(\.inputs)) { definition.nodes[$0].name }
        var translation = try TensorFlowTranslation(definition, order: order)
        for node in order { try translation.translate(node) }

        var names: [(node: Int, name: String)] = []
        for output in outputs {
            guard let node = translation.value(of: output) else { throw invalid(definition.nodes[output].name, "a constant as output") }
            let name = definition.nodes[output].name
            // NCHW_output and NCHW_output_4x may be one node: the name with the scale says more.
            if let known = names.firstIndex(where: { $0.node == node }) {
                if name.count > names[known].name.count { names[known].name = name }
            } else {
                names.append((node, name))
            }
        }
        let listed = try NetworkGraph(nodes: translation.nodes, outputs: names.map { .init(name: $0.name, node: $0.node) })
        let sorted = listed.outputs.enumerated().sorted { a, b in
            (listed.scales[a.element.node], a.offset) < (listed.scales[b.element.node], b.offset)
        }
        let graph = try ModelFile.simplified(NetworkGraph(nodes: listed.nodes, outputs: sorted.map(\.element)))
        let (architecture, processing) = try conventions(graph)
        return Model(architecture: architecture, graph: graph, processing: processing)
    }

    /// Transposes called NCHW_output, NCHW_output_2x, ...; else what nothing consumes.
    private static func outputNodes(_ definition: GraphDef) -> [Int] {
        let named = definition.nodes.indices.filter {
            definition.nodes[$0].operation == "Transpose" && definition.nodes[$0].name.hasPrefix("NCHW_output")
        }
        guard named.isEmpty else { return named }
        var consumed = [Bool](repeating: false, count: definition.nodes.count)
        for node in definition.nodes { for input in node.inputs { consumed[input] = true } }
        return definition.nodes.indices.filter { !consumed[$0] && !["Const", "Placeholder", "NoOp"].contains(definition.nodes[$0].operation) }
    }

    /// What dnn_superres does around these networks; they say nothing of it themselves.
    private static func conventions(_ graph: NetworkGraph) throws(EnlargerError) -> (String, Processing) {
        let input = graph.nodes[graph.inputNode]
        for output in graph.outputs where graph.channels[output.node] != graph.channels[graph.inputNode] {
            throw unsupported(graph.nodes[output.node].name, "an output of \(graph.channels[output.node]) channels from an input of \(graph.channels[graph.inputNode])")
        }
        switch graph.channels[graph.inputNode] {
        case 3:
            // Means of the DIV2K training pictures, blue first.
            return ("edsr", Processing(channels: .bgr, mean: [103.1545782, 111.561547, 114.35629928], inputScale: 1))
        case 1:
            var hasTanh = false, hasPReLU = false, isLeaky = false
            for node in graph.nodes {
                let activation: Activation? = switch node.operation {
                case .activation(let activation): activation
                case .convolution(let conv): conv.activation
                case .transposedConvolution(let conv): conv.activation
                default: nil
                }
                switch activation {
                case .tanh?: hasTanh = true
                case .prelu(let slope)?: if slope.count == 1 { isLeaky = true } else { hasPReLU = true }
                default: break
                }
            }
            let architecture = hasTanh ? "espcn" : hasPReLU ? "fsrcnn" : isLeaky || graph.outputs.count > 1 ? "lapsrn" : "luma"
            return (architecture, Processing(channels: .luma, mean: [0], inputScale: 1 / 255))
        case let count: throw unsupported(input.name, "an input of \(count) channels; 1 and 3 are read")
        }
    }
}
