import Glibc
import Tensors

/// The failed system call's error: `diskFull` where room is what lacks.
func fileError(_ what: String, number: Int32 = errno) -> EnlargerError {
    let code: EnlargerError.Code =
        switch number {
        case ENOSPC, EDQUOT, EFBIG: .diskFull
        case ENOENT, ENOTDIR: .blobNotFound
        case EACCES, EPERM, EROFS: .accessRefused
        // A file system of another machine that is away.
        case ESTALE, ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH, ENOTCONN, EIO: .storeUnavailable
        default: .outputFailed
        }
    return EnlargerError(code, "\(what): \(String(cString: strerror(number)))")
}

func closeFile(_ descriptor: Int32) { close(descriptor) }

func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, name: String) throws(EnlargerError) {
    var done = 0
    while done < bytes.count {
        let count = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw fileError(name) }
        done += count
    }
}

/// From the file's beginning to its end, wherever its offset is.
func forEachPiece(
    of descriptor: Int32, from start: Int = 0, count: Int = .max, name: String, _ body: (UnsafeRawBufferPointer) throws(EnlargerError) -> Void
) throws(EnlargerError) {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
    defer { room.deallocate() }
    var offset = start
    while offset - start < count {
        let got = pread(descriptor, room.baseAddress!, min(room.count, count - (offset - start)), offset)
        if got < 0, errno == EINTR { continue }
        guard got >= 0 else { throw fileError(name) }
        if got == 0 { return }
        try body(UnsafeRawBufferPointer(start: room.baseAddress!, count: got))
        offset += got
    }
}

func copyFile(_ source: Int32, to target: Int32, name: String) throws(EnlargerError) {
    try forEachPiece(of: source, name: name) { bytes throws(EnlargerError) in try writeAll(bytes, to: target, name: name) }
}

func readFile(_ descriptor: Int32, name: String) throws(EnlargerError) -> [UInt8] {
    var bytes: [UInt8] = []
    try forEachPiece(of: descriptor, name: name) { bytes += $0 }
    return bytes
}

func fileSize(_ descriptor: Int32, name: String) throws(EnlargerError) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw fileError(name) }
    return Int(status.st_size)
}

/// In `TMPDIR`, or `/var/tmp`: pictures may be larger than a `/tmp` in memory.
func unnamedFile() throws(EnlargerError) -> Int32 {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp"
    var template = Array("\(folder)/enlarge-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw fileError("a temporary file in \(folder)") }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    unlink(template)
    return descriptor
}
