import Glibc
package import Tensors

/// The pictures of jobs, as files that the job's identifier names. A file has its name only when it is complete.
package struct JobFiles: Sendable {
    private let folder: DataFolder

    package init(folder: DataFolder) { self.folder = folder }

    /// For bodies on their way in.
    package var spool: String { folder.spool }
    package func input(_ id: JobIdentifier) -> String { "\(folder.inputs)/\(id)" }
    package func result(_ id: JobIdentifier) -> String { "\(folder.results)/\(id)" }

    /// Makes a spooled file the input of a job, durably.
    package func keepInput(_ id: JobIdentifier, descriptor: Int32, path: String) throws(EnlargerError) {
        try Self.keep(descriptor, path, as: input(id), in: folder.inputs)
    }

    /// A file for a result that is being made: no one else's, and swept away at the next start if it stays.
    package func beginResult(_ id: JobIdentifier) throws(EnlargerError) -> Int32 {
        let descriptor = open(unfinished(id), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw fileError("the result") }
        return descriptor
    }

    /// The result is complete: durable under its name.
    package func keepResult(_ id: JobIdentifier, descriptor: Int32) throws(EnlargerError) {
        try Self.keep(descriptor, unfinished(id), as: result(id), in: folder.results)
    }

    package func discardResult(_ id: JobIdentifier) { unlink(unfinished(id)) }

    /// Removes a file of a job.
    /// - Returns: the bytes it had.
    package func remove(_ path: String) -> Int {
        let size = fileSize(path) ?? 0
        return unlink(path) == 0 ? size : 0
    }

    /// A file without a name in the spool folder.
    package func unnamed() throws(EnlargerError) -> Int32 {
        var template = Array("\(folder.spool)/result-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw fileError("a temporary file") }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        unlink(template)
        return descriptor
    }

    /// Removes what no job needs: what a crash has left.
    /// - Returns: the bytes of what stays.
    package func sweep(state: (JobIdentifier) throws(EnlargerError) -> JobState?) throws(EnlargerError) -> Int {
        for name in try folderNames(folder.spool) { unlink("\(folder.spool)/\(name)") }
        var bytes = 0
        for (path, isNeeded) in [
            (folder.inputs, { (state: JobState?) in state.map { !$0.isFinished } ?? false }),
            (folder.results, { $0 == .done }),
        ] {
            for name in try folderNames(path) {
                let state = if let id = JobIdentifier(name) { try state(id) } else { JobState?.none }
                if isNeeded(state) { bytes += fileSize("\(path)/\(name)") ?? 0 } else { unlink("\(path)/\(name)") }
            }
        }
        return bytes
    }

    private func unfinished(_ id: JobIdentifier) -> String { result(id) + ".part" }

    private static func keep(_ descriptor: Int32, _ from: String, as to: String, in folder: String)
        throws(EnlargerError)
    {
        guard fsync(descriptor) == 0, rename(from, to) == 0 else { throw fileError("the data folder") }
        try synchronizeFolder(folder)
    }
}
