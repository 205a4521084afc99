import Foundation
import Jobs
import Tensors
import Testing

@testable import EnlargeService

@Suite struct ParsingTests {
    @Test func ranges() {
        let cases: [(String?, ByteRange)] = [
            (nil, .whole), ("bytes=0-0", .part(offset: 0, count: 1)), ("bytes=10-19", .part(offset: 10, count: 10)),
            ("bytes=90-", .part(offset: 90, count: 10)), ("bytes=90-1000", .part(offset: 90, count: 10)), ("bytes=-5", .part(offset: 95, count: 5)),
            ("bytes=-500", .part(offset: 0, count: 100)), ("bytes=100-", .unsatisfiable), ("bytes=-0", .unsatisfiable), ("bytes=5-2", .whole),
            ("bytes=0-1,4-5", .whole), ("lines=0-1", .whole), ("bytes=a-b", .whole), ("bytes=-", .whole), ("bytes=--5", .whole),
            ("bytes=99999999999999999999-", .unsatisfiable),
        ]
        for (text, range) in cases { #expect(ByteRange(text, of: 100) == range, "\(text ?? "none")") }
        #expect(ByteRange("bytes=-1", of: 0) == .unsatisfiable)
    }

    @Test func parameters() throws {
        let known = Parameters.picture
        let picture = try Parameters([("scale", "3"), ("model", "lite")], fields: [("scale", "4"), ("augment", "true")], known: known).picture()
        #expect(picture.scale == 4 && picture.model == "lite" && picture.isAugmented)
        for list in [
            [("scale", "5")], [("scale", "+2")], [("scale", "")], [("model", "../x")], [("format", "gif")], [("precision", "fp16")],
            [("chroma", "none")], [("augment", "1")], [("size", "3")], [("scale", "2"), ("scale", "2")],
        ] {
            let list = list.map { (name: $0.0, value: $0.1) }
            let problem = #expect(throws: Problem.self) { try Parameters(list, known: known).picture() }
            #expect(problem?.status == 400 && problem?.code == "bad_parameter", "\(list)")
        }
    }

    @Test func routes() throws {
        let id = String(repeating: "0a", count: 16)
        #expect(try Route(path: "/v1/jobs/\(id)") == .job(JobIdentifier(id)!))
        #expect(try Route(path: "/v1/jobs/\(id)/result") == .jobResult(JobIdentifier(id)!))
        for path in ["", "/v1", "/v1/jobs/", "/v1/jobs/\(id)/", "/v1/jobs/\(id)/result/", "/v1/jobs/\(id.uppercased())", "/assets/", "/assets/../x", "/V1/jobs"] {
            #expect(throws: Problem.self, "\(path)") { try Route(path: path) }
        }
        #expect(try Route(path: "/").needsToken == false)
    }

    @Test func tokens() throws {
        let path = NSTemporaryDirectory() + "enlarge-tokens-" + UUID().uuidString
        defer { unlink(path) }
        func tokens(_ text: String) throws -> Tokens {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            return try Tokens(path: path)
        }
        let list = try tokens("# a comment\n\nann:abcdefghijklmnop\nbob:abcdefghijklmnop:q\r\n")
        #expect(list.name(authorization: "Bearer abcdefghijklmnop") == "ann")
        #expect(list.name(authorization: "bearer abcdefghijklmnop:q") == "bob")
        for wrong in [nil, "", "Bearer", "Bearer ", "Bearer abcdefghijklmno", "Bearer abcdefghijklmnopq", "Basic abcdefghijklmnop"] {
            #expect(list.name(authorization: wrong) == nil)
        }
        for text in ["", "# none\n", "ann\n", "ann:short\n", ":abcdefghijklmnop\n", "ann:abcdefgh ijklmnop\n", "a:abcdefghijklmnop\na:bbcdefghijklmnop\n"] {
            #expect(throws: EnlargerError.self, "\(text)") { try tokens(text) }
        }
    }

    @Test func configuration() throws {
        func configuration(_ flags: [String: String]) throws -> ServiceConfiguration { try ServiceConfiguration { flags[$0] } }
        let given = try configuration(["--listen": "[::1]:80", "--memory": "600M", "--keep": "2h", "--formats": "png,jpg", "--models": "a:b"])
        #expect(given.address == "::1" && given.port == 80 && given.memory == 600 << 20 && given.keepSeconds == 7200)
        #expect(given.formats == ["png", "jpg"] && given.modelFolders == ["a", "b"])
        #expect(try configuration([:]).memory > 0)
        #expect(ServiceConfiguration.variable(of: "--max-connections-per-client") == "ENLARGE_MAX_CONNECTIONS_PER_CLIENT")
        for (flag, text) in [
            ("--listen", "80"), ("--listen", "x:99999"), ("--memory", "lots"), ("--memory", "0"), ("--memory", "9999999999999G"), ("--keep", "-1s"),
            ("--formats", "png,bmp"), ("--formats", ""), ("--queue", "x"), ("--max-pixels", "0"), ("--cors-origin", "example"), ("--tls-key", "k"),
        ] {
            let error = #expect(throws: EnlargerError.self, "\(flag) \(text)") { try configuration([flag: text]) }
            #expect(error?.code == .usage)
        }
    }

    @Test func metrics() {
        var histogram = Histogram(bounds: [1, 2])
        for value in [0.5, 1, 1.5, 9] { histogram.add(value) }
        let text = MetricFamily.histogram("x_seconds", "Help.", [([("a", "q\"\\\n")], histogram)]).text
        #expect(
            text == """
                # HELP x_seconds Help.
                # TYPE x_seconds histogram
                x_seconds_bucket{a="q\\"\\\\\\n",le="1"} 2
                x_seconds_bucket{a="q\\"\\\\\\n",le="2"} 3
                x_seconds_bucket{a="q\\"\\\\\\n",le="+Inf"} 4
                x_seconds_sum{a="q\\"\\\\\\n"} 12
                x_seconds_count{a="q\\"\\\\\\n"} 4

                """)
    }

    @Test func json() {
        #expect(JSON.object([("a\"\n", .array([.null, .number(.nan), .number(0.5), .string("\u{1}é")]))]).text == "{\"a\\\"\\u000a\":[null,null,0.5,\"\\u0001é\"]}")
    }

    @Test func times() {
        #expect(RFC3339.text(milliseconds: 0) == "1970-01-01T00:00:00.000Z")
        #expect(RFC3339.text(milliseconds: 1_709_210_096_007) == "2024-02-29T12:34:56.007Z")
    }
}
