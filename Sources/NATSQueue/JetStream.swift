import CLibNats
import Tensors

/// The few requests to JetStream that the queue is made of.
extension NATSConnection {
    /// What a new message expects of its subject.
    enum Expectation {
        case nothing
        /// The subject's last message has this sequence; 0: there is none.
        case last(UInt64)
    }

    /// Stores a message.
    /// - Parameter identifier: the server drops further messages of the same one for two minutes.
    /// - Returns: its sequence in the stream, that of the first where it was dropped.
    @discardableResult
    func publish(
        _ subject: String, _ bytes: [UInt8], identifier: String? = nil, expecting: Expectation = .nothing
    ) throws(NATSFailure) -> (sequence: UInt64, isDuplicate: Bool) {
        var options = jsPubOptions()
        jsPubOptions_Init(&options)
        switch expecting {
        case .nothing: break
        case .last(0): options.ExpectNoMessage = true
        case .last(let sequence): options.ExpectLastSubjectSeq = sequence
        }
        var acknowledgement: UnsafeMutablePointer<jsPubAck>?
        var code = jsErrCode(0)
        let publish = { (options: inout jsPubOptions) in
            bytes.withUnsafeBytes { js_Publish(&acknowledgement, self.jetStream, subject, $0.baseAddress, Int32($0.count), &options, &code) }
        }
        let status =
            if let identifier {
                identifier.withCString { text in
                    options.MsgId = text
                    return publish(&options)
                }
            } else { publish(&options) }
        guard status == NATS_OK, let acknowledgement else { throw NATSFailure(status, code) }
        defer { jsPubAck_Destroy(acknowledgement) }
        return (acknowledgement.pointee.Sequence, acknowledgement.pointee.Duplicate)
    }

    /// Marks a key of a bucket as removed: an empty message with the header that says so.
    func publishMarker(_ subject: String, over revision: UInt64) throws(NATSFailure) {
        var options = jsPubOptions()
        jsPubOptions_Init(&options)
        options.ExpectLastSubjectSeq = revision
        var message: OpaquePointer?
        guard natsMsg_Create(&message, subject, nil, nil, 0) == NATS_OK, natsMsgHeader_Set(message, "KV-Operation", "DEL") == NATS_OK else {
            throw NATSFailure(NATS_NO_MEMORY)
        }
        defer { natsMsg_Destroy(message) }
        var code = jsErrCode(0)
        let status = js_PublishMsg(nil, jetStream, message, &options, &code)
        guard status == NATS_OK else { throw NATSFailure(status, code) }
    }

    /// The last message of a subject, nil where there is none.
    func last(_ subject: String, in stream: String) throws(NATSFailure) -> NATSMessage? {
        var message: OpaquePointer?
        var code = jsErrCode(0)
        let status = js_GetLastMsg(&message, jetStream, stream, subject, nil, &code)
        guard status == NATS_OK, let message else {
            let failure = NATSFailure(status, code)
            if failure.isMissing { return nil }
            throw failure
        }
        return NATSMessage(message)
    }

    /// Whether a stream has a message of this sequence.
    func has(_ sequence: UInt64, in stream: String) throws(NATSFailure) -> Bool {
        var message: OpaquePointer?
        var code = jsErrCode(0)
        let status = js_GetMsg(&message, jetStream, stream, sequence, nil, &code)
        natsMsg_Destroy(message)
        if status == NATS_OK { return true }
        let failure = NATSFailure(status, code)
        guard failure.isMissing else { throw failure }
        return false
    }

    /// Removes a message; no effect where it is gone.
    func delete(_ sequence: UInt64, from stream: String) throws(NATSFailure) {
        var code = jsErrCode(0)
        let status = js_DeleteMsg(jetStream, stream, sequence, nil, &code)
        // 10057: the server's words for a deletion that failed, which a message that is gone is, too.
        guard status == NATS_OK || status == NATS_NOT_FOUND || [JSNoMessageFoundErr, JSSequenceNotFoundErr, JSStreamMsgDeleteFailed].contains(code)
        else { throw NATSFailure(status, code) }
    }

    /// The values of a small bucket's keys.
    func entries(of bucket: String) throws(NATSFailure) -> [[UInt8]] {
        var store: OpaquePointer?, watcher: OpaquePointer?
        let opened = js_KeyValue(&store, jetStream, bucket)
        guard opened == NATS_OK else { throw NATSFailure(opened) }
        defer { kvStore_Destroy(store) }
        let watched = kvStore_WatchAll(&watcher, store, nil)
        guard watched == NATS_OK else { throw NATSFailure(watched) }
        defer { kvWatcher_Destroy(watcher) }
        var values: [[UInt8]] = []
        while true {
            var entry: OpaquePointer?
            let status = kvWatcher_Next(&entry, watcher, Self.requestMilliseconds)
            guard status == NATS_OK else { throw NATSFailure(status) }
            // After what there is comes one that is none.
            guard let entry else { return values }
            defer { kvEntry_Destroy(entry) }
            guard kvEntry_Operation(entry) == kvOp_Put, let value = kvEntry_Value(entry) else { continue }
            values.append([UInt8](UnsafeRawBufferPointer(start: value, count: Int(kvEntry_ValueLen(entry)))))
        }
    }

    struct StreamFigures: Equatable {
        var messages = 0
        var bytes = 0
        var lastSequence: UInt64 = 0
        var replicas = 1
    }

