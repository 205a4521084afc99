import CVips
import Foundation
import PictureIO
import Tensors
import TestSupport

/// A picture in memory.
struct Picture: Equatable {
    var width: Int, height: Int, channels: Int, bits: Int
    /// Interleaved.
    var samples: [Int]

    /// Smooth with some noise; alpha has a transparent hole with a soft edge.
    static func made(_ width: Int, _ height: Int, _ channels: Int = 3, bits: Int = 8) -> Picture {
        var random = SeededGenerator(seed: UInt64(width * 31 + height))
        var samples: [Int] = []
        samples.reserveCapacity(width * height * channels)
        let white = bits == 16 ? 65535 : 255
        for y in 0..<height {
            for x in 0..<width {
                let noise = Int(random.next() % 16)
                for c in 0..<channels {
                    if c == channels - 1, channels % 2 == 0 {
                        let far = abs(x - width / 2) + abs(y - height / 2)
                        samples.append(min(white, max(0, (far - 4) * white / 6)))
                    } else {
                        let value = (x * 150 / width + y * 80 / height + c * 9 + noise) % 256
                        samples.append(bits == 16 ? value * 257 - noise * (value / 2) : value)
                    }
                }
            }
        }
        return Picture(width: width, height: height, channels: channels, bits: bits, samples: samples)
    }

    var bytes: [UInt8] {
        bits == 8 ? samples.map { UInt8($0) } : samples.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    }

    subscript(x: Int, y: Int, c: Int) -> Int { samples[(y * width + x) * channels + c] }

    /// Every pixel repeated `s` times each way.
    func repeated(_ s: Int) -> Picture {
        var result = self
        (result.width, result.height) = (s * width, s * height)
        result.samples = []
        for y in 0..<s * height {
            for x in 0..<s * width {
                for c in 0..<channels { result.samples.append(self[x / s, y / s, c]) }
            }
        }
        return result
    }

    /// Greatest difference of two samples; nil when the shapes differ.
    func distance(to other: Picture) -> Int? {
        guard (width, height, channels, bits) == (other.width, other.height, other.channels, other.bits) else { return nil }
        return zip(samples, other.samples).map { abs($0 - $1) }.max()
    }

    /// Saves through libvips' own option syntax: "a.png[palette]".
    func save(_ path: String, cmyk: Bool = false, orientation: Int = 0, profile: String? = nil, comment: String? = nil) throws {
        let colour = cmyk ? Int(EV_COLOUR_CMYK) : channels < 3 ? Int(EV_COLOUR_GREY) : Int(EV_COLOUR_RGB)
        let result = bytes.withUnsafeBytes {
            ev_fixture_save(
                $0.baseAddress, Int32(width), Int32(height), Int32(channels), Int32(bits), Int32(colour), Int32(orientation),
                profile, comment, path)
        }
        guard result == 0 else {
            var text = [CChar](repeating: 0, count: 512)
            ev_take_error(&text, 512)
            throw EnlargerError(.badResult, "fixture \(path): " + String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self))
        }
    }

    /// What `PictureReader` makes of a file.
    static func read(_ path: String) throws -> Picture {
        let reader = try PictureReader(path: path)
        let info = reader.info
        var bytes = [UInt8](repeating: 0, count: info.height * info.bytesPerRow)
        try bytes.withUnsafeMutableBytes { try reader.readRows(into: $0, from: 0, count: info.height) }
        let samples = info.bits == 8 ? bytes.map { Int($0) } : stride(from: 0, to: bytes.count, by: 2).map { Int(bytes[$0]) | Int(bytes[$0 + 1]) << 8 }
        return Picture(width: info.width, height: info.height, channels: info.channels, bits: info.bits, samples: samples)
    }
}
