import Testing

@testable import HTTPServer

@Suite struct HTTPTargetTests {
    @Test func pathsAndQueriesAreDecoded() throws {
        let target = try #require(HTTPTarget("/v1/a%20b?x=1&y=%E5%9B%BE+c&z&=w"))
        #expect(target.path == "/v1/a b")
        #expect(target.query.map(\.name) == ["x", "y", "z", ""])
        #expect(target.query.map(\.value) == ["1", "图 c", "", "w"])
        #expect(HTTPTarget("http://host:80/p?q=1")?.path == "/p")
        #expect(HTTPTarget("/a+b")?.path == "/a+b")
    }

    @Test(arguments: ["", "x", "*", "/%", "/%4", "/%zz", "/%00", "/%0d%0a", "/a?x=%00", "/a?x=%ff", "/%c0%af", "/a#b", "http://host"])
    func nonsenseIsNot(_ text: String) { #expect(HTTPTarget(text) == nil) }

    @Test func lengthsAreBelievedOnlyWhenThereIsOne() {
        func isDoubtful(_ headers: [(name: String, value: String)]) -> Bool {
            HTTPRequest(method: "POST", path: "/", query: [], headers: headers, client: "").hasDoubtfulLength
        }
        #expect(!isDoubtful([]) && !isDoubtful([("content-length", "12")]) && !isDoubtful([("transfer-encoding", "Chunked")]))
        for headers in [
            [("content-length", "1"), ("content-length", "1")], [("content-length", "1"), ("transfer-encoding", "chunked")],
            [("transfer-encoding", "gzip, chunked")], [("content-length", "+1")], [("content-length", "0x1")], [("content-length", "")],
            [("content-length", "99999999999999999999")],
        ] { #expect(isDoubtful(headers.map { (name: $0.0, value: $0.1) }), "\(headers)") }
    }
}
