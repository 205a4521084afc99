import Glibc
import PictureIO
import Tensors

/// The pictures that the words of a command line mean: files, globs, folders.
struct InputList {
    struct Picture {
        let path: String
        /// Path below the folder that was named, for outputs that keep the folders' structure; else the file's name.
        let relative: String
    }
    private(set) var pictures: [Picture] = []
    private(set) var hasFolder = false

    /// - Parameter suffixes: in folders, names that end so (before the extension) are results of an earlier run and are left out.
    init(_ words: [String], isRecursive: Bool, ignoringSuffixes suffixes: [String]) throws(EnlargerError) {
        for word in words {
            if word == "-" {
                pictures.append(Picture(path: word, relative: "picture"))
            } else if isFolder(word) {
                hasFolder = true
                addFolder(word, below: "", isRecursive, suffixes)
            } else if access(word, F_OK) != 0, word.contains(where: { "*?[".contains($0) }) {
                let matches = expand(word)
                if matches.isEmpty { throw EnlargerError(.pictureNotFound, "\(word): no file matches") }
                for path in matches where !isFolder(path) { pictures.append(Picture(path: path, relative: lastPart(path))) }
            } else {
                pictures.append(Picture(path: word, relative: lastPart(word)))
            }
        }
        // A picture that is named twice (itself and by a glob, say) is enlarged once.
        var seen: Set<String> = []
        pictures.removeAll { !seen.insert($0.path).inserted }
    }

    private mutating func addFolder(_ folder: String, below: String, _ isRecursive: Bool, _ suffixes: [String]) {
        guard let directory = opendir(folder) else { return }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } })
        }
        closedir(directory)
        for name in names.sorted() where !name.hasPrefix(".") {
            let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)", relative = below.isEmpty ? name : "\(below)/\(name)"
            if isFolder(path) {
                if isRecursive { addFolder(path, below: relative, isRecursive, suffixes) }
            } else if let dot = name.lastIndex(of: "."), PictureFormat(path: name)?.isReadable == true {
                if suffixes.contains(where: name[..<dot].hasSuffix) { continue }
                pictures.append(Picture(path: path, relative: relative))
            }
        }
    }

    private func expand(_ pattern: String) -> [String] {
        var result = glob_t()
        defer { globfree(&result) }
        guard glob(pattern, 0, nil, &result) == 0 else { return [] }
        return (0..<Int(result.gl_pathc)).map { String(cString: result.gl_pathv[$0]!) }
    }
}

func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

func lastPart(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

/// Where results go.
struct OutputNaming {
    private let output: String?
    private let isFolder: Bool
    private let format: String?

    /// - Throws: `usage` when several results would go to one file.
    init(output: String?, format: String?, hasSeveralInputs: Bool, hasSeveralScales: Bool) throws(EnlargerError) {
        self.output = output
        self.format = format
        if let output, output != "-" {
            let exists = access(output, F_OK) == 0
            isFolder = output.hasSuffix("/") || enlarge.isFolder(output) || ((hasSeveralInputs || hasSeveralScales) && !exists)
            if hasSeveralInputs, !isFolder { throw EnlargerError(.usage, "-o \(output) is a file, and there are several pictures") }
            if hasSeveralScales, !isFolder { throw EnlargerError(.usage, "-o \(output) is a file, and there are several scales") }
        } else {
            isFolder = false
            if output == "-", hasSeveralInputs { throw EnlargerError(.usage, "-o - takes one picture") }
            if output == "-", hasSeveralScales { throw EnlargerError(.usage, "-o - takes one scale") }
        }
    }

    /// The path for one picture at one scale; its folder is made when it is below the output folder.
    /// - Throws: `outputFailed` when the folder cannot be made or the result would replace the picture itself.
    func output(for picture: InputList.Picture, scale: Int) throws(EnlargerError) -> String {
        if let output, !isFolder { return try checked(output, picture) }
        if output == nil, picture.path == "-" { return "-" }
        let base = output == nil ? picture.path : "\(output!)\(output!.hasSuffix("/") ? "" : "/")\(picture.relative)"
        let folderEnd = base.lastIndex(of: "/").map { base.index(after: $0) } ?? base.startIndex
        let name = base[folderEnd...]
        let dot = name.lastIndex(of: ".").flatMap { $0 == name.startIndex ? nil : $0 }
        let stem = name[..<(dot ?? name.endIndex)]
        let ownExtension = dot.map { String(name[name.index(after: $0)...]) }
        let fileExtension: String
        if let format {
            fileExtension = format
        } else if let ownExtension, let own = PictureFormat(path: "x." + ownExtension), PictureFormat.available.contains(own) {
            fileExtension = ownExtension
        } else {
            fileExtension = "png"
        }
        if output != nil { try makeFolders(String(base[..<folderEnd])) }
        return try checked("\(base[..<folderEnd])\(stem)_x\(scale).\(fileExtension)", picture)
    }

    private func checked(_ path: String, _ picture: InputList.Picture) throws(EnlargerError) -> String {
        var a = stat(), b = stat()
        if path != "-", stat(path, &a) == 0, stat(picture.path, &b) == 0, a.st_ino == b.st_ino, a.st_dev == b.st_dev {
            throw EnlargerError(.outputFailed, "\(path): the result would replace the picture itself")
        }
        return path
    }

    private func makeFolders(_ path: String) throws(EnlargerError) {
        var partial = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            partial += part + "/"
            if mkdir(partial, 0o777) != 0, errno != EEXIST {
                throw EnlargerError(.outputFailed, "\(partial): \(String(cString: strerror(errno)))")
            }
        }
    }
}
