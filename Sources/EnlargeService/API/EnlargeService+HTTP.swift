package import HTTPServer
import Jobs
import Synchronization
import Tensors

/// From requests to routes: what is checked before anything else, and what every answer bears.
extension EnlargeService: HTTPHandler {
    package func plan(for exchange: HTTPExchange) -> HTTPBodyPlan {
        do throws(Problem) {
            return try checked(exchange)
        } catch {
            if error.status == 429 || error.status == 413 { counters.refused(error.code) }
            return .refuse(dressed(error.response, for: exchange))
        }
    }

    private func checked(_ exchange: HTTPExchange) throws(Problem) -> HTTPBodyPlan {
        let request = exchange.request
        let route = try Route(path: request.path)
        if request.method == "OPTIONS", configuration.corsOrigin != nil {
            return .refuse(dressed(HTTPResponse(status: 204), for: exchange))
        }
        guard route.methods.contains(request.method) else {
            throw Problem(
                405, "method_not_allowed", "\(route.methods.joined(separator: ", ")) are possible here",
                headers: [("Allow", route.methods.joined(separator: ", "))])
        }
        if route.needsToken, tokens != nil, owner(request) == nil {
            throw Problem(
                401, "unauthorized", "a token is needed: Authorization: Bearer TOKEN",
                headers: [("WWW-Authenticate", "Bearer")])
        }
        guard request.method == "POST" else { return .discard }
        guard !isDraining.load(ordering: .relaxed) else { throw .shuttingDown }
        // Before the picture is sent: nothing of it could make this right.
        _ = try Parameters(request.query, known: Parameters.picture + (route == .jobs ? ["name"] : [])).picture()
        guard request.isChunked || request.header("content-length") != nil else {
            throw Problem(411, "length_required", "Content-Length is missing")
        }
        let isForm = request.header("content-type")?.lowercased().hasPrefix("multipart/form-data") ?? false
        guard (request.contentLength ?? 0) <= configuration.bodyLimit + (isForm ? 256 << 10 : 0) else {
            throw bodyTooLarge
        }
        let disk = disk
        return .spool(
            HTTPSpoolRules(
                folder: files.spool, fileLimit: configuration.bodyLimit, filePart: "image",
                reserve: { disk.reserve($0) },
                release: { disk.release($0) }))
    }

    private var bodyTooLarge: Problem {
        Problem(413, "body_too_large", "at most \(configuration.bodyLimit) bytes are taken")
    }

    /// The name of the token, empty where there are no tokens, nil for none.
    func owner(_ request: HTTPRequest) -> String? {
        guard let tokens else { return "" }
        return tokens.name(authorization: request.header("authorization"))
    }

    package func respond(to exchange: HTTPExchange) {
        guard let route = try? Route(path: exchange.request.path) else { return }
        switch route {
        case .page(let file):
            exchange.answer(
                dressed(
                    HTTPResponse(
                        status: 200, headers: [("Content-Type", file.type), ("Cache-Control", "no-cache")],
                        body: .constant(WebPage.bytes(of: file))), for: exchange, isPage: true))
        case .health: exchange.answer(HTTPResponse(type: "text/plain", text: "ok\n"))
        default:
            threads.run { [self] in
                // Nobody waits for it any more.
                guard !exchange.isOver else { return }
                do {
                    if let response = try answer(route, exchange) { exchange.answer(dressed(response, for: exchange)) }
                } catch {
                    let problem = Problem(error)
                    if problem.status == 429 || problem.status == 413 { counters.refused(problem.code) }
                    exchange.answer(dressed(problem.response, for: exchange))
                }
            }
        }
    }

    package func answer(to failure: HTTPFailure, of exchange: HTTPExchange) -> HTTPResponse {
        let problem =
            switch failure {
            case .badRequest(let sentence): Problem(400, "bad_request", sentence)
            case .bodyTooLarge: bodyTooLarge
            case .badForm(let sentence): Problem(400, "bad_multipart", sentence)
            case .noRoom: Problem.diskFull
            case .fileFailed(let sentence): Problem(500, "internal_error", sentence)
            case .timeout: Problem(408, "timeout", "the request took longer than \(configuration.requestSeconds) s")
            case .shuttingDown: Problem.shuttingDown
            }
        if problem.status == 413 { counters.refused(problem.code) }
        return dressed(problem.response, for: exchange)
    }

    package func ended(_ exchange: HTTPExchange, status: Int?, isComplete: Bool, seconds: Double) {
        let request = exchange.request
        let route = (try? Route(path: request.path))?.template ?? "other"
        // Methods are the client's words, and metrics must not grow by them.
        let method =
            ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"].contains(request.method)
            ? request.method : "other"
        counters.request(route: route, method: method, status: status ?? 499, seconds: seconds)
        let isRoutine = ["/healthz", "/readyz", "/metrics"].contains(route) && (status ?? 500) < 400
        guard !isRoutine else { return }
        var fields: [(String, JSON)] = [
            ("id", .string(exchange.identifier)), ("client", .string(request.client)), ("method", .string(method)),
            ("route", .string(route)),
            ("status", .optional(status)), ("complete", .boolean(isComplete)), ("seconds", .number(seconds)),
        ]
        if let owner = owner(request), !owner.isEmpty { fields.append(("token", .string(owner))) }
        log((status ?? 499) >= 500 ? .error : .info, "request", fields)
    }

    /// Adds what every answer bears.
    func dressed(_ response: HTTPResponse, for exchange: HTTPExchange, isPage: Bool = false) -> HTTPResponse {
        var response = response
        response.headers += [
            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
            ("Content-Security-Policy", isPage ? Self.pagePolicy : Self.policy),
        ]
        if !response.headers.contains(where: { $0.name == "Cache-Control" }) {
            response.headers.append(("Cache-Control", "no-store"))
        }
        if let origin = configuration.corsOrigin, exchange.request.header("origin") == origin {
            response.headers += [
                ("Access-Control-Allow-Origin", origin), ("Vary", "Origin"),
                ("Access-Control-Allow-Methods", "GET, POST, DELETE"),
                ("Access-Control-Allow-Headers", "Authorization, Content-Type"), ("Access-Control-Max-Age", "600"),
                (
                    "Access-Control-Expose-Headers",
                    "Location, Retry-After, X-Request-Id, X-Enlarge-Model, X-Enlarge-Width, X-Enlarge-Height, X-Enlarge-Seconds"
                ),
            ]
        }
        return response
    }

    private static let policy = "default-src 'none'; frame-ancestors 'none'"
    private static let pagePolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
