import Jobs
import Testing

@Suite struct JobIdentifierTests {
    @Test func newOnesAreRandomAndParse() {
        let made = (0..<1000).map { _ in JobIdentifier() }
        #expect(Set(made).count == 1000)
        for id in made {
            #expect(id.description.wholeMatch(of: /[0-9a-f]{32}/) != nil)
            #expect(JobIdentifier(id.description) == id)
        }
        // Every digit takes every value.
        for place in 0..<32 { #expect(Set(made.map { Array($0.description)[place] }).count == 16) }
    }

    @Test func partsOfATextParse() {
        let digits = "00112233445566778899aabbccddeeff"
        #expect(JobIdentifier("/v1/jobs/\(digits)".dropFirst(9))?.description == digits)
    }

    @Test(arguments: [
        "", "0", "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdef0",
        "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdeF0123456789abcdef",
        "../../../../../../../../etc/pass", "..%2f..%2f..%2f..%2f..%2f..%2f..", "../..", ".", "/", "//", "\\",
        "0123456789abcdef/123456789abcdef", "0123456789abcdef.123456789abcdef", "0123456789abcdef\u{0}123456789abcdef",
        " 0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcde\n", "0x23456789abcdef0123456789abcdef",
        "-123456789abcdef0123456789abcdef", "g123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcd%",
        // Arabic-Indic and full-width digits, of two and three bytes; 32 characters, then 32 bytes.
        String(repeating: "\u{0660}", count: 32), String(repeating: "\u{0660}", count: 16),
        String(repeating: "\u{FF11}", count: 32), String(repeating: "\u{FF11}", count: 10) + "00",
        "0123456789abcdef0123456789abcde\u{301}", "' OR 1=1 --0123456789abcdef01234",
    ]) func nothingElseParses(_ text: String) {
        #expect(JobIdentifier(text) == nil)
    }
}
