import EnlargeService
import Glibc
import Tensors

/// `enlarge worker`: until SIGTERM or SIGINT.
enum WorkerCommand {
    static func run(_ words: [String]) throws -> Int32 {
        let arguments = try Arguments(words, withValue: Dictionary(uniqueKeysWithValues: WorkerConfiguration.flags.map { ($0, $0) }), alone: [:])
        guard arguments.positional.isEmpty else { throw EnlargerError(.usage, "worker takes no \(arguments.positional[0])") }
        let configuration = try WorkerConfiguration { ServeCommand.setting($0, arguments) }
        let signals = ServeCommand.prepareProcess()
        let worker = try EnlargeWorker(configuration: configuration, version: Command.version)
        try worker.start { kill(getpid(), SIGTERM) }
        ServeCommand.awaitEnd(signals)
        try worker.stop()
        return ExitStatus.done
    }
}
