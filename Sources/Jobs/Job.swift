package enum JobState: String, Sendable, CaseIterable, Codable {
    case queued, running, done, failed, cancelled

    package var isFinished: Bool { self != .queued && self != .running }
}

/// Why a job failed: a stable code and a sentence.
package struct JobProblem: Sendable, Equatable {
    package var code: String
    package var message: String

    package init(code: String, message: String) {
        self.code = code
        self.message = message
    }
}

/// What a job is when it is submitted; it never changes.
package struct JobRequest: Sendable, Equatable {
    package var id: JobIdentifier
    /// The name of the token that submitted it; empty where there are no tokens.
    package var owner: String
    package var name: String?
    package var model: String
    package var scale: Int
    package var format: String
    /// Of the input and of the result, in pixels.
    package var inputWidth, inputHeight, width, height: Int
    package var inputBytes: Int
    /// What the run takes of the memory budget.
    package var plannedBytes: Int
    package var expectedSeconds: Double?
    /// Settings that only the worker understands.
    package var parameters: [String: String]

    package init(
        id: JobIdentifier = JobIdentifier(), owner: String = "", name: String? = nil, model: String, scale: Int,
        format: String,
        inputWidth: Int, inputHeight: Int, width: Int, height: Int, inputBytes: Int = 0, plannedBytes: Int,
        expectedSeconds: Double? = nil, parameters: [String: String] = [:]
    ) {
        self.id = id
        self.owner = owner
        self.name = name
        self.model = model
        self.scale = scale
        self.format = format
        self.inputWidth = inputWidth
        self.inputHeight = inputHeight
        self.width = width
        self.height = height
        self.inputBytes = inputBytes
        self.plannedBytes = plannedBytes
        self.expectedSeconds = expectedSeconds
        self.parameters = parameters
    }

    /// Jobs that are parts of another one belong to nobody who asks for jobs, and are not counted as jobs of their own.
    package static func ownerOfParts(of whole: JobIdentifier) -> String { ownersOfParts + whole.description }
    /// With which the names of such owners begin.
    package static let ownersOfParts = "parts "
}

package struct Job: Sendable, Equatable {
    package var request: JobRequest
    package var state: JobState
    /// 0...1
    package var progress: Double
    package var created: JobTime
    /// When the latest attempt began.
    package var started: JobTime?
    package var finished: JobTime?
    /// When it and its result go; known once it is finished.
    package var expires: JobTime?
    /// What the run took.
    package var seconds: Double?
    package var resultBytes: Int?
    /// How often it was begun, this time included.
    package var attempts: Int
    /// Why it failed, or why the last attempt did.
    package var problem: JobProblem?

    package var id: JobIdentifier { request.id }

    package init(
        request: JobRequest, state: JobState = .queued, progress: Double = 0, created: JobTime, started: JobTime? = nil,
        finished: JobTime? = nil, expires: JobTime? = nil, seconds: Double? = nil, resultBytes: Int? = nil, attempts: Int = 0,
        problem: JobProblem? = nil
    ) {
        self.request = request
        self.state = state
        self.progress = progress
        self.created = created
        self.started = started
        self.finished = finished
        self.expires = expires
        self.seconds = seconds
        self.resultBytes = resultBytes
        self.attempts = attempts
        self.problem = problem
    }
}

/// The right to work on a job until the lease ends.
package struct JobClaim: Sendable, Equatable {
    package let job: Job
    /// Random, of this claim alone: what a lost claim still tries is refused by it.
    package let token: JobIdentifier

    package init(job: Job, token: JobIdentifier) {
        self.job = job
        self.token = token
    }
}

/// What became of a claim.
package enum ClaimStatus: Sendable, Equatable {
    /// It held, and what was asked is done.
    case held
    /// The job was cancelled: stop. Nothing was changed.
    case cancelled
    /// The lease ran out and the job went elsewhere, or the job is gone: stop. Nothing was changed.
    case lost
}
