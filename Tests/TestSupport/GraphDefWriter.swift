/// Writes small TensorFlow GraphDefs for tests.
package struct GraphDefWriter {
    package private(set) var bytes: [UInt8] = []
    package init() {}

    package enum Attribute {
        case text(String), integer(Int), list([Int]), float(Float)
        /// AttrValue bytes as they are.
        case raw([UInt8])
    }

    package mutating func node(_ name: String, _ operation: String, _ inputs: [String] = [], _ attributes: [(String, Attribute)] = []) {
        var body = Self.field(1, name) + Self.field(2, operation) + inputs.flatMap { Self.field(3, $0) }
        for (key, value) in attributes {
            let encoded: [UInt8] = switch value {
            case .text(let text): Self.field(2, text)
            case .integer(let value): Self.field(3, value)
            case .list(let values): Self.field(1, Self.field(3, values.flatMap { Self.varint(UInt64(bitPattern: Int64($0))) }))
            case .float(let value): [4 << 3 | 5] + Self.littleEndian(value.bitPattern)
            case .raw(let bytes): bytes
            }
            body += Self.field(5, Self.field(1, key) + Self.field(2, encoded))
        }
        bytes += Self.field(1, body)
    }

    package mutating func constant(_ name: String, _ values: [Float], shape: [Int]) {
        tensor(name, type: 1, shape: shape, content: values.flatMap { Self.littleEndian($0.bitPattern) })
    }
    package mutating func constant(_ name: String, _ values: [Int32]) {
        tensor(name, type: 3, shape: [values.count], content: values.flatMap { Self.littleEndian(UInt32(bitPattern: $0)) })
    }
    /// One value for the whole shape, in float_val.
    package mutating func repeated(_ name: String, _ value: Float, shape: [Int]) {
        let body = Self.field(1, 1) + Self.shape(shape) + Self.field(5, Self.littleEndian(value.bitPattern))
        node(name, "Const", [], [("value", .raw(Self.field(8, body)))])
    }
    package mutating func tensor(_ name: String, type: Int, shape: [Int], content: [UInt8]) {
        let body = Self.field(1, type) + Self.shape(shape) + Self.field(4, content)
        node(name, "Const", [], [("value", .raw(Self.field(8, body)))])
    }
    /// `source` convolved with the constant `weights`.
    package mutating func convolution(_ name: String, _ source: String, _ weights: String, padding: String = "SAME", strides: [Int] = [1, 1, 1, 1]) {
        node(name, "Conv2D", [source, weights], [("padding", .text(padding)), ("strides", .list(strides)), ("data_format", .text("NHWC"))])
    }
    /// A Transpose to NCHW, with its permutation.
    package mutating func output(_ name: String, _ source: String, permutation: [Int32] = [0, 3, 1, 2]) {
        constant(name + "/perm", permutation)
        node(name, "Transpose", [source, name + "/perm"])
    }

    private static func shape(_ extents: [Int]) -> [UInt8] { field(2, extents.flatMap { field(2, field(1, $0)) }) }
    private static func littleEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) } }
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
