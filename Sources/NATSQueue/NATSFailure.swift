import CLibNats
import Tensors

/// What a call of libnats answered, as an error of ours.
struct NATSFailure: Error {
    let status: natsStatus
    let code: jsErrCode
    let text: String

    init(_ status: natsStatus, _ code: jsErrCode = jsErrCode(0)) {
        self.status = status
        self.code = code
        var last = NATS_OK
        // The thread's last error has the server's own words; without them, the status.
        let words = nats_GetLastError(&last).map { String(cString: $0) } ?? ""
        text = last == status && !words.isEmpty ? words : String(cString: natsStatus_GetText(status))
    }

    var isConflict: Bool { code == JSStreamWrongLastSequenceErr }
    var isMissing: Bool { status == NATS_NOT_FOUND || code == JSNoMessageFoundErr }

    /// The request may be asked again: the server, or the leader of a stream, is away for the moment.
    var isPassing: Bool {
        code == JSClusterNotAvailErr || [
            NATS_TIMEOUT, NATS_CONNECTION_DISCONNECTED, NATS_CONNECTION_CLOSED, NATS_NO_SERVER, NATS_IO_ERROR, NATS_STALE_CONNECTION,
            NATS_NO_RESPONDERS, NATS_NO_SERVER_SUPPORT, NATS_NOT_YET_CONNECTED, NATS_DRAINING, NATS_INSUFFICIENT_BUFFER,
        ].contains(status)
    }

    /// The servers have no room for it.
    var isFull: Bool {
        [
            JSStreamStoreFailedErr, JSStorageResourcesExceededErr, JSInsufficientResourcesErr, JSAccountResourcesExceededErr,
            JSMemoryResourcesExceededErr,
        ].contains(code)
    }

    /// - Parameter what: begins the sentence.
    func error(_ what: String) -> EnlargerError {
        let code: EnlargerError.Code =
            switch (status, self.code) {
            case (_, JSStreamStoreFailedErr) where text.contains("maximum messages"): .queueFull
            case _ where isFull: .diskFull
            case (NATS_CONNECTION_AUTH_FAILED, _), (NATS_NOT_PERMITTED, _): .accessRefused
            case _ where isPassing: .queueUnavailable
            default: .outputFailed
            }
        return EnlargerError(code, "\(what): \(text)")
    }
}
