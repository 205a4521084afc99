import CCurl
import Tensors

/// A request to S3, and its answer.
struct S3Request {
    enum Body {
        case none
        case bytes([UInt8])
        /// A part of an open file, with its SHA-256.
        case file(Int32, offset: Int, count: Int, sha256: String)
    }

    var method: String
    /// Empty: the bucket itself.
    var key = ""
    var parameters: [(name: String, value: String)] = []
    var headers: [(name: String, value: String)] = []
    var body = Body.none

    struct Answer {
        /// 0: there was none.
        var status = 0
        /// Names in lower case.
        var headers: [String: String] = [:]
        /// Of an error, or of an answer that nobody else took.
        var text = ""
        /// Why the transfer failed; empty where it did not.
        var failure = ""
        var error: EnlargerError?

        /// The service's own words for an error.
        var reason: String {
            let code = XMLText.first("Code", in: text), message = XMLText.first("Message", in: text)
            let words = [code, message].compactMap { $0 }.joined(separator: ": ")
            return !failure.isEmpty ? failure : words.isEmpty ? "HTTP status \(status)" : words
        }
        var isPassing: Bool { !failure.isEmpty || [408, 429, 500, 502, 503, 504].contains(status) || XMLText.first("Code", in: text) == "SlowDown" }

        func asError(_ what: String) -> EnlargerError {
            let isFull = ["Quota", "StorageFull", "Insufficient"].contains { reason.contains($0) }
            let code: EnlargerError.Code =
                switch status {
                case 507: .diskFull
                case _ where isFull && status >= 400: .diskFull
                case _ where isPassing: .storeUnavailable
                case 404: .blobNotFound
                case 401, 403: .accessRefused
                default: .outputFailed
                }
            return EnlargerError(code, "\(what): \(reason)")
        }
    }

    /// Everything but letters, digits, "-", ".", "_" and "~" as %XX, in capitals: what both the address and the signature's
    /// canonical form want. libcurl before 8.3 signs paths and parameters as they stand, so they must be in it already.
    static func encoded(_ text: String, keeping kept: Set<UInt8> = []) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            case _ where kept.contains(byte): result.unicodeScalars.append(Unicode.Scalar(byte))
            default: result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16).uppercased()
            }
        }
        return result
    }

    func address(_ settings: S3Settings) -> String {
        let path = [settings.bucket, settings.prefix, key].filter { !$0.isEmpty }
        // A listing is of the bucket, and the prefix is among its parameters.
        let whole = key.isEmpty ? settings.bucket : path.joined(separator: "/")
        let query = parameters.sorted { $0.name < $1.name }.map { "\(S3Request.encoded($0.name))=\(S3Request.encoded($0.value))" }
        return "\(settings.endpoint)/\(S3Request.encoded(whole, keeping: [UInt8(ascii: "/")]))" + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
    }

    /// - Parameter receive: the body of an answer that is no error; nil: it is kept as text.
    func perform(
        _ settings: S3Settings, _ session: OpaquePointer, receive: ((UnsafeRawBufferPointer) throws(EnlargerError) -> Void)? = nil
    ) -> Answer {
        let receiver = Receiver(receive)
        var call = ECCall()
        let sum: String
        switch body {
        case .none: sum = SHA256.emptySum
        case .bytes(let bytes):
            var digest = SHA256()
            bytes.withUnsafeBytes { digest.update($0) }
            sum = digest.finish()
        case .file(_, _, _, let sha256): sum = sha256
        }
        var lines = ["x-amz-content-sha256: \(sum)"] + headers.map { "\($0.name): \($0.value)" }
        if let token = settings.sessionToken { lines.append("x-amz-security-token: \(token)") }
        call.connect_seconds = 10
        call.stall_seconds = 30
        call.descriptor = -1
        call.context = Unmanaged.passUnretained(receiver).toOpaque()
        call.header = { context, line, count in
            Unmanaged<Receiver>.fromOpaque(context!).takeUnretainedValue().header(UnsafeRawBufferPointer(start: line, count: count))
            return 0
        }
        call.received = { context, status, bytes, count in
            let receiver = Unmanaged<Receiver>.fromOpaque(context!).takeUnretainedValue()
            return receiver.take(status, UnsafeRawBufferPointer(start: bytes, count: count)) ? 0 : 1
        }
        var response = ECResponse()
        let texts = [method, address(settings), "aws:amz:\(settings.region):s3", settings.accessKey ?? "", settings.secretKey ?? "",
            settings.authorityFile ?? ""] + lines
        func run(_ body: UnsafeRawBufferPointer?) {
            withCStrings(texts) { texts in
                (call.method, call.url, call.signing) = (texts[0], texts[1], texts[2])
                if settings.accessKey != nil { (call.user, call.secret) = (texts[3], texts[4]) }
                if settings.authorityFile != nil { call.authority = texts[5] }
                let headers = Array(texts[6...])
                headers.withUnsafeBufferPointer { headers in
                    call.headers = headers.baseAddress
                    call.header_count = headers.count
                    if let body { (call.body, call.body_count) = (body.baseAddress, body.count) }
                    _ = ec_call(session, &call, &response)
                }
            }
        }
        switch body {
        case .none: run(nil)
        case .bytes(let bytes): bytes.withUnsafeBytes { run($0) }
        case .file(let descriptor, let offset, let count, _):
            (call.descriptor, call.body_offset, call.body_count) = (descriptor, Int64(offset), count)
            run(nil)
        }
        var answer = Answer(status: response.status, headers: receiver.headers, text: String(decoding: receiver.text, as: UTF8.self))
        answer.error = receiver.error
        if receiver.error == nil {
            answer.failure = withUnsafeBytes(of: response.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        return answer
    }
}

private final class Receiver {
    var headers: [String: String] = [:]
    var text: [UInt8] = []
    var error: EnlargerError?
    private let receive: ((UnsafeRawBufferPointer) throws(EnlargerError) -> Void)?

    init(_ receive: ((UnsafeRawBufferPointer) throws(EnlargerError) -> Void)?) { self.receive = receive }

    func header(_ bytes: UnsafeRawBufferPointer) {
        let line = String(decoding: bytes, as: UTF8.self)
        let parts = line.split(separator: ":", maxSplits: 1)
        guard parts.count == 2 else { return }
        headers[parts[0].lowercased()] = String(parts[1].drop(while: \.isWhitespace).prefix { !$0.isNewline })
    }

    /// - Returns: false to end the transfer.
    func take(_ status: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let receive, status == 200 || status == 206 else {
            // An error is a few lines, a page of a listing some hundred kilobytes.
            guard text.count + bytes.count <= 16 << 20 else { return false }
            text += bytes
            return true
        }
        do throws(EnlargerError) {
            try receive(bytes)
            return true
        } catch {
            self.error = error
            return false
        }
    }
}

/// The texts as C strings, as long as the body runs.
private func withCStrings(_ texts: [String], _ body: ([UnsafePointer<CChar>?]) -> Void) {
    func next(_ index: Int, _ made: [UnsafePointer<CChar>?]) {
        if index == texts.count { return body(made) }
        texts[index].withCString { next(index + 1, made + [$0]) }
    }
    next(0, [])
}

extension SHA256 {
    static let emptySum = SHA256().finish()
}
