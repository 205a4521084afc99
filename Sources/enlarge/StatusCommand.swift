import EnlargeService
import Tensors

/// `enlarge status`: the queue and the workers of many machines.
enum StatusCommand {
    static func run(_ words: [String]) throws -> Int32 {
        let arguments = try Arguments(words, withValue: Dictionary(uniqueKeysWithValues: QueueStatus.flags.map { ($0, $0) }), alone: ["--json": "--json"])
        guard arguments.positional.isEmpty else { throw EnlargerError(.usage, "status takes no \(arguments.positional[0])") }
        let status = try QueueStatus { ServeCommand.setting($0, arguments) }
        let console = Console(isJSON: arguments.has("--json"))
        console.json([
            ("sizes", .objects(status.sizes.map { [("size", .string($0.name)), ("waiting", .integer($0.waiting)), ("running", .integer($0.running))] })),
            ("dead_letters", .integer(status.deadLetters)), ("replicas", .integer(status.replicas)),
            (
                "workers",
                .objects(
                    status.workers.map {
                        [
                            ("name", .string($0.name)), ("host", .string($0.host)), ("version", .string($0.version)),
                            ("budget_bytes", .integer($0.budgetBytes)), ("running", .integer($0.running)),
                        ]
                    })
            ),
        ])
        if status.sizes.isEmpty { console.say("no jobs wait or run") }
        for size in status.sizes { console.say("jobs of up to \(size.name): \(size.waiting) wait, \(size.running) run") }
        if status.deadLetters > 0 { console.say("\(status.deadLetters) dead letters") }
        if status.workers.isEmpty { console.say("no workers") }
        for worker in status.workers {
            console.say("worker \(worker.name) on \(worker.host): \(mebibytes(worker.budgetBytes)), \(worker.running) jobs, version \(worker.version)")
        }
        return ExitStatus.done
    }
}
