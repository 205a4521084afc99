import Enlarger
import Tensors
import TestSupport
import Testing

struct ModelDownloadTests {
    private let folder = TemporaryFolder()
    private let content: [UInt8]
    private let model: PublishedModel

    init() {
        var random = SeededGenerator(seed: 11)
        content = (0..<300_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        var sum = SHA256()
        content.withUnsafeBytes { sum.update($0) }
        model = PublishedModel(name: "TEST_x2", byteCount: content.count, sha256: sum.finish(), address: "https://example.invalid/TEST_x2.pb")
    }

    private func download(from server: LocalServer) throws -> ModelDownload { try ModelDownload(folder: folder.path, base: server.address) }

    /// A server that knows ranges, and does what `change` says to its answers.
    private func server(_ change: @escaping @Sendable (LocalServer.Request, inout LocalServer.Response) -> Void = { _, _ in }) -> LocalServer {
        LocalServer { [content] request in
            var response = LocalServer.Response(body: content)
            if let from = request.from {
                let range = "Content-Range: bytes \(from)-\(content.count - 1)/\(content.count)"
                response = from < content.count ? .init(status: 206, headers: [range], body: Array(content[from...])) : .init(status: 416)
            }
            change(request, &response)
            return response
        }
    }

    private func failure(_ body: () throws -> String) -> EnlargerError? {
        do {
            _ = try body()
            return nil
        } catch { return error as? EnlargerError }
    }

    @Test func `a whole download is installed and tells its progress`() throws {
        let server = server()
        let deep = try ModelDownload(folder: folder.file("not/there/yet"), base: server.address + "/")
        #expect(!deep.isInstalled(model))
        var progress: [Double] = []
        let path = try deep.fetch(model) { progress.append($0) }
        #expect(path == folder.file("not/there/yet/TEST_x2.pb"))
        #expect(folder.read("not/there/yet/TEST_x2.pb") == content)
        #expect(progress == progress.sorted() && progress.last == 1)
        #expect(deep.isInstalled(model))
        #expect(server.requests.map(\.path) == ["/TEST_x2.pb"])
    }

    @Test func `a transfer that was cut goes on from where it stopped`() throws {
        let server = server { request, response in if request.from == nil { response.cutAfter = 100_000 } }
        let download = try download(from: server)
        #expect(failure { try download.fetch(model) }?.code == .downloadFailed)
        #expect(folder.contents == ["TEST_x2.pb.part"])
        let kept = try #require(folder.read("TEST_x2.pb.part"))
        #expect(kept.count > 0 && kept == Array(content[..<kept.count]))
        _ = try download.fetch(model)
        #expect(server.requests.map(\.from) == [nil, kept.count])
        #expect(folder.contents == ["TEST_x2.pb"] && folder.read("TEST_x2.pb") == content)
    }

    @Test func `a server without ranges sends everything again`() throws {
        folder.write(Array(content[..<50_000]), "TEST_x2.pb.part")
        let server = LocalServer { [content] _ in .init(body: content) }
        _ = try download(from: server).fetch(model)
        #expect(server.requests.map(\.from) == [50_000])
        #expect(folder.read("TEST_x2.pb") == content)
    }

    @Test func `a server that refuses the range is asked for the whole`() throws {
        folder.write(Array(content[..<50_000]), "TEST_x2.pb.part")
        let server = LocalServer { [content] request in request.from == nil ? .init(body: content) : .init(status: 416) }
        _ = try download(from: server).fetch(model)
        #expect(folder.read("TEST_x2.pb") == content)
    }

    @Test func `a complete partial file needs no request, and one that is too long starts anew`() throws {
        let server = server()
        folder.write(content, "TEST_x2.pb.part")
        _ = try download(from: server).fetch(model)
        #expect(server.requests.isEmpty && folder.read("TEST_x2.pb") == content)
        folder.write(content + [0], "TEST_x2.pb.part")
        _ = try download(from: server).fetch(model)
        #expect(server.requests.map(\.from) == [nil] && folder.read("TEST_x2.pb") == content)
    }

    @Test func `a wrong sum is refused and leaves nothing`() throws {
        let server = server { _, response in response.body[1234] ^= 1 }
        let error = failure { try download(from: server).fetch(model) }
        #expect(error?.code == .downloadFailed && error?.message.contains(model.sha256) == true)
        #expect(folder.contents.isEmpty)
    }

    @Test func `a failed download leaves the installed file alone`() throws {
        folder.write([1, 2, 3], "TEST_x2.pb")
        let server = server { _, response in response.body.reverse() }
        #expect(failure { try download(from: server).fetch(model) }?.code == .downloadFailed)
        #expect(folder.read("TEST_x2.pb") == [1, 2, 3])
        #expect(try !download(from: server).isInstalled(model))
    }

    @Test(arguments: [404, 500, 403]) func `an HTTP error names its status, and its page is not kept`(status: Int) throws {
        let server = server { _, response in response.status = status }
        let error = failure { try download(from: server).fetch(model) }
        #expect(error?.code == .downloadFailed && error?.message.contains("\(status)") == true)
        #expect(folder.contents.isEmpty)
    }

    @Test func `a body that is too long is not read to its end`() throws {
        let endless = [UInt8](repeating: 7, count: 64 << 20)
        let server = LocalServer { _ in .init(body: endless) }
        #expect(failure { try download(from: server).fetch(model) }?.code == .downloadFailed)
        #expect(folder.contents.isEmpty)
        #expect(server.bytesSent < endless.count / 2)
    }

    @Test func `a silent server is given up, and what came is kept`() throws {
        let server = server { _, response in
            response.cutAfter = 80_000
            response.hangs = true
        }
        var download = try download(from: server)
        download.stallSeconds = 1
        #expect(failure { try download.fetch(model) }?.code == .downloadFailed)
        #expect(folder.contents == ["TEST_x2.pb.part"])
    }

    @Test func `redirects are followed on the web, and not to files`() throws {
        let server = server { request, response in
            if request.path != "/there" { response = .init(status: 302, headers: ["Location: /there"], body: [UInt8]("moved".utf8)) }
        }
        _ = try download(from: server).fetch(model)
        #expect(folder.read("TEST_x2.pb") == content)
        let file = folder.write(content, "local")
        let bad = LocalServer { _ in .init(status: 302, headers: ["Location: file://\(file)"]) }
        #expect(failure { try download(from: bad).fetch(model) }?.code == .downloadFailed)
    }

    @Test func `progress can stop a download, which then goes on`() throws {
        let server = server()
        let download = try download(from: server)
        #expect(failure { try download.fetch(model) { _ in throw EnlargerError(.cancelled, "stop") } }?.code == .cancelled)
        _ = try download.fetch(model)
        #expect(server.requests.last?.from ?? 0 > 0)
        #expect(folder.read("TEST_x2.pb") == content)
    }

    @Test(arguments: [
        "http://example.org", "ftp://127.0.0.1", "http://127.0.0.1.example.org/", "http://127.0.0.1:80@example.org/", "file:///tmp", "x",
    ])
    func `other bases than https and this machine are refused`(base: String) {
        #expect(throws: EnlargerError.self) { try ModelDownload(folder: folder.path, base: base) }
    }

    @Test func `published models are found by name`() {
        #expect(PublishedModel.all.count == 15)
        for model in PublishedModel.all {
            #expect(PublishedModel.named(model.name) == model && PublishedModel.named(model.fileName) == model)
            #expect(model.sha256.count == 64 && model.sha256.allSatisfy { $0.isHexDigit && !$0.isUppercase })
            #expect(model.address.hasPrefix("https://") && model.address.hasSuffix("/" + model.fileName))
        }
        #expect(PublishedModel.named("edsr_X3")?.byteCount == 38_524_784)
        #expect(PublishedModel.named("EDSR") == nil)
    }
}