    /// nil where there is no such stream.
    func figures(of stream: String) throws(NATSFailure) -> StreamFigures? {
        var info: UnsafeMutablePointer<jsStreamInfo>?
        var code = jsErrCode(0)
        let status = js_GetStreamInfo(&info, jetStream, stream, nil, &code)
        guard status == NATS_OK, let info else {
            if status == NATS_NOT_FOUND || code == JSStreamNotFoundErr { return nil }
            throw NATSFailure(status, code)
        }
        defer { jsStreamInfo_Destroy(info) }
        let state = info.pointee.State
        return StreamFigures(
            messages: Int(state.Msgs), bytes: Int(state.Bytes), lastSequence: state.LastSeq, replicas: Int(info.pointee.Config.pointee.Replicas))
    }

    /// Makes a stream where there is none of its name.
    /// - Parameter configure: of the configuration with libnats' defaults, name, subjects and replicas.
    func makeStream(_ name: String, subjects: [String], configure: (inout jsStreamConfig) -> Void) throws(NATSFailure) {
        if try figures(of: name) != nil { return }
        var config = jsStreamConfig()
        jsStreamConfig_Init(&config)
        config.Replicas = Int64(settings.replicas)
        config.Storage = js_FileStorage
        configure(&config)
        var code = jsErrCode(0)
        let status = withCStrings([name] + subjects) { texts in
            var list = Array(texts.dropFirst())
            return list.withUnsafeMutableBufferPointer { list in
                config.Name = texts[0]
                config.Subjects = list.baseAddress
                config.SubjectsLen = Int32(list.count)
                return js_AddStream(nil, jetStream, &config, nil, &code)
            }
        }
        // Another process may have made it a moment ago.
        guard status == NATS_OK || code == JSStreamNameExistErr else { throw NATSFailure(status, code) }
    }

    /// Makes a durable pull consumer where there is none of its name.
    func makeConsumer(_ name: String, of stream: String, filter: String, lease: Duration) throws(NATSFailure) {
        var info: UnsafeMutablePointer<jsConsumerInfo>?
        var code = jsErrCode(0)
        let found = js_GetConsumerInfo(&info, jetStream, stream, name, nil, &code)
        if found == NATS_OK {
            jsConsumerInfo_Destroy(info)
            return
        }
        guard found == NATS_NOT_FOUND || code == JSConsumerNotFoundErr else { throw NATSFailure(found, code) }
        var config = jsConsumerConfig()
        jsConsumerConfig_Init(&config)
        config.AckPolicy = js_AckExplicit
        config.AckWait = lease.nanoseconds
        // Deliveries are counted by the job's record: what is given back does not count.
        config.MaxDeliver = -1
        config.MaxAckPending = 100_000
        config.MaxWaiting = 8192
        let status = withCStrings([name, filter]) { texts in
            config.Durable = texts[0]
            config.FilterSubject = texts[1]
            return js_AddConsumer(nil, jetStream, stream, &config, nil, &code)
        }
        guard status == NATS_OK || code == JSConsumerNameExistErr else { throw NATSFailure(status, code) }
    }

    /// Messages of a consumer that wait, and that are being worked on.
    func load(of consumer: String, stream: String) throws(NATSFailure) -> (waiting: Int, delivered: Int)? {
        var info: UnsafeMutablePointer<jsConsumerInfo>?
        var code = jsErrCode(0)
        let status = js_GetConsumerInfo(&info, jetStream, stream, consumer, nil, &code)
        guard status == NATS_OK, let info else {
            if status == NATS_NOT_FOUND || code == JSConsumerNotFoundErr { return nil }
            throw NATSFailure(status, code)
        }
        defer { jsConsumerInfo_Destroy(info) }
        return (Int(info.pointee.NumPending), Int(info.pointee.NumAckPending))
    }

    static func pullSubject(_ consumer: String, _ stream: String) -> String { "$JS.API.CONSUMER.MSG.NEXT.\(stream).\(consumer)" }

    /// Acknowledges a delivery, and waits until the server has taken note.
    func acknowledge(_ reply: String, _ kind: Acknowledgement) throws(NATSFailure) {
        var message: OpaquePointer?
        let status = natsConnection_RequestString(&message, handle, reply, kind.text, Self.requestMilliseconds)
        natsMsg_Destroy(message)
        // Nobody hears it when the stream or the consumer is gone.
        guard status == NATS_OK else { throw NATSFailure(status) }
    }

    enum Acknowledgement {
        case done
        /// To be delivered again after a while.
        case again(after: Duration)
        /// The time of the delivery starts anew.
        case inProgress

        var text: String {
            switch self {
            case .done: "+ACK"
            case .again(let pause): pause > .zero ? "-NAK {\"delay\": \(pause.nanoseconds)}" : "-NAK"
            case .inProgress: "+WPI"
            }
        }
    }
}

extension Duration {
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}

/// The texts as C strings, as long as the body runs.
func withCStrings<Result>(_ texts: [String], _ body: ([UnsafePointer<CChar>?]) -> Result) -> Result {
    func next(_ index: Int, _ made: [UnsafePointer<CChar>?]) -> Result {
        index == texts.count ? body(made) : texts[index].withCString { next(index + 1, made + [$0]) }
    }
    return next(0, [])
}
