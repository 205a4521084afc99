import Enlarger
import Glibc
import Jobs
import NATSQueue
import PictureIO
public import Tensors

/// What `enlarge submit` is told. docs/scale.md says what each means.
public struct BatchConfiguration: Sendable {
    var remote: RemoteSettings
    var parameters = PictureParameters()
    var modelFolders: [String] = []
    /// Told apart from other batches by this; nil: by what is submitted, and from where.
    public var name: String?
    /// Which pictures are cut into parts.
    var cut = PictureCut()
    /// Jobs that are on their way at once.
    var window = 256

    public static let flags =
        ["--model", "--scale", "--format", "--precision", "--chroma", "--models", "--batch", "--parts", "--window"] + RemoteSettings.flags

    /// - Parameter value: what was given for a flag, on the command line or in its variable; nil: nothing.
    /// - Throws: `usage`.
    public init(isAugmented: Bool, _ value: (_ flag: String) -> String?) throws(EnlargerError) {
        guard let remote = try RemoteSettings(value) else { throw EnlargerError(.usage, "submit needs --queue nats://HOST:PORT and --store") }
        self.remote = remote
        let names = ["model", "scale", "format", "precision", "chroma"]
        let given = names.compactMap { name in value("--" + name).map { (name: name, value: $0) } }
        do {
            parameters = try Parameters(given + [("augment", isAugmented ? "true" : "false")], known: Parameters.picture).picture()
        } catch {
            throw EnlargerError(.usage, error.detail)
        }
        modelFolders = value("--models")?.split(separator: ":").map(String.init) ?? []
        func number(_ flag: String, _ range: ClosedRange<Int>) throws(EnlargerError) -> Int? {
            guard let text = value(flag) else { return nil }
            guard let number = Int(text), range.contains(number) else {
                throw EnlargerError(.usage, "\(flag) \(text): a whole number of \(range.lowerBound) to \(range.upperBound) is needed")
            }
            return number
        }
        cut.parts = try number("--parts", 1...PictureCut.mostParts)
        window = try number("--window", 1...100_000) ?? window
        name = value("--batch")
        if let name, !WorkerAnnouncement.isName(name) {
            throw EnlargerError(.usage, "--batch \(name): up to 100 letters, digits, '-' and '_' are meant")
        }
    }

    /// The key of a blob of the store that an address means, nil for what is elsewhere.
    public func key(ofAddress address: String) -> String? {
        let root = remote.storeAddress.hasSuffix("/") ? String(remote.storeAddress.dropLast()) : remote.storeAddress
        guard address.hasPrefix("s3://"), address == root || address.hasPrefix(root + "/") else { return nil }
        return String(address.dropFirst(root.count + 1))
    }
}

/// A picture of a batch.
public struct BatchPicture: Sendable {
    public enum Place: Sendable, Equatable {
        case file(String)
        /// By its key in the store.
        case blob(String)
    }
    /// As it was named, for people.
    public var name: String
    public var input: Place
    /// nil: the result waits in the store until the batch is waited for.
    public var output: Place

    public init(name: String, input: Place, output: Place) {
        (self.name, self.input, self.output) = (name, input, output)
    }
}

/// What became of a picture of a batch.
public struct BatchResult: Sendable {
    public var width = 0
    public var height = 0
    public var bytes = 0
    /// Of computing, on whatever machine.
    public var seconds: Double?
    public var attempts = 0
    public var parts = 1
    /// It was done before: nothing had to be computed.
    public var wasThere = false
}
