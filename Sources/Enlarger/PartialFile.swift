import Glibc
import Tensors

/// A download on its way: `PATH.part` beside the file that it becomes. It outlives a failed transfer, which goes on
/// from where it stopped. Locked while it is open, so that two processes never write one.
final class PartialFile {
    let path: String
    private let descriptor: Int32
    private(set) var byteCount: Int

    /// Opens what an earlier try left, or starts with nothing.
    init(for target: String) throws(EnlargerError) {
        path = target + ".part"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw EnlargerError(.outputFailed, "\(path): \(systemError())") }
        var status = stat()
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &status) == 0 else {
            let reason = errno == EWOULDBLOCK ? "another process is downloading it" : systemError()
            close(descriptor)
            throw EnlargerError(.outputFailed, "\(path): \(reason)")
        }
        byteCount = Int(status.st_size)
    }

    deinit { close(descriptor) }

    func append(_ bytes: UnsafeRawBufferPointer) throws(EnlargerError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(byteCount))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw EnlargerError(.outputFailed, "\(path): \(systemError())") }
            done += count
            byteCount += count
        }
    }

    func clear() throws(EnlargerError) {
        guard ftruncate(descriptor, 0) == 0 else { throw EnlargerError(.outputFailed, "\(path): \(systemError())") }
        byteCount = 0
    }

    func remove() { unlink(path) }

    func sha256() throws(EnlargerError) -> String { try fileSHA256(descriptor, name: path) }

    /// Makes it the file itself.
    func commit(to target: String) throws(EnlargerError) {
        guard fsync(descriptor) == 0, rename(path, target) == 0 else {
            throw EnlargerError(.outputFailed, "\(target): \(systemError())")
        }
    }
}

/// The sum of a whole file, read in pieces.
func fileSHA256(_ descriptor: Int32, name: String) throws(EnlargerError) -> String {
    var sum = SHA256(), offset = 0
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
    defer { piece.deallocate() }
    while true {
        let count = pread(descriptor, piece.baseAddress!, piece.count, off_t(offset))
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw EnlargerError(.outputFailed, "\(name): \(systemError())") }
        if count == 0 { return sum.finish() }
        sum.update(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        offset += count
    }
}

/// The sentence for `errno`.
func systemError() -> String { String(cString: strerror(errno)) }
