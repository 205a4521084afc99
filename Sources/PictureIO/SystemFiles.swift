import Glibc
import Tensors

/// The reason of the last failed system call, in words.
func systemError() -> String { String(cString: strerror(errno)) }

/// The folder for temporary files: `TMPDIR`, else /tmp.
func temporaryFolder() -> String {
    guard let folder = getenv("TMPDIR"), folder.pointee != 0 else { return "/tmp" }
    return String(cString: folder)
}

/// A file that nobody else sees: it has no name and is gone when its last descriptor closes.
struct UnnamedFile: ~Copyable {
    let descriptor: Int32

    init() throws(EnlargerError) {
        let folder = temporaryFolder()
        var template = Array("\(folder)/enlarger-XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            throw EnlargerError(.outputFailed, "cannot make a temporary file in \(folder): \(systemError())")
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        unlink(template)
    }

    /// A descriptor that outlives this one. A method, not a use of `descriptor`: the file is open as long as it runs,
    /// where a caller's last look at `descriptor` may be the end of the value, and so of the file.
    func duplicate() -> Int32 { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }

    deinit { close(descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(EnlargerError) {
        var done = 0
        while done < bytes.count {
            let n = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
            if n < 0 && errno == EINTR { continue }
            guard n > 0 else {
                throw EnlargerError(
                    .outputFailed, "cannot write a temporary file in \(temporaryFolder()): \(n < 0 ? systemError() : "no progress")")
            }
            done += n
        }
    }

    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(EnlargerError) {
        var done = 0
        while done < bytes.count {
            let n = pread(descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
            if n < 0 && errno == EINTR { continue }
            guard n > 0 else {
                throw EnlargerError(.outputFailed, "cannot read back a temporary file: \(n < 0 ? systemError() : "too short")")
            }
            done += n
        }
    }
}

/// Copies all that is left to read of one descriptor to another, 64 KiB at a time.
/// - Returns: nil, or the reason why not.
func copyAll(from input: Int32, to output: Int32) -> String? {
    withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { buffer in
        while true {
            let count = read(input, buffer.baseAddress!, buffer.count)
            if count < 0 && errno == EINTR { continue }
            if count < 0 { return systemError() }
            if count == 0 { return nil }
            var done = 0
            while done < count {
                let n = write(output, buffer.baseAddress! + done, count - done)
                if n < 0 && errno == EINTR { continue }
                if n <= 0 { return systemError() }
                done += n
            }
        }
    }
}
