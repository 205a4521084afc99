import ModelFormats
import NetworkGraph
import Tensors
import TestSupport
import Testing

/// Damaged files give a model or an error, never a crash.
@Suite struct HostileInputTests {
    static let small: [(name: String, bytes: [UInt8])] = {
        let made = [("edsr", SmallFiles.edsr().bytes), ("pyramid", SmallFiles.pyramid().bytes)]
        return made.flatMap { name, bytes in [(name, bytes), (name + " native", try! SafetensorsFile.serialized(Fixtures.load(bytes)))] }
    }()

    /// Whether the bytes gave a model.
    static func tries(_ bytes: [UInt8]) -> Bool {
        do {
            _ = try Fixtures.load(bytes)
            return true
        } catch {
            return !([.modelInvalid, .modelUnsupported] as [EnlargerError.Code]).contains(error.code)
        }
    }

    @Test(arguments: small.indices) func `a small file cut anywhere is refused or whole`(index: Int) throws {
        let bytes = Self.small[index].bytes
        for count in 0..<bytes.count where Self.tries(Array(bytes[..<count])) {
            // A GraphDef cut between nodes is a GraphDef; outputs that come first must still find their inputs.
            #expect(!Self.small[index].name.hasSuffix("native"))
        }
    }

    @Test(arguments: small.indices) func `single damaged bytes never crash`(index: Int) throws {
        var random = SeededGenerator(seed: UInt64(index)), models = 0
        let bytes = Self.small[index].bytes
        for _ in 0..<1500 {
            var damaged = bytes
            damaged[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            if Self.tries(damaged) { models += 1 }
        }
        #expect(models > 0)  // damaged weights are still weights
    }

    /// Where the structure is, not the weights: several bytes at once, extreme values.
    @Test(arguments: small.indices) func `damaged structure never crashes`(index: Int) throws {
        var random = SeededGenerator(seed: UInt64(100 + index))
        let bytes = Self.small[index].bytes
        for _ in 0..<1000 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                damaged[at] = [0, 1, 0x7F, 0x80, 0xFF, UInt8(ascii: "9"), UInt8(ascii: "-")].randomElement(using: &random)!
            }
            _ = Self.tries(damaged)
        }
    }

    @Test(arguments: SharedData.available(SharedData.tensorFlowNames, suffix: ".pb", in: ["models/opencv", "golden"]))
    func `published files cut and damaged never crash`(name: String) throws {
        let storage = try ByteStorage.mapping(path: try #require(SharedData.model(name)))
        let bytes = [UInt8](storage.bytes)
        let whole = bytes.count < 10_000 ? 1 : bytes.count / (bytes.count > 1 << 20 ? 12 : 60)
        for count in stride(from: 0, to: bytes.count, by: whole) { _ = Self.tries(Array(bytes[..<count])) }
        var random = SeededGenerator(seed: 1)
        for _ in 0..<(bytes.count > 1 << 20 ? 10 : 60) {
            var damaged = bytes
            damaged[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            _ = Self.tries(damaged)
        }
    }

    static let headers: [(String, String)] = [
        ("overlap", #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#),
        ("gap", #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[6,8]}}"#),
        ("outside", #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#),
        ("negative", #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#),
        ("overflow", #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#),
        ("number", #"{"a":{"dtype":"F32","shape":[1e300],"data_offsets":[0,8]}}"#),
        ("type", #"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#),
        ("shape", #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#),
        ("deep", #"{"a":"# + String(repeating: "[", count: 100_000)),
        ("foreign", #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#),
        ("model", #"{"__metadata__":{"format":"enlarger","version":"1","model":"{"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#),
    ]
    @Test(arguments: headers.map(\.0)) func `safetensors headers that lie are refused`(name: String) throws {
        let header = Array(Self.headers.first { $0.0 == name }!.1.utf8)
        let bytes = withUnsafeBytes(of: UInt64(header.count).littleEndian) { [UInt8]($0) } + header + [UInt8](repeating: 0, count: 8)
        let error = #expect(throws: EnlargerError.self) { try Fixtures.load(bytes) }
        #expect(error?.code == .modelInvalid || error?.code == .modelUnsupported)
    }
}
