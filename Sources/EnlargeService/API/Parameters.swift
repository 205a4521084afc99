import Enlarger
import PictureIO
import Tensors

/// The parameters of a request, each once and known.
struct Parameters {
    private var values: [String: String] = [:]

    /// - Parameters:
    ///   - query: of the request's target.
    ///   - fields: of a form; they go before the query's.
    /// - Throws: a problem with status 400 for one that is unknown or there twice.
    init(_ query: [(name: String, value: String)], fields: [(name: String, value: String)] = [], known: [String])
        throws(Problem)
    {
        for list in [query, fields] {
            var new: [String: String] = [:]
            for (name, value) in list {
                guard known.contains(name) else {
                    throw .badParameter(Parameters.shown(name), "there is no such parameter")
                }
                guard new.updateValue(value, forKey: name) == nil else {
                    throw .badParameter(name, "it is there twice")
                }
            }
            values.merge(new) { $1 }
        }
    }

    static let picture = ["scale", "model", "format", "precision", "chroma", "augment"]

    func text(_ name: String) -> String? { values[name] }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = values[name] else { return nil }
        // Int takes "+3" as well, which no description of this API does.
        guard let number = Int(text), range.contains(number), text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else {
            throw .badParameter(name, "a whole number of \(range.lowerBound) to \(range.upperBound) is needed")
        }
        return number
    }

    func boolean(_ name: String) throws(Problem) -> Bool {
        switch values[name] {
        case nil, "false": false
        case "true": true
        default: throw .badParameter(name, "true or false is needed")
        }
    }

    private func choice<Value>(_ name: String, _ choices: KeyValuePairs<String, Value>) throws(Problem) -> Value? {
        guard let text = values[name] else { return nil }
        guard let found = choices.first(where: { $0.key == text }) else {
            throw .badParameter(name, "one of \(choices.map(\.key).joined(separator: ", ")) is needed")
        }
        return found.value
    }

    func picture() throws(Problem) -> PictureParameters {
        var picture = PictureParameters()
        if let scale = values["scale"] {
            guard let number = try choice("scale", ["2": 2, "3": 3, "4": 4, "8": 8]) else {
                throw .badParameter("scale", scale)
            }
            picture.scale = number
        }
        if let model = values["model"] {
            guard ModelStore.isName(model) else {
                throw .badParameter("model", "letters, digits, '.', '_' and '-' make a name")
            }
            picture.model = model
        }
        picture.format = try choice("format", ["png": .png, "jpg": .jpg, "webp": .webp, "tiff": .tiff, "avif": .avif, "szi": .szi])
        picture.precision = try choice("precision", ["auto": .auto, "fp32": .fp32, "bf16": .bf16]) ?? .auto
        picture.chroma = try choice("chroma", ["bicubic": .bicubic, "bilinear": .bilinear]) ?? .bicubic
        picture.isAugmented = try boolean("augment")
        return picture
    }

    /// A name that someone else made up, short and harmless.
    private static func shown(_ name: String) -> String {
        String(name.unicodeScalars.prefix(40).map { $0.properties.isAlphabetic || $0 == "_" ? Character($0) : "?" })
    }
}
