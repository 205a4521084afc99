import Enlarger
import Glibc
import Tensors

/// Standard output and standard error, and what goes where.
struct Console {
    var isJSON = false
    var isQuiet = false
    /// The result goes to standard output as a picture, so nothing else may.
    var standardOutputIsTaken = false

    /// For people, on standard output; not with `--json`.
    func say(_ text: String) {
        guard !isQuiet, !isJSON else { return }
        write(text + "\n", to: standardOutputIsTaken ? STDERR_FILENO : STDOUT_FILENO)
    }

    /// Answers that were asked for: `--quiet` does not silence them.
    func answer(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

    func json(_ fields: [(String, JSONLine.Value)]) {
        guard isJSON else { return }
        write(JSONLine(fields: fields).text + "\n", to: standardOutputIsTaken ? STDERR_FILENO : STDOUT_FILENO)
    }

    /// Remarks on standard error.
    func note(_ text: String) {
        guard !isQuiet else { return }
        write("enlarge: \(text)\n", to: STDERR_FILENO)
    }

    /// One line on standard error, and an object on standard output with `--json`.
    func error(_ error: EnlargerError, input: String? = nil) {
        // Messages of the layers below mostly name the file themselves.
        let name = input.flatMap { error.message.contains($0) ? nil : $0 }
        write("enlarge: \(name.map { "\($0): " } ?? "")\(error.message)\n", to: STDERR_FILENO)
        var fields: [(String, JSONLine.Value)] = [("error", .object([("code", .string(error.code.rawValue)), ("message", .string(error.message))]))]
        if let input { fields.append(("input", .string(input))) }
        json(fields)
    }

    private func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress!, $0.count) }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}

/// Bytes for people: MiB with one decimal.
func mebibytes(_ bytes: Int) -> String {
    let tenths = (bytes * 10 + (1 << 19)) >> 20
    return "\(tenths / 10).\(tenths % 10) MiB"
}

func seconds(_ value: Double) -> String {
    if value < 1 { return "\(Int((value * 1000).rounded())) ms" }
    let hundredths = Int((value * 100).rounded())
    return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
}

/// The most memory this process ever had resident (VmHWM), in bytes.
func processPeakBytes() -> Int {
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if text.hasPrefix("VmHWM:") { return (Int(text.split { !$0.isNumber }.first ?? "0") ?? 0) << 10 }
    }
    return 0
}
