import Enlarger
import Tensors

/// `enlarge models fetch NAME... | --all [--from URL] [--force]`.
enum FetchCommand {
    static func run(_ names: [String], _ arguments: Arguments, _ console: Console) throws -> Int32 {
        guard arguments.has("--all") != !names.isEmpty else {
            throw EnlargerError(.usage, "fetch takes names of \(known), or --all")
        }
        var models = arguments.has("--all") ? PublishedModel.all : []
        for name in names {
            // "EDSR -s 3" is EDSR_x3, as everywhere else.
            let scale = try SharedFlags.options(arguments).scale
            guard let model = PublishedModel.named(name) ?? scale.flatMap({ PublishedModel.named("\(name)_x\($0)") }) else {
                throw EnlargerError(.usage, "\(name) is none of the published models: \(known)")
            }
            models.append(model)
        }
        let download = try ModelDownload(base: arguments.value("--from"))
        var status = ExitStatus.done
        for model in models {
            do {
                try fetch(model, download, isForced: arguments.has("--force"), console)
            } catch let error as EnlargerError {
                console.error(error, input: model.name)
                status = ExitStatus.of(error)
            }
        }
        return status
    }

    private static func fetch(_ model: PublishedModel, _ download: ModelDownload, isForced: Bool, _ console: Console) throws {
        let isThere = !isForced && download.isInstalled(model)
        if !isThere {
            let bar = ProgressBar(label: model.name, isQuiet: console.isQuiet)
            defer { bar.clear() }
            _ = try download.fetch(model) { bar.update($0) }
        }
        let path = download.path(of: model)
        console.json([
            ("name", .string(model.name)), ("path", .string(path)), ("size", .integer(model.byteCount)), ("sha256", .string(model.sha256)),
            ("fetched", .boolean(!isThere)),
        ])
        console.say(isThere ? "\(model.name): \(path) is there already" : "\(model.name) -> \(path): \(mebibytes(model.byteCount))")
    }

    private static var known: String { PublishedModel.all.map(\.name).joined(separator: ", ") }
}
