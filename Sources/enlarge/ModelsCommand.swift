import Enlarger
import Glibc
import ModelFormats
import NetworkGraph
import Tensors

/// `enlarge models list | info MODEL | convert FROM TO | fetch NAME`.
enum ModelsCommand {
    static func run(_ words: [String]) throws -> Int32 {
        let arguments = try Arguments(
            words, withValue: SharedFlags.withValue.merging(["--from": "--from"]) { a, _ in a },
            alone: SharedFlags.alone.merging(["--all": "--all", "--force": "--force"]) { a, _ in a })
        let console = Console(isJSON: arguments.has("--json"), isQuiet: arguments.has("--quiet"))
        let rest = Array(arguments.positional.dropFirst())
        switch (arguments.positional.first, rest.count) {
        case ("list", 0): return try list(arguments, console)
        case ("info", 1): return try ModelInfoCommand.run(rest[0], arguments, console)
        case ("convert", 2): return try convert(rest[0], rest[1], arguments, console)
        case ("fetch", _): return try FetchCommand.run(rest, arguments, console)
        default: throw EnlargerError(.usage, "models takes list, info MODEL, convert FROM TO, or fetch NAME")
        }
    }

    static func library(_ arguments: Arguments) throws(EnlargerError) -> ModelLibrary {
        ModelLibrary(extraFolders: try SharedFlags.options(arguments).modelFolders)
    }

    private static func list(_ arguments: Arguments, _ console: Console) throws -> Int32 {
        let found = try library(arguments).list()
        for (name, path) in found {
            let size = fileSize(path)
            do throws(EnlargerError) {
                let model = try ModelFile.load(path: path)
                let scales = Set(model.scales).sorted()
                console.json([
                    ("name", .string(name)), ("scale", .integer(scales.last!)), ("scales", .integers(scales)),
                    ("architecture", .string(model.architecture)), ("size", .integer(size)), ("path", .string(path)),
                ])
                let columns = [pad(name, 20), pad(times(scales), 10), pad(model.architecture, 10), pad(mebibytes(size), 10)]
                console.say(columns.joined() + path)
            } catch {
                // One bad file must not hide the others.
                console.json([
                    ("name", .string(name)), ("size", .integer(size)), ("path", .string(path)),
                    ("error", .object([("code", .string(error.code.rawValue)), ("message", .string(error.message))])),
                ])
                console.note(error.message)
            }
        }
        if found.isEmpty { console.note("no models in \(try library(arguments).folders.joined(separator: ", "))") }
        return ExitStatus.done
    }

    private static func convert(_ from: String, _ to: String, _ arguments: Arguments, _ console: Console) throws -> Int32 {
        let path = try library(arguments).path(for: from, scale: SharedFlags.options(arguments).scale)
        try SafetensorsFile.write(ModelFile.load(path: path), to: to)
        let size = fileSize(to)
        console.json([("input", .string(path)), ("output", .string(to)), ("size", .integer(size))])
        console.say("\(path) -> \(to): \(mebibytes(size))")
        return ExitStatus.done
    }

    static func fileSize(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    static func times(_ scales: [Int]) -> String { scales.map { "x\($0)" }.joined(separator: ", ") }

    static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
