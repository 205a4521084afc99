import CVips
import Foundation
import PictureIO
import Tensors
import Testing

/// All tests of pictures, one after the other: they watch the process' memory and its table of unfinished outputs.
@Suite(.serialized) enum PictureTests {}

/// A folder that goes away with its test.
final class Folder {
    let path: String
    init() {
        path = NSTemporaryDirectory() + "picture-tests-" + UUID().uuidString
        try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func file(_ name: String) -> String { path + "/" + name }
    var contents: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
    func write(_ bytes: [UInt8], _ name: String) -> String {
        _ = FileManager.default.createFile(atPath: file(name), contents: Data(bytes))
        return file(name)
    }
}

struct Picture: Equatable {
    var width: Int, height: Int, channels: Int, bits: Int
    /// Interleaved, native-endian.
    var bytes: [UInt8]
    var pixel: Int { channels * bits / 8 }
    var row: Int { width * pixel }

    /// Smooth with some noise, different in each channel; opaque corner to corner where alpha is the last channel.
    static func made(_ width: Int, _ height: Int, _ channels: Int, _ bits: Int = 8, noise: Int = 3) -> Picture {
        var state: UInt32 = 12345
        var bytes: [UInt8] = []
        bytes.reserveCapacity(width * height * channels * bits / 8)
        for y in 0..<height {
            for x in 0..<width {
                for c in 0..<channels {
                    state = state &* 1_664_525 &+ 1_013_904_223
                    let v = min(255, (x * 160 / max(width, 1) + y * 60 / max(height, 1) + c * 20) % 250 + Int(state >> 24) * noise / 256)
                    if bits == 8 {
                        bytes.append(UInt8(v))
                    } else {
                        withUnsafeBytes(of: UInt16(v) << 8 | UInt16(state >> 16 & 255)) { bytes.append(contentsOf: $0) }
                    }
                }
            }
        }
        return Picture(width: width, height: height, channels: channels, bits: bits, bytes: bytes)
    }

    func pixel(_ x: Int, _ y: Int) -> ArraySlice<UInt8> {
        let start = y * row + x * pixel
        return bytes[start..<(start + pixel)]
    }

    func sample(_ index: Int) -> Int {
        bits == 8 ? Int(bytes[index]) : Int(bytes[2 * index]) | Int(bytes[2 * index + 1]) << 8
    }

    /// The picture as EXIF orientation `n` says it is to be shown, pixel by pixel.
    func oriented(_ n: Int) -> Picture {
        var out = self
        if n > 4 { (out.width, out.height) = (height, width) }
        out.bytes = []
        for y in 0..<out.height {
            for x in 0..<out.width {
                let (sx, sy) =
                    switch n {
                    case 2: (width - 1 - x, y)
                    case 3: (width - 1 - x, height - 1 - y)
                    case 4: (x, height - 1 - y)
                    case 5: (y, x)
                    case 6: (y, height - 1 - x)
                    case 7: (width - 1 - y, height - 1 - x)
                    case 8: (width - 1 - y, x)
                    default: (x, y)
                    }
                out.bytes += pixel(sx, sy)
            }
        }
        return out
    }

    /// Greatest difference of two samples; nil when the shapes differ.
    func distance(to other: Picture) -> Int? {
        guard (width, height, channels, bits) == (other.width, other.height, other.channels, other.bits) else { return nil }
        return (0..<(width * height * channels)).map { abs(sample($0) - other.sample($0)) }.max()
    }
}

@discardableResult
func write(
    _ picture: Picture, _ path: String, format: PictureFormat? = nil, metadataFrom reader: PictureReader? = nil,
    options: PictureWriterOptions = PictureWriterOptions(), rowsAtOnce: Int = 7
) throws(EnlargerError) -> PictureWriter {
    let colours = picture.channels < 3 ? 1 : 3
    let writer = try PictureWriter(
        path: path, format: format, width: picture.width, height: picture.height, bits: picture.bits, colourChannels: colours,
        hasAlpha: picture.channels > colours, metadataFrom: reader, options: options)
    for y in stride(from: 0, to: picture.height, by: rowsAtOnce) {
        let n = min(rowsAtOnce, picture.height - y)
        let rows = Array(picture.bytes[(y * picture.row)..<((y + n) * picture.row)])
        let result = rows.withUnsafeBytes { bytes in Result { () throws(EnlargerError) in try writer.writeRows(bytes, count: n) } }
        try result.get()
    }
    try writer.finish()
    return writer
}

func read(_ path: String, limits: PictureLimits = PictureLimits(), rowsAtOnce: Int = 5) throws(EnlargerError) -> (PictureInfo, Picture) {
    let reader = try PictureReader(path: path, limits: limits)
    let info = reader.info
    var bytes = [UInt8](repeating: 0, count: info.height * info.bytesPerRow)
    for y in stride(from: 0, to: info.height, by: rowsAtOnce) {
        let n = min(rowsAtOnce, info.height - y)
        let result = bytes.withUnsafeMutableBytes { all in
            Result { () throws(EnlargerError) in
                try reader.readRows(
                    into: UnsafeMutableRawBufferPointer(rebasing: all[(y * info.bytesPerRow)..<((y + n) * info.bytesPerRow)]),
                    from: y, count: n)
            }
        }
        try result.get()
    }
    return (info, Picture(width: info.width, height: info.height, channels: info.channels, bits: info.bits, bytes: bytes))
}

/// Saves through libvips' own option syntax.
func fixture(
    _ picture: Picture, _ path: String, colour: Int? = nil, orientation: Int = 0, profile: String? = nil, comment: String? = nil
) throws {
    let colour = colour ?? (picture.channels < 3 ? Int(EV_COLOUR_GREY) : Int(EV_COLOUR_RGB))
    let result = picture.bytes.withUnsafeBytes {
        ev_fixture_save(
            $0.baseAddress, Int32(picture.width), Int32(picture.height), Int32(picture.channels), Int32(picture.bits),
            Int32(colour), Int32(orientation), profile, comment, path)
    }
    if result != 0 {
        var text = [CChar](repeating: 0, count: 512)
        ev_take_error(&text, 512)
        throw EnlargerError(.badResult, "fixture \(path): " + String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self))
    }
}

func bytes(of path: String) -> [UInt8] { [UInt8](FileManager.default.contents(atPath: path) ?? Data()) }

/// Bytes of VmHWM or another field of /proc/self/status.
func processStatus(_ field: String) -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    for line in text.split(separator: "\n") where line.hasPrefix(field + ":") {
        return (Int(line.split(separator: " ").dropLast().last ?? "0") ?? 0) * 1024
    }
    return 0
}
