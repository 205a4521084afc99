import Tensors

/// A job as a row of `SELECT * FROM jobs`: the columns in the schema's order.
extension Job {
    init(_ row: DatabaseRow, parameters: [String: String]) throws(EnlargerError) {
        guard let text = row.text(1), let id = JobIdentifier(text),
            let state = row.text(14).flatMap(JobState.init(rawValue:))
        else {
            throw EnlargerError(.dataUnusable, "the job database holds an impossible job: \(row.text(1) ?? "no id")")
        }
        func count(_ column: Int32) -> Int { Int(row.integer(column) ?? 0) }
        func time(_ column: Int32) -> JobTime? { row.integer(column).map { JobTime(milliseconds: $0) } }
        let request = JobRequest(
            id: id, owner: row.text(2) ?? "", name: row.text(3), model: row.text(4) ?? "", scale: count(5),
            format: row.text(6) ?? "",
            inputWidth: count(7), inputHeight: count(8), width: count(9), height: count(10), inputBytes: count(11),
            plannedBytes: count(12), expectedSeconds: row.real(13), parameters: parameters)
        self.init(
            request: request, state: state, progress: row.real(15) ?? 0, created: time(16) ?? JobTime(milliseconds: 0),
            started: time(17), finished: time(18), expires: time(19), seconds: row.real(20),
            resultBytes: row.integer(21).map { Int($0) },
            attempts: count(22), problem: row.text(23).map { JobProblem(code: $0, message: row.text(24) ?? "") })
    }
}

extension Database {
    /// The jobs that a `SELECT * FROM jobs` or a `RETURNING *` finds.
    func jobs(_ sql: StaticString, _ values: [DatabaseValue]) throws(EnlargerError) -> [Job] {
        try rows(sql, values) { row throws(EnlargerError) in
            let pairs = try rows("SELECT key, value FROM parameters WHERE job = ?", [.optional(row.integer(0))]) {
                row in
                (row.text(0) ?? "", row.text(1) ?? "")
            }
            return try Job(row, parameters: Dictionary(pairs) { first, _ in first })
        }
    }

    func insert(_ request: JobRequest, now: JobTime) throws(EnlargerError) {
        try run(
            """
            INSERT INTO jobs (id, owner, name, model, scale, format, input_width, input_height, width, height, input_bytes,
                planned_bytes, expected_seconds, state, progress, created, attempts, ready)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'queued', 0, ?14, 0, 0)
            """,
            [
                .text(request.id.description), .text(request.owner), .optional(request.name), .text(request.model),
                .integer(Int64(request.scale)), .text(request.format), .integer(Int64(request.inputWidth)),
                .integer(Int64(request.inputHeight)), .integer(Int64(request.width)), .integer(Int64(request.height)),
                .integer(Int64(request.inputBytes)), .integer(Int64(request.plannedBytes)),
                .optional(request.expectedSeconds),
                .integer(now.milliseconds),
            ])
        for (key, value) in request.parameters {
            try run("INSERT INTO parameters VALUES (last_insert_rowid(), ?, ?)", [.text(key), .text(value)])
        }
    }
}
