import EnlargeService
import Enlarger
import Glibc
import Tensors

/// `enlarge serve`: until SIGTERM or SIGINT.
enum ServeCommand {
    static func run(_ words: [String]) throws -> Int32 {
        let flags = Dictionary(uniqueKeysWithValues: ServiceConfiguration.flags.map { ($0, $0) })
        let arguments = try Arguments(words, withValue: flags, alone: [:])
        guard arguments.positional.isEmpty else {
            throw EnlargerError(.usage, "serve takes no \(arguments.positional[0])")
        }
        let configuration = try ServiceConfiguration { setting($0, arguments) }
        let signals = prepareProcess()
        let service = try EnlargeService(configuration: configuration, version: Command.version)
        try service.start { kill(getpid(), SIGTERM) }
        awaitEnd(signals)
        try service.stop()
        return ExitStatus.done
    }

    /// What is given for a flag, or in its variable.
    static func setting(_ flag: String, _ arguments: Arguments) -> String? {
        arguments.value(flag) ?? processVariable(ServiceConfiguration.variable(of: flag)).flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Before any thread starts: all inherit the mask, and one waits for the signals.
    static func prepareProcess() -> sigset_t {
        ProcessMemory.configure()
        var ends = sigset_t()
        sigemptyset(&ends)
        for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&ends, number) }
        pthread_sigmask(SIG_BLOCK, &ends, nil)
        raiseDescriptorLimit()
        return ends
    }

    /// Waits for a signal to end. A second one ends the process at once; jobs go on at the next start.
    static func awaitEnd(_ signals: sigset_t) {
        var ends = signals, number: Int32 = 0
        sigwait(&ends, &number)
        signal(SIGTERM, SIG_DFL)
        signal(SIGINT, SIG_DFL)
        pthread_sigmask(SIG_UNBLOCK, &ends, nil)
    }

    /// A connection takes one descriptor and its picture a few more.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(resource, &limit)
    }
}
