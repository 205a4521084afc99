import Glibc
package import Tensors

/// Where a bucket is, and how one gets in.
package struct S3Settings: Sendable {
    package var bucket: String
    /// Before every key, without "/" at its end; empty: none.
    package var prefix = ""
    /// `https://HOST[:PORT]` or `http://...`; buckets are addressed by path.
    package var endpoint: String
    package var region: String
    package var accessKey: String?
    package var secretKey: String?
    package var sessionToken: String?
    /// PEM file of the authorities to trust.
    package var authorityFile: String?
    /// How long a request is tried again.
    package var patience = Duration.seconds(60)

    /// - Parameters:
    ///   - address: `s3://BUCKET` or `s3://BUCKET/PREFIX`.
    ///   - credentialsFile: in the form of `~/.aws/credentials`, its first profile: `aws_access_key_id`,
    ///     `aws_secret_access_key`, `aws_session_token`, also `region` and `endpoint_url`. Without one, requests are not signed.
    /// - Throws: `usage`.
    package init(address: String, endpoint: String? = nil, region: String? = nil, credentialsFile: String? = nil, authorityFile: String? = nil)
        throws(EnlargerError)
    {
        let parts = address.dropFirst("s3://".count).split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard address.hasPrefix("s3://"), let bucket = parts.first, S3Settings.isBucket(bucket) else {
            throw EnlargerError(.usage, "\(address): an address such as s3://bucket or s3://bucket/folder is meant")
        }
        self.bucket = bucket
        if parts.count > 1 {
            prefix = parts[1].hasSuffix("/") ? String(parts[1].dropLast()) : parts[1]
            guard prefix.isEmpty || BlobKey.isValid(prefix) else { throw EnlargerError(.usage, "\(address): no folder can be called so") }
        }
        var found: [String: String] = [:]
        if let credentialsFile {
            found = try S3Settings.profile(credentialsFile)
            guard let key = found["aws_access_key_id"], let secret = found["aws_secret_access_key"] else {
                throw EnlargerError(.usage, "\(credentialsFile): aws_access_key_id and aws_secret_access_key are needed")
            }
            (accessKey, secretKey, sessionToken) = (key, secret, found["aws_session_token"])
        }
        self.region = region ?? found["region"] ?? "us-east-1"
        guard self.region.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }) else {
            throw EnlargerError(.usage, "\(self.region) is no region")
        }
        var base = endpoint ?? found["endpoint_url"] ?? "https://s3.\(self.region).amazonaws.com"
        while base.hasSuffix("/") { base.removeLast() }
        guard base.hasPrefix("https://") || base.hasPrefix("http://"), !base.contains("@") else {
            throw EnlargerError(.usage, "\(base): an address such as https://s3.example.org is meant")
        }
        self.endpoint = base
        self.authorityFile = authorityFile
    }

    private static func isBucket(_ name: String) -> Bool {
        (3...63).contains(name.utf8.count) && name != ".."
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"): true
                default: false
                }
            }
    }

    private static func profile(_ path: String) throws(EnlargerError) -> [String: String] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw EnlargerError(.usage, "\(path): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        let text = String(decoding: try readFile(file, name: path), as: UTF8.self)
        var values: [String: String] = [:]
        var sections = 0
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.drop { $0 == " " || $0 == "\t" }
            if line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("[") {
                sections += 1
                if sections > 1 { break }
            }
            let pair = line.split(separator: "=", maxSplits: 1).map { String($0).trimmed }
            if pair.count == 2 { values[pair[0].lowercased()] = pair[1] }
        }
        return values
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = self[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text.drop(while: \.isWhitespace))
    }
}
