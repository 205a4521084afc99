import CEnlarger
import Glibc
import Tensors

/// The last failure of each thread: its sentence, and the bytes of a shortage.
enum Failure {
    private struct Record {
        var message: UnsafeMutablePointer<CChar>?
        var neededBytes: Int64
    }

    /// Freed when its thread ends.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key) { place in
            guard let record = place?.assumingMemoryBound(to: Record.self) else { return }
            free(record.pointee.message)
            record.deinitialize(count: 1)
            record.deallocate()
        }
        return key
    }()

    private static var ofThread: UnsafeMutablePointer<Record> {
        if let known = pthread_getspecific(key) { return known.assumingMemoryBound(to: Record.self) }
        let record = UnsafeMutablePointer<Record>.allocate(capacity: 1)
        record.initialize(to: Record(message: nil, neededBytes: 0))
        pthread_setspecific(key, record)
        return record
    }

    private static let empty = Strings([""])
    static var message: UnsafePointer<CChar> { UnsafePointer(ofThread.pointee.message) ?? empty[0]! }
    static var neededBytes: Int64 { ofThread.pointee.neededBytes }

    static func record(_ error: EnlargerError) -> enlarger_status {
        let record = ofThread
        free(record.pointee.message)
        record.pointee.message = strdup(error.message)
        record.pointee.neededBytes = Int64(error.shortage?.neededBytes ?? 0)
        return error.code.status
    }
}

/// What a call comes to: `ENLARGER_OK`, or the status of what `body` throws.
func answer(_ body: () throws -> Void) -> enlarger_status {
    do {
        try body()
        return ENLARGER_OK
    } catch let error as EnlargerError {
        return Failure.record(error)
    } catch {
        return Failure.record(EnlargerError(.outputFailed, "\(error)"))
    }
}

func usage(_ message: String) -> EnlargerError { EnlargerError(.usage, message) }

extension EnlargerError.Code {
    var status: enlarger_status {
        switch self {
        case .usage: ENLARGER_USAGE
        case .modelNotFound: ENLARGER_MODEL_NOT_FOUND
        case .modelInvalid: ENLARGER_MODEL_INVALID
        case .modelUnsupported: ENLARGER_MODEL_UNSUPPORTED
        case .pictureNotFound: ENLARGER_PICTURE_NOT_FOUND
        case .pictureInvalid: ENLARGER_PICTURE_INVALID
        case .pictureTooLarge: ENLARGER_PICTURE_TOO_LARGE
        case .pictureUnsupported: ENLARGER_PICTURE_UNSUPPORTED
        case .outputFailed: ENLARGER_OUTPUT_FAILED
        case .doesNotFit: ENLARGER_DOES_NOT_FIT
        case .noDevice: ENLARGER_NO_DEVICE
        case .allocationFailed: ENLARGER_ALLOCATION_FAILED
        case .badResult: ENLARGER_BAD_RESULT
        case .downloadFailed: ENLARGER_DOWNLOAD_FAILED
        case .diskFull: ENLARGER_DISK_FULL
        case .queueFull: ENLARGER_QUEUE_FULL
        case .dataUnusable: ENLARGER_DATA_UNUSABLE
        case .cancelled: ENLARGER_CANCELLED
        case .deviceLost: ENLARGER_DEVICE_LOST
        // Of services that many machines share; no call of this interface meets them.
        case .queueUnavailable, .storeUnavailable, .blobNotFound, .accessRefused: ENLARGER_DATA_UNUSABLE
        }
    }
}
