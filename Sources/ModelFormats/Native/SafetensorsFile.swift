#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif
import NetworkGraph
import Tensors

/// Enlarger's own format: a safetensors file whose metadata hold the graph. See docs/model-format.md.
package enum SafetensorsFile {
    /// The length of the header and its opening brace. A GraphDef has text where the length would be: far too large.
    static func recognises(_ storage: ByteStorage) -> Bool {
        let bytes = storage.bytes
        guard bytes.count >= 9 else { return false }
        return bytes[8] == UInt8(ascii: "{") && UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)) < 1 << 32
    }

    static func read(_ storage: ByteStorage) throws(EnlargerError) -> Model {
        let header = try SafetensorsHeader(storage)
        guard header.metadata["format"] == "enlarger" else {
            throw EnlargerError(.modelUnsupported, "a safetensors file without a network in it (its metadata have no \"format\": \"enlarger\")")
        }
        guard header.metadata["version"] == "1" else {
            throw EnlargerError(.modelUnsupported, "version \"\((header.metadata["version"] ?? "").prefix(16))\" of the format; only 1 is read")
        }
        let description: NativeDescription
        do {
            description = try JSONDecoder().decode(NativeDescription.self, from: Data((header.metadata["model"] ?? "").utf8))
        } catch {
            throw EnlargerError(.modelInvalid, "\"model\" in its metadata is not the JSON that the format asks for")
        }
        var reader = NativeGraphReader(header: header)
        let graph = try ModelFile.simplified(reader.graph(description))
        let processing = try self.processing(description.processing, channels: graph.channels[graph.inputNode])
        for output in graph.outputs where graph.channels[output.node] != processing.mean.count {
            throw invalid(graph.nodes[output.node].name, "an output of \(graph.channels[output.node]) channels; the input has \(processing.mean.count)")
        }
        var metadata = description.metadata ?? [:]
        for (key, text) in header.metadata where key.hasPrefix("info.") { metadata[String(key.dropFirst(5))] = text }
        return Model(architecture: description.architecture, graph: graph, processing: processing, metadata: metadata)
    }

    private static func processing(_ record: NativeDescription.Processing, channels: Int) throws(EnlargerError) -> Processing {
        func fail(_ reason: String) -> EnlargerError { EnlargerError(.modelInvalid, "processing: \(reason)") }
        guard let kind = Processing.Channels(rawValue: record.channels) else { throw fail("channels \"\(record.channels.prefix(16))\"; rgb, bgr and luma are read") }
        let expected = kind == .luma ? 1 : 3
        guard channels == expected else { throw fail("\(kind) for an input of \(channels) channels") }
        guard record.mean.count == expected, record.mean.allSatisfy(\.isFinite) else { throw fail("mean has \(record.mean.count) elements, needs \(expected)") }
        guard record.input_scale.isFinite, record.input_scale > 0 else { throw fail("input_scale \(record.input_scale)") }
        guard (0...Limits.margin).contains(record.margin ?? 0) else { throw fail("margin \(record.margin!); 0 to \(Limits.margin) are possible") }
        return Processing(channels: kind, mean: record.mean, inputScale: record.input_scale, margin: record.margin ?? 0)
    }
}
