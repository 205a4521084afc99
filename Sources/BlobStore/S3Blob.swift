import Glibc
import Tensors

/// A blob that goes up in parts while its file grows, or at once when it is small.
final class S3Blob: NewBlob, @unchecked Sendable {  // used by one thread at a time
    let descriptor: Int32
    private let store: S3Store
    private let key: String
    private var upload: String?
    private var tags: [(tag: String, sum: String)] = []
    private var sent = 0
    private var isDone = false

    init(store: S3Store, key: String, descriptor: Int32) {
        (self.store, self.key, self.descriptor) = (store, key, descriptor)
    }

    deinit {
        cancel()
        close(descriptor)
    }

    func advance(to byteCount: Int) throws(EnlargerError) {
        while case let part = S3Store.partBytes(tags.count + 1), byteCount - sent >= part { try send(part) }
    }

    private func send(_ count: Int) throws(EnlargerError) {
        if upload == nil { upload = try begin() }
        let sum = try fileSHA256(descriptor, from: sent, count: count, name: key)
        let checksum = base64(hexadecimal: sum)
        let answer = try store.perform(
            S3Request(
                method: "PUT", key: key, parameters: [("partNumber", String(tags.count + 1)), ("uploadId", upload!)],
                headers: [("x-amz-checksum-sha256", checksum)], body: .file(descriptor, offset: sent, count: count, sha256: sum)))
        try store.expect([200], answer, key)
        tags.append((answer.headers["etag"] ?? "", checksum))
        sent += count
    }

    private func begin() throws(EnlargerError) -> String {
        let answer = try store.perform(
            S3Request(method: "POST", key: key, parameters: [("uploads", "")], headers: [("x-amz-checksum-algorithm", "SHA256")]))
        try store.expect([200], answer, key)
        guard let upload = XMLText.first("UploadId", in: answer.text) else {
            throw EnlargerError(.outputFailed, "\(store.address)/\(key): the store does not take parts")
        }
        return upload
    }

    func finish() throws(EnlargerError) -> Int {
        let count = try fileSize(descriptor, name: key)
        if upload == nil, count < S3Store.partBytes(1) {
            let sum = try fileSHA256(descriptor, from: 0, count: count, name: key)
            let answer = try store.perform(
                S3Request(
                    method: "PUT", key: key, headers: [("x-amz-checksum-sha256", base64(hexadecimal: sum))],
                    body: .file(descriptor, offset: 0, count: count, sha256: sum)))
            try store.expect([200], answer, key)
            isDone = true
            return count
        }
        try advance(to: count)
        if count > sent || tags.isEmpty { try send(count - sent) }
        try complete(count)
        isDone = true
        return count
    }

    private func complete(_ count: Int) throws(EnlargerError) {
        let parts = tags.enumerated().map { number, part in
            "<Part><PartNumber>\(number + 1)</PartNumber><ETag>\(XMLText.encoded(part.tag))</ETag><ChecksumSHA256>\(part.sum)</ChecksumSHA256></Part>"
        }
        let body = "<CompleteMultipartUpload>\(parts.joined())</CompleteMultipartUpload>"
        for attempt in 1... {
            let answer = try store.perform(
                S3Request(method: "POST", key: key, parameters: [("uploadId", upload!)], body: .bytes(Array(body.utf8))))
            // An error may come after the status: <Error> in an answer that began well.
            let isError = answer.text.contains("<Error>")
            if answer.failure.isEmpty, answer.status == 200, !isError { return }
            // The answer to an earlier try was lost: the upload is over, and the blob is there.
            if answer.status == 404, try store.info(key)?.byteCount == count { return }
            guard answer.status == 200, attempt < 4 else { throw answer.asError("\(store.address)/\(key)") }
            usleep(UInt32.random(in: 200_000...1_000_000))
        }
    }

    func cancel() {
        guard !isDone else { return }
        isDone = true
        guard let upload else { return }
        // What this leaves behind, the sweep finds.
        _ = try? store.perform(S3Request(method: "DELETE", key: key, parameters: [("uploadId", upload)]), patience: .seconds(5))
    }
}
