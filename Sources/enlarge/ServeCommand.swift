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
        let configuration = try ServiceConfiguration { flag in
            arguments.value(flag)
                ?? processVariable(ServiceConfiguration.variable(of: flag)).flatMap { $0.isEmpty ? nil : $0 }
        }
        // Before any thread starts: all inherit the mask, and one waits for the signals.
        ProcessMemory.configure()
        var ends = sigset_t()
        sigemptyset(&ends)
        for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&ends, number) }
        pthread_sigmask(SIG_BLOCK, &ends, nil)
        raiseDescriptorLimit()

        let service = try EnlargeService(configuration: configuration, version: Command.version)
        try service.start()
        var number: Int32 = 0
        sigwait(&ends, &number)
        // A second one ends it at once; jobs go on at the next start.
        signal(SIGTERM, SIG_DFL)
        signal(SIGINT, SIG_DFL)
        pthread_sigmask(SIG_UNBLOCK, &ends, nil)
        service.stop()
        return ExitStatus.done
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
