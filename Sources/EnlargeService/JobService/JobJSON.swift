import Jobs

extension Job {
    /// As the API shows it.
    var json: JSON {
        func time(_ moment: JobTime?) -> JSON {
            moment.map { .string(RFC3339.text(milliseconds: $0.milliseconds)) } ?? .null
        }
        // Why an attempt failed is a failure of the job only when it was the last one.
        let error = state == .failed ? problem.map { Problem(job: $0).json } : nil
        return .object([
            ("id", .string(id.description)), ("state", .string(state.rawValue)), ("progress", .number(progress)),
            ("model", .string(request.model)),
            ("scale", .integer(request.scale)), ("format", .string(request.format)), ("name", .optional(request.name)),
            ("created", time(created)),
            ("started", time(started)), ("finished", time(finished)), ("expires", time(expires)),
            ("input_width", .integer(request.inputWidth)),
            ("input_height", .integer(request.inputHeight)), ("width", .integer(request.width)),
            ("height", .integer(request.height)),
            ("planned_bytes", .integer(request.plannedBytes)), ("expected_seconds", .optional(request.expectedSeconds)),
            ("seconds", .optional(seconds)), ("result_bytes", .optional(resultBytes)), ("attempts", .integer(attempts)),
            ("error", error ?? .null),
        ])
    }
}

extension Problem {
    /// A job's problem, with the status that the same failure has for `POST /v1/upscale`.
    init(job: JobProblem) {
        let statuses = [
            "model_not_found": 404, "picture_invalid": 422, "picture_too_large": 413, "picture_unsupported": 415,
            "does_not_fit": 413,
            "disk_full": 507, "bad_parameter": 400, "shutting_down": 503,
        ]
        self.init(statuses[job.code] ?? 500, job.code, job.message)
    }
}

extension PictureParameters {
    /// What a job keeps of them beside its model, scale and format.
    var kept: [String: String] {
        ["precision": "\(precision)", "chroma": "\(chroma)", "augment": isAugmented ? "true" : "false"]
    }

    /// The parameters with which a job was submitted.
    init(_ request: JobRequest) throws {
        let list =
            request.parameters.filter { Parameters.picture.contains($0.key) }.map { (name: $0.key, value: $0.value) } + [
                ("model", request.model), ("scale", String(request.scale)), ("format", request.format),
            ]
        self = try Parameters(list, known: Parameters.picture).picture()
    }
}
