import Foundation
import Glibc
import NATSQueue
import Tensors

/// A nats-server with JetStream, of this process alone; started by its first use, ended with the process.
final class NATSServer: @unchecked Sendable {  // set once
    static let path: String? = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"].first { access($0, X_OK) == 0 }
    static let shared = NATSServer()

    let address: String
    private let process = Process()

    private init() {
        let folder = NSTemporaryDirectory() + "enlarger-nats-" + UUID().uuidString
        try! FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        process.executableURL = URL(fileURLWithPath: NATSServer.path!)
        process.arguments = ["-a", "127.0.0.1", "-p", "-1", "-js", "-sd", folder, "--ports_file_dir", folder]
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try! process.run()
        NATSServer.ended = (process.processIdentifier, folder)
        atexit {
            kill(NATSServer.ended.pid, SIGKILL)
            try? FileManager.default.removeItem(atPath: NATSServer.ended.folder)
        }
        address = NATSServer.announced(folder)
    }

    nonisolated(unsafe) private static var ended: (pid: pid_t, folder: String) = (0, "")

    /// The server writes where it listens to `nats-server_PID.ports`.
    private static func announced(_ folder: String) -> String {
        for _ in 0..<500 {
            let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            if let file = files.first(where: { $0.hasSuffix(".ports") }), let data = FileManager.default.contents(atPath: folder + "/" + file),
                let ports = try? JSONDecoder().decode([String: [String]].self, from: data), let address = ports["nats"]?.first
            {
                return address
            }
            usleep(20_000)
        }
        fatalError("nats-server does not start")
    }

    func connect(prefix: String) throws(EnlargerError) -> NATSConnection {
        var settings = try NATSSettings(addresses: address)
        settings.prefix = prefix
        return try NATSConnection(settings, name: "test")
    }
}
