import Glibc
import HTTPServer
import Tensors

/// An error as RFC 9457 has it, with a stable code.
struct Problem: Error, Sendable {
    var status: Int
    var code: String
    var detail: String
    /// What the code adds.
    var members: [(String, JSON)] = []
    var headers: [(name: String, value: String)] = []

    init(
        _ status: Int, _ code: String, _ detail: String, members: [(String, JSON)] = [],
        headers: [(name: String, value: String)] = []
    ) {
        self.status = status
        self.code = code
        self.detail = detail
        self.members = members
        self.headers = headers
    }

    static func badParameter(_ name: String, _ detail: String) -> Problem {
        Problem(400, "bad_parameter", "\(name): \(detail)", members: [("parameter", .string(name))])
    }
    static let shuttingDown = Problem(
        503, "shutting_down", "the service is shutting down", headers: [("Retry-After", "10")])
    static let jobNotFound = Problem(404, "job_not_found", "there is no such job")
    static let diskFull = Problem(507, "disk_full", "the service has no room on its disk for this")

    static func queueFull(seconds: Int) -> Problem {
        Problem(
            429, "queue_full", "as many pictures wait as may; try again in \(seconds) s",
            headers: [("Retry-After", String(max(1, seconds)))])
    }

    init(_ error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        case SubmitError.queueFull(let seconds): self = .queueFull(seconds: seconds)
        case SubmitError.shuttingDown: self = .shuttingDown
        case let error as EnlargerError: self.init(error)
        default: self.init(500, "internal_error", "\(error)")
        }
    }

    init(_ error: EnlargerError) {
        switch error.code {
        case .usage: self.init(400, "bad_parameter", error.message)
        case .noDevice: self = .badParameter("precision", error.message)
        case .modelNotFound: self.init(404, "model_not_found", error.message)
        case .pictureInvalid, .pictureNotFound: self.init(422, "picture_invalid", error.message)
        case .pictureTooLarge: self.init(413, "picture_too_large", error.message)
        case .pictureUnsupported: self.init(415, "picture_unsupported", error.message)
        case .doesNotFit:
            let bytes = error.shortage.map {
                [("needed_bytes", JSON.integer($0.neededBytes)), ("budget_bytes", JSON.integer($0.budgetBytes))]
            }
            self.init(413, "does_not_fit", error.message, members: bytes ?? [])
        case .badResult: self.init(500, "bad_result", error.message)
        case .diskFull: self = .diskFull
        // The picture libraries tell of it in a sentence alone.
        case .outputFailed where error.message.contains(String(cString: strerror(ENOSPC))): self = .diskFull
        case .queueFull: self = Problem(429, "queue_full", error.message, headers: [("Retry-After", "60")])
        case .cancelled: self = .shuttingDown
        case .queueUnavailable, .storeUnavailable, .accessRefused:
            // What the queue or the store says names machines that are no client's business.
            self.init(503, "not_ready", "the queue or the store of pictures is not reached", headers: [("Retry-After", "10")])
        case .blobNotFound: self.init(422, "picture_invalid", error.message)
        case .modelInvalid, .modelUnsupported, .outputFailed, .allocationFailed, .deviceLost, .downloadFailed, .dataUnusable:
            self.init(500, "internal_error", error.message)
        }
    }

    var json: JSON {
        .object(
            [
                ("type", .string("about:blank")), ("title", .string(Problem.titles[status] ?? "Error")),
                ("status", .integer(status)),
                ("detail", .string(detail)), ("code", .string(code)),
            ] + members)
    }

    var response: HTTPResponse {
        HTTPResponse(
            status: status, headers: [("Content-Type", "application/problem+json")] + headers,
            body: .bytes(Array(json.text.utf8)))
    }

    private static let titles = [
        400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
        409: "Conflict",
        411: "Length Required", 413: "Content Too Large", 415: "Unsupported Media Type", 416: "Range Not Satisfiable",
        422: "Unprocessable Content", 429: "Too Many Requests", 500: "Internal Server Error",
        503: "Service Unavailable",
        507: "Insufficient Storage",
    ]
}
