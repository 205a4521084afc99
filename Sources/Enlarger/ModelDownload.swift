import CCurl
import Glibc
package import Tensors

/// Brings published models into the user's folder. A file appears there whole and with the right sum, or not at all.
package struct ModelDownload: Sendable {
    /// Replaces the folder of every address: `BASE/FILE.pb`. https, or http://127.0.0.1.
    package var base: String?
    package var folder: String
    package var connectSeconds = 20
    /// Without a byte for so long, a transfer has failed.
    package var stallSeconds = 30

    /// - Throws: `usage` for a base that is neither https nor this machine's http.
    package init(folder: String = ModelLibrary.userFolder(), base: String? = nil) throws(EnlargerError) {
        if let base, !base.hasPrefix("https://"), !ModelDownload.isLocal(base) {
            throw EnlargerError(.usage, "--from \(base): https://... or http://127.0.0.1... is needed")
        }
        self.folder = folder
        self.base = base
    }

    /// The host and nothing that merely starts like it.
    private static func isLocal(_ address: String) -> Bool {
        let host = "http://127.0.0.1"
        return address == host || address.hasPrefix(host + ":") && !address.contains("@") || address.hasPrefix(host + "/")
    }

    package func path(of model: PublishedModel) -> String { "\(folder)/\(model.fileName)" }

    /// Whether the file is there, of the right length and sum.
    package func isInstalled(_ model: PublishedModel) -> Bool {
        let descriptor = open(path(of: model), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, Int(status.st_size) == model.byteCount else { return false }
        return (try? fileSHA256(descriptor, name: model.name)) == model.sha256
    }

    /// Downloads one model, going on from what an interrupted download left.
    ///
    /// - Parameter progress: the finished part, 0...1; a thrown error stops, and what came so far is kept.
    /// - Returns: the path of the file.
    /// - Throws: `downloadFailed` for everything that the network or the server does; a partial file of the right beginning
    ///   stays for the next try, one with a wrong sum or too many bytes does not.
    package func fetch(_ model: PublishedModel, progress: ((Double) throws -> Void)? = nil) throws -> String {
        try makeFolders()
        let target = path(of: model)
        let part = try PartialFile(for: target)
        if part.byteCount > model.byteCount { try part.clear() }
        if part.byteCount < model.byteCount {
            // A server that has nothing at that offset is asked again from the start.
            if try transfer(model, to: part, progress) == 416 {
                try part.clear()
                _ = try transfer(model, to: part, progress)
            }
            guard part.byteCount == model.byteCount else {
                throw EnlargerError(.downloadFailed, "\(address(of: model)): \(part.byteCount) bytes came, \(model.byteCount) were expected; the next try goes on from there")
            }
        }
        let sum = try part.sha256()
        guard sum == model.sha256 else {
            part.remove()
            throw EnlargerError(.downloadFailed, "\(address(of: model)): its SHA-256 is \(sum), not \(model.sha256); it was removed")
        }
        try part.commit(to: target)
        return target
    }

    private func address(of model: PublishedModel) -> String {
        guard let base else { return model.address }
        return base + (base.hasSuffix("/") ? "" : "/") + model.fileName
    }

    /// One request.
    /// - Returns: the status, 200, 206 or 416.
    private func transfer(_ model: PublishedModel, to part: PartialFile, _ progress: ((Double) throws -> Void)?) throws -> Int {
        let address = address(of: model)
        let receiver = Receiver(part: part, limit: model.byteCount, progress: progress)
        let asked = part.byteCount
        var response = ECResponse()
        let code = address.withCString { url in
            var request = ECRequest()
            request.url = url
            request.from = Int64(asked)
            request.allow_http = ModelDownload.isLocal(address) ? 1 : 0
            request.connect_seconds = Int32(connectSeconds)
            request.stall_seconds = Int32(stallSeconds)
            request.context = Unmanaged.passUnretained(receiver).toOpaque()
            request.body = { context, status, bytes, count in
                let receiver = Unmanaged<Receiver>.fromOpaque(context!).takeUnretainedValue()
                return receiver.take(status: status, UnsafeRawBufferPointer(start: bytes, count: count)) ? 0 : 1
            }
            return ec_get(&request, &response)
        }
        if let error = receiver.error { throw error }
        if receiver.isTooLong {
            part.remove()
            throw EnlargerError(.downloadFailed, "\(address): more than the \(model.byteCount) bytes that were expected")
        }
        let status = response.status
        if status != 0, ![200, 206].contains(status) {
            if status == 416, asked > 0 { return 416 }
            if part.byteCount == 0 { part.remove() }
            throw EnlargerError(.downloadFailed, "\(address): HTTP status \(status)")
        }
        if code != 0 {
            if part.byteCount == 0 { part.remove() }
            let reason = withUnsafeBytes(of: response.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            throw EnlargerError(.downloadFailed, "\(address): \(reason)")
        }
        return status
    }

    private func makeFolders() throws(EnlargerError) {
        var partial = folder.hasPrefix("/") ? "/" : ""
        for name in folder.split(separator: "/") {
            partial += name + "/"
            if mkdir(partial, 0o777) != 0, errno != EEXIST { throw EnlargerError(.outputFailed, "\(partial): \(systemError())") }
        }
    }
}

/// Puts the pieces of a response into the partial file.
private final class Receiver {
    private let part: PartialFile
    private let limit: Int
    private let progress: ((Double) throws -> Void)?
    private var hasStarted = false
    private(set) var isTooLong = false
    private(set) var error: (any Error)?

    init(part: PartialFile, limit: Int, progress: ((Double) throws -> Void)?) {
        self.part = part
        self.limit = limit
        self.progress = progress
    }

    /// - Returns: false to end the transfer.
    func take(status: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        // The page of an error or a redirect is not the file.
        guard status == 200 || status == 206 else { return false }
        do {
            if !hasStarted {
                hasStarted = true
                // 200: the server ignores ranges and sends the whole.
                if status == 200 { try part.clear() }
            }
            guard bytes.count <= limit - part.byteCount else {
                isTooLong = true
                return false
            }
            try part.append(bytes)
            try progress?(Double(part.byteCount) / Double(limit))
            return true
        } catch {
            self.error = error
            return false
        }
    }
}
