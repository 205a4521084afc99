import CVips

/// The file formats of pictures: those that are read, those that are written, and those that are both.
package enum PictureFormat: String, Sendable, CaseIterable {
    case png, jpg, webp, tiff, avif
    /// HEIF with HEVC inside; read only.
    case heic
    /// The first frame; read only.
    case gif
    /// PBM, PGM and PPM; read only.
    case pnm
    /// A Deep Zoom pyramid of PNG tiles (DZI) in a zip file whose entries are stored; written only.
    case szi

    /// The format that a file name or a bare extension stands for, nil when there is none.
    package init?(path: String) {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        switch name.split(separator: ".").last.map({ $0.lowercased() }) {
        case "png": self = .png
        case "jpg", "jpeg", "jpe": self = .jpg
        case "webp": self = .webp
        case "tif", "tiff", "btf": self = .tiff
        case "avif": self = .avif
        case "heic", "heif": self = .heic
        case "gif": self = .gif
        case "pnm", "ppm", "pgm", "pbm": self = .pnm
        case "szi": self = .szi
        default: return nil
        }
    }

    /// The format that the first bytes of a file tell (32 bytes are enough). File names are never believed.
    package init?(signature bytes: some Collection<UInt8>) {
        let start = Array(bytes.prefix(32))
        func has(_ text: String, at offset: Int = 0) -> Bool {
            start.dropFirst(offset).prefix(text.utf8.count).elementsEqual(text.utf8)
        }
        if start.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if start.starts(with: [0xFF, 0xD8, 0xFF]) {
            self = .jpg
        } else if has("RIFF") && has("WEBP", at: 8) {
            self = .webp
        } else if [[0x49, 0x49, 42, 0], [0x4D, 0x4D, 0, 42], [0x49, 0x49, 43, 0], [0x4D, 0x4D, 0, 43]]
            .contains(where: { start.starts(with: $0) })
        {
            self = .tiff
        } else if has("GIF87a") || has("GIF89a") {
            self = .gif
        } else if has("ftyp", at: 4) {
            if has("avif", at: 8) || has("avis", at: 8) {
                self = .avif
            } else if ["heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1"].contains(where: {
                has($0, at: 8)
            }) {
                self = .heic
            } else {
                return nil
            }
        } else if start.count > 2, start[0] == 0x50, (0x31...0x36).contains(start[1]),
            start[2] <= 0x20 || start[2] == 0x23
        {
            self = .pnm
        } else {
            return nil
        }
    }

    /// For sentences: "PNG", "JPEG".
    package var name: String { self == .jpg ? "JPEG" : self == .webp ? "WebP" : rawValue.uppercased() }

    /// The usual extension, without the dot.
    package var fileExtension: String { self == .tiff ? "tif" : rawValue }

    package var isWritable: Bool {
        switch self {
        case .png, .jpg, .webp, .tiff, .avif, .szi: true
        case .heic, .gif, .pnm: false
        }
    }

    /// For sentences: the formats that are written.
    package static let written = "png, jpg, webp, tiff, avif or szi"

    package var isReadable: Bool { self != .szi }

    /// Holds an alpha channel.
    package var holdsAlpha: Bool { self != .jpg && self != .pnm }
    /// Holds one-channel pictures; the others get three equal channels.
    package var holdsGrey: Bool { [.png, .jpg, .tiff, .szi].contains(self) }
    /// Holds more than 8 bits a sample (AVIF: 12 of 16).
    package var holds16Bits: Bool { [.png, .tiff, .avif, .szi].contains(self) }
    /// The encoder and the decoder work on the whole picture in memory.
    package var isWholePicture: Bool { [.webp, .avif, .heic, .gif].contains(self) }
    /// What is written stays as it is: the file can be read while it grows. Writing TIFF goes back in the file.
    package var isWrittenInOrder: Bool { self != .tiff }
    /// The longest side, in pixels, that can be written.
    package var longestSide: Int {
        switch self {
        case .jpg: 65_500
        case .webp: 16_383
        case .avif, .heic: 16_384
        case .png: 1_000_000
        case .tiff, .gif, .pnm, .szi: 10_000_000
        }
    }

    var shim: Int32 {
        let value =
            switch self {
            case .png: EV_PNG
            case .jpg: EV_JPEG
            case .webp: EV_WEBP
            case .tiff: EV_TIFF
            case .avif, .heic: EV_HEIF
            case .gif: EV_GIF
            case .pnm: EV_PNM
            case .szi: EV_SZI
            }
        return Int32(value)
    }

    /// The formats that the installed libvips can write.
    package static var available: [PictureFormat] { allCases.filter { $0.isWritable && ev_can_write($0.shim) == 1 } }
    /// The formats that the installed libvips can read.
    package static var readable: [PictureFormat] { allCases.filter { ev_can_read($0.shim) == 1 } }
}
