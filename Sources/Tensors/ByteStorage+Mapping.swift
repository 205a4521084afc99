#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension ByteStorage {
    /// Maps a regular file read-only; the map goes when the last user of the storage does.
    ///
    /// Costs no memory beyond the pages that are read. The file must not be cut short while the map lives
    /// (replacing it by `rename` is safe).
    /// - Throws: `missing` when the path cannot be opened or is not a regular file, `invalid` when it is empty or
    ///   larger than `limit` bytes, `allocationFailed` when the system refuses the map.
    package static func mapping(
        path: String, limit: Int = 1 << 32, missing: EnlargerError.Code = .modelNotFound,
        invalid: EnlargerError.Code = .modelInvalid
    ) throws(EnlargerError) -> ByteStorage {
        // O_NONBLOCK: opening a named pipe must not wait for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw EnlargerError(missing, "\(path): \(lastSystemError())") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw EnlargerError(missing, "\(path): \(lastSystemError())") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw EnlargerError(missing, "\(path): not a regular file") }
        let size = Int(status.st_size)
        guard size > 0 else { throw EnlargerError(invalid, "\(path): the file is empty") }
        guard size <= limit else { throw EnlargerError(invalid, "\(path): \(size) bytes; at most \(limit) are read") }
        guard let start = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
            throw EnlargerError(.allocationFailed, "\(path): mapping \(size) bytes: \(lastSystemError())")
        }
        return ByteStorage(UnsafeRawBufferPointer(start: start, count: size), isFileMapping: true) { bytes in
            munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress!), bytes.count)
        }
    }

    /// Takes the pages that hold `range` (all bytes when nil) out of this process's memory; no effect on heap blocks.
    ///
    /// Always safe: a page that is read again comes from the file, mostly from the system's cache. Used once weights are
    /// packed, so that a model does not count twice.
    package func dropResidentPages(_ range: Range<Int>? = nil) {
        guard isFileMapping, let start = bytes.baseAddress else { return }
        let range = (range ?? 0..<bytes.count).clamped(to: 0..<bytes.count)
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let first = range.lowerBound / page * page
        guard range.upperBound > first else { return }
        _ = madvise(UnsafeMutableRawPointer(mutating: start + first), range.upperBound - first, Int32(MADV_DONTNEED))
    }
}

/// The sentence for `errno`.
func lastSystemError() -> String {
    guard let text = strerror(errno) else { return "error \(errno)" }
    return String(cString: text)
}
