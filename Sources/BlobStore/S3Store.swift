import CCurl
import Glibc
import Synchronization
package import Tensors

/// A bucket of S3 or of what speaks its protocol, through libcurl, which signs the requests (AWS Signature Version 4).
///
/// Large blobs go up in parts while they are made, and come down in one stream that goes on where it was cut off. The store
/// checks the SHA-256 of everything that goes up; what comes down whole is checked here, where the store kept a sum.
package final class S3Store: BlobStore {
    let settings: S3Settings
    private let idle = Mutex<[Session]>([])

    /// Parts of a large blob; S3 takes 10,000 of them, so that later ones are larger.
    static func partBytes(_ number: Int) -> Int { number <= 1000 ? 8 << 20 : number <= 4000 ? 32 << 20 : 256 << 20 }

    /// A handle of libcurl; one thread at a time has it.
    private final class Session: @unchecked Sendable {
        let handle: OpaquePointer
        init(_ handle: OpaquePointer) { self.handle = handle }
        deinit { ec_session_close(handle) }
    }

    package init(_ settings: S3Settings) { self.settings = settings }

    package var address: String { "s3://" + [settings.bucket, settings.prefix].filter { !$0.isEmpty }.joined(separator: "/") }

    // MARK: Requests

    /// Performs a request, again where its failure may pass, with growing pauses and jitter.
    func perform(_ request: S3Request, patience: Duration? = nil) throws(EnlargerError) -> S3Request.Answer {
        let end = ContinuousClock.now + (patience ?? settings.patience)
        var pause = 100_000.0
        while true {
            let answer = try once(request)
            guard answer.isPassing, ContinuousClock.now < end else { return answer }
            usleep(UInt32(pause * .random(in: 0.5...1.5)))
            pause = min(pause * 2, 5_000_000)
        }
    }

    private func once(
        _ request: S3Request, receive: ((UnsafeRawBufferPointer) throws(EnlargerError) -> Void)? = nil
    ) throws(EnlargerError) -> S3Request.Answer {
        var session = idle.withLock { $0.popLast() }
        if session == nil { session = ec_session_open().map { Session($0) } }
        guard let session else { throw EnlargerError(.allocationFailed, "libcurl does not start") }
        defer { idle.withLock { if $0.count < 8 { $0.append(session) } } }
        return request.perform(settings, session.handle, receive: receive)
    }

    private func what(_ key: String) -> String { "\(address)\(key.isEmpty ? "" : "/" + key)" }

    /// - Throws: for every status but those.
    func expect(_ statuses: Set<Int>, _ answer: S3Request.Answer, _ key: String) throws(EnlargerError) {
        guard answer.failure.isEmpty, statuses.contains(answer.status) else { throw answer.asError(what(key)) }
    }

    private func fullKey(_ key: String) -> String { settings.prefix.isEmpty ? key : settings.prefix + "/" + key }

    // MARK: BlobStore

    package func info(_ key: String) throws(EnlargerError) -> BlobInfo? {
        try BlobKey.check(key)
        let answer = try perform(S3Request(method: "HEAD", key: key))
        if answer.status == 404, answer.failure.isEmpty { return nil }
        try expect([200], answer, key)
        return BlobInfo(key: key, byteCount: Int(answer.headers["content-length"] ?? "") ?? 0, tag: answer.headers["etag"] ?? "",
            modified: Int(ec_date(answer.headers["last-modified"] ?? "")))
    }

    package func list(_ prefix: String, _ visit: (BlobInfo) throws(EnlargerError) -> Bool) throws(EnlargerError) {
        let base = settings.prefix.isEmpty ? "" : settings.prefix + "/"
        var token: String?
        repeat {
            var parameters = [("list-type", "2"), ("encoding-type", "url"), ("prefix", base + prefix)]
            if let token { parameters.append(("continuation-token", token)) }
            let answer = try perform(S3Request(method: "GET", parameters: parameters))
            try expect([200], answer, "")
            for entry in XMLText.all("Contents", in: answer.text) {
                let key = XMLText.percentDecoded(XMLText.first("Key", in: entry) ?? "")
                guard key.hasPrefix(base), !key.hasSuffix("/") else { continue }
                let info = BlobInfo(
                    key: String(key.dropFirst(base.count)), byteCount: Int(XMLText.first("Size", in: entry) ?? "") ?? 0,
                    tag: XMLText.first("ETag", in: entry) ?? "", modified: S3Store.moment(XMLText.first("LastModified", in: entry) ?? "") ?? 0)
                guard try visit(info) else { return }
            }
            token = XMLText.first("NextContinuationToken", in: answer.text)
        } while token != nil
    }

    package func open(_ key: String) throws(EnlargerError) -> Int32 {
        try BlobKey.check(key)
        let file = try unnamedFile()
        do throws(EnlargerError) {
            try download(key, to: file)
        } catch {
            close(file)
            throw error
        }
        return file
    }

    /// One stream, which goes on where it was cut off as long as the blob is the same.
    private func download(_ key: String, to file: Int32) throws(EnlargerError) {
        var offset = 0, tag: String?, size: Int?, sum: String?
        var end = ContinuousClock.now + settings.patience, pause = 100_000.0
        while true {
            var request = S3Request(method: "GET", key: key)
            if offset > 0 { request.headers.append(("Range", "bytes=\(offset)-")) } else { request.headers.append(("x-amz-checksum-mode", "ENABLED")) }
            if let tag { request.headers.append(("If-Match", tag)) }
            let before = offset
            let answer = try once(request) { bytes throws(EnlargerError) in
                try writeAll(bytes, to: file, name: key)
                offset += bytes.count
            }
            if let error = answer.error { throw error }
            if answer.status == 200, before > 0 { throw EnlargerError(.outputFailed, "\(what(key)): the store does not send parts of blobs") }
            if answer.status == 200 {
                (tag, size, sum) = (answer.headers["etag"], Int(answer.headers["content-length"] ?? ""), answer.headers["x-amz-checksum-sha256"])
            }
            if answer.status == 412 { throw EnlargerError(.outputFailed, "\(what(key)) was replaced while it was read") }
            if answer.failure.isEmpty, [200, 206].contains(answer.status) { break }
            guard answer.isPassing else { throw answer.asError(what(key)) }
            if offset > before { (end, pause) = (ContinuousClock.now + settings.patience, 100_000) }
            guard ContinuousClock.now < end else { throw answer.asError(what(key)) }
            usleep(UInt32(pause * .random(in: 0.5...1.5)))
            pause = min(pause * 2, 5_000_000)
        }
        guard size == nil || size == offset else {
            throw EnlargerError(.storeUnavailable, "\(what(key)): \(offset) bytes came, \(size!) were expected")
        }
        // The sum of a blob that went up in parts is one of sums, which says so with a hyphen.
        if let sum, !sum.contains("-") {
            let found = base64(hexadecimal: try fileSHA256(file, from: 0, count: offset, name: key))
            guard found == sum else { throw EnlargerError(.storeUnavailable, "\(what(key)): its SHA-256 is not the one that the store has") }
        }
        guard lseek(file, 0, SEEK_SET) == 0 else { throw fileError(key) }
    }

    package func create(_ key: String) throws(EnlargerError) -> any NewBlob {
        try BlobKey.check(key)
        return S3Blob(store: self, key: key, descriptor: try unnamedFile())
    }

    package func remove(_ key: String) throws(EnlargerError) {
        try BlobKey.check(key)
        try expect([200, 204, 404], try perform(S3Request(method: "DELETE", key: key)), key)
    }

    package func sweep(_ prefix: String, olderThan seconds: Int) throws(EnlargerError) {
        try removeUploads(prefix) { _, began in began <= time(nil) - seconds }
    }

    package func abandon(_ key: String) throws(EnlargerError) {
        try BlobKey.check(key)
        try removeUploads(key) { found, _ in found.utf8.elementsEqual(key.utf8) }
    }

    /// - Parameter isMeant: of a key and the seconds since 1970 at which its upload began.
    private func removeUploads(_ prefix: String, _ isMeant: (_ key: String, _ began: Int) -> Bool) throws(EnlargerError) {
        let base = settings.prefix.isEmpty ? "" : settings.prefix + "/"
        var markers: [(String, String)] = []
        repeat {
            let answer = try perform(
                S3Request(method: "GET", parameters: [("uploads", ""), ("encoding-type", "url"), ("prefix", base + prefix)] + markers))
            try expect([200], answer, "")
            for entry in XMLText.all("Upload", in: answer.text) {
                let key = XMLText.percentDecoded(XMLText.first("Key", in: entry) ?? "")
                guard key.hasPrefix(base + prefix), let upload = XMLText.first("UploadId", in: entry),
                    isMeant(String(key.dropFirst(base.count)), S3Store.moment(XMLText.first("Initiated", in: entry) ?? "") ?? 0)
                else { continue }
                let removal = S3Request(method: "DELETE", key: String(key.dropFirst(base.count)), parameters: [("uploadId", upload)])
                try expect([200, 204, 404], try perform(removal), key)
            }
            markers = []
            if XMLText.first("IsTruncated", in: answer.text) == "true" {
                markers = [
                    ("key-marker", XMLText.percentDecoded(XMLText.first("NextKeyMarker", in: answer.text) ?? "")),
                    ("upload-id-marker", XMLText.first("NextUploadIdMarker", in: answer.text) ?? ""),
                ]
            }
        } while !markers.isEmpty
    }

    /// Seconds since 1970 of a time such as 2010-11-10T20:48:33.000Z.
    private static func moment(_ text: String) -> Int? {
        let numbers = text.prefix(19).split { !$0.isNumber }.compactMap { Int32($0) }
        guard numbers.count == 6 else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (numbers[0] - 1900, numbers[1] - 1, numbers[2])
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (numbers[3], numbers[4], numbers[5])
        return timegm(&parts)
    }
}

func fileSHA256(_ descriptor: Int32, from offset: Int, count: Int, name: String) throws(EnlargerError) -> String {
    var sum = SHA256()
    try forEachPiece(of: descriptor, from: offset, count: count, name: name) { sum.update($0) }
    return sum.finish()
}

func base64(hexadecimal: String) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    let text = Array(hexadecimal)
    let bytes = stride(from: 0, to: text.count, by: 2).map { UInt32(String(text[$0...($0 + 1)]), radix: 16)! }
    var result = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let part = bytes[start..<min(start + 3, bytes.count)]
        let number = part.enumerated().reduce(UInt32(0)) { $0 | $1.element << UInt32(16 - 8 * $1.offset) }
        for place in 0..<4 { result.append(place <= part.count ? digits[Int(number >> UInt32(18 - 6 * place) & 63)] : "=") }
    }
    return result
}

extension S3Store {
    /// Makes the bucket, where it is missing.
    package func makeBucket() throws(EnlargerError) {
        try expect([200, 409], try perform(S3Request(method: "PUT")), "")
    }
}
