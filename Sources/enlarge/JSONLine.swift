/// One JSON object on one line, its keys in the order given.
struct JSONLine {
    enum Value {
        case string(String), integer(Int), number(Double), boolean(Bool), strings([String]), integers([Int]), numbers([Double])
        case object([(String, Value)])
        case objects([[(String, Value)]])
    }
    let fields: [(String, Value)]

    var text: String { JSONLine.write(.object(fields)) }

    private static func write(_ value: Value) -> String {
        switch value {
        case .string(let string): quote(string)
        case .integer(let integer): String(integer)
        case .number(let number): number.isFinite ? rounded(number) : "null"
        case .boolean(let boolean): boolean ? "true" : "false"
        case .strings(let strings): "[" + strings.map(quote).joined(separator: ",") + "]"
        case .integers(let integers): "[" + integers.map(String.init).joined(separator: ",") + "]"
        case .numbers(let numbers): "[" + numbers.map { write(.number($0)) }.joined(separator: ",") + "]"
        case .objects(let objects): "[" + objects.map { write(.object($0)) }.joined(separator: ",") + "]"
        case .object(let fields): "{" + fields.map { quote($0.0) + ":" + write($0.1) }.joined(separator: ",") + "}"
        }
    }

    /// Six decimals are a microsecond, or far below what a PSNR means.
    private static func rounded(_ number: Double) -> String {
        abs(number) < 1e12 ? "\((number * 1e6).rounded() / 1e6)" : "\(number)"
    }

    private static func quote(_ string: String) -> String {
        var result = "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
