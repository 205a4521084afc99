import Enlarger
import ModelFormats
import NetworkGraph
import StreamPlanner
import Tensors

/// `enlarge models info MODEL [--size WxH]`: what a file holds, whether it can run, and what it would take. Reads no weights.
enum ModelInfoCommand {
    static func run(_ name: String, _ arguments: Arguments, _ console: Console) throws -> Int32 {
        let options = try SharedFlags.options(arguments)
        let path = try ModelsCommand.library(arguments).path(for: name, scale: options.scale)
        let inspection = try ModelFile.inspect(path: path)
        if let inspection, !inspection.problems.isEmpty {
            describe(inspection, path, console)
            return ExitStatus.usage
        }
        let size = try arguments.size("--size") ?? (width: 1920, height: 1080)
        let model = try ModelFile.load(path: path)
        let upscaler = try Upscaler(model: model, name: path, options: options)
        let planner = try upscaler.planner(width: size.width, height: size.height, kind: PictureKind(colourChannels: 3, hasAlpha: false), bits: 8)
        let planned = try planner.plan(width: size.width, height: size.height).plannedBytes
        describe(model, path, inspection, size, planned, planner.minimumBytes(width: size.width, height: size.height), console)
        return ExitStatus.done
    }

    private static func describe(
        _ model: Model, _ path: String, _ inspection: ModelInspection?, _ size: (width: Int, height: Int), _ planned: Int, _ minimum: Int, _ console: Console
    ) {
        let facts = ModelFacts(model), processing = model.processing
        let operations = inspection?.operations ?? facts.operations
        let scales = Set(model.scales).sorted(), bytes = ModelsCommand.fileSize(path)
        let metadata = model.metadata.sorted { $0.key < $1.key }
        console.json([
            ("path", .string(path)), ("size", .integer(bytes)), ("architecture", .string(model.architecture)), ("scales", .integers(scales)),
            ("blocks", .integer(facts.blocks)), ("channels", .integer(facts.channels)), ("convolutions", .integer(facts.convolutions)),
            ("operations", counts(operations)), ("parameters", .integer(facts.parameters)), ("weight_types", .strings(facts.weightTypes)),
            ("receptive_field_radius", .integer(facts.receptiveFieldRadius)),
            (
                "memory",
                .object([
                    ("width", .integer(size.width)), ("height", .integer(size.height)), ("planned_bytes", .integer(planned)), ("minimum_bytes", .integer(minimum)),
                ])
            ), ("unsupported", .objects([])),
            (
                "processing",
                .object([
                    ("channels", .string(processing.channels.rawValue)), ("mean", .numbers(processing.mean.map(Double.init))),
                    ("input_scale", .number(Double(processing.inputScale))),
                ])
            ), ("notes", .strings(model.notes)), ("metadata", .object(metadata.map { ($0.key, .string($0.value)) })),
        ])
        let mean = processing.mean.map { "\($0)" }.joined(separator: ", ")
        console.say(
            """
            \(path)
              architecture    \(model.architecture), \(ModelsCommand.times(scales))
              network         \(facts.blocks) residual blocks, \(facts.convolutions) convolutions, \(facts.channels) channels
              operations      \(list(operations))
              parameters      \(facts.parameters), stored as \(facts.weightTypes.joined(separator: " and ")), \(mebibytes(bytes))
              receptive field \(facts.receptiveFieldRadius) pixels to each side
              memory          \(mebibytes(planned)) planned for \(size.width) x \(size.height), \(mebibytes(minimum)) at least
              processing      \(processing.channels.rawValue), minus \(mean), times \(processing.inputScale)
            """)
        for note in model.notes { console.say("  note            \(note)") }
        for (key, value) in metadata { console.say("  \(ModelsCommand.pad(key, 15)) \(value)") }
    }

    /// A file with nodes that cannot be read: all of them, by name.
    private static func describe(_ inspection: ModelInspection, _ path: String, _ console: Console) {
        let count = inspection.problems.count
        console.json([
            ("path", .string(path)), ("size", .integer(ModelsCommand.fileSize(path))), ("operations", counts(inspection.operations)),
            ("parameters", .integer(inspection.parameters)),
            (
                "unsupported",
                .objects(inspection.problems.map { [("node", .string($0.node)), ("operation", .string($0.operation)), ("reason", .string($0.reason))] })
            ),
        ])
        console.say(
            """
            \(path)
              operations      \(list(inspection.operations))
              parameters      \(inspection.parameters), \(mebibytes(ModelsCommand.fileSize(path)))
              unsupported     \(count) node\(count == 1 ? "" : "s")
            """)
        for problem in inspection.problems { console.say("    \(problem.node): \(problem.reason)") }
        console.note("\(path): \(count) node\(count == 1 ? "" : "s") cannot be read")
    }

    private static func counts(_ operations: [String: Int]) -> JSONLine.Value {
        .object(operations.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value)) })
    }

    /// "12 Conv, 8 Relu", the most frequent first.
    private static func list(_ operations: [String: Int]) -> String {
        operations.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }
}
