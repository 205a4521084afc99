import CSystem
import Glibc
package import Tensors

/// Finds model files by name: in the folders given, in ENLARGE_MODELS, in the user's data folder, beside the program.
package struct ModelLibrary: Sendable {
    package let folders: [String]
    static let extensions = ["safetensors", "onnx", "param", "pb"]

    /// - Parameter environment: the process's variables; tests pass their own.
    package init(extraFolders: [String] = [], environment: (String) -> String? = processVariable) {
        var folders = extraFolders
        folders += environment("ENLARGE_MODELS")?.split(separator: ":").map(String.init) ?? []
        folders.append(ModelLibrary.userFolder(environment: environment))
        // Beside the program or the library, below its prefix, and in the checkout that it was built in.
        for home in [ModelLibrary.programFolder, ModelLibrary.libraryFolder] {
            guard let home, !folders.contains(home + "/models") else { continue }
            folders += ["models", "../share/enlarger/models", "../../share/enlarger/models", "../../../models"].map { "\(home)/\($0)" }
        }
        self.folders = folders
    }

    /// Where `models fetch` installs.
    package static func userFolder(environment: (String) -> String? = processVariable) -> String {
        (environment("XDG_DATA_HOME") ?? (environment("HOME") ?? ".") + "/.local/share") + "/enlarger/models"
    }

    private static var programFolder: String? {
        var path = [CChar](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &path, path.count - 1)
        guard length > 0 else { return nil }
        let program = String(decoding: path[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return program.lastIndex(of: "/").map { String(program[..<$0]) }
    }

    /// Of the file that this code is in: libenlarger.so, or the program once more.
    private static var libraryFolder: String? {
        guard let name = es_code_file(), let path = realpath(name, nil) else { return nil }
        defer { free(path) }
        let file = String(cString: path)
        return file.lastIndex(of: "/").map { String(file[..<$0]) }
    }

    /// Names of files, without their endings, that a name stands for, the likeliest first: itself, or with the scale at its end. Where
    /// no scale is asked for, x2 goes before x3, x4 and x8.
    package static func names(for name: String, scale: Int?) -> [String] {
        [name] + (scale.map { [$0] } ?? [2, 3, 4, 8]).flatMap { ["\(name)-x\($0)", "\(name)_x\($0)"] }
    }

    /// The file that `name` means: a path, a name (`lite-x3`, `EDSR_x3`), or a name without its scale (`lite`).
    /// - Throws: `modelNotFound`, with the model's scales that there are, or else the places searched.
    package func path(for name: String, scale: Int?) throws(EnlargerError) -> String {
        let looksLikeFile = name.contains("/") || ModelLibrary.extensions.contains { name.hasSuffix("." + $0) }
        if looksLikeFile || (access(name, R_OK) == 0 && !isFolder(name)) {
            if access(name, F_OK) == 0 { return name }
            if name.contains("/") { throw EnlargerError(.modelNotFound, "model \(name): \(String(cString: strerror(errno)))") }
        }
        if let found = file(looksLikeFile ? [name] : ModelLibrary.names(for: name, scale: scale ?? 2), asIs: looksLikeFile) { return found }
        let others = looksLikeFile ? [] : ModelLibrary.names(for: name, scale: nil).dropFirst().filter { file([$0], asIs: false) != nil }
        if scale == nil, let first = others.first { return file([first], asIs: false)! }
        let asked = "model \(name)\(scale.map { " for x\($0)" } ?? "")"
        throw EnlargerError(
            .modelNotFound,
            others.isEmpty ? "\(asked) was not found in \(folders.joined(separator: ", "))" : "\(asked) was not found; there is \(others.joined(separator: ", "))")
    }

    /// The first file of any of the names, folder by folder.
    private func file(_ names: [String], asIs: Bool) -> String? {
        for folder in folders {
            for name in names {
                for file in asIs ? [name] : ModelLibrary.extensions.map({ "\(name).\($0)" }) where access("\(folder)/\(file)", R_OK) == 0 {
                    return "\(folder)/\(file)"
                }
            }
        }
        return nil
    }

    /// All model files of the folders, the first of each name.
    package func list() -> [(name: String, path: String)] {
        var found: [(name: String, path: String)] = [], seen: Set<String> = []
        for folder in folders {
            guard let directory = opendir(folder) else { continue }
            defer { closedir(directory) }
            var names: [String] = []
            while let entry = readdir(directory) {
                names.append(withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } })
            }
            for file in names.sorted() {
                guard let kind = ModelLibrary.extensions.first(where: { file.hasSuffix("." + $0) }) else { continue }
                let name = String(file.dropLast(kind.count + 1))
                if seen.insert(name).inserted { found.append((name, "\(folder)/\(file)")) }
            }
        }
        return found
    }

    private func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}

/// A variable of the process's environment; nil where it is absent or empty.
package func processVariable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
}
