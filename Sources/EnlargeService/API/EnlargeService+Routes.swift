import CPUBackend
import Enlarger
import Glibc
import HTTPServer
import Jobs
import ModelFormats
import NetworkGraph
import PictureIO
import StreamPlanner
import Synchronization
import Tensors

/// The routes. They run on threads that may block.
extension EnlargeService {
    /// - Returns: nil where the answer comes later.
    func answer(_ route: Route, _ exchange: HTTPExchange) throws -> HTTPResponse? {
        let request = exchange.request
        switch (route, request.method) {
        case (.upscale, _):
            try upscale(exchange)
            return nil
        case (.jobs, "POST"): return try submitJob(exchange)
        case (.jobs, _): return try listJobs(request)
        case (.job(let id), "DELETE"): return try deleteJob(id, request)
        case (.job(let id), _): return json(hub.current(try job(id, request)).json)
        case (.jobEvents(let id), _): return try follow(id, exchange)
        case (.jobResult(let id), _): return try result(id, request)
        case (.models, _):
            _ = try Parameters(request.query, known: [])
            return json(
                .object([
                    ("default", .string(configuration.defaultModel)),
                    ("models", .array(engine.store.all().map(\.json))),
                ]))
        case (.plan, _): return try plan(request)
        case (.devices, _):
            _ = try Parameters(request.query, known: [])
            return try devices()
        case (.openAPI, _):
            return HTTPResponse(
                status: 200, headers: [("Content-Type", "application/json")],
                body: .constant(WebPage.bytes(of: WebPage.openAPI)))
        case (.ready, _): return try ready()
        case (.metrics, _): return HTTPResponse(type: "text/plain; version=0.0.4; charset=utf-8", text: metrics())
        case (.page, _), (.health, _): return nil  // answered on the network's threads
        }
    }

    private func json(_ value: JSON, status: Int = 200, headers: [(name: String, value: String)] = []) -> HTTPResponse {
        HTTPResponse(
            status: status, headers: [("Content-Type", "application/json")] + headers,
            body: .bytes(Array(value.text.utf8)))
    }

    // MARK: Pictures

    /// The body and what is to be done with it.
    private func picture(_ exchange: HTTPExchange, extra: [String] = []) throws -> (
        input: HTTPSpool, picture: PreparedPicture, parameters: Parameters
    ) {
        guard let input = exchange.takeBody() else { throw Problem(400, "bad_request", "there is no body") }
        guard input.count > 0 else { throw Problem(422, "picture_invalid", "the picture is empty") }
        let parameters = try Parameters(exchange.request.query, fields: input.fields, known: Parameters.picture + extra)
        let picture = try engine.prepare(descriptor: input.descriptor, parameters: parameters.picture())
        return (input, picture, parameters)
    }

    private func upscale(_ exchange: HTTPExchange) throws {
        let (input, picture, _) = try picture(exchange)
        let answer = UpscaleAnswer(
            exchange: exchange, picture: picture, input: input, output: try files.unnamed(), disk: disk
        ) {
            self.dressed($0, for: exchange)
        }
        try answer.submit(to: engine, counters: counters)
    }

