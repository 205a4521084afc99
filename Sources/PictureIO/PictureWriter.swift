import CVips
package import Tensors

/// Encodes a picture from top to bottom as its rows arrive.
///
/// A thread of its own encodes; `writeRows` returns when the rows are copied and waits while that thread is more than
/// `bufferedRows` behind. The file appears under its name only when `finish()` has succeeded; a writer that is dropped
/// or cancelled leaves nothing.
///
/// Used by one thread at a time; it may move between threads.
package final class PictureWriter: @unchecked Sendable {
    package let format: PictureFormat
    package let width: Int
    package let height: Int
    /// What the format cannot hold and so changes, a sentence each.
    package let notes: [String]
    /// An estimate of the bytes that this writer, libvips and the encoder hold: a few rows, or for WebP and AVIF the
    /// whole picture.
    package let encoderBytes: Int

    private var vips: OpaquePointer?
    private var file: OutputFile?
    private let name: String
    private let given: Samples
    private let saved: Samples
    private var rowsWritten = 0

    private struct Samples: Equatable {
        var bands: Int
        var bits: Int
    }

    /// Starts a file.
    /// - Parameters:
    ///   - path: a file, or "-" for standard output.
    ///   - format: nil takes it from the extension of `path`; PNG for standard output.
    ///   - bits: 8 or 16, of the rows that `writeRows` is given.
    ///   - colourChannels: 1 or 3.
    ///   - metadataFrom: ICC profile, EXIF, XMP, IPTC and resolution come from there; the orientation becomes 1.
    /// - Throws: `usage` for an unknown format, `outputFailed` for the rest.
    package convenience init(
        path: String, format: PictureFormat? = nil, width: Int, height: Int, bits: Int, colourChannels: Int,
        hasAlpha: Bool,
        metadataFrom reader: PictureReader? = nil, options: PictureWriterOptions = PictureWriterOptions()
    ) throws(EnlargerError) {
        guard let format = format ?? PictureFormat(path: path) ?? (path == "-" ? .png : nil), format.isWritable else {
            throw EnlargerError(.usage, "\(path): pictures are written as \(PictureFormat.written)")
        }
        try self.init(
            name: path, format: format, width: width, height: height, bits: bits, colourChannels: colourChannels,
            hasAlpha: hasAlpha,
            reader: reader, options: options
        ) { () throws(EnlargerError) in try OutputFile(path: path, needsSeeking: !format.isWrittenInOrder) }
    }

    /// Starts a picture in a file that is open for reading and writing, at the start of it. The descriptor is duplicated;
    /// others may read the file with `pread` while it grows, where `format.isWrittenInOrder`. What a failure leaves in
    /// the file is of no use.
    /// - Parameter name: for messages.
    /// - Throws: `usage` for a format that is not written, `outputFailed` for the rest.
    package convenience init(
        descriptor: Int32, name: String, format: PictureFormat, width: Int, height: Int, bits: Int, colourChannels: Int,
        hasAlpha: Bool,
        metadataFrom reader: PictureReader? = nil, options: PictureWriterOptions = PictureWriterOptions()
    ) throws(EnlargerError) {
        try self.init(
            name: name, format: format, width: width, height: height, bits: bits, colourChannels: colourChannels,
            hasAlpha: hasAlpha,
            reader: reader, options: options
        ) { () throws(EnlargerError) in try OutputFile(descriptor: descriptor, name: name) }
    }

    /// - Throws: what makes it impossible to write such a picture in a format, whatever the file.
    package static func check(_ format: PictureFormat, name: String, width: Int, height: Int) throws(EnlargerError) {
        guard format.isWritable else {
            throw EnlargerError(.usage, "\(name): pictures are written as \(PictureFormat.written)")
        }
        guard ev_can_write(format.shim) == 1 else {
            throw EnlargerError(.outputFailed, "\(name): the installed libvips does not write \(format.name)")
        }
        guard max(width, height) <= format.longestSide else {
            throw EnlargerError(
                .outputFailed,
                "\(name): \(format.name) holds at most \(format.longestSide) pixels a side, not \(width) x \(height)")
        }
    }

    private static func saved(_ format: PictureFormat, bits: Int, colourChannels: Int, hasAlpha: Bool) -> Samples {
        Samples(
            bands: (format.holdsGrey ? colourChannels : 3) + (hasAlpha && format.holdsAlpha ? 1 : 0),
            bits: format.holds16Bits ? bits : 8)
    }

    private static func ringRows(rowBytes: Int) -> Int { min(max(4, (1 << 20) / rowBytes), 64) }

    /// What `encoderBytes` of a writer will be.
    package static func encoderBytes(
        format: PictureFormat, width: Int, height: Int, bits: Int, colourChannels: Int, hasAlpha: Bool
    ) -> Int {
        let samples = saved(format, bits: bits, colourChannels: colourChannels, hasAlpha: hasAlpha)
        let rowBytes = width * samples.bands * samples.bits / 8
        return EncoderMemory.bytes(
            format: format, width: width, height: height, rowBytes: rowBytes, ringRows: ringRows(rowBytes: rowBytes))
    }

    private init(
        name path: String, format: PictureFormat, width: Int, height: Int, bits: Int, colourChannels: Int,
        hasAlpha: Bool,
        reader: PictureReader?, options: PictureWriterOptions, open: () throws(EnlargerError) -> OutputFile
    ) throws(EnlargerError) {
        precondition(
            width > 0 && height > 0 && (bits == 8 || bits == 16) && (colourChannels == 1 || colourChannels == 3))
        try Self.check(format, name: path, width: width, height: height)
        let savedColours = format.holdsGrey ? colourChannels : 3
        given = Samples(bands: colourChannels + (hasAlpha ? 1 : 0), bits: bits)
        saved = Self.saved(format, bits: bits, colourChannels: colourChannels, hasAlpha: hasAlpha)

        var notes: [String] = []
        if bits == 16 && format == .avif { notes.append("AVIF holds 12 bits a sample: 16 bits cut to 12") }
        if saved.bits < bits { notes.append("\(format.name) holds 8 bits a sample: 16 bits rounded to 8") }
        if hasAlpha && !format.holdsAlpha { notes.append("\(format.name) holds no alpha: flattened onto white") }
        let dropProfile = reader.map { $0.info.hasProfile && $0.info.colourChannels != savedColours } ?? false
        if dropProfile {
            notes.append("the ICC profile was for \(savedColours == 3 ? "grey" : "RGB") samples: dropped")
        }
        if format == .tiff, reader?.info.hasEXIF == true {
            notes.append("libvips writes no EXIF in TIFF: not carried over")
        }
        if format == .szi, reader?.info.hasEXIF == true { notes.append("the tiles of a pyramid bear no EXIF: not carried over") }
        self.notes = notes

        let rowBytes = width * saved.bands * saved.bits / 8
        let ringRows = Self.ringRows(rowBytes: rowBytes)
        encoderBytes = Self.encoderBytes(
            format: format, width: width, height: height, bits: bits, colourChannels: colourChannels, hasAlpha: hasAlpha
        )
        let rawBytes = rowBytes.multipliedOrMax(by: height)
        var shim = EVWriteOptions()
        shim.format = format.shim
        shim.width = Int32(width)
        shim.height = Int32(height)
        shim.bands = Int32(saved.bands)
        shim.bits = Int32(saved.bits)
        shim.quality = Int32(options.quality)
        shim.lossless = options.lossless ? 1 : 0
        shim.compression = Int32(options.pngCompression)
        shim.tiff_compressed = options.tiffCompression == .none ? 0 : 1
        // A classic TIFF ends at 4 GiB; half of that leaves room for samples that do not compress.
        shim.bigtiff = options.bigTIFF ?? (rawBytes > 2_000_000_000) ? 1 : 0
        shim.drop_profile = dropProfile ? 1 : 0
        shim.swap_resolution = (reader?.info.orientation ?? 1) > 4 ? 1 : 0
        shim.ring_rows = Int32(ringRows)

        let file = try open()
        guard let vips = ev_writer_open(file.descriptor, &shim, reader?.metadata) else {
            throw EnlargerError(.outputFailed, "cannot write \(path): \(takeVipsError())")
        }
        self.vips = vips
        name = file.name
        self.file = file
        self.format = format
        self.width = width
        self.height = height
    }

    deinit { cancel() }

    /// Rows that may wait for the encoder, at most.
    package static let bufferedRows = 64

    /// Takes the next `count` rows: interleaved samples, colour first, then alpha, in native byte order.
    /// - Throws: `outputFailed` once the encoder has failed (a full disk, say); nothing is left behind.
    package func writeRows(_ rows: UnsafeRawBufferPointer, count: Int) throws(EnlargerError) {
        let rowBytes = width * given.bands * given.bits / 8
        precondition(
            count >= 0 && rowsWritten + count <= height && rows.count >= count * rowBytes,
            "too many rows, or too few bytes")
        guard let vips else { throw EnlargerError(.outputFailed, "cannot write \(name): the writer is closed") }
        guard count > 0, let start = rows.baseAddress else { return }
        rowsWritten += count
        guard given != saved else {
            guard ev_writer_rows(vips, start, Int32(count)) == 0 else { throw failure() }
            return
        }
        let converted = UnsafeMutableRawPointer.allocate(byteCount: width * saved.bands * saved.bits / 8, alignment: 16)
        defer { converted.deallocate() }
        for y in 0..<count {
            ev_convert_samples(
                start + y * rowBytes, Int32(given.bands), Int32(given.bits), converted, Int32(saved.bands),
                Int32(saved.bits), width)
            guard ev_writer_rows(vips, converted, 1) == 0 else { throw failure() }
        }
    }

    /// Waits for the encoder and gives the file its name.
    /// - Throws: `outputFailed` when anything of it could not be written; nothing is left behind.
    package func finish() throws(EnlargerError) {
        guard let vips else { throw EnlargerError(.outputFailed, "cannot write \(name): the writer is closed") }
        guard rowsWritten == height else {
            cancel()
            throw EnlargerError(.outputFailed, "\(name): \(rowsWritten) of \(height) rows were written")
        }
        guard ev_writer_finish(vips) == 0 else { throw failure() }
        ev_writer_close(vips)
        self.vips = nil
        defer { file = nil }
        try file!.commit()
    }

    /// Stops and removes what was written. Harmless after `finish()`.
    package func cancel() {
        if let vips { ev_writer_close(vips) }
        vips = nil
        file = nil
    }

    private func failure() -> EnlargerError {
        _ = ev_writer_finish(vips!)
        let reason = String(cString: ev_writer_error(vips!))
        cancel()
        return EnlargerError(.outputFailed, "cannot write \(name): \(reason.isEmpty ? "the encoder stopped" : reason)")
    }
}
