import Glibc
public import Tensors

/// What a service may do and use. docs/service.md says what each means.
public struct ServiceConfiguration: Sendable {
    public var address = "127.0.0.1"
    public var port: UInt16 = 8080
    public var dataFolder = "./enlarge-data"
    public var memory: Int
    public var threads: Int?
    public var modelFolders: [String] = []
    public var defaultModel = "lite"
    public var queueLimit = 256
    public var jobLimit = 10_000
    public var keepSeconds = 24 * 3600
    public var diskLimit = 10 << 30
    public var pixelLimit = 50_000_000
    public var outputPixelLimit = 450_000_000
    public var bodyLimit = 256 << 20
    /// Names of `PictureFormat`.
    public var formats = ["png", "jpg", "webp", "tiff", "avif", "heic", "gif", "pnm"]
    public var requestSeconds = 900
    public var headerSeconds = 10
    public var idleSeconds = 60
    public var connectionLimit = 1000
    public var connectionsPerClient = 100
    public var tokensFile: String?
    public var certificateFile: String?
    public var keyFile: String?
    public var corsOrigin: String?
    public var graceSeconds = 30
    /// Which pictures go to several machines in parts.
    var cut = PictureCut()
    /// The queue and the store that several machines share; nil: the data folder alone.
    var remote: RemoteSettings?

    /// Flags with what they take, in the order of the documentation.
    public static let flags = [
        "--listen", "--data", "--memory", "--threads", "--models", "--model", "--max-waiting", "--max-jobs", "--keep",
        "--max-disk", "--max-pixels",
        "--max-output-pixels", "--max-body", "--formats", "--request-timeout", "--header-timeout", "--idle-timeout",
        "--max-connections",
        "--max-connections-per-client", "--tokens", "--tls-certificate", "--tls-key", "--cors-origin", "--grace",
        "--cut-pixels",
    ] + RemoteSettings.flags

    /// The variable that stands for a flag: `--max-pixels` is `ENLARGE_MAX_PIXELS`.
    public static func variable(of flag: String) -> String {
        "ENLARGE_" + flag.dropFirst(2).uppercased().split(separator: "-").joined(separator: "_")
    }

    /// - Parameter value: what was given for a flag, on the command line or in its variable; nil: nothing.
    /// - Throws: `usage`, with the flag and what it takes.
    public init(_ value: (_ flag: String) -> String?) throws(EnlargerError) {
        memory = 0
        func integer(_ flag: String, _ range: ClosedRange<Int>, _ target: inout Int) throws(EnlargerError) {
            guard let text = value(flag) else { return }
            guard let number = Int(text), range.contains(number) else {
                throw EnlargerError(
                    .usage, "\(flag) \(text): a whole number of \(range.lowerBound) to \(range.upperBound) is needed")
            }
            target = number
        }
        func scaled(_ flag: String, _ units: [Character: Int], _ example: String, _ target: inout Int)
            throws(EnlargerError)
        {
            guard let text = value(flag) else { return }
            let unit = text.last.flatMap { units[$0] }
            guard let number = Int(unit == nil ? text : String(text.dropLast())), number > 0,
                case (let product, let overflow) = number.multipliedReportingOverflow(by: unit ?? 1), !overflow
            else { throw EnlargerError(.usage, "\(flag) \(text): \(example) is meant") }
            target = product
        }
        let sizes: [Character: Int] = [
            "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30,
            "t": 1 << 40,
        ]
        let times: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
        func bytes(_ flag: String, _ target: inout Int) throws(EnlargerError) {
            try scaled(flag, sizes, "a size such as 600M", &target)
        }
        func seconds(_ flag: String, _ target: inout Int) throws(EnlargerError) {
            try scaled(flag, times, "a time such as 30s, 15m or 24h", &target)
        }

        if let text = value("--listen") { (address, port) = try ServiceConfiguration.endpoint(text) }
        dataFolder = value("--data") ?? dataFolder
        try bytes("--memory", &memory)
        if memory == 0 { memory = ServiceConfiguration.halfOfTheMachine() }
        if value("--threads") != nil {
            var number = 0
            try integer("--threads", 1...256, &number)
            threads = number
        }
        modelFolders = value("--models")?.split(separator: ":").map(String.init) ?? []
        defaultModel = value("--model") ?? defaultModel
        try integer("--max-waiting", 0...1_000_000, &queueLimit)
        remote = try RemoteSettings(value)
        try integer("--max-jobs", 1...100_000_000, &jobLimit)
        try seconds("--keep", &keepSeconds)
        try bytes("--max-disk", &diskLimit)
        try integer("--max-pixels", 1...(1 << 40), &pixelLimit)
        try integer("--max-output-pixels", 1...(1 << 40), &outputPixelLimit)
        try bytes("--max-body", &bodyLimit)
        if let text = value("--formats") {
            let names = text.split(separator: ",").map(String.init)
            if let unknown = names.first(where: { !formats.contains($0) }) ?? (names.isEmpty ? text : nil) {
                throw EnlargerError(.usage, "--formats \(unknown): \(formats.joined(separator: ", ")) are possible")
            }
            formats = names
        }
        try seconds("--request-timeout", &requestSeconds)
        try seconds("--header-timeout", &headerSeconds)
        try seconds("--idle-timeout", &idleSeconds)
        try integer("--max-connections", 1...100_000, &connectionLimit)
        try integer("--max-connections-per-client", 1...100_000, &connectionsPerClient)
        tokensFile = value("--tokens")
        (certificateFile, keyFile) = (value("--tls-certificate"), value("--tls-key"))
        guard (certificateFile == nil) == (keyFile == nil) else {
            throw EnlargerError(.usage, "--tls-certificate and --tls-key go together")
        }
        corsOrigin = value("--cors-origin")
        if let corsOrigin, !corsOrigin.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) || !corsOrigin.contains("://") {
            throw EnlargerError(.usage, "--cors-origin \(corsOrigin): an origin such as https://example.org is meant")
        }
        try seconds("--grace", &graceSeconds)
        try integer("--cut-pixels", 1...(1 << 40), &cut.fromPixels)
    }

    private static func endpoint(_ text: String) throws(EnlargerError) -> (String, UInt16) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var address = parts.dropLast().joined(separator: ":")
        if address.hasPrefix("["), address.hasSuffix("]") { address = String(address.dropFirst().dropLast()) }
        guard parts.count >= 2, let port = UInt16(parts.last!) else {
            throw EnlargerError(.usage, "--listen \(text): an address and a port such as 127.0.0.1:8080 are meant")
        }
        return (address.isEmpty ? "0.0.0.0" : address, port)
    }

    private static func halfOfTheMachine() -> Int { sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)) / 2 }
}
