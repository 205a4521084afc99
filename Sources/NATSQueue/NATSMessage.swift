import CLibNats

/// A message that came in.
final class NATSMessage: @unchecked Sendable {  // never changed
    private let handle: OpaquePointer

    /// Takes it over.
    init(_ handle: OpaquePointer) { self.handle = handle }
    deinit { natsMsg_Destroy(handle) }

    var bytes: [UInt8] {
        let count = Int(natsMsg_GetDataLength(handle))
        guard count > 0, let data = natsMsg_GetData(handle) else { return [] }
        return data.withMemoryRebound(to: UInt8.self, capacity: count) { Array(UnsafeBufferPointer(start: $0, count: count)) }
    }
    var subject: String { String(cString: natsMsg_GetSubject(handle)) }
    /// Where a delivery is acknowledged.
    var reply: String? { natsMsg_GetReply(handle).map { String(cString: $0) } }
    /// In its stream, of a message that was got from there.
    var sequence: UInt64 { natsMsg_GetSequence(handle) }

    func header(_ name: String) -> String? {
        var value: UnsafePointer<CChar>?
        return natsMsgHeader_Get(handle, name, &value) == NATS_OK ? value.map { String(cString: $0) } : nil
    }

    /// Of what a consumer delivers, from the address of its acknowledgement:
    /// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>`, with the domain
    /// and the account's hash before the stream from some servers on.
    var delivery: (sequence: UInt64, count: Int)? {
        let parts = reply?.split(separator: ".") ?? []
        let first = parts.count == 9 ? 4 : 6
        guard parts.count == 9 || parts.count >= 11, parts[0] == "$JS", let count = Int(parts[first]), let sequence = UInt64(parts[first + 1])
        else { return nil }
        return (sequence, count)
    }
}
