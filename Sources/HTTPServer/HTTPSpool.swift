import Glibc

/// A body in a file, as it came: mode 0600, with a name of its own that goes with it, unless someone takes it.
package final class HTTPSpool: @unchecked Sendable {  // changed by one thread at a time: first the network's, then the request's
    package let descriptor: Int32
    private(set) package var path: String?
    private(set) package var count = 0
    /// The other parts of a form.
    package internal(set) var fields: [(name: String, value: String)] = []
    private let rules: HTTPSpoolRules

    init(_ rules: HTTPSpoolRules) throws(HTTPFailure) {
        self.rules = rules
        var random = (UInt64.random(in: 0...UInt64.max), UInt64.random(in: 0...UInt64.max))
        _ = getentropy(&random, 16)
        let path = "\(rules.folder)/\(String(random.0, radix: 16))-\(String(random.1, radix: 16))"
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw HTTPSpool.failure(path) }
        self.path = path
    }

    deinit {
        close(descriptor)
        if let path { unlink(path) }
        rules.release(count)
    }

    /// The file has another name now, or none, and its bytes are someone else's to count.
    package func taken() {
        path = nil
        count = 0
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(HTTPFailure) {
        guard bytes.count <= rules.fileLimit - count else { throw .bodyTooLarge }
        guard rules.reserve(bytes.count) else { throw .noRoom }
        count += bytes.count
        var done = 0
        while done < bytes.count {
            let written = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw HTTPSpool.failure("the body") }
            done += written
        }
    }

    private static func failure(_ what: String) -> HTTPFailure {
        errno == ENOSPC || errno == EDQUOT || errno == EFBIG
            ? .noRoom : .fileFailed("\(what): \(String(cString: strerror(errno)))")
    }
}

func closeFile(_ descriptor: Int32) { close(descriptor) }
