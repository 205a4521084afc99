import Tensors
import Testing

struct SHA256Tests {
    private func sum(_ bytes: [UInt8], pieces: Int) -> String {
        var sum = SHA256()
        bytes.withUnsafeBytes { all in
            for start in stride(from: 0, to: all.count, by: pieces) {
                sum.update(UnsafeRawBufferPointer(rebasing: all[start..<min(start + pieces, all.count)]))
            }
        }
        return sum.finish()
    }

    /// FIPS 180-4's examples, as NIST publishes them with intermediate values.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `standard vectors`(text: String, expected: String) {
        #expect(sum(Array(text.utf8), pieces: 1000) == expected)
    }

    @Test func `a million letters, in pieces of an odd size`() {
        let letters = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        #expect(sum(letters, pieces: 4099) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func `pieces do not matter around block borders`() {
        for count in 50...130 {
            let bytes = (0..<count).map { UInt8($0) }
            let whole = sum(bytes, pieces: count)
            for pieces in [1, 7, 63, 64, 65] { #expect(sum(bytes, pieces: pieces) == whole) }
        }
    }
}
