import ModelFormats
import NetworkGraph
import Tensors
import Testing

/// Native files whose header is sound and whose network is not: one clear error each.
@Suite struct NativeHostileTests {
    /// A network of luma: convolution "c" (3 x 3, one channel to one) and what `nodes` adds; the output is node "y".
    private static func file(
        nodes: String, tensors: String = #""w":{"dtype":"F32","shape":[3,3,1,1],"data_offsets":[0,36]}"#, count: Int = 36
    ) -> [UInt8] {
        let model =
            #"{"architecture":"small","processing":{"channels":"luma","mean":[0],"input_scale":1},"outputs":[{"name":"y","node":"y"}],"#
            + #""nodes":[{"name":"x","op":"input","channels":1},{"name":"c","op":"convolution","inputs":["x"],"weights":"w"},"# + nodes + "]}"
        let text = model.replacing("\"", with: "\\\"")
        let header = Array(#"{"__metadata__":{"format":"enlarger","version":"1","model":"\#(text)"},\#(tensors)}"#.utf8)
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { [UInt8]($0) } + header + [UInt8](repeating: 0, count: count)
    }
    private static let last = #"{"name":"y","op":"add","inputs":["c","x"]}"#

    @Test func `the network itself is read`() throws {
        #expect(try Fixtures.load(Self.file(nodes: Self.last)).scales == [1])
    }

    private static let networks: [(String, EnlargerError.Code, String, String)] = [
        ("operation", .modelUnsupported, "\"softmax\"", #"{"name":"y","op":"softmax","inputs":["c"]}"#),
        ("activation", .modelUnsupported, "\"gelu\"", #"{"name":"y","op":"activation","inputs":["c"],"activation":{"kind":"gelu"}}"#),
        ("cycle", .modelInvalid, "\"b\" does not come before it",
            #"{"name":"a","op":"add","inputs":["c","b"]},{"name":"b","op":"add","inputs":["a","c"]},{"name":"y","op":"add","inputs":["b","c"]}"#),
        ("itself", .modelInvalid, "\"y\" does not come before it", #"{"name":"y","op":"add","inputs":["c","y"]}"#),
        ("missing input", .modelInvalid, "\"nowhere\" does not come before it", #"{"name":"y","op":"add","inputs":["c","nowhere"]}"#),
        ("missing output", .modelInvalid, "names a node that does not exist", #"{"name":"z","op":"add","inputs":["c","x"]}"#),
        ("twice", .modelInvalid, "two nodes of this name", #"{"name":"c","op":"add","inputs":["c","x"]},\#(last)"#),
        ("missing tensor", .modelInvalid, "tensor \"v\" does not exist", #"{"name":"y","op":"convolution","inputs":["c"],"weights":"v"}"#),
        ("no weights", .modelInvalid, "\"weights\" is missing", #"{"name":"y","op":"convolution","inputs":["c"]}"#),
        ("missing bias", .modelInvalid, "tensor \"b\" does not exist", #"{"name":"y","op":"convolution","inputs":["c"],"weights":"w","bias":"b"}"#),
        ("bias of a kernel", .modelInvalid, "bias of shape [3, 3, 1, 1]", #"{"name":"y","op":"convolution","inputs":["c"],"weights":"w","bias":"w"}"#),
        ("inputs", .modelInvalid, "y", #"{"name":"y","op":"add","inputs":["c"]}"#),
        ("block", .modelInvalid, "block 1099511627776", #"{"name":"y","op":"depth_to_space","inputs":["c"],"block":1099511627776,"order":"block_first"}"#),
        ("channels", .modelInvalid, "channels", #"{"name":"t","op":"concatenate","inputs":["c","x"]},{"name":"y","op":"convolution","inputs":["t"],"weights":"w"}"#),
    ]
    @Test(arguments: networks.map(\.0)) func `a network that cannot be is named`(name: String) throws {
        let (_, code, text, nodes) = Self.networks.first { $0.0 == name }!
        let error = #expect(throws: EnlargerError.self) { try Fixtures.load(Self.file(nodes: nodes)) }
        #expect(error?.code == code && error?.message.contains(text) == true, "\(error?.message ?? "")")
    }

    private static let tensors: [(String, String, String, Int)] = [
        ("truncated", "expected 36 bytes", #""w":{"dtype":"F32","shape":[3,3,1,1],"data_offsets":[0,36]}"#, 35),
        ("oversized", "4 bytes after the last tensor", #""w":{"dtype":"F32","shape":[3,3,1,1],"data_offsets":[0,36]}"#, 40),
        ("more than its shape", "expected 36 bytes", #""w":{"dtype":"F32","shape":[3,3,1,1],"data_offsets":[0,40]}"#, 40),
        ("three dimensions", "\"c\"", #""w":{"dtype":"F32","shape":[3,3,1],"data_offsets":[0,36]}"#, 36),
        ("other channels", "\"c\"", #""w":{"dtype":"F32","shape":[3,1,3,1],"data_offsets":[0,36]}"#, 36),
        ("of no step", "needs \"zero_point\" and \"step\"", #""w":{"dtype":"U8","shape":[3,3,1,1],"data_offsets":[0,9]}"#, 9),
    ]
    @Test(arguments: tensors.map(\.0)) func `a tensor that does not fit is named`(name: String) throws {
        let (_, text, tensors, count) = Self.tensors.first { $0.0 == name }!
        let error = #expect(throws: EnlargerError.self) { try Fixtures.load(Self.file(nodes: Self.last, tensors: tensors, count: count)) }
        #expect(error?.code == .modelInvalid && error?.message.contains(text) == true, "\(error?.message ?? "")")
    }
}
