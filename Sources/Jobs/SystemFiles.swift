import Glibc
import Tensors

/// The failed system call's error, with `what` before its sentence: `diskFull` where room is what lacks.
func fileError(_ what: String, number: Int32 = errno) -> EnlargerError {
    let isFull = number == ENOSPC || number == EDQUOT || number == EFBIG
    return EnlargerError(isFull ? .diskFull : .outputFailed, "\(what): \(String(cString: strerror(number)))")
}

/// Makes the entries of a folder durable.
func synchronizeFolder(_ path: String) throws(EnlargerError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw fileError(path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw fileError(path) }
}

/// The names in a folder, "." and ".." excepted.
func folderNames(_ path: String) throws(EnlargerError) -> [String] {
    guard let folder = opendir(path) else { throw fileError(path) }
    defer { closedir(folder) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(folder) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    guard errno == 0 else { throw fileError(path) }
    return names
}

/// Bytes of a regular file, nil where there is none.
func fileSize(_ path: String) -> Int? {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(status.st_size)
}

func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws(EnlargerError) {
    var done = 0
    while done < bytes.count {
        let count = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw fileError(path) }
        done += count
    }
}