    private func plan(_ request: HTTPRequest) throws -> HTTPResponse {
        let parameters = try Parameters(
            request.query, known: ["width", "height", "scale", "model", "precision", "alpha", "bits"])
        guard let width = try parameters.integer("width", in: 1...1_000_000) else {
            throw Problem.badParameter("width", "it is missing")
        }
        guard let height = try parameters.integer("height", in: 1...1_000_000) else {
            throw Problem.badParameter("height", "it is missing")
        }
        let bits = try parameters.integer("bits", in: 8...16) ?? 8
        guard bits == 8 || bits == 16 else { throw Problem.badParameter("bits", "8 or 16 is needed") }
        let kind = PictureKind(colourChannels: 3, hasAlpha: try parameters.boolean("alpha"))
        let settings = engine.settings
        let (model, planner) = try engine.planner(
            width: width, height: height, kind: kind, bits: bits, parameters: parameters.picture())
        let scale = model.model.scale
        guard width * height <= settings.maxPixels, width * scale * height * scale <= settings.maxOutputPixels else {
            throw Problem(
                413, "picture_too_large",
                "at most \(settings.maxPixels) pixels are taken, and \(settings.maxOutputPixels) made")
        }
        // As a PNG on both ways: the budget holds decoder and encoder too.
        let codecs = PictureCodecs.streamingBytes(
            width: width, height: height, scale: scale, bits: bits, colourChannels: kind.colourChannels, hasAlpha: kind.hasAlpha)
        let plan = try? planner.plan(width: width, height: height, budget: settings.memory - codecs)
        let slowness = (planner.costs as? CPUDevice)?.slowness ?? 1
        return json(
            .object([
                ("fits", .boolean(plan != nil)), ("planned_bytes", .optional(plan.map { $0.plannedBytes + codecs })),
                ("minimum_bytes", .integer(planner.minimumBytes(width: width, height: height) + codecs)),
                ("weights_bytes", .integer(planner.weightsBytes)),
                ("activation_bytes", .optional(plan?.activationBytes)),
                ("scratch_bytes", .optional(plan?.scratchBytes)),
                ("io_bytes", .optional(plan?.ioBytes)), ("codec_bytes", .integer(codecs)),
                ("band_rows", .optional(plan?.bandRows)),
                ("strips", .optional(plan?.stripCount)), ("passes", .optional(plan?.passes.count)),
                ("temporary_bytes", .optional(plan?.temporaryBytes)),
                ("expected_seconds", .optional(plan.map { $0.seconds * slowness })), ("budget_bytes", .integer(settings.memory)),
            ]))
    }

    private func devices() throws -> HTTPResponse {
        let device = try CPUDevice()
        let precisions = (try? CPUDevice(usesBFloat16: true)) == nil ? ["fp32"] : ["fp32", "bf16"]
        return json(
            .object([
                (
                    "devices",
                    .array([
                        .object([
                            ("name", .string(device.name)), ("kind", .string("cpu")),
                            ("threads", .integer(engine.settings.threads)),
                            ("precisions", .array(precisions.map(JSON.string))),
                        ])
                    ])
                )
            ]))
    }

    // MARK: Jobs

    private func submitJob(_ exchange: HTTPExchange) throws -> HTTPResponse {
        let (input, picture, parameters) = try picture(exchange, extra: ["name"])
        let name = parameters.text("name")
        if let name, name.unicodeScalars.count > 200 || name.unicodeScalars.contains("\0") {
            throw Problem.badParameter("name", "at most 200 characters are kept, none of them zero")
        }
        var request = JobRequest(
            owner: owner(exchange.request) ?? "", name: name, model: picture.model.model.name,
            scale: picture.model.model.scale,
            format: picture.format.rawValue, inputWidth: picture.info.width, inputHeight: picture.info.height,
            width: picture.width,
            height: picture.height, inputBytes: input.count, plannedBytes: picture.plannedBytes,
            expectedSeconds: picture.expectedSeconds,
            parameters: picture.parameters.kept)
        // One service alone does it as one run in any case.
        if store != nil { request = request.cut(into: try configuration.cut.partCount(picture)) }
        // What the queue certainly does not take leaves no picture in the store.
        try queue.checkConnected()
        if try pictures.keepInput(request, descriptor: input.descriptor, path: input.path!) { input.taken() }
        do throws(EnlargerError) {
            let job = try queue.submit(request)
            return json(job.json, status: 202, headers: [("Location", "/v1/jobs/\(job.id)")])
        } catch {
            // A queue that did not answer may have taken the job all the same; then its picture is needed, and goes with it.
            if error.code != .queueUnavailable { pictures.removeAll(of: request.id) }
            throw error
        }
    }

    private func job(_ id: JobIdentifier, _ request: HTTPRequest) throws -> Job {
        _ = try Parameters(request.query, known: [])
        guard let job = try queue.job(id, owner: owner(request) ?? "") else { throw Problem.jobNotFound }
        return job
    }

