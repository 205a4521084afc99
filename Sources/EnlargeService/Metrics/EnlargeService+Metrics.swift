import HTTPServer
import Jobs
import NATSQueue
import Synchronization

/// `GET /metrics`: names and units as Prometheus' conventions have them.
extension EnlargeService {
    func metrics() -> String {
        let now = counters.now
        let process = ProcessFigures()
        let requests = now.requests.sorted {
            ($0.key.route, $0.key.method, $0.key.status) < ($1.key.route, $1.key.method, $1.key.status)
        }
        var families = [
            MetricFamily(
                "enlarge_build_info", .gauge, "The version that runs; always 1.", [([("version", version)], 1)]),
            MetricFamily(
                "enlarge_http_requests_total", .counter,
                "Requests that are over, by route, method and status; 499: the client left first.",
                requests.map {
                    (
                        [("route", $0.key.route), ("method", $0.key.method), ("status", String($0.key.status))],
                        Double($0.value)
                    )
                }),
            .histogram(
                "enlarge_http_request_duration_seconds", "From a request's header to the end of its answer.",
                now.requestSeconds.sorted { $0.key < $1.key }.map { ([("route", $0.key)], $0.value) }),
            MetricFamily(
                "enlarge_http_connections", .gauge, "Open connections.",
                Double(server.withLock { $0 }?.connectionCount ?? 0)),
            MetricFamily(
                "enlarge_admission_refused_total", .counter, "Pictures that were refused, by the problem's code.",
                now.refusals.sorted { $0.key < $1.key }.map { ([("reason", $0.key)], Double($0.value)) }),
            MetricFamily("enlarge_data_bytes", .gauge, "Inputs, results and spool on the disk.", Double(disk.bytes)),
            MetricFamily("enlarge_data_limit_bytes", .gauge, "What they may take.", Double(disk.limit)),
        ]
        if let counts = try? queue.counts() {
            families.append(
                MetricFamily(
                    "enlarge_jobs", .gauge, "Jobs that the database knows, by state.",
                    JobState.allCases.map { ([("state", $0.rawValue)], Double(counts[$0] ?? 0)) }))
        }
        if let age = try? queue.oldestQueuedAge() ?? .zero {
            families.append(
                MetricFamily(
                    "enlarge_jobs_oldest_queued_seconds", .gauge,
                    "How long the oldest waiting job has waited; 0 where none waits.",
                    Double(age.components.seconds)))
        }
        if let queue = queue as? JetStreamJobQueue, let figures = try? queue.figures() { families += figures.families }
        if let workers = try? registry?.workers() { families.append(WorkerAnnouncement.family(workers)) }
        families += MetricFamily.engine(engine, now) + process.families + GPUFigures.families
        return families.map(\.text).joined()
    }
}

extension ProcessFigures {
    var families: [MetricFamily] {
        [
            MetricFamily("process_resident_memory_bytes", .gauge, "Resident memory.", Double(residentBytes)),
            MetricFamily("process_cpu_seconds_total", .counter, "Processor time.", cpuSeconds),
            MetricFamily("process_open_fds", .gauge, "Open file descriptors.", Double(openDescriptors)),
            MetricFamily("process_max_fds", .gauge, "The limit of open file descriptors.", Double(descriptorLimit)),
            MetricFamily(
                "process_start_time_seconds", .gauge, "When the process began, in seconds since 1970.", startTime),
        ]
    }
}
