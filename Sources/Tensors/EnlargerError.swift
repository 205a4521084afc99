/// The one error type of the project: a stable code, a sentence with the numbers in it.
public struct EnlargerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Stable, lower-case with underscores; appears in `--json` output and in HTTP problem documents.
    public enum Code: String, Sendable, CaseIterable {
        case usage
        case modelNotFound = "model_not_found"
        case modelInvalid = "model_invalid"
        case modelUnsupported = "model_unsupported"
        case pictureNotFound = "picture_not_found"
        case pictureInvalid = "picture_invalid"
        case pictureTooLarge = "picture_too_large"
        case pictureUnsupported = "picture_unsupported"
        case outputFailed = "output_failed"
        case doesNotFit = "does_not_fit"
        case noDevice = "no_device"
        case deviceLost = "device_lost"
        case allocationFailed = "allocation_failed"
        case badResult = "bad_result"
        case downloadFailed = "download_failed"
        case diskFull = "disk_full"
        case queueFull = "queue_full"
        case dataUnusable = "data_unusable"
        case queueUnavailable = "queue_unavailable"
        case storeUnavailable = "store_unavailable"
        case blobNotFound = "blob_not_found"
        case accessRefused = "access_refused"
        case cancelled
    }
    /// The numbers of `doesNotFit`.
    public struct Shortage: Sendable, Equatable {
        public var neededBytes: Int
        public var budgetBytes: Int

        public init(neededBytes: Int, budgetBytes: Int) {
            self.neededBytes = neededBytes
            self.budgetBytes = budgetBytes
        }
    }
    public var code: Code
    public var message: String
    public var shortage: Shortage?

    public init(_ code: Code, _ message: String, shortage: Shortage? = nil) {
        self.code = code
        self.message = message
        self.shortage = shortage
    }

    public var description: String { message }
}
