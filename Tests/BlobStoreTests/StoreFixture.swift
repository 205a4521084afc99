import BlobStore
import Foundation
import Glibc
import Tensors
import TestSupport
import Testing

/// A kind of store. Every one in `all` passes every test of the protocol.
struct StoreKind: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let open: @Sendable (_ fixture: StoreFixture) throws -> any BlobStore

    /// S3 where its test server is installed; `scripts/install-test-packages` does that.
    static let all = S3Server.python == nil ? [folder] : [folder, s3]

    static let folder = StoreKind(testDescription: "folder") { try FolderStore(path: $0.path) }
    static let s3 = StoreKind(testDescription: "S3") { fixture in
        try S3Server.shared.store(bucket: "bucket-" + UUID().uuidString.lowercased().prefix(8), prefix: "some folder/x")
    }
}

/// A folder of its own, gone with the fixture.
final class StoreFixture {
    let path = NSTemporaryDirectory() + "enlarger-store-" + UUID().uuidString
    private(set) var store: (any BlobStore)!

    init(_ kind: StoreKind) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        store = try kind.open(self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func keys(_ prefix: String = "") throws -> [String] {
        var keys: [String] = []
        try store.list(prefix) {
            keys.append($0.key)
            return true
        }
        return keys
    }
}

/// Tests/scale/s3_server.py, of this process alone: moto behind a check of signatures and checksums.
final class S3Server: @unchecked Sendable {  // set once
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    static let python: String? = [root + "/.build/scale-venv/bin/python3"].first { access($0, X_OK) == 0 }
    static let shared = S3Server()

    let endpoint: String
    private let process = Process()

    private init() {
        let file = NSTemporaryDirectory() + "enlarger-s3-" + UUID().uuidString
        process.executableURL = URL(fileURLWithPath: S3Server.python!)
        process.arguments = [S3Server.root + "/Tests/scale/s3_server.py", file]
        try! process.run()
        S3Server.ended = process.processIdentifier
        atexit { kill(S3Server.ended, SIGKILL) }
        var port: String?
        for _ in 0..<1500 where port == nil {
            port = try? String(contentsOfFile: file, encoding: .utf8)
            if port == nil { usleep(20_000) }
        }
        endpoint = "http://127.0.0.1:\(port!)"
    }

    nonisolated(unsafe) private static var ended: pid_t = 0

    func settings(bucket: some StringProtocol, prefix: String = "", secret: String = "enlarge/secret+key") throws
        -> S3Settings
    {
        let file = NSTemporaryDirectory() + "enlarger-credentials-" + UUID().uuidString
        try "[default]\naws_access_key_id = enlargekey\naws_secret_access_key = \(secret)\n".write(
            toFile: file, atomically: true, encoding: .utf8)
        defer { unlink(file) }
        return try S3Settings(address: "s3://\(bucket)/\(prefix)", endpoint: endpoint, credentialsFile: file)
    }

    /// A store in a new bucket.
    func store(bucket: some StringProtocol, prefix: String = "") throws -> S3Store {
        let store = S3Store(try settings(bucket: bucket, prefix: prefix))
        try store.makeBucket()
        return store
    }

    func order(_ json: String) throws {
        var request = Data(
            "POST /_order HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: \(json.utf8.count)\r\n\r\n\(json)"
                .utf8)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(endpoint.split(separator: ":").last!)!.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(connected == 0)
        _ = request.withUnsafeMutableBytes { write(descriptor, $0.baseAddress!, $0.count) }
        var room = [UInt8](repeating: 0, count: 1024)
        while read(descriptor, &room, room.count) > 0 {}
    }
}

/// Bytes that do not compress, the same for a seed.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
        withUnsafeBytes(of: UInt64.random(in: .min ... .max, using: &generator)) { bytes += $0 }
    }
    return Array(bytes.prefix(count))
}
