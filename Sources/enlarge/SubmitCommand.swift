import EnlargeService
import Enlarger
import Glibc
import Synchronization
import Tensors

/// `enlarge submit`: many pictures through a queue.
enum SubmitCommand {
    static func run(_ words: [String]) throws -> Int32 {
        var flags = Dictionary(uniqueKeysWithValues: BatchConfiguration.flags.map { ($0, $0) })
        for (short, long) in [("-m", "--model"), ("-s", "--scale"), ("-f", "--format"), ("-o", "--output"), ("--output", "--output")] { flags[short] = long }
        let arguments = try Arguments(
            words, withValue: flags,
            alone: ["--wait": "--wait", "-r": "-r", "--recursive": "-r", "-x": "-x", "--json": "--json", "-q": "-q", "--quiet": "-q"])
        let configuration = try BatchConfiguration(isAugmented: arguments.has("-x")) { ServeCommand.setting($0, arguments) }
        guard !arguments.positional.isEmpty else { throw EnlargerError(.usage, "no picture was named; enlarge --help shows the usage") }
        let signals = ServeCommand.prepareProcess()
        let console = Console(isJSON: arguments.has("--json"), isQuiet: arguments.has("-q"))
        let folder = realpath(".", nil)
        defer { free(folder) }
        let batch = try Batch(configuration, identity: [folder.map { String(cString: $0) } ?? ""] + words.filter { $0 != "--wait" }) { line in
            var console = console
            console.isJSON = false
            console.note(line)
        }
        let pictures = try list(arguments, configuration, batch)
        let bar = ProgressBar(label: "batch \(batch.name)", isQuiet: console.isQuiet)
        let failures = Mutex(0), waits = arguments.has("--wait")
        let isComplete = batch.run(
            pictures, waits: waits, isInterrupted: { isPending(signals) },
            progress: { part, done in bar.update(part, of: "batch \(batch.name), \(done) of \(pictures.count) pictures") },
            ended: { index, outcome in
                let picture = pictures[index]
                bar.clear()
                switch outcome {
                case .success(let result): tell(console, picture, result, waits: waits)
                case .failure(let error):
                    failures.withLock { $0 += 1 }
                    console.error(error, input: picture.name)
                }
            })
        bar.clear()
        guard isComplete else {
            console.note("interrupted; the same command goes on with batch \(batch.name)")
            return 128 + SIGINT
        }
        let failed = failures.withLock { $0 }
        let what = waits ? "done" : "submitted"
        console.say("batch \(batch.name): \(pictures.count - failed) of \(pictures.count) pictures \(what)")
        return failed == 0 ? ExitStatus.done : ExitStatus.pictureFailed
    }

    private static func isPending(_ signals: sigset_t) -> Bool {
        var pending = sigset_t(), none = timespec(), watched = signals
        guard sigpending(&pending) == 0, [SIGTERM, SIGINT, SIGHUP].contains(where: { sigismember(&pending, $0) == 1 }) else { return false }
        // Taken: the next one ends the process.
        sigtimedwait(&watched, nil, &none)
        signal(SIGTERM, SIG_DFL)
        signal(SIGINT, SIG_DFL)
        pthread_sigmask(SIG_UNBLOCK, &watched, nil)
        return true
    }

    private static func tell(_ console: Console, _ picture: BatchPicture, _ result: BatchResult, waits: Bool) {
        guard waits else { return }
        let to = switch picture.output { case .file(let path): path; case .blob(let key): key }
        let how = result.wasThere ? "was there" : "\(result.width) x \(result.height)\(result.parts > 1 ? ", \(result.parts) parts" : "")"
        console.say("\(picture.name) -> \(to): \(how)")
        console.json([
            ("input", .string(picture.name)), ("output", .string(to)), ("width", .integer(result.width)), ("height", .integer(result.height)),
            ("seconds", .number(result.seconds ?? .nan)), ("attempts", .integer(result.attempts)), ("parts", .integer(result.parts)),
            ("was_there", .boolean(result.wasThere)),
        ])
    }

    /// Pictures of the store are used where they are, and their results go beside them or to a folder of the store.
    private static func list(_ arguments: Arguments, _ configuration: BatchConfiguration, _ batch: Batch) throws(EnlargerError) -> [BatchPicture] {
        let words = arguments.positional, output = arguments.value("--output"), format = arguments.value("--format")
        guard words.contains(where: { $0.hasPrefix("s3://") }) else {
            let inputs = try InputList(words, isRecursive: arguments.has("-r"), ignoringSuffixes: output == nil ? ["_x\(batch.scale)"] : [])
            guard !inputs.pictures.isEmpty else { throw EnlargerError(.pictureNotFound, "no pictures in \(words.joined(separator: ", "))") }
            guard output != "-", !inputs.pictures.contains(where: { $0.path == "-" }) else { throw EnlargerError(.usage, "submit takes files, not -") }
            let naming = try OutputNaming(
                output: output, format: format, hasSeveralInputs: inputs.pictures.count > 1 || inputs.hasFolder, hasSeveralScales: false)
            return try inputs.pictures.map { picture throws(EnlargerError) in
                BatchPicture(name: picture.path, input: .file(picture.path), output: .file(try naming.output(for: picture, scale: batch.scale)))
            }
        }
        var pictures: [BatchPicture] = []
        for word in words {
            guard let key = configuration.key(ofAddress: word) else {
                throw EnlargerError(.usage, "\(word) is not in the store; pictures of the store and files are not submitted together")
            }
            var folder: String?
            if let output {
                guard let found = configuration.key(ofAddress: output) else { throw EnlargerError(.usage, "-o \(output) is not in the store") }
                folder = found
            }
            pictures += try batch.pictures(below: key, resultsIn: folder, format: format, address: word)
        }
        guard !pictures.isEmpty else { throw EnlargerError(.pictureNotFound, "no pictures in \(words.joined(separator: ", "))") }
        return pictures
    }
}
