import BlobStore
import PictureIO
public import Tensors

extension Batch {
    /// The pictures of the store that an address means: one blob, or all below a folder, less results of earlier runs.
    /// - Parameters:
    ///   - folder: of the store, where results go; nil: beside the pictures.
    ///   - address: of `key`, for people.
    public func pictures(below key: String, resultsIn folder: String?, format: String?, address: String) throws(EnlargerError) -> [BatchPicture] {
        let suffix = "_x\(scale)"
        var keys: [String] = []
        if !key.isEmpty, !key.hasSuffix("/"), try store.info(key) != nil {
            keys = [key]
        } else {
            let prefix = key.isEmpty || key.hasSuffix("/") ? key : key + "/"
            try store.list(prefix) { blob in
                if !blob.key.hasPrefix("jobs/"), PictureFormat(path: blob.key)?.isReadable == true, !Batch.stem(blob.key).hasSuffix(suffix) { keys.append(blob.key) }
                return true
            }
        }
        return keys.map { found in
            let own = found.split(separator: ".").last.map(String.init) ?? ""
            let isWritable = PictureFormat(path: "x." + own).map { PictureFormat.available.contains($0) } ?? false
            let relative = folder == nil ? found : found == key ? String(found.split(separator: "/").last!) : String(found.dropFirst(key.utf8.count).drop { $0 == "/" })
            let place = folder.map { $0.isEmpty || $0.hasSuffix("/") ? $0 : $0 + "/" } ?? ""
            return BatchPicture(
                name: "\(store.address)/\(found)", input: .blob(found),
                output: .blob("\(place)\(Batch.stem(relative))\(suffix).\(format ?? (isWritable ? own : "png"))"))
        }
    }

    private static func stem(_ key: String) -> String {
        let name = key.lastIndex(of: "/").map { key.index(after: $0) } ?? key.startIndex
        guard let dot = key[name...].lastIndex(of: "."), dot > name else { return key }
        return String(key[..<dot])
    }
}
