import FoundationEssentials
import Jobs
import Tensors

/// What a worker is given: enough to make the job's record where that is missing.
struct JobTicket: Codable {
    /// A worker leaves tickets of later versions to workers that know them.
    static let version = 1

    var version = JobTicket.version
    var request: StoredRequest
    var created: Int64

    /// - Throws: `dataUnusable` for a later version than this one.
    static func checkVersion(_ bytes: [UInt8], _ what: String) throws(EnlargerError) {
        struct Version: Decodable { var version: Int }
        if let found = try? decoded(bytes, "") as Version, found.version > version { throw isNewer(what, found.version) }
    }

    static func isNewer(_ what: String, _ found: Int) -> EnlargerError {
        EnlargerError(.dataUnusable, "\(what) of version \(found) is left to newer programs; this one knows version \(version)")
    }
}

/// A job's state, in the key-value bucket under its owner and identifier; changed by compare-and-set alone.
struct JobRecord: Codable {
    var version = JobTicket.version
    var request: StoredRequest
    var state: JobState
    /// The ticket's sequence: the order of submission. Another ticket of the same job is void.
    var ticket: UInt64
    /// In the place of a ticket that was lost: the next one will do.
    static let anyTicket: UInt64 = 0
    var progress = 0.0
    /// Milliseconds since 1970.
    var created: Int64
    var started: Int64?
    var finished: Int64?
    var expires: Int64?
    /// Not to be begun before.
    var ready: Int64?
    var seconds: Double?
    var resultBytes: Int?
    var attempts = 0
    var problem: StoredProblem?
    /// Of the last claim.
    var token: String?
    var worker: String?
    /// When that worker was heard of last.
    var beat: Int64?
    /// Of this write alone: who lost the answer to a write knows it by this.
    var write = ""

    struct StoredProblem: Codable {
        var code: String
        var message: String
    }

    init(_ ticket: JobTicket, sequence: UInt64) {
        request = ticket.request
        state = .queued
        self.ticket = sequence
        created = ticket.created
    }

    var job: Job {
        func time(_ milliseconds: Int64?) -> JobTime? { milliseconds.map { JobTime(milliseconds: $0) } }
        return Job(
            request: request.request, state: state, progress: progress, created: JobTime(milliseconds: created), started: time(started),
            finished: time(finished), expires: time(expires), seconds: seconds, resultBytes: resultBytes, attempts: attempts,
            problem: problem.map { JobProblem(code: $0.code, message: $0.message) })
    }

    var bytes: [UInt8] {
        // Every field can be written: numbers were checked to be finite where they came in.
        [UInt8](try! JSONEncoder().encode(self))
    }

    /// - Throws: `dataUnusable` for what is no record, or one of a later version, of which this one would lose a part.
    init(_ bytes: [UInt8]) throws(EnlargerError) {
        do throws(EnlargerError) {
            self = try decoded(bytes, "a job's record in the queue")
        } catch {
            try JobTicket.checkVersion(bytes, "a job's record")
            throw error
        }
        guard version <= JobTicket.version else { throw JobTicket.isNewer("a job's record", version) }
    }
}

/// `JobRequest` as it is stored.
struct StoredRequest: Codable {
    var id: String
    var owner: String
    var name: String?
    var model: String
    var scale: Int
    var format: String
    var inputWidth, inputHeight, width, height, inputBytes, plannedBytes: Int
    var expectedSeconds: Double?
    var parameters: [String: String]

    init(_ request: JobRequest) {
        (id, owner, name, model, scale, format) = (
            request.id.description, request.owner, request.name, request.model, request.scale, request.format
        )
        (inputWidth, inputHeight, width, height) = (request.inputWidth, request.inputHeight, request.width, request.height)
        (inputBytes, plannedBytes) = (request.inputBytes, request.plannedBytes)
        expectedSeconds = request.expectedSeconds.flatMap { $0.isFinite ? $0 : nil }
        parameters = request.parameters
    }

    var request: JobRequest {
        JobRequest(
            id: JobIdentifier(id) ?? JobIdentifier(), owner: owner, name: name, model: model, scale: scale, format: format,
            inputWidth: inputWidth, inputHeight: inputHeight, width: width, height: height, inputBytes: inputBytes,
            plannedBytes: plannedBytes, expectedSeconds: expectedSeconds, parameters: parameters)
    }
}

/// - Throws: `dataUnusable`.
func decoded<Value: Decodable>(_ bytes: [UInt8], _ what: String) throws(EnlargerError) -> Value {
    do {
        return try JSONDecoder().decode(Value.self, from: Data(bytes))
    } catch {
        throw EnlargerError(.dataUnusable, "\(what) cannot be read: \(error)")
    }
}

func encoded(_ value: some Encodable) -> [UInt8] { [UInt8](try! JSONEncoder().encode(value)) }