    private func listJobs(_ request: HTTPRequest) throws -> HTTPResponse {
        let parameters = try Parameters(request.query, known: ["limit", "after"])
        let limit = try parameters.integer("limit", in: 1...500) ?? 50
        var after: JobIdentifier?
        if let text = parameters.text("after") {
            guard let id = JobIdentifier(text) else { throw Problem.badParameter("after", "a job's id is meant") }
            after = id
        }
        // One more than is shown tells whether there is more.
        guard let jobs = try queue.jobs(owner: owner(request) ?? "", limit: limit + 1, after: after) else {
            throw Problem.jobNotFound
        }
        let shown = jobs.prefix(limit)
        return json(
            .object([
                ("jobs", .array(shown.map { hub.current($0).json })),
                ("next", jobs.count > limit ? .string(shown.last!.id.description) : .null),
            ]))
    }

    private func deleteJob(_ id: JobIdentifier, _ request: HTTPRequest) throws -> HTTPResponse {
        let job = try job(id, request)
        let owner = job.request.owner
        if !job.state.isFinished, let cancelled = try queue.cancel(id, owner: owner), cancelled.state == .cancelled {
            hub.publish(cancelled)
            if let worker { worker.cancel(cancelled) } else { pictures.removeInput(of: cancelled) }
        }
        _ = try queue.remove(id, owner: owner)
        if let store { PartJobs(of: job.request, queue: queue, store: store)?.remove() }
        pictures.removeResult(of: job)
        return HTTPResponse(status: 204)
    }

    private func follow(_ id: JobIdentifier, _ exchange: HTTPExchange) throws -> HTTPResponse {
        let stream = EventStream(job: id, hub: hub, exchange: exchange)
        // First: what changes from now on is not missed.
        hub.join(stream)
        do {
            stream.add(hub.current(try job(id, exchange.request)))
        } catch {
            hub.leave(stream)
            throw error
        }
        if isDraining.load(ordering: .relaxed) { stream.end() }
        return HTTPResponse(
            status: 200, headers: [("Content-Type", "text/event-stream"), ("X-Accel-Buffering", "no")],
            body: .stream(stream))
    }

    private func result(_ id: JobIdentifier, _ request: HTTPRequest) throws -> HTTPResponse {
        let job = try job(id, request)
        switch job.state {
        case .queued, .running: throw Problem(409, "not_done", "the job is \(job.state.rawValue)")
        case .failed, .cancelled: throw Problem(409, "job_failed", job.problem?.message ?? "the job was cancelled")
        case .done: break
        }
        let file: Int32
        do throws(EnlargerError) {
            file = try pictures.openResult(of: job)
        } catch {
            // It may have expired a moment ago.
            throw error.code == .blobNotFound ? Problem.jobNotFound : Problem(error)
        }
        let size = byteCount(file)
        let type = PictureFormat(rawValue: job.request.format)?.mediaType ?? "application/octet-stream"
        var headers: [(name: String, value: String)] = [
            ("Content-Type", type), ("Accept-Ranges", "bytes"), ("Content-Disposition", FileName(of: job).disposition),
        ]
        switch request.method == "GET" ? ByteRange(request.header("range"), of: size) : .whole {
        case .whole:
            return HTTPResponse(status: 200, headers: headers, body: .file(descriptor: file, offset: 0, count: size))
        case .part(let offset, let count):
            headers.append(("Content-Range", "bytes \(offset)-\(offset + count - 1)/\(size)"))
            return HTTPResponse(
                status: 206, headers: headers, body: .file(descriptor: file, offset: offset, count: count))
        case .unsatisfiable:
            close(file)
            throw Problem(
                416, "bad_range", "the picture has \(size) bytes", headers: [("Content-Range", "bytes */\(size)")])
        }
    }

    // MARK: Readiness

    private func ready() throws -> HTTPResponse {
        guard !isDraining.load(ordering: .relaxed) else { throw Problem.shuttingDown }
        do throws(EnlargerError) {
            try queue.checkWritable()
        } catch {
            throw Problem(503, "not_ready", error.message)
        }
        return HTTPResponse(type: "text/plain", text: "ready\n")
    }
}

extension ServedModel {
    var json: JSON {
        let model = model.model
        return .object([
            ("name", .string(self.model.name)), ("scales", .array(Set(model.scales).sorted().map(JSON.integer))),
            ("parameters", .integer(ModelFacts(model).parameters)),
            ("channels", .string(model.processing.channels.rawValue)),
            ("licence", .optional(model.metadata["licence"])),
            ("description", .optional(model.metadata["description"])),
        ])
    }
}
