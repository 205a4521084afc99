import Synchronization

/// What the service counts itself, as requests pass.
final class Counters: Sendable {
    struct Values {
        struct Request: Hashable { var route: String, method: String, status: Int }
        var requests: [Request: Int] = [:]
        var requestSeconds: [String: Histogram] = [:]
        var stageSeconds: [String: Histogram] = [:]
        var outcomes: [String: Int] = ["done": 0, "failed": 0, "cancelled": 0, "refused": 0]
        var refusals: [String: Int] = [:]
        var pixelsIn = 0, pixelsOut = 0
    }
    private let values = Mutex(Values())

    var now: Values { values.withLock { $0 } }

    func request(route: String, method: String, status: Int, seconds: Double) {
        values.withLock {
            $0.requests[.init(route: route, method: method, status: status), default: 0] += 1
            $0.requestSeconds[route, default: Histogram()].add(seconds)
        }
    }

    func upscaled(_ run: RunResult, pixelsIn: Int) {
        values.withLock {
            let stages = [
                ("queue", run.start.queueSeconds), ("decode", run.decodeSeconds), ("compute", run.computeSeconds),
                ("encode", run.encodeSeconds),
            ]
            for (stage, seconds) in stages { $0.stageSeconds[stage, default: Histogram()].add(seconds) }
            $0.outcomes["done", default: 0] += 1
            $0.pixelsIn += pixelsIn
            $0.pixelsOut += run.width * run.height
        }
    }

    func ended(_ outcome: String) { values.withLock { $0.outcomes[outcome, default: 0] += 1 } }

    /// - Parameter reason: the problem's code.
    func refused(_ reason: String) {
        values.withLock {
            $0.outcomes["refused", default: 0] += 1
            $0.refusals[reason, default: 0] += 1
        }
    }
}
