#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A temporary file without a name: gone when it is closed, even if the process is killed.
package final class SpoolFile {
    private let descriptor: Int32

    /// Opened in $TMPDIR, else /var/tmp, which is on disk where /tmp may be memory.
    package init() throws(EnlargerError) {
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp"
        var template = Array("\(folder)/enlarge.XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw EnlargerError(.outputFailed, "no temporary file in \(folder): \(String(cString: strerror(errno)))") }
        unlink(template)
    }

    deinit { close(descriptor) }

    /// Makes the file `count` bytes long; what was not written is zero.
    package func extend(to count: Int) throws(EnlargerError) {
        guard ftruncate(descriptor, off_t(count)) == 0 else {
            throw EnlargerError(.outputFailed, "a temporary file of \(count) bytes cannot be made: \(String(cString: strerror(errno)))")
        }
    }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(EnlargerError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw EnlargerError(.outputFailed, "a temporary file cannot be written: \(String(cString: strerror(errno)))") }
            done += count
        }
    }

    package func read(_ bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(EnlargerError) {
        var done = 0
        while done < bytes.count {
            let count = pread(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw EnlargerError(.outputFailed, "a temporary file cannot be read back: \(String(cString: strerror(errno)))") }
            done += count
        }
    }
}
