import Glibc

/// 128 bits of randomness as 32 lower-case hexadecimal digits. It names files too: nothing else parses, so no
/// identifier leads out of its folder.
package struct JobIdentifier: Hashable, Sendable, CustomStringConvertible {
    package let description: String

    /// A new one, from the kernel's random numbers (getrandom(2), through getentropy(3)).
    package init() {
        var bytes: (UInt64, UInt64) = (0, 0)
        let status = getentropy(&bytes, 16)
        precondition(status == 0, "the kernel has no random numbers")
        description = Self.digits(bytes.0) + Self.digits(bytes.1)
    }

    /// nil unless `text` is 32 digits of 0-9 and a-f.
    package init?(_ text: some StringProtocol) {
        let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) }
        guard text.utf8.count == 32, text.utf8.allSatisfy(isDigit) else { return nil }
        description = String(text)
    }

    private static func digits(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}
