import CLibNats
import Glibc
import Synchronization
package import Tensors

/// A connection to a NATS cluster that mends itself: lost servers are looked for again, with jitter, for ever.
///
/// Used from any thread. Requests fail at once while no server is there; `retrying` asks them again.
package final class NATSConnection: @unchecked Sendable {  // libnats locks; the rest is behind `state`
    package let settings: NATSSettings
    let handle: OpaquePointer
    let jetStream: OpaquePointer
    private let events: Events

    /// How long one request waits for its answer, in milliseconds.
    static let requestMilliseconds: Int64 = 4000
    /// How long a request is asked again before its failure is told.
    package static let patience = Duration.seconds(6)

    /// What libnats' threads report; lives as long as the library may call.
    private final class Events: Sendable {
        let state = Mutex(State())
        let log: @Sendable (String) -> Void
        init(log: @escaping @Sendable (String) -> Void) { self.log = log }

        static func tell(_ pointer: UnsafeMutableRawPointer?, _ body: (Events) -> Void) {
            body(Unmanaged<Events>.fromOpaque(pointer!).takeUnretainedValue())
        }
    }
    private struct State {
        var reconnected: ContinuousClock.Instant?
        var isClosed = false
        var isClosing = false
    }

    /// Tries every server once.
    /// - Parameters:
    ///   - name: shown by the servers' monitoring.
    ///   - log: told when the connection is lost, found again, and over.
    /// - Throws: `queueUnavailable` when none answers, `accessRefused` for wrong credentials, `usage` for files that
    ///   cannot be used.
    package init(_ settings: NATSSettings, name: String, log: @escaping @Sendable (String) -> Void = { _ in }) throws(EnlargerError) {
        self.settings = settings
        events = Events(log: log)
        let options = try NATSConnection.options(settings, name: name, events: Unmanaged.passUnretained(events).toOpaque())
        defer { natsOptions_Destroy(options) }
        var handle: OpaquePointer?
        let status = natsConnection_Connect(&handle, options)
        guard status == NATS_OK, let handle else {
            throw NATSFailure(status).error("the queue at \(settings.servers.joined(separator: ", "))")
        }
        self.handle = handle
        var context: OpaquePointer?
        var jetStreamOptions = jsOptions()
        jsOptions_Init(&jetStreamOptions)
        jetStreamOptions.Wait = NATSConnection.requestMilliseconds
        let made = natsConnection_JetStream(&context, handle, &jetStreamOptions)
        guard made == NATS_OK, let context else {
            natsConnection_Destroy(handle)
            throw NATSFailure(made).error("JetStream at \(settings.servers.joined(separator: ", "))")
        }
        jetStream = context
        // libnats calls back until the connection is destroyed, and its threads may still be at it then.
        _ = Unmanaged.passRetained(events)
    }

    deinit {
        events.state.withLock { $0.isClosing = true }
        jsCtx_Destroy(jetStream)
        natsConnection_Destroy(handle)
    }

    package var isConnected: Bool { natsConnection_Status(handle) == NATS_CONN_STATUS_CONNECTED }
    /// The library has given up: the servers refuse the credentials.
    package var isClosed: Bool { events.state.withLock { $0.isClosed } }
    package static let closedForGood = "the queue has closed the connection for good: are the credentials still valid?"
    /// Since the connection was lost and found again; nil where it never was.
    var timeReconnected: Duration? { events.state.withLock { $0.reconnected }.map { ContinuousClock.now - $0 } }

    private static func options(_ settings: NATSSettings, name: String, events: UnsafeMutableRawPointer) throws(EnlargerError) -> OpaquePointer {
        var made: OpaquePointer?
        guard natsOptions_Create(&made) == NATS_OK, let options = made else { throw EnlargerError(.allocationFailed, "libnats has no memory") }
        do throws(EnlargerError) {
            func check(_ status: natsStatus, _ what: String) throws(EnlargerError) {
                guard status == NATS_OK else { throw EnlargerError(.usage, NATSFailure(status).error(what).message) }
            }
            let servers = settings.servers.map { UnsafePointer(strdup($0)) }
            defer { for server in servers { free(UnsafeMutablePointer(mutating: server)) } }
            var list = servers
            try check(natsOptions_SetServers(options, &list, Int32(list.count)), "the addresses \(settings.servers.joined(separator: ", "))")
            switch try settings.credentials() {
            case .file(let path): try check(natsOptions_SetUserCredentialsFromFiles(options, path, nil), path)
            case .user(let user, let password): try check(natsOptions_SetUserInfo(options, user, password), "the credentials")
            case .token(let token): try check(natsOptions_SetToken(options, token), "the credentials")
            case nil: break
            }
            if settings.isSecure { try check(natsOptions_SetSecure(options, true), "TLS") }
            if let path = settings.authorityFile { try check(natsOptions_LoadCATrustedCertificates(options, path), path) }
            if let certificate = settings.certificateFile {
                try check(natsOptions_LoadCertificatesChain(options, certificate, settings.keyFile ?? certificate), certificate)
            }
        } catch {
            natsOptions_Destroy(options)
            throw error
        }
        natsOptions_SetName(options, name)
        natsOptions_SetTimeout(options, 2000)
        natsOptions_SetMaxReconnect(options, -1)
        natsOptions_SetReconnectWait(options, 500)
        natsOptions_SetReconnectJitter(options, 1000, 1000)
        natsOptions_SetPingInterval(options, 5000)
        natsOptions_SetMaxPingsOut(options, 2)
        natsOptions_SetSendAsap(options, true)
        // Who writes has the connection's lock: without an end of it, a network that swallows everything stops all threads.
        natsOptions_SetWriteDeadline(options, 4000)
        natsOptions_SetFailRequestsOnDisconnect(options, true)
        natsOptions_SetDisconnectedCB(options, { _, events in Events.tell(events) { events in
            let isClosing = events.state.withLock { $0.isClosing }
            if !isClosing { events.log("the queue is not reached any more; it is looked for") }
        } }, events)
        natsOptions_SetReconnectedCB(options, { _, events in Events.tell(events) { events in
            events.state.withLock { $0.reconnected = ContinuousClock.now }
            events.log("the queue is reached again")
        } }, events)
        natsOptions_SetClosedCB(options, { _, events in Events.tell(events) { events in
            let isClosing = events.state.withLock { state in
                state.isClosed = true
                return state.isClosing
            }
            if !isClosing { events.log(NATSConnection.closedForGood) }
        } }, events)
        natsOptions_SetErrorHandler(options, { _, _, _, _ in }, nil)  // the default prints on standard error
        return options
    }

    /// Asks again what could not be asked, with growing pauses and jitter, as long as the failure may pass.
    func retrying<Value>(
        for limit: Duration = NATSConnection.patience, _ what: String, _ body: () throws(NATSFailure) -> Value
    ) throws(EnlargerError) -> Value {
        let end = ContinuousClock.now + limit
        var pause = 50_000.0
        while true {
            do throws(NATSFailure) {
                return try body()
            } catch {
                if isClosed { throw EnlargerError(.accessRefused, "\(what): \(NATSConnection.closedForGood)") }
                guard error.isPassing, ContinuousClock.now < end else { throw error.error(what) }
                usleep(UInt32(pause * .random(in: 0.5...1.5)))
                pause = min(pause * 2, 1_000_000)
            }
        }
    }
}
