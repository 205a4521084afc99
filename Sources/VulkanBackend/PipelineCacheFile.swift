import CVulkan
import Glibc
import Synchronization
import Tensors

/// Compiled shaders of one device and driver, kept between processes.
///
/// The file holds a header (whose they are, how long, their SHA-256) and the driver's own data. A file of another device
/// or driver, or a damaged one, is as good as none. It is replaced whole.
package final class PipelineCacheFile: Sendable {
    private let path: String
    private let header: [UInt8]
    private let size = Atomic<Int>(0)

    /// Length of the data as last read or written.
    var knownSize: Int { size.load(ordering: .relaxed) }

    /// `$XDG_CACHE_HOME/enlarger`, else `~/.cache/enlarger`; nil without a home.
    package static var defaultFolder: String? {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 } }
        return (variable("XDG_CACHE_HOME") ?? variable("HOME").map { $0 + "/.cache" }).map { $0 + "/enlarger" }
    }

    init(folder: String, device: VulkanDeviceInfo) {
        let raw = device.raw
        let identity = [raw.device_uuid, raw.driver_uuid, raw.cache_uuid].flatMap { withUnsafeBytes(of: $0) { Array($0) } }
        header = Array("enlarger pipelines 1\n".utf8) + identity
        let digits = Array("0123456789abcdef")
        let name = identity.prefix(16).reduce("") { $0 + String(digits[Int($1 >> 4)]) + String(digits[Int($1 & 15)]) }
        path = "\(folder)/pipelines-\(name)"
    }

    /// The driver's data; empty when there is none that can be used.
    func read() -> [UInt8] {
        guard let storage = try? ByteStorage.mapping(path: path, limit: 256 << 20) else { return [] }
        let bytes = withExtendedLifetime(storage) { [UInt8]($0.bytes) }, start = header.count + 64
        guard bytes.count > start, bytes.starts(with: header) else { return [] }
        let data = Array(bytes[start...])
        guard Array(bytes[header.count..<start]) == Self.digest(data) else { return [] }
        size.store(data.count, ordering: .relaxed)
        return data
    }

    func write(_ data: [UInt8]) {
        let folder = path.split(separator: "/").dropLast()
        var made = ""
        for part in folder {
            made += "/" + part
            mkdir(made, 0o700)
        }
        do throws(EnlargerError) {
            let file = try ReplacementFile(path: path)
            try file.write(header + Self.digest(data) + data)
            try file.commit()
            size.store(data.count, ordering: .relaxed)
        } catch {
            // The shaders are compiled again next time.
        }
    }

    private static func digest(_ data: [UInt8]) -> [UInt8] {
        var hash = SHA256()
        data.withUnsafeBytes { hash.update($0) }
        return Array(hash.finish().utf8)
    }
}
