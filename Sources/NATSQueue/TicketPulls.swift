import CLibNats
import Synchronization
import Tensors

/// Asks consumers for a ticket that is there already.
///
/// Each consumer has a subscription of its own, because a ticket that is delivered bears the subject it was published
/// with: libnats' shared one for all requests could not tell whose it is.
final class TicketPulls: @unchecked Sendable {  // the subscriptions are behind `asking`
    private let connection: NATSConnection
    private let asking = Mutex<[String: (subscription: OpaquePointer, address: String)]>([:])

    init(connection: NATSConnection) { self.connection = connection }

    deinit {
        for (subscription, _) in asking.withLock({ $0.values.map { $0 } }) { natsSubscription_Destroy(subscription) }
    }

    /// The consumer's next message; nil where there is none at the moment. One thread at a time asks.
    func next(_ consumer: String, of stream: String) throws(NATSFailure) -> NATSMessage? {
        try asking.withLock { known throws(NATSFailure) in
            let (subscription, address) = if let found = known[consumer] { found } else { try subscribe() }
            known[consumer] = (subscription, address)
            // What came too late for an earlier request.
            while let late = try TicketPulls.message(subscription, milliseconds: 0) {
                if late.header("Status") == nil { return late }
            }
            let asked = natsConnection_PublishRequestString(
                connection.handle, NATSConnection.pullSubject(consumer, stream), address, #"{"batch":1,"no_wait":true}"#)
            guard asked == NATS_OK else { throw NATSFailure(asked) }
            guard let answer = try TicketPulls.message(subscription, milliseconds: NATSConnection.requestMilliseconds) else {
                throw NATSFailure(NATS_TIMEOUT)
            }
            guard let status = answer.header("Status") else { return answer }
            // 404: nothing is there; 408: nothing came in time; 409: as many as may be are worked on.
            if ["404", "408", "409"].contains(status) { return nil }
            throw NATSFailure(status == "503" ? NATS_NO_RESPONDERS : NATS_ERR)
        }
    }

    private func subscribe() throws(NATSFailure) -> (OpaquePointer, String) {
        var text: UnsafeMutablePointer<CChar>?
        guard natsInbox_Create(&text) == NATS_OK, let text else { throw NATSFailure(NATS_NO_MEMORY) }
        defer { natsInbox_Destroy(text) }
        var subscription: OpaquePointer?
        let status = natsConnection_SubscribeSync(&subscription, connection.handle, text)
        guard status == NATS_OK, let subscription else { throw NATSFailure(status) }
        return (subscription, String(cString: text))
    }

    /// nil where none comes in time.
    private static func message(_ subscription: OpaquePointer, milliseconds: Int64) throws(NATSFailure) -> NATSMessage? {
        var message: OpaquePointer?
        let status = natsSubscription_NextMsg(&message, subscription, milliseconds)
        if status == NATS_TIMEOUT { return nil }
        guard status == NATS_OK, let message else { throw NATSFailure(status) }
        return NATSMessage(message)
    }
}
