import Foundation

/// A folder that goes away with its test.
final class TemporaryFolder {
    let path: String
    init() {
        path = NSTemporaryDirectory() + "enlarger-tests-" + UUID().uuidString
        try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    /// Writes a file, and the folders that it lies in.
    @discardableResult
    func write(_ bytes: [UInt8], _ name: String) -> String {
        let folder = file(name).split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        try! FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        _ = FileManager.default.createFile(atPath: file(name), contents: Data(bytes))
        return file(name)
    }

    func read(_ name: String) -> [UInt8]? { FileManager.default.contents(atPath: file(name)).map { [UInt8]($0) } }
    var contents: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}
