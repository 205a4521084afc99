import CMicroHTTP
import Glibc
import Synchronization
package import Tensors

/// HTTP/1.1 on libmicrohttpd: a few threads that serve all connections by epoll. A connection sleeps while its answer is
/// made elsewhere, so the number of requests under way is no number of threads.
package final class HTTPServer: Sendable {
    package struct Settings: Sendable {
        package var address = "127.0.0.1"
        /// 0: a free one.
        package var port: UInt16 = 0
        package var threads = 2
        package var connectionLimit = 1000
        package var connectionsPerClient = 100
        package var headerSeconds = 10
        package var idleSeconds = 60
        package var requestSeconds = 900
        /// PEM texts, both or none.
        package var certificate: String?
        package var key: String?

        package init() {}
    }

    package let port: UInt16
    let settings: Settings
    let handler: any HTTPHandler
    private let log: @Sendable (String) -> Void
    private let state = Mutex(State())
    private nonisolated(unsafe) var daemon: OpaquePointer! = nil

    private struct State {
        var connections: [ObjectIdentifier: Connection] = [:]
        var requests = 0
        var isStopping = false
        var hasStopped = false
    }

    /// Of a refused request's body, what is read so that the client comes to read the answer.
    private static let discardLimit = 16 << 20
    private static let headerBytes = 32 << 10

    /// Starts to serve.
    /// - Throws: `usage` for an address that there is not or TLS files that make no sense, `outputFailed`.
    package init(settings: Settings, handler: any HTTPHandler, log: @escaping @Sendable (String) -> Void = { _ in })
        throws(EnlargerError)
    {
        self.settings = settings
        self.handler = handler
        self.log = log
        let socket = try ListeningSocket(address: settings.address, port: settings.port)
        port = socket.port
        let callbacks = HTTPServer.callbacks(Unmanaged.passUnretained(self).toOpaque())
        let daemon = withOptional(settings.certificate) { certificate in
            withOptional(settings.key) { key in
                var options = hs_options(
                    listening_socket: socket.descriptor, threads: UInt32(settings.threads),
                    connections: UInt32(settings.connectionLimit),
                    connections_per_client: UInt32(settings.connectionsPerClient),
                    idle_seconds: UInt32(settings.idleSeconds),
                    memory: HTTPServer.headerBytes, certificate: certificate, key: key)
                return withUnsafePointer(to: callbacks) { hs_start(&options, $0) }
            }
        }
        guard let daemon else {
            close(socket.descriptor)
            throw EnlargerError(
                .usage,
                settings.certificate == nil
                    ? "the HTTP server cannot start" : "the TLS certificate and key cannot be used")
        }
        self.daemon = daemon
        watch()
    }

    package var connectionCount: Int { state.withLock { $0.connections.count } }
    package var requestCount: Int { state.withLock { $0.requests } }

    /// Takes no more connections, gives what runs `grace` seconds, and ends the rest. To be called once.
    package func stop(grace: Double) {
        let socket = hs_quiesce(daemon)
        if socket >= 0 { close(socket) }
        let end = seconds() + grace
        while requestCount > 0, seconds() < end { usleep(20_000) }
        state.withLock { $0.isStopping = true }
        let last = seconds() + 5
        while requestCount > 0, seconds() < last {
            for connection in connections {
                if let exchange = connection.exchange {
                    exchange.leave(.shutdown, answer: handler.answer(to: .shuttingDown, of: exchange))
                }
            }
            usleep(20_000)
        }
        // With a request under way a connection may sleep, and the library must not be stopped over that.
        if requestCount == 0 { hs_stop(daemon) }
        state.withLock { $0.hasStopped = true }
    }

    private var connections: [Connection] { state.withLock { Array($0.connections.values) } }

    // MARK: The clock

    private func watch() {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { server in
                let server = Unmanaged<HTTPServer>.fromOpaque(server!).takeRetainedValue()
                while !server.state.withLock({ $0.hasStopped }) {
                    server.check(seconds())
                    usleep(250_000)
                }
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        pthread_detach(thread)
    }

    /// Ends what is late, and tells requests whose client has left.
    private func check(_ now: Double) {
        for connection in connections {
            if connection.isLate(now) { connection.cut() }
            guard let exchange = connection.exchange else { continue }
            if now > exchange.deadline {
                let isComplete = exchange.isComplete
                let isAnswered = exchange.status != nil
                exchange.leave(.timeout, answer: handler.answer(to: .timeout, of: exchange))
                // A body that does not end, or an answer that is not read.
                if !isComplete || isAnswered || now > exchange.deadline + 5 { connection.cut() }
            } else if exchange.isSuspended, connection.isLeft {
                exchange.leave(.clientLeft, answer: HTTPResponse(status: 400))
            }
        }
    }

    // MARK: libmicrohttpd's calls

    private static func callbacks(_ context: UnsafeMutableRawPointer) -> hs_callbacks {
        hs_callbacks(
            context: context,
            connection_began: { context, socket, client in
                let server = Unmanaged<HTTPServer>.fromOpaque(context!).takeUnretainedValue()
                return Unmanaged.passRetained(server.began(socket, String(cString: client!))).toOpaque()
            },
            connection_ended: { context, connection in
                let server = Unmanaged<HTTPServer>.fromOpaque(context!).takeUnretainedValue()
                server.ended(Unmanaged<Connection>.fromOpaque(connection!).takeRetainedValue())
            },
            request_began: { context, connection, target in
                let server = Unmanaged<HTTPServer>.fromOpaque(context!).takeUnretainedValue()
                let connection = Unmanaged<Connection>.fromOpaque(connection!).takeUnretainedValue()
                connection.await(headerBy: seconds() + Double(server.settings.headerSeconds))
                return Unmanaged.passRetained(Incoming(target: String(cString: target!), connection: connection))
                    .toOpaque()
            },
            request: { context, connection, incoming, method, _, data, size in
                let server = Unmanaged<HTTPServer>.fromOpaque(context!).takeUnretainedValue()
                let incoming = Unmanaged<Incoming>.fromOpaque(incoming!).takeUnretainedValue()
                return server.proceed(incoming, connection!, method: method!, data, &size!.pointee) ? 1 : 0
            },
            request_ended: { context, incoming, isComplete in
                let server = Unmanaged<HTTPServer>.fromOpaque(context!).takeUnretainedValue()
                server.ended(Unmanaged<Incoming>.fromOpaque(incoming!).takeRetainedValue(), isComplete: isComplete != 0)
            },
            log: { context, message in
                Unmanaged<HTTPServer>.fromOpaque(context!).takeUnretainedValue().log(String(cString: message!))
            })
    }

    private func began(_ socket: Int32, _ client: String) -> Connection {
        let connection = Connection(
            socket: socket, client: client, headerDeadline: seconds() + Double(settings.headerSeconds))
        state.withLock { $0.connections[ObjectIdentifier(connection)] = connection }
        return connection
    }

    private func ended(_ connection: Connection) {
        connection.close()
        state.withLock { $0.connections[ObjectIdentifier(connection)] = nil }
    }

    /// - Returns: false to close the connection.
    private func proceed(
        _ incoming: Incoming, _ connection: OpaquePointer, method: UnsafePointer<CChar>, _ data: UnsafePointer<CChar>?,
        _ size: inout Int
    ) -> Bool {
        guard let exchange = incoming.exchange else {
            return begin(incoming, connection, method: String(cString: method))
        }
        if size > 0 {
            defer { size = 0 }
            return take(incoming, exchange, data!, size)
        }
        if !exchange.isComplete { finish(incoming, exchange) }
        guard let answer = exchange.takeAnswer() else { return true }
        return send(answer, for: exchange, connection)
    }

    private func begin(_ incoming: Incoming, _ connection: OpaquePointer, method: String) -> Bool {
        let isStopping = state.withLock { state in
            if !state.isStopping { state.requests += 1 }
            return state.isStopping
        }
        guard !isStopping else { return false }
        let now = seconds()
        let target = HTTPTarget(incoming.target)
        let request = HTTPRequest(
            method: method, path: target?.path ?? "", query: target?.query ?? [],
            headers: HTTPServer.headers(connection), client: incoming.connection.client)
        let exchange = HTTPExchange(
            request: request, connection: connection, start: now, deadline: now + Double(settings.requestSeconds))
        incoming.exchange = exchange
        incoming.connection.begin(exchange)
        do throws(HTTPFailure) {
            if target == nil { throw .badRequest("the request's target cannot be decoded") }
            if request.hasDoubtfulLength { throw .badRequest("the length of the body is in doubt") }
            switch handler.plan(for: exchange) {
            case .refuse(let answer): incoming.refusal = answer
            case .discard: break
            case .spool(let rules):
                incoming.receiver = try BodyReceiver(rules, request: request, connection: connection)
            }
        } catch {
            incoming.refusal = handler.answer(to: error, of: exchange)
            incoming.closes = request.hasDoubtfulLength
        }
        if let refusal = incoming.refusal,
            incoming.closes || request.isChunked || (request.contentLength ?? 0) > HTTPServer.discardLimit
        {
            exchange.complete(body: nil)
            exchange.answer(refusal.closing)
            return send(exchange.takeAnswer()!, for: exchange, connection)
        }
        return true
    }

    private func take(_ incoming: Incoming, _ exchange: HTTPExchange, _ data: UnsafePointer<CChar>, _ count: Int)
        -> Bool
    {
        if let receiver = incoming.receiver {
            do throws(HTTPFailure) {
                try receiver.append(data, count: count)
            } catch {
                incoming.receiver = nil
                incoming.refusal = handler.answer(to: error, of: exchange)
            }
        }
        guard incoming.refusal != nil else { return true }
        incoming.discarded += count
        return incoming.discarded <= HTTPServer.discardLimit
    }

    /// The request is complete.
    private func finish(_ incoming: Incoming, _ exchange: HTTPExchange) {
        if incoming.refusal == nil, let receiver = incoming.receiver {
            do throws(HTTPFailure) {
                try receiver.finish()
            } catch {
                incoming.refusal = handler.answer(to: error, of: exchange)
            }
        }
        exchange.complete(body: incoming.refusal == nil ? incoming.receiver?.spool : nil)
        incoming.receiver = nil
        if let refusal = incoming.refusal { exchange.answer(refusal) } else { handler.respond(to: exchange) }
    }

    private func send(_ answer: HTTPResponse, for exchange: HTTPExchange, _ connection: OpaquePointer) -> Bool {
        guard let response = answer.response(for: exchange) else { return false }
        _ = hs_add_header(response, "X-Request-Id", exchange.identifier)
        return hs_queue(connection, UInt32(answer.status), response) != 0
    }

    private func ended(_ incoming: Incoming, isComplete: Bool) {
        let now = seconds()
        incoming.connection.await(headerBy: now + Double(settings.idleSeconds + settings.headerSeconds))
        guard let exchange = incoming.exchange else { return }
        let status = exchange.status
        exchange.end(isComplete: isComplete && status != nil)
        state.withLock { $0.requests -= 1 }
        handler.ended(exchange, status: status, isComplete: isComplete, seconds: now - exchange.start)
    }

    private static func headers(_ connection: OpaquePointer) -> [(name: String, value: String)] {
        final class List { var headers: [(name: String, value: String)] = [] }
        let list = List()
        hs_headers(connection, Unmanaged.passUnretained(list).toOpaque()) {
            context, name, nameCount, value, valueCount in
            func text(_ bytes: UnsafePointer<CChar>?, _ count: Int) -> String {
                String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
            }
            let list = Unmanaged<List>.fromOpaque(context!).takeUnretainedValue()
            list.headers.append((text(name, nameCount).lowercased(), text(value, valueCount)))
        }
        return list.headers
    }
}

/// A request that comes in.
private final class Incoming {
    let target: String
    let connection: Connection
    var exchange: HTTPExchange?
    var receiver: BodyReceiver?
    var refusal: HTTPResponse?
    var closes = false
    var discarded = 0

    init(target: String, connection: Connection) {
        self.target = target
        self.connection = connection
    }
}

private func withOptional<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    guard let text else { return body(nil) }
    // libmicrohttpd keeps the address as long as it runs.
    return body(UnsafePointer(strdup(text)))
}
