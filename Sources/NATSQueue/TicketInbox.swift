import CLibNats
import Jobs
import Synchronization
import Tensors

/// Where tickets arrive that were asked for ahead, so that an idle worker hears of a job at once.
///
/// What arrives while nobody waits is given back.
final class TicketInbox: @unchecked Sendable {  // `box` is locked
    private let connection: NATSConnection
    private let address: String
    private var subscription: OpaquePointer?
    private let box: Box

    private final class Box: Sendable {
        let connection: NATSConnection
        let state = Mutex(State())

        init(connection: NATSConnection) { self.connection = connection }

        func take(_ message: NATSMessage) {
            let consumer = message.subject.split(separator: ".").last.map(String.init) ?? ""
            let (unwanted, signal) = state.withLock { state -> (NATSMessage?, WorkSignal?) in
                state.asked[consumer] = nil
                // Not a ticket: the request has ended.
                guard message.header("Status") == nil else { return (nil, nil) }
                guard state.isWaiting, state.message == nil else { return (message, nil) }
                state.message = message
                return (nil, state.signal)
            }
            signal?.announce()
            if let reply = unwanted?.reply { natsConnection_PublishString(connection.handle, reply, "-NAK") }
        }
    }
    private struct State {
        var isWaiting = false
        var message: NATSMessage?
        /// When each consumer's request ends, and when it was made.
        var asked: [String: (made: ContinuousClock.Instant, end: ContinuousClock.Instant)] = [:]
        var signal: WorkSignal?
    }

    private static let requestSeconds = 30

    init(connection: NATSConnection) throws(EnlargerError) {
        self.connection = connection
        box = Box(connection: connection)
        var text: UnsafeMutablePointer<CChar>?
        guard natsInbox_Create(&text) == NATS_OK, let text else { throw EnlargerError(.allocationFailed, "libnats has no memory") }
        address = String(cString: text)
        natsInbox_Destroy(text)
        let kept = Unmanaged.passRetained(box)
        let status = natsConnection_Subscribe(
            &subscription, connection.handle, address + ".*",
            { _, _, message, box in
                guard let message else { return }
                Unmanaged<Box>.fromOpaque(box!).takeUnretainedValue().take(NATSMessage(message))
            }, kept.toOpaque())
        guard status == NATS_OK else {
            kept.release()
            throw NATSFailure(status).error("the queue")
        }
        natsSubscription_SetOnCompleteCB(subscription, { Unmanaged<Box>.fromOpaque($0!).release() }, kept.toOpaque())
    }

    deinit { natsSubscription_Destroy(subscription) }

    /// Waits for a ticket of any of the consumers.
    /// - Returns: nil when the time is over, or `signal` was woken since its `wakes`.
    func next(from consumers: [String], of stream: String, timeout: Duration, signal: WorkSignal, wakes: UInt64) -> NATSMessage? {
        let end = ContinuousClock.now + timeout
        let missing = box.state.withLock { state -> [String] in
            state.isWaiting = true
            state.signal = signal
            let now = ContinuousClock.now
            let reconnected = connection.timeReconnected.map { now - $0 }
            let missing = consumers.filter { name in
                guard let asked = state.asked[name] else { return true }
                return asked.end <= now || reconnected.map { asked.made < $0 } ?? false
            }
            for name in missing { state.asked[name] = (now, now + .seconds(TicketInbox.requestSeconds)) }
            return missing
        }
        for name in missing {
            let body = #"{"batch":1,"expires":\#(TicketInbox.requestSeconds)000000000}"#
            let status = natsConnection_PublishRequestString(
                connection.handle, NATSConnection.pullSubject(name, stream), "\(address).\(name)", body)
            if status != NATS_OK { box.state.withLock { $0.asked[name] = nil } }
        }
        while true {
            let seen = signal.generation
            let rest = end - ContinuousClock.now
            let message = box.state.withLock { state -> NATSMessage?? in
                guard state.message != nil || rest <= .zero || signal.wakes != wakes else { return nil }
                state.isWaiting = false
                defer { state.message = nil }
                return .some(state.message)
            }
            if let message { return message }
            signal.wait(whileGeneration: seen, timeout: rest)
        }
    }
}
