import Jobs

/// What a path means.
enum Route: Sendable, Equatable {
    case page(WebPage.File)
    case upscale, jobs
    case job(JobIdentifier)
    case jobEvents(JobIdentifier)
    case jobResult(JobIdentifier)
    case models, plan, devices, openAPI, health, ready, metrics

    /// - Throws: a problem with status 404.
    init(path: String) throws(Problem) {
        switch path {
        case "/v1/upscale": self = .upscale
        case "/v1/jobs": self = .jobs
        case "/v1/models": self = .models
        case "/v1/plan": self = .plan
        case "/v1/devices": self = .devices
        case "/openapi.json": self = .openAPI
        case "/healthz": self = .health
        case "/readyz": self = .ready
        case "/metrics": self = .metrics
        default:
            if let file = WebPage.file(path: path) {
                self = .page(file)
                return
            }
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 4 || parts.count == 5, parts[0] == "", parts[1] == "v1", parts[2] == "jobs" else {
                throw Problem(404, "not_found", "there is nothing at this path")
            }
            guard let id = JobIdentifier(parts[3]) else { throw Problem.jobNotFound }
            switch parts.count == 5 ? parts[4] : "" {
            case "" where parts.count == 4: self = .job(id)
            case "events": self = .jobEvents(id)
            case "result": self = .jobResult(id)
            default: throw Problem(404, "not_found", "there is nothing at this path")
            }
        }
    }

    /// Its methods; HEAD goes with GET.
    var methods: [String] {
        switch self {
        case .upscale: ["POST"]
        case .jobs: ["GET", "HEAD", "POST"]
        case .job: ["GET", "HEAD", "DELETE"]
        default: ["GET", "HEAD"]
        }
    }

    /// For metrics and logs: no identifiers in it.
    var template: String {
        switch self {
        case .page: "/"
        case .upscale: "/v1/upscale"
        case .jobs: "/v1/jobs"
        case .job: "/v1/jobs/{id}"
        case .jobEvents: "/v1/jobs/{id}/events"
        case .jobResult: "/v1/jobs/{id}/result"
        case .models: "/v1/models"
        case .plan: "/v1/plan"
        case .devices: "/v1/devices"
        case .openAPI: "/openapi.json"
        case .health: "/healthz"
        case .ready: "/readyz"
        case .metrics: "/metrics"
        }
    }

    /// Where there are tokens, one is needed.
    var needsToken: Bool {
        switch self {
        case .upscale, .jobs, .job, .jobEvents, .jobResult, .models, .plan, .devices: true
        case .page, .openAPI, .health, .ready, .metrics: false
        }
    }
}
