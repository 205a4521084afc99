import Foundation
import Testing

@testable import Enlarger

extension CommandTests {
    /// Colour under transparent pixels does not show in what is visible.
    struct TransparencyTests {
        let folder = Folder()

        /// A disc with a soft edge on transparent black.
        private func disc(_ colour: [Int], bits: Int, size: Int = 60) -> Picture {
            let white = Double(bits == 8 ? 255 : 65535)
            var samples: [Int] = []
            for y in 0..<size {
                for x in 0..<size {
                    let far = (Double((2 * x - size) * (2 * x - size) + (2 * y - size) * (2 * y - size))).squareRoot() / 2
                    let alpha = Int(min(max(Double(size) / 3 - far + 0.5, 0), 1) * white)
                    samples += (alpha == 0 ? colour.map { _ in 0 } : colour.map { $0 * (bits == 8 ? 1 : 257) }) + [alpha]
                }
            }
            return Picture(width: size, height: size, channels: colour.count + 1, bits: bits, samples: samples)
        }

        @Test(arguments: [([220, 30, 10], 8), ([220, 30, 10], 16), ([240], 8), ([240], 16)])
        func `a disc on transparent black has no dark fringe`(colour: [Int], bits: Int) throws {
            try disc(colour, bits: bits).save(folder.file("a.png"))
            for model in ["tiny-x2", "luma-x2", "tiny-x3"] {
                #expect(try Enlarge.run("a.png", "-m", model, "-o", "b.png", in: folder).status == 0)
                let back = try Picture.read(folder.file("b.png"))
                // The middle of the disc has no edge near: its pixels are what the network makes of flat colour.
                let scale = back.width / 60, middle = 30 * scale
                var edge = 0, worst = 0
                for y in 0..<back.height {
                    for x in 0..<back.width where back[x, y, colour.count] > 0 {
                        edge += back[x, y, colour.count] < (bits == 8 ? 255 : 65535) ? 1 : 0
                        for c in 0..<colour.count { worst = max(worst, abs(back[x, y, c] - back[middle + x % scale, middle + y % scale, c])) }
                    }
                }
                #expect(edge > 50 && worst <= 2 * (bits == 8 ? 1 : 257), "\(model): off by \(worst)")
            }
        }

        @Test(arguments: [8, 16])
        func `rows are filled alike however many are asked for`(bits: Int) throws {
            for channels in [2, 4] {
                let picture = Picture.made(61, 43, channels, bits: bits)
                let kind = PictureKind(colourChannels: channels - 1, hasAlpha: true)
                func filled(_ count: Int) throws -> [UInt8] {
                    let bytes = picture.bytes, row = 61 * channels * bits / 8
                    let memory = UnsafeMutableRawPointer.allocate(
                        byteCount: TransparentFill.bytes(width: 61, kind: kind, bits: bits), alignment: 64)
                    defer { memory.deallocate() }
                    var next = 0
                    let fill = TransparentFill(width: 61, height: 43, kind: kind, bits: bits, memory: memory) { target, from, count in
                        #expect(from == next)
                        next += count
                        target.copyBytes(from: bytes[from * row..<(from + count) * row])
                    }
                    var result = [UInt8](repeating: 0, count: bytes.count)
                    try result.withUnsafeMutableBytes { all in
                        for y in stride(from: 0, to: 43, by: count) {
                            let n = min(count, 43 - y)
                            try fill.read(into: UnsafeMutableRawBufferPointer(rebasing: all[y * row..<(y + n) * row]), from: y, count: n)
                        }
                    }
                    return result
                }
                let all = try filled(43)
                #expect(all == reference(picture))
                for count in [1, 4, 7, 20] { #expect(try filled(count) == all) }
            }
        }

        /// The rule, pixel by pixel.
        private func reference(_ picture: Picture) -> [UInt8] {
            var result = picture
            let n = picture.channels
            for y in 0..<picture.height {
                for x in 0..<picture.width where picture[x, y, n - 1] == 0 {
                    for distance in 1...TransparentFill.radius {
                        var ring: [(u: Int, v: Int)] = []
                        for v in y - distance...y + distance where (0..<picture.height).contains(v) {
                            for u in x - distance...x + distance where (0..<picture.width).contains(u) {
                                if max(abs(u - x), abs(v - y)) == distance { ring.append((u, v)) }
                            }
                        }
                        let weight = ring.reduce(0) { $0 + picture[$1.u, $1.v, n - 1] }
                        guard weight > 0 else { continue }
                        for c in 0..<n - 1 {
                            let sum = ring.reduce(0) { $0 + picture[$1.u, $1.v, n - 1] * picture[$1.u, $1.v, c] }
                            result.samples[(y * picture.width + x) * n + c] = (sum + weight / 2) / weight
                        }
                        break
                    }
                }
            }
            return result.bytes
        }
    }
}
