#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A file that is written under a temporary name beside its path and takes its place only when complete.
///
/// Dropped without `commit`, it removes what it wrote, so that no half-written file is left behind.
package struct ReplacementFile: ~Copyable {
    private let path: String
    private let temporary: String
    private let descriptor: Int32

    /// - Throws: `outputFailed` when the folder does not take a new file.
    package init(path: String) throws(EnlargerError) {
        var template = Array("\(path).XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw EnlargerError(.outputFailed, "\(path): \(lastSystemError())") }
        let mask = umask(0)
        umask(mask)
        _ = fchmod(descriptor, 0o666 & ~mask)  // mkstemp's 0600 would hide the file from others
        self.path = path
        self.descriptor = descriptor
        temporary = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    /// Appends all of `bytes`.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(EnlargerError) {
        var done = 0
        while done < bytes.count {
            #if canImport(Glibc)
            let written = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            #elseif canImport(Musl)
            let written = Musl.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            #else
            let written = Darwin.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            #endif
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw EnlargerError(.outputFailed, "\(path): \(lastSystemError())") }
            done += written
        }
    }

    package func write(_ array: [UInt8]) throws(EnlargerError) {
        let storage = ByteStorage(copying: array)
        try write(storage.bytes)
    }

    /// Puts the file in place of whatever bears its name.
    package consuming func commit() throws(EnlargerError) {
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
            throw EnlargerError(.outputFailed, "\(path): \(lastSystemError())")
        }
    }

    deinit {
        close(descriptor)
        unlink(temporary)  // gone already after `commit`
    }
}
