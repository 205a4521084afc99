import Enlarger
import Glibc
import PictureIO
import Tensors

enum UpscaleCommand {
    static func run(_ words: [String]) throws -> Int32 {
        let habits = try Habits(words)
        let arguments = try Arguments(
            habits.words,
            withValue: SharedFlags.withValue.merging(SharedFlags.pictureWithValue) { a, _ in a }.merging(
                ["-o": "--output", "--output": "--output", "-f": "--format", "--format": "--format", "--chroma": "--chroma"]) { a, _ in a },
            alone: SharedFlags.alone.merging(
                ["-r": "--recursive", "--recursive": "--recursive", "--skip-existing": "--skip-existing", "-x": "--tta"]) { a, _ in a })
        var options = try SharedFlags.options(arguments)
        options.testTimeAugmentation = arguments.has("--tta")
        if let text = arguments.value("--chroma") {
            guard let chroma = UpscaleOptions.Chroma(rawValue: text) else { throw EnlargerError(.usage, "--chroma \(text): bicubic or bilinear are possible") }
            options.chroma = chroma
        }
        if let name = arguments.value("--format") {
            guard let format = PictureFormat(path: "x." + name) else { throw EnlargerError(.usage, "--format \(name): \(PictureFormat.written) are possible") }
            guard PictureFormat.available.contains(format) else { throw EnlargerError(.usage, "--format \(name): the installed libvips cannot write it") }
            options.format = name
        }
        guard !arguments.positional.isEmpty else { throw EnlargerError(.usage, "no picture was named; enlarge --help shows the usage") }

        var console = Console(isJSON: arguments.has("--json"), isQuiet: arguments.has("--quiet"))
        console.standardOutputIsTaken = arguments.value("--output") == "-" || (arguments.value("--output") == nil && arguments.positional.contains("-"))
        Command.removeTemporariesOnSignals()

        for note in habits.notes { console.note(note) }
        let upscaler = try Upscaler(options: options)
        if arguments.has("--verbose") {
            console.note("model \(upscaler.modelName), \(upscaler.deviceDescription)\(upscaler.deviceNote.map { "; no GPU: \($0)" } ?? "")")
        }
        let inputs = try InputList(
            arguments.positional, isRecursive: arguments.has("--recursive"), 
            ignoringSuffixes: arguments.value("--output") == nil ? upscaler.scales.map { "_x\($0)" } : [])
        let naming = try OutputNaming(
            output: arguments.value("--output"), format: options.format, hasSeveralInputs: inputs.pictures.count > 1 || inputs.hasFolder,
            hasSeveralScales: upscaler.scales.count > 1)
        if inputs.pictures.isEmpty { throw EnlargerError(.pictureNotFound, "no pictures in \(arguments.positional.joined(separator: ", "))") }

        // The program and its libraries, libvips started: what the process holds before any picture.
        _ = PictureFormat.available
        let processAtStart = processPeakBytes()
        var status = ExitStatus.done
        var claimed: [String: String] = [:]  // results of this run, and of which picture
        for (number, picture) in inputs.pictures.enumerated() {
            do {
                let outputs = try upscaler.scales.map { try naming.output(for: picture, scale: $0) }
                for output in outputs {
                    if let other = claimed[output] {
                        throw EnlargerError(.outputFailed, "\(picture.path): the result would replace \(output), the result of \(other)")
                    }
                    claimed[output] = picture.path
                }
                if arguments.has("--skip-existing"), outputs.allSatisfy({ $0 != "-" && access($0, F_OK) == 0 }) {
                    console.say("\(picture.path): \(outputs.joined(separator: ", ")) exists, skipped")
                    continue
                }
                let label = inputs.pictures.count > 1 ? "\(number + 1)/\(inputs.pictures.count) \(picture.path)" : picture.path
                let bar = ProgressBar(label: label, isQuiet: console.isQuiet)
                let results: [UpscaleResult]
                do {
                    results = try upscaler.upscale(picture.path, to: outputs) { bar.update($0) }
                    bar.clear()
                } catch {
                    bar.clear()
                    throw error
                }
                let peak = processPeakBytes()
                for result in results {
                    for note in result.notes { console.note("\(picture.path): \(note)") }
                    console.say("\(result.input) -> \(result.output): \(result.width) x \(result.height), \(result.model), \(seconds(result.seconds)), planned \(mebibytes(result.plannedBytes)), process peak \(mebibytes(peak))")
                    console.json([
                        ("input", .string(result.input)), ("output", .string(result.output)), ("model", .string(result.model)), ("scale", .integer(result.scale)),
                        ("device", .string(result.device)), ("precision", .string(result.precision)), ("width", .integer(result.width)),
                        ("height", .integer(result.height)), ("seconds", .number(result.seconds)), ("planned_bytes", .integer(result.plannedBytes)),
                        ("process_peak_bytes", .integer(peak)), ("codec_bytes", .integer(result.codecBytes)), ("process_start_bytes", .integer(processAtStart)),
                    ])
                }
            } catch let error as EnlargerError {
                console.error(error, input: picture.path)
                // One picture alone: its own reason is the status. Of several, the others go on.
                status = inputs.pictures.count == 1 ? ExitStatus.of(error) : ExitStatus.pictureFailed
            }
        }
        return status
    }
}
