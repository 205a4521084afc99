/// Writes small ONNX models for tests (onnx.proto3).
package struct ONNXWriter {
    package var opset = 17
    /// Type 1 is float32; extents of 0 are symbolic.
    package var inputs: [(name: String, type: Int, shape: [Int])] = [("x", 1, [1, 3, 0, 0])]
    package var outputs = ["y"]
    package var metadata: [(String, String)] = []
    private var nodes: [UInt8] = []
    private var tensors: [UInt8] = []

    package init() {}

    package enum Attribute {
        case integer(Int), integers([Int]), float(Float), text(String), tensor([UInt8])
    }

    package mutating func node(_ operation: String, _ inputs: [String], _ outputs: [String], _ attributes: [(String, Attribute)] = [], domain: String = "") {
        var body = inputs.flatMap { Self.field(1, $0) } + outputs.flatMap { Self.field(2, $0) }
        body += Self.field(3, "node \(outputs[0])") + Self.field(4, operation)
        for (key, value) in attributes {
            let encoded: [UInt8] = switch value {
            case .float(let value): [2 << 3 | 5] + Self.littleEndian(value.bitPattern)
            case .integer(let value): Self.field(3, value)
            case .text(let text): Self.field(4, text)
            case .tensor(let bytes): Self.field(5, bytes)
            case .integers(let values): values.flatMap { Self.field(8, $0) }
            }
            body += Self.field(5, Self.field(1, key) + encoded)
        }
        if !domain.isEmpty { body += Self.field(7, domain) }
        nodes += Self.field(1, body)
    }

    /// A float32 initializer.
    package mutating func tensor(_ name: String, _ values: [Float], _ shape: [Int]) {
        initializer(Self.tensor(name, type: 1, shape, raw: values.flatMap { Self.littleEndian($0.bitPattern) }))
    }
    /// An int64 initializer.
    package mutating func integers(_ name: String, _ values: [Int]) {
        let raw = values.flatMap { value in withUnsafeBytes(of: Int64(value).littleEndian) { [UInt8]($0) } }
        initializer(Self.tensor(name, type: 7, [values.count], raw: raw))
    }
    package mutating func initializer(_ body: [UInt8]) { tensors += Self.field(5, body) }

    package mutating func external(_ name: String, _ shape: [Int], _ entries: [(String, String)]) {
        var body = shape.flatMap { Self.field(1, $0) } + Self.field(2, 1) + Self.field(8, name)
        for (key, value) in entries { body += Self.field(13, Self.field(1, key) + Self.field(2, value)) }
        initializer(body + Self.field(14, 1))
    }

    package static func tensor(_ name: String, type: Int, _ shape: [Int], raw: [UInt8]) -> [UInt8] {
        shape.flatMap { field(1, $0) } + field(2, type) + field(8, name) + field(9, raw)
    }

    package var bytes: [UInt8] {
        var graph = nodes + Self.field(2, "graph") + tensors
        for input in inputs { graph += Self.field(11, Self.value(input.name, input.type, input.shape)) }
        for output in outputs { graph += Self.field(12, Self.value(output, 1, [1, 0, 0, 0])) }
        var model = Self.field(1, 8) + Self.field(2, "test") + Self.field(7, graph) + Self.field(8, Self.field(1, "") + Self.field(2, opset))
        for (key, value) in metadata { model += Self.field(14, Self.field(1, key) + Self.field(2, value)) }
        return model
    }

    private static func value(_ name: String, _ type: Int, _ shape: [Int]) -> [UInt8] {
        let dimensions = shape.flatMap { field(1, $0 == 0 ? field(2, "size") : field(1, $0)) }
        return field(1, name) + field(2, field(1, field(1, type) + field(2, dimensions)))
    }

    package static func littleEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) } }
    private static func varint(_ value: UInt64) -> [UInt8] {
        var value = value, bytes: [UInt8] = []
        while value > 127 {
            bytes.append(UInt8(value & 127) | 128)
            value >>= 7
        }
        return bytes + [UInt8(value)]
    }
    private static func field(_ number: Int, _ payload: [UInt8]) -> [UInt8] { varint(UInt64(number << 3 | 2)) + varint(UInt64(payload.count)) + payload }
    private static func field(_ number: Int, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }
    private static func field(_ number: Int, _ value: Int) -> [UInt8] { varint(UInt64(number << 3)) + varint(UInt64(bitPattern: Int64(value))) }
}
