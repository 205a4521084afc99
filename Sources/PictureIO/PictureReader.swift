import CVips
package import Tensors

/// Decodes a picture file from top to bottom, a few rows at a time.
///
/// Whatever the file holds, the rows are grey or RGB, with or without alpha, of 8 or 16 bits, with the EXIF orientation
/// applied. Samples are not colour-managed: the profile goes to the output (see `PictureWriter`).
///
/// Used by one thread at a time; it may move between threads.
package final class PictureReader: @unchecked Sendable {
    package let info: PictureInfo
    /// The file's name, for messages.
    package let name: String
    private let vips: OpaquePointer
    private var nextRow = 0
    private var spool: OrientedSpool?

    /// Opens a file and reads its header.
    /// - Parameter path: a file, or "-" for standard input.
    /// - Throws: `pictureNotFound`, `pictureInvalid`, `pictureUnsupported`, `pictureTooLarge`.
    package convenience init(path: String, limits: PictureLimits = PictureLimits()) throws(EnlargerError) {
        try self.init(InputFile(path: path), formats: PictureFormat.allCases, limits: limits)
    }

    /// Reads the header of a file that is open. The descriptor is duplicated; both share one offset, so that a file has
    /// one reader at a time.
    /// - Parameters:
    ///   - name: for messages.
    ///   - formats: those that are accepted; told by the file's first bytes.
    /// - Throws: `pictureInvalid`, `pictureUnsupported`, `pictureTooLarge`.
    package convenience init(
        descriptor: Int32, name: String, formats: [PictureFormat] = PictureFormat.allCases,
        limits: PictureLimits = PictureLimits()
    ) throws(EnlargerError) {
        try self.init(InputFile(descriptor: descriptor, name: name), formats: formats, limits: limits)
    }

    private init(_ file: consuming InputFile, formats: [PictureFormat], limits: PictureLimits) throws(EnlargerError) {
        let name = file.name
        guard let format = PictureFormat(signature: file.peek(32)) else {
            throw EnlargerError(
                .pictureInvalid,
                "\(name) is not a picture of a known format (PNG, JPEG, WebP, TIFF, AVIF, HEIF, GIF, PNM)")
        }
        guard formats.contains(format) else {
            throw EnlargerError(
                .pictureUnsupported,
                "\(name) is \(format.name); accepted are \(formats.map(\.name).joined(separator: ", "))")
        }
        guard ev_start() == 0 else {
            throw EnlargerError(.pictureUnsupported, "libvips does not start: \(takeVipsError())")
        }
        guard ev_can_read(format.shim) == 1 else {
            throw EnlargerError(.pictureUnsupported, "\(name): the installed libvips does not read \(format.name)")
        }
        guard let vips = ev_reader_open(file.descriptor, format.shim) else {
            throw EnlargerError(.pictureInvalid, "\(name): not a readable \(format.name) file: \(takeVipsError())")
        }
        do throws(EnlargerError) {
            info = try Self.prepare(vips, name: name, format: format, file: file, limits: limits)
        } catch {
            ev_reader_close(vips)
            throw error
        }
        self.vips = vips
        self.name = name
    }

    deinit { ev_reader_close(vips) }

    /// The same file from its first row again; this reader is of no more use.
    package func reopened() throws(EnlargerError) -> PictureReader {
        try PictureReader(descriptor: ev_reader_descriptor(vips), name: name, limits: PictureLimits(maxPixels: .max, decoderBytes: .max))
    }

    /// For the writer, which takes metadata from it.
    var metadata: OpaquePointer { vips }

    private static func prepare(
        _ vips: OpaquePointer, name: String, format: PictureFormat, file: borrowing InputFile, limits: PictureLimits
    ) throws(EnlargerError) -> PictureInfo {
        var header = EVHeader()
        ev_reader_header(vips, &header)
        let (width, height) = (Int(header.width), Int(header.height))
        guard width.multipliedOrMax(by: height) <= limits.maxPixels else {
            throw EnlargerError(
                .pictureTooLarge, "\(name) has \(width) x \(height) pixels; the limit is \(limits.maxPixels) pixels")
        }
        var notes: [String] = []
        let whole = DecoderMemory.wholePicture(
            format: format, multiscan: header.multiscan != 0, chromaFull: header.chroma_full != 0,
            bands: Int(header.bands), bits: Int(header.bits))
        let sampleBytes = header.bits == 0 ? 4 : Int(header.bits) / 8
        let decoderBytes = DecoderMemory.bytes(
            width: width, height: height, rowBytes: width * Int(header.bands) * sampleBytes, wholePicture: whole,
            tiff: format == .tiff ? TIFFLayout(file)?.decoderBytes ?? 0 : 0)
        guard decoderBytes <= limits.decoderBytes else {
            let what = whole > 0 ? "needs the whole picture in memory" : "needs large blocks in memory"
            throw EnlargerError(
                .pictureTooLarge,
                "\(name): decoding this \(format.name) of \(width) x \(height) \(what), about \(decoderBytes) bytes; the limit is \(limits.decoderBytes)"
            )
        }
        if whole > 0 {
            let kind = format == .jpg ? "progressive JPEG" : format == .png ? "interlaced PNG" : format.name
            notes.append("\(kind): the decoder holds the whole picture, about \(decoderBytes) bytes")
        }
        if let note = try convert(vips, header: header, name: name) { notes.append(note) }

        // libheif has rotated the picture already.
        let orientation = format == .avif || format == .heic ? 1 : Int(header.orientation)
        if orientation > 2 {
            notes.append("EXIF orientation \(orientation): decoded to a temporary file, then read in order")
        }

        ev_reader_header(vips, &header)
        let colourChannels = header.bands < 3 ? 1 : 3
        guard Int(header.bands) - colourChannels <= 1, header.bits != 0 else {
            throw EnlargerError(
                .pictureUnsupported, "\(name) has \(header.bands) channels; grey or RGB with alpha at most is supported"
            )
        }
        return PictureInfo(
            width: orientation > 4 ? height : width, height: orientation > 4 ? width : height,
            colourChannels: colourChannels,
            hasAlpha: Int(header.bands) > colourChannels, bits: Int(header.bits), format: format,
            hasProfile: header.has_profile != 0, hasEXIF: header.has_exif != 0, orientation: orientation,
            decoderBytes: decoderBytes.addingOrMax(
                OrientedSpool.bytes(
                    orientation: orientation, width: width, height: height,
                    pixel: Int(header.bands) * Int(header.bits) / 8)),
            notes: notes)
    }

    /// Adds the conversion to grey or RGB of 8 or 16 bits that the picture needs, and says which.
    private static func convert(_ vips: OpaquePointer, header: EVHeader, name: String) throws(EnlargerError) -> String?
    {
        switch Int(header.colour) {
        case Int(EV_COLOUR_GREY), Int(EV_COLOUR_RGB):
            guard header.bits != 0 else {
                let what = header.is_float != 0 ? "floating-point" : "signed or 32-bit"
                throw EnlargerError(.pictureUnsupported, "\(name) has \(what) samples, whose range is not known")
            }
            return nil
        case Int(EV_COLOUR_CMYK):
            guard ev_reader_icc_to_srgb(vips, header.bits == 16 ? 16 : 8) == 0 else {
                throw EnlargerError(.pictureUnsupported, "\(name): CMYK cannot be converted to RGB: \(takeVipsError())")
            }
            return "CMYK converted to sRGB with \(header.has_profile != 0 ? "its own" : "a general") profile"
        case Int(EV_COLOUR_CONVERTIBLE):
            guard ev_reader_to_rgb16(vips) == 0 else {
                throw EnlargerError(.pictureUnsupported, "\(name): cannot be converted to RGB: \(takeVipsError())")
            }
            return "Lab, XYZ or linear samples converted to sRGB of 16 bits"
        default:
            throw EnlargerError(
                .pictureUnsupported, "\(name) has \(header.bands) channels of a kind that is neither grey nor RGB")
        }
    }

    /// Delivers the rows `row ..< row + count`, `info.bytesPerRow` bytes each: interleaved samples, colour first, then
    /// alpha; UInt8, or UInt16 in native byte order. Rows are asked for strictly in order, each once.
    /// - Throws: `pictureInvalid` when the file is damaged or cut short; the reader is of no use after that.
    package func readRows(into buffer: UnsafeMutableRawBufferPointer, from row: Int, count: Int) throws(EnlargerError) {
        precondition(row == nextRow && count >= 0 && row + count <= info.height, "rows are read in order, each once")
        precondition(buffer.count >= count * info.bytesPerRow)
        guard count > 0, let out = buffer.baseAddress else { return }
        nextRow += count
        if info.orientation > 2 {
            if spool == nil {
                spool = try OrientedSpool(info: info) { (top, count, out) throws(EnlargerError) in
                    try self.decode(top, count, out)
                }
            }
            try spool!.read(into: out, from: row, count: count)
            return
        }
        try decode(row, count, out)
        if info.orientation == 2 {
            withUnsafeTemporaryAllocation(byteCount: info.bytesPerRow, alignment: 16) { copy in
                for y in 0..<count {
                    let line = out + y * info.bytesPerRow
                    copy.baseAddress!.copyMemory(from: line, byteCount: info.bytesPerRow)
                    ev_reverse(copy.baseAddress!, line, info.width, info.bytesPerPixel)
                }
            }
        }
    }

    /// Rows as they lie in the file.
    private func decode(_ top: Int, _ count: Int, _ out: UnsafeMutableRawPointer) throws(EnlargerError) {
        guard ev_reader_rows(vips, Int32(top), Int32(count), out) == 0 else {
            throw EnlargerError(.pictureInvalid, "\(name) is damaged or cut short near row \(top): \(takeVipsError())")
        }
    }
}
