import Glibc
import ModelFormats
import NetworkGraph
import Tensors
import TestSupport

/// Small files of every format, for the fuzzer to start from. Tests/fuzz/make_seeds.py adds more of ONNX and ncnn.
enum Seeds {
    static func write(to folder: String) throws {
        for format in ["safetensors", "pb", "onnx", "ncnn", "npy"] { mkdir("\(folder)/\(format)", 0o777) }
        func save(_ bytes: [UInt8], _ name: String) throws {
            let file = try ReplacementFile(path: "\(folder)/\(name)")
            try file.write(bytes)
            try file.commit()
        }
        for (name, writer) in [("edsr", SmallFiles.edsr()), ("pyramid", SmallFiles.pyramid())] { try save(writer.bytes, "pb/\(name)") }
        try save(SmallFiles.onnx, "onnx/small")

        let models = try [
            SmallModels.edsr(blocks: 1, channels: 4), SmallModels.pyramid(), SmallModels.pyramid(channels: .luma), SmallModels.nearest(scale: 3),
            ModelFile.load(storage: ByteStorage(copying: SmallFiles.edsr().bytes), name: "edsr"),
            ModelFile.load(storage: ByteStorage(copying: SmallFiles.onnx), name: "onnx"),
        ]
        for (index, model) in models.enumerated() { try save(SafetensorsFile.serialized(model), "safetensors/model-\(index)") }
        for (index, name) in TestGraphs.names.enumerated() {
            let graph = TestGraphs.make(name), channels = graph.channels[graph.inputNode]
            let processing = Processing(channels: channels == 1 ? .luma : .rgb, mean: [Float](repeating: 0, count: channels), inputScale: 1)
            let bytes = try SafetensorsFile.serialized(Model(architecture: name, graph: graph, processing: processing))
            if bytes.count < 16_384 { try save(bytes, "safetensors/graph-\(index)") }
        }
        for shape in [[], [3], [2, 3], [1, 3, 2, 4], [0, 5]] {
            try save(Npy(shape: shape, values: [Float](repeating: 0.5, count: shape.reduce(1, *))).serialized(), "npy/rank-\(shape.count)")
        }
    }
}
