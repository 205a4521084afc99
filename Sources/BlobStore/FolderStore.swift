import Glibc
package import Tensors

/// A folder, of this machine or shared by several (NFS).
///
/// A blob on its way is a hidden file beside its place. What a machine left behind that died while it wrote stays until
/// the sweep: `sweep`.
package final class FolderStore: BlobStore {
    package let address: String
    let root: String

    /// - Throws: `usage` for what is no folder.
    package init(path: String) throws(EnlargerError) {
        guard let resolved = realpath(path, nil) else { throw EnlargerError(.usage, "the store \(path): \(String(cString: strerror(errno)))") }
        defer { free(resolved) }
        root = String(cString: resolved)
        var status = stat()
        guard stat(root, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw EnlargerError(.usage, "the store \(path) is not a folder")
        }
        address = root
    }

    static let unfinished = ".enlarge-part-"

    /// What the names begin with of files that are to become `path`; the name itself may be as long as a name may be.
    private static func unfinishedPath(_ path: String) -> String {
        let slash = path.lastIndex(of: "/")!
        var sum = SHA256()
        Array(path[slash...].utf8).withUnsafeBytes { sum.update($0) }
        return "\(path[...slash])\(unfinished)\(sum.finish().prefix(16))-"
    }

    package func abandon(_ key: String) throws(EnlargerError) {
        let start = FolderStore.unfinishedPath(try path(key)).dropFirst(root.utf8.count + 1)
        let folder = key.split(separator: "/").dropLast().joined(separator: "/")
        var found: [String] = []
        _ = try walk(folder) { key, _ in
            if key.hasPrefix(start) { found.append(key) }
            return true
        }
        for key in found { try remove(key) }
    }

    private func path(_ key: String) throws(EnlargerError) -> String {
        try BlobKey.check(key)
        return root + "/" + key
    }

    private static func info(_ key: String, _ status: stat) -> BlobInfo {
        BlobInfo(
            key: key, byteCount: Int(status.st_size), tag: "\(status.st_size)-\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)",
            modified: status.st_mtim.tv_sec)
    }

    package func info(_ key: String) throws(EnlargerError) -> BlobInfo? {
        var status = stat()
        guard stat(try path(key), &status) == 0 else {
            guard errno == ENOENT || errno == ENOTDIR else { throw fileError(key) }
            return nil
        }
        return status.st_mode & S_IFMT == S_IFREG ? FolderStore.info(key, status) : nil
    }

    package func list(_ prefix: String, _ visit: (BlobInfo) throws(EnlargerError) -> Bool) throws(EnlargerError) {
        let folder = prefix.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        if !folder.isEmpty { try BlobKey.check(folder) }
        _ = try walk(folder) { key, status throws(EnlargerError) in
            guard key.hasPrefix(prefix), !FolderStore.isUnfinished(key) else { return true }
            return try visit(FolderStore.info(key, status))
        }
    }

    private static func isUnfinished(_ key: String) -> Bool { (key.split(separator: "/").last ?? "").hasPrefix(unfinished) }

    /// Regular files below a folder, in the order of their keys: of bytes, as S3 sorts them.
    /// - Returns: false once `visit` has.
    private func walk(_ folder: String, _ visit: (String, stat) throws(EnlargerError) -> Bool) throws(EnlargerError) -> Bool {
        let path = folder.isEmpty ? root : root + "/" + folder
        guard let directory = opendir(path) else {
            guard errno == ENOENT || errno == ENOTDIR else { throw fileError(folder) }
            return true
        }
        var entries: [(key: String, status: stat)] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
            var status = stat()
            guard name != ".", name != "..", stat(path + "/" + name, &status) == 0 else { continue }
            entries.append((folder.isEmpty ? name : folder + "/" + name, status))
        }
        closedir(directory)
        func sortKey(_ entry: (key: String, status: stat)) -> String { entry.status.st_mode & S_IFMT == S_IFDIR ? entry.key + "/" : entry.key }
        entries.sort { sortKey($0).utf8.lexicographicallyPrecedes(sortKey($1).utf8) }
        for (key, status) in entries {
            let goesOn =
                switch status.st_mode & S_IFMT {
                case S_IFDIR: try walk(key, visit)
                case S_IFREG: try visit(key, status)
                default: true
                }
            if !goesOn { return false }
        }
        return true
    }

    package func open(_ key: String) throws(EnlargerError) -> Int32 {
        let descriptor = Glibc.open(try path(key), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw fileError(key) }
        return descriptor
    }

    package func create(_ key: String) throws(EnlargerError) -> any NewBlob {
        let path = try path(key)
        let folder = String(path[..<path.lastIndex(of: "/")!])
        let temporary = FolderStore.unfinishedPath(path) + String(UInt64.random(in: .min ... .max), radix: 36)
        // Another machine may just be removing a folder that has become empty.
        for attempt in 1... {
            try makeFolders(folder)
            let descriptor = Glibc.open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            if descriptor >= 0 { return FolderBlob(descriptor: descriptor, temporary: temporary, path: path, root: root, name: key) }
            guard errno == ENOENT, attempt < 10 else { throw fileError(key) }
        }
        fatalError()
    }

    private func makeFolders(_ path: String) throws(EnlargerError) {
        var partial = root
        for name in path.dropFirst(root.count).split(separator: "/") {
            partial += "/" + name
            guard mkdir(partial, 0o777) == 0 || errno == EEXIST else { throw fileError(partial) }
        }
    }

    package func remove(_ key: String) throws(EnlargerError) {
        let path = try path(key)
        guard unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR else { throw fileError(key) }
        FolderStore.removeEmptyFolders(above: path, below: root)
    }

    /// Folders come and go with what is in them, as in a bucket.
    static func removeEmptyFolders(above path: String, below root: String) {
        var folder = path[..<path.lastIndex(of: "/")!]
        while folder.utf8.count > root.utf8.count, rmdir(String(folder)) == 0 { folder = folder[..<folder.lastIndex(of: "/")!] }
    }

    package func sweep(_ prefix: String, olderThan seconds: Int) throws(EnlargerError) {
        let folder = prefix.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var old: [String] = []
        _ = try walk(folder) { key, status in
            if FolderStore.isUnfinished(key), status.st_mtim.tv_sec < now.tv_sec - seconds { old.append(key) }
            return true
        }
        for key in old { try remove(key) }
    }
}

private final class FolderBlob: NewBlob, @unchecked Sendable {  // used by one thread at a time
    let descriptor: Int32
    private let temporary: String
    private let path: String
    private let root: String
    private let name: String
    private var isDone = false

    init(descriptor: Int32, temporary: String, path: String, root: String, name: String) {
        (self.descriptor, self.temporary, self.path, self.root, self.name) = (descriptor, temporary, path, root, name)
    }

    deinit {
        cancel()
        close(descriptor)
    }

    func advance(to byteCount: Int) {}

    func finish() throws(EnlargerError) -> Int {
        let count = try fileSize(descriptor, name: name)
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw fileError(name) }
        isDone = true
        let folder = Glibc.open(String(path[..<path.lastIndex(of: "/")!]), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw fileError(name) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw fileError(name) }
        return count
    }

    func cancel() {
        guard !isDone else { return }
        isDone = true
        unlink(temporary)
        FolderStore.removeEmptyFolders(above: path, below: root)
    }
}
