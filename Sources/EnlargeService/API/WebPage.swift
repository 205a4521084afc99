import CWebPage
import HTTPServer

/// The page's files and the API's description, which are part of the program.
enum WebPage {
    struct File: Sendable, Equatable {
        let name: String
        let type: String
        fileprivate let index: Int
    }

    private static let files: [String: File] = {
        var files: [String: File] = [:]
        var index = 0
        while let name = cw_file_list()[index].name {
            let file = File(
                name: String(cString: name), type: String(cString: cw_file_list()[index].type), index: index)
            files[file.name == "index.html" ? "/" : "/assets/\(file.name)"] = file
            index += 1
        }
        return files
    }()

    static func file(path: String) -> File? { files[path] }

    static func bytes(of file: File) -> ConstantBytes {
        let entry = cw_file_list()[file.index]
        return ConstantBytes(UnsafeRawBufferPointer(start: entry.bytes, count: entry.count))
    }

    static let openAPI = file(path: "/assets/openapi.json")!
}
