package import NetworkGraph
package import Tensors

/// Model files of every format that is read. The format is told by the content, not by the name.
package enum ModelFile {
    /// Maps the file read-only; weights stay slices of the map in their stored encoding.
    ///
    /// Memory: the graph, biases and slopes; pages of weights as they are used.
    /// - Throws: `modelNotFound` for a missing or unreadable file, `modelInvalid` for one that contradicts its format,
    ///   `modelUnsupported` for operations and element types that are not read; both name the node.
    ///
    /// `convention` overrides what the file says of its pixels; `usage` is thrown when it does not suit the network.
    package static func load(path: String, convention: PixelConvention = .init()) throws(EnlargerError) -> Model {
        if let files = NCNNGraph.files(of: path) {
            return try load(
                param: ByteStorage.mapping(path: files.param), weights: ByteStorage.mapping(path: files.weights), name: path, convention: convention)
        }
        return try load(storage: ByteStorage.mapping(path: path), name: path, folder: folder(of: path), convention: convention)
    }

    /// An ncnn network, whose two files are in memory; `name` appears in errors.
    package static func load(
        param: ByteStorage, weights: ByteStorage, name: String, convention: PixelConvention = .init()
    ) throws(EnlargerError) -> Model {
        do throws(EnlargerError) {
            guard NCNNParam.recognises(param) else { throw EnlargerError(.modelUnsupported, "not an ncnn network: its text begins with another number than 7767517") }
            return try NCNNGraph.read(param: param, weights: weights, convention: convention)
        } catch {
            throw EnlargerError(error.code, "\(name): \(error.message)")
        }
    }

    /// As `load(path:)`, for bytes in memory; `name` appears in errors. External data may lie in or below `folder`; nil: nowhere.
    package static func load(
        storage: ByteStorage, name: String, folder: String? = nil, convention: PixelConvention = .init()
    ) throws(EnlargerError) -> Model {
        do throws(EnlargerError) {
            if isONNX(storage) { return try ONNXGraph.read(storage, folder: folder, convention: convention) }
            guard var model = try readOther(storage) else {
                throw EnlargerError(.modelUnsupported, "neither an ONNX model, a TensorFlow frozen graph nor a safetensors file")
            }
            if !convention.isEmpty {
                model.processing = try convention.processing(channels: model.graph.channels[model.graph.inputNode], known: model.processing)
            }
            return model
        } catch {
            throw EnlargerError(error.code, "\(name): \(error.message)")
        }
    }

    private static func readOther(_ storage: ByteStorage) throws(EnlargerError) -> Model? {
        if SafetensorsFile.recognises(storage) { return try SafetensorsFile.read(storage) }
        if TensorFlowGraph.recognises(storage) { return try TensorFlowGraph.read(storage) }
        return nil
    }

    /// The operations of a file and the nodes that cannot be read; nil for formats whose reader stops at the first.
    package static func inspect(path: String) throws(EnlargerError) -> ModelInspection? {
        let files = NCNNGraph.files(of: path), storage = try ByteStorage.mapping(path: files?.param ?? path)
        guard files != nil || isONNX(storage) else { return nil }
        do throws(EnlargerError) {
            if files != nil { return try NCNNGraph.inspect(param: storage) }
            return try ONNXGraph.inspect(storage, folder: folder(of: path))
        } catch {
            throw EnlargerError(error.code, "\(path): \(error.message)")
        }
    }

    /// A safetensors file may begin with any byte, so it is asked first.
    private static func isONNX(_ storage: ByteStorage) -> Bool { !SafetensorsFile.recognises(storage) && ONNXGraph.recognises(storage) }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Simplifies a graph as it was read; before that, bounds the per-channel parameters that simplification may
    /// spread over channels, which many nodes of a small file could share.
    static func simplified(_ graph: NetworkGraph) throws(EnlargerError) -> NetworkGraph {
        let sum = graph.channels.reduce(0, +)
        guard sum <= Limits.channelSum else {
            throw EnlargerError(.modelInvalid, "the nodes have \(sum) channels together; at most \(Limits.channelSum) are read")
        }
        return try graph.simplified()
    }
}

/// What a file may ask for. Far above published networks; no allocation exceeds a few tens of megabytes.
enum Limits {
    /// Nodes in a file; the graph has its own limit.
    static let nodes = 100_000
    /// Channels summed over all nodes (EDSR 32 x 256 has 80,000).
    static let channelSum = 1 << 22
    /// Elements of constants that are expanded or rearranged instead of staying slices of the file.
    static let expandedElements = 1 << 22
    static let outputs = 16
    static let channels = 16_384
    static let kernel = 63
    /// Pixels that a network cuts off each edge.
    static let margin = 256
    static let rank = 8
}

func invalid(_ node: String, _ reason: String) -> EnlargerError { EnlargerError(.modelInvalid, "node \"\(node.prefix(80))\": \(reason)") }
func unsupported(_ node: String, _ reason: String) -> EnlargerError { EnlargerError(.modelUnsupported, "node \"\(node.prefix(80))\": \(reason)") }

/// Weights that a convolution can be made of: four extents within the limits, so that no arithmetic on them overflows.
func checkKernel(_ weights: TensorData, node: String) throws(EnlargerError) {
    let s = weights.shape
    guard s.count == 4, s[0] >= 1, s[1] >= 1, s[2] >= 1, s[3] >= 1, s[0] <= Limits.kernel, s[1] <= Limits.kernel,
        s[2] <= Limits.channels, s[3] <= Limits.channels
    else { throw invalid(node, "weights of shape \(s); kernels up to \(Limits.kernel) and \(Limits.channels) channels are read") }
}
