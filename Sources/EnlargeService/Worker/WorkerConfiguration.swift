import Glibc
import NATSQueue
public import Tensors

/// What a worker may do and use. docs/scale.md says what each means.
public struct WorkerConfiguration: Sendable {
    var remote: RemoteSettings
    var name: String
    var memory: Int
    var threads: Int?
    var modelFolders: [String] = []
    var defaultModel = "lite"
    var pixelLimit = 10_000_000_000
    var formats = ["png", "jpg", "webp", "tiff", "avif", "heic", "gif", "pnm"]
    /// Where health and metrics are; nil: nowhere.
    var endpoint: (address: String, port: UInt16)?
    var graceSeconds = 30
    /// For tests of scaling: no picture is computed, a job takes so long and its result is its input.
    var simulatedSeconds: Double?

    public static let flags =
        ["--name", "--memory", "--threads", "--models", "--model", "--max-pixels", "--formats", "--listen", "--grace", "--simulate"]
        + RemoteSettings.flags

    /// - Parameter value: what was given for a flag, on the command line or in its variable; nil: nothing.
    /// - Throws: `usage`.
    public init(_ value: (_ flag: String) -> String?) throws(EnlargerError) {
        guard let remote = try RemoteSettings(value) else { throw EnlargerError(.usage, "worker needs --queue nats://HOST:PORT and --store") }
        self.remote = remote
        // What a worker has in common with a service is read as there, and means the same.
        let shared = ["--memory", "--threads", "--models", "--model", "--formats", "--listen", "--grace"]
        let service = try ServiceConfiguration { shared.contains($0) ? value($0) : nil }
        (memory, threads, modelFolders, defaultModel) = (service.memory, service.threads, service.modelFolders, service.defaultModel)
        (formats, graceSeconds) = (service.formats, service.graceSeconds)
        if value("--listen") != nil { endpoint = (service.address, service.port) }
        if let text = value("--max-pixels") {
            guard let number = Int(text), number > 0 else { throw EnlargerError(.usage, "--max-pixels \(text): a whole number is needed") }
            pixelLimit = number
        }
        if let text = value("--simulate") {
            guard let number = Double(text), number >= 0, number.isFinite else { throw EnlargerError(.usage, "--simulate \(text): seconds are meant") }
            simulatedSeconds = number
        }
        name = value("--name") ?? WorkerConfiguration.ownName()
        guard WorkerAnnouncement.isName(name) else {
            throw EnlargerError(.usage, "--name \(name): up to 100 letters, digits, '-' and '_' are meant")
        }
    }

    /// The host's name and something that no other process of it has.
    private static func ownName() -> String {
        var host = [CChar](repeating: 0, count: 256)
        gethostname(&host, host.count - 1)
        let text = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let kept = text.map { WorkerAnnouncement.isName(String($0)) ? $0 : "-" }
        return String(kept.prefix(60)) + "-" + String(UInt32.random(in: 0 ... .max), radix: 36)
    }
}
