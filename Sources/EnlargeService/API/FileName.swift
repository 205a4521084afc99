import Jobs
import PictureIO

/// The name under which a browser keeps a result: that of the input, with the scale, as `name_x3.png`.
struct FileName {
    private let stem: Substring
    private let tail: String

    init(of job: Job) {
        let last = (job.request.name ?? "").split { $0 == "/" || $0 == "\\" }.last ?? ""
        let name = (last.lastIndex(of: ".").map { last[..<$0] } ?? last).prefix(120)
        stem = name.isEmpty ? "enlarged" : name
        tail = "_x\(job.request.scale).\((PictureFormat(rawValue: job.request.format) ?? .png).fileExtension)"
    }

    /// `Content-Disposition` (RFC 6266): the name in plain letters, and as it is.
    var disposition: String {
        let plain = String(stem.unicodeScalars.map { FileName.isPlain($0) || $0 == " " ? Character($0) : "_" })
        let exact = stem.utf8.map { byte in
            let scalar = Unicode.Scalar(byte)
            let digits = String(byte, radix: 16, uppercase: true)
            return FileName.isPlain(scalar) ? String(scalar) : "%" + (digits.count < 2 ? "0" : "") + digits
        }
        return "attachment; filename=\"\(plain + tail)\"; filename*=UTF-8''\(exact.joined() + tail)"
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".": true
        default: false
        }
    }
}
