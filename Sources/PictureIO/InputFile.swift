import Glibc
import Tensors

/// An open, seekable picture file. Standard input ("-") that cannot seek is first copied to a temporary file without
/// a name.
struct InputFile: ~Copyable {
    let descriptor: Int32
    /// For messages.
    let name: String
    let bytes: Int

    /// - Throws: `pictureNotFound` when it cannot be opened, `pictureInvalid` for folders, devices and empty files.
    init(path: String) throws(EnlargerError) {
        let name = path == "-" ? "standard input" : path
        var file: Int32
        if path == "-" {
            file = try Self.standardInput()
        } else {
            file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard file >= 0 else { throw EnlargerError(.pictureNotFound, "cannot open \(path): \(systemError())") }
        }
        var status = stat()
        fstat(file, &status)
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFREG, status.st_size > 0 else {
            close(file)
            let reason = kind == S_IFDIR ? "is a folder" : kind == S_IFREG ? "is empty" : "is not a file"
            throw EnlargerError(.pictureInvalid, "\(name) \(reason)")
        }
        descriptor = file
        self.name = name
        bytes = Int(status.st_size)
    }

    /// A file that is open already; the descriptor is duplicated and stays the caller's.
    /// - Throws: `pictureInvalid` for what is not a regular file, and for empty files.
    init(descriptor: Int32, name: String) throws(EnlargerError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw EnlargerError(.pictureInvalid, "\(name) is not a file")
        }
        guard status.st_size > 0 else { throw EnlargerError(.pictureInvalid, "\(name) is empty") }
        let file = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard file >= 0 else { throw EnlargerError(.pictureInvalid, "cannot open \(name): \(systemError())") }
        self.descriptor = file
        self.name = name
        bytes = Int(status.st_size)
    }

    deinit { close(descriptor) }

    private static func standardInput() throws(EnlargerError) -> Int32 {
        var status = stat()
        if fstat(0, &status) == 0, status.st_mode & S_IFMT == S_IFREG, lseek(0, 0, SEEK_CUR) == 0 {
            return fcntl(0, F_DUPFD_CLOEXEC, 0)
        }
        let spool = try UnnamedFile()
        if let reason = copyAll(from: 0, to: spool.descriptor) {
            throw EnlargerError(.pictureInvalid, "cannot read standard input: \(reason)")
        }
        return spool.duplicate()
    }

    /// Up to `count` bytes from `offset`; fewer at the end of the file.
    func peek(_ count: Int, at offset: Int = 0) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, pread(descriptor, buffer.baseAddress!, count, offset))
        }
    }
}
