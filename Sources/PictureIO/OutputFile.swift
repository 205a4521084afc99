import Glibc
import Tensors

/// Where a picture is written. A regular file appears under its name only when complete: until then it has a temporary
/// name in the same folder. Standard output, pipes and devices are written directly, or, for formats that go back in
/// the file (`needsSeeking`), from a temporary file at the end.
final class OutputFile {
    /// What the encoder writes to.
    let descriptor: Int32
    /// For messages.
    let name: String
    private let finalPath: String?
    private let temporaryPath: String?
    private let slot: Int32
    /// What the spooled file is copied to at the end, or -1.
    private let copyTo: Int32
    private var isDone = false

    init(path: String, needsSeeking: Bool) throws(EnlargerError) {
        name = path == "-" ? "standard output" : path
        var status = stat()
        let exists = path != "-" && stat(path, &status) == 0
        let kind = status.st_mode & S_IFMT
        if exists && kind == S_IFDIR { throw EnlargerError(.outputFailed, "cannot write \(path): it is a folder") }
        if path == "-" || (exists && kind != S_IFREG) {
            let direct = path == "-" ? fcntl(1, F_DUPFD_CLOEXEC, 0) : open(path, O_WRONLY | O_CLOEXEC)
            guard direct >= 0 else { throw EnlargerError(.outputFailed, "cannot write \(name): \(systemError())") }
            (finalPath, temporaryPath, slot) = (nil, nil, -1)
            if needsSeeking {
                do throws(EnlargerError) {
                    let spool = try UnnamedFile()
                    descriptor = spool.duplicate()
                } catch {
                    close(direct)
                    throw error
                }
                copyTo = direct
            } else {
                descriptor = direct
                copyTo = -1
            }
            return
        }
        copyTo = -1
        // Replace what a symbolic link names, not the link.
        var target = path
        if exists, let real = realpath(path, nil) {
            target = String(cString: real)
            free(real)
        }
        let folder = target.lastIndex(of: "/").map { String(target[...$0]) } ?? "./"
        guard let absolute = realpath(folder, nil) else {
            throw EnlargerError(.outputFailed, "cannot write \(path): \(systemError())")
        }
        let temporary =
            "\(String(cString: absolute))/.enlarger-\(String(UInt64.random(in: .min ... .max), radix: 36)).part"
        free(absolute)
        slot = TemporaryFiles.add(temporary)
        guard slot >= 0 else { throw EnlargerError(.outputFailed, "cannot write \(path): too many unfinished outputs") }
        descriptor = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            let reason = systemError()
            TemporaryFiles.remove(slot)
            throw EnlargerError(.outputFailed, "cannot write \(path): \(reason)")
        }
        if exists { fchmod(descriptor, status.st_mode & 0o777) }
        finalPath = target
        temporaryPath = temporary
    }

    /// A file that is open for reading and writing and that somebody else keeps; the descriptor is duplicated.
    init(descriptor: Int32, name: String) throws(EnlargerError) {
        let file = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard file >= 0 else { throw EnlargerError(.outputFailed, "cannot write \(name): \(systemError())") }
        self.descriptor = file
        self.name = name
        (finalPath, temporaryPath, slot, copyTo) = (nil, nil, -1, -1)
    }

    /// Gives the complete file its name.
    func commit() throws(EnlargerError) {
        if copyTo >= 0 {
            lseek(descriptor, 0, SEEK_SET)
            if let reason = copyAll(from: descriptor, to: copyTo) {
                throw EnlargerError(.outputFailed, "cannot write \(name): \(reason)")
            }
        }
        if let temporaryPath, let finalPath, rename(temporaryPath, finalPath) != 0 {
            throw EnlargerError(.outputFailed, "cannot write \(name): \(systemError())")
        }
        isDone = true
    }

    deinit {
        close(descriptor)
        if copyTo >= 0 { close(copyTo) }
        if let temporaryPath, !isDone { unlink(temporaryPath) }
        TemporaryFiles.remove(slot)
    }
}
