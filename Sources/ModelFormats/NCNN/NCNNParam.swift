import Tensors

/// The text half of an ncnn network: one layer a line. Format: ncnn's wiki, "param and model file structure".
struct NCNNParam {
    struct Layer {
        var kind: String
        var name: String
        var inputs: [String]
        var outputs: [String]
        var line: Int
        private var numbers: [Int: Double] = [:]
        private var lists: [Int: [Double]] = [:]

        init(kind: String, name: String, inputs: [String], outputs: [String], line: Int) {
            (self.kind, self.name, self.inputs, self.outputs, self.line) = (kind, name, inputs, outputs, line)
        }

        mutating func set(_ key: Int, _ values: [Double], isList: Bool) {
            if isList { lists[key] = values } else { numbers[key] = values[0] }
        }

        func number(_ key: Int, _ none: Double) -> Double { numbers[key] ?? none }

        func integer(_ key: Int, _ none: Int) throws(EnlargerError) -> Int {
            guard let number = numbers[key] else { return none }
            guard let integer = Int(exactly: number), abs(integer) <= 1 << 40 else {
                throw invalid(name, "parameter \(key)=\(number); a whole number is meant")
            }
            return integer
        }

        /// Key k of the file stands as -23300 - k.
        func list(_ key: Int) -> [Double]? { lists[key] }

        func integers(_ key: Int) throws(EnlargerError) -> [Int]? {
            try lists[key]?.map { number throws(EnlargerError) in
                guard let integer = Int(exactly: number) else {
                    throw invalid(name, "parameter \(key) holds \(number); whole numbers are meant")
                }
                return integer
            }
        }
    }

    private(set) var layers: [Layer] = []

    private static let magic = "7767517"

    static func recognises(_ storage: ByteStorage) -> Bool {
        storage.bytes.count > magic.utf8.count && zip(storage.bytes, magic.utf8).allSatisfy { $0 == $1 }
            && isSpace(storage.bytes[magic.utf8.count])
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// - Throws: `modelInvalid` with the number of the line.
    init(_ storage: ByteStorage) throws(EnlargerError) {
        guard storage.bytes.count <= 1 << 24 else {
            throw EnlargerError(.modelInvalid, "\(storage.bytes.count) bytes of layers; at most \(1 << 24) are read")
        }
        func fail(_ line: Int, _ reason: String) -> EnlargerError {
            EnlargerError(.modelInvalid, "line \(line): \(reason)")
        }
        let text = String(decoding: storage.bytes, as: UTF8.self)
        var counts: (layers: Int, blobs: Int)?
        var blobs = 0
        for (index, content) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated()
            .dropFirst()
        {
            let line = index + 1
            let words = content.split { $0 == " " || $0 == "\t" }
            if words.isEmpty { continue }
            guard let expected = counts else {
                guard words.count == 2, let layers = Int(words[0]), let count = Int(words[1]), layers >= 1,
                    layers <= Limits.nodes, count >= 0
                else {
                    throw fail(line, "the numbers of layers and blobs are meant, at most \(Limits.nodes)")
                }
                counts = (layers, count)
                continue
            }
            guard layers.count < expected.layers else {
                throw fail(line, "more than the \(expected.layers) layers that the file announces")
            }
            guard words.count >= 4, let inputs = Int(words[2]), let outputs = Int(words[3]), inputs >= 0, outputs >= 0,
                inputs <= 1024, outputs <= 1024,
                words.count >= 4 + inputs + outputs
            else { throw fail(line, "a kind, a name, numbers of inputs and outputs, and their names are meant") }
            var layer = Layer(
                kind: String(words[0]), name: String(words[1]), inputs: words[4..<4 + inputs].map(String.init),
                outputs: words[(4 + inputs)..<4 + inputs + outputs].map(String.init), line: line)
            for word in words[(4 + inputs + outputs)...] {
                try NCNNParam.read(word, into: &layer, fail: { fail(line, $0) })
            }
            blobs += outputs
            layers.append(layer)
        }
        guard let counts, layers.count == counts.layers, blobs == counts.blobs else {
            throw EnlargerError(
                .modelInvalid,
                "\(layers.count) layers and \(blobs) blobs; the file announces \(counts?.layers ?? 0) and \(counts?.blobs ?? 0)"
            )
        }
    }

    /// `key=value`, or `-233kk=count,value,...` for a list under key kk.
    private static func read(_ word: Substring, into layer: inout Layer, fail: (String) -> EnlargerError)
        throws(EnlargerError)
    {
        let parts = word.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, let key = Int(parts[0]), key > -23_332, key < 32 else {
            throw fail("parameter \"\(word.prefix(40))\"")
        }
        let values = parts[1].split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
        guard values.allSatisfy({ $0?.isFinite == true }), let first = values[0] else {
            throw fail("parameter \"\(word.prefix(40))\"")
        }
        if key <= -23_300 {
            guard first == Double(values.count - 1) else {
                throw fail("parameter \"\(word.prefix(40))\": \(values.count - 1) values, \(first) announced")
            }
            layer.set(-23_300 - key, values.dropFirst().map { $0! }, isList: true)
        } else {
            guard key >= 0, values.count == 1 else { throw fail("parameter \"\(word.prefix(40))\"") }
            layer.set(key, [first], isList: false)
        }
    }
}
