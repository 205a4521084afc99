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
        case ("info", 1): return try info(rest[0], arguments, console)
        case ("convert", 2): return try convert(rest[0], rest[1], arguments, console)
        case ("fetch", _): return try FetchCommand.run(rest, arguments, console)
        default: throw EnlargerError(.usage, "models takes list, info MODEL, convert FROM TO, or fetch NAME")
        }
    }

    private static func library(_ arguments: Arguments) throws(EnlargerError) -> ModelLibrary {
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

    private static func info(_ name: String, _ arguments: Arguments, _ console: Console) throws -> Int32 {
        let path = try library(arguments).path(for: name, scale: SharedFlags.options(arguments).scale)
        let model = try ModelFile.load(path: path)
        let facts = ModelFacts(model), processing = model.processing
        let scales = Set(model.scales).sorted(), size = fileSize(path)
        let metadata = model.metadata.sorted { $0.key < $1.key }
        console.json([
            ("path", .string(path)), ("size", .integer(size)), ("architecture", .string(model.architecture)), ("scales", .integers(scales)),
            ("blocks", .integer(facts.blocks)), ("channels", .integer(facts.channels)), ("convolutions", .integer(facts.convolutions)),
            ("parameters", .integer(facts.parameters)), ("weight_types", .strings(facts.weightTypes)),
            ("receptive_field_radius", .integer(facts.receptiveFieldRadius)),
            (
                "processing",
                .object([
                    ("channels", .string(processing.channels.rawValue)), ("mean", .numbers(processing.mean.map(Double.init))),
                    ("input_scale", .number(Double(processing.inputScale))),
                ])
            ), ("metadata", .object(metadata.map { ($0.key, .string($0.value)) })),
        ])
        let mean = processing.mean.map { "\($0)" }.joined(separator: ", ")
        console.say(
            """
            \(path)
              architecture    \(model.architecture), \(times(scales))
              network         \(facts.blocks) residual blocks, \(facts.convolutions) convolutions, \(facts.channels) channels
              parameters      \(facts.parameters), stored as \(facts.weightTypes.joined(separator: " and ")), \(mebibytes(size))
              receptive field \(facts.receptiveFieldRadius) pixels to each side
              processing      \(processing.channels.rawValue), minus \(mean), times \(processing.inputScale)
            """)
        for (key, value) in metadata { console.say("  \(pad(key, 15)) \(value)") }
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

    private static func fileSize(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    private static func times(_ scales: [Int]) -> String { scales.map { "x\($0)" }.joined(separator: ", ") }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
