import CPUBackend
import Enlarger
import Glibc
import PictureIO
import StreamPlanner
import Tensors

/// One picture over many machines: its parts, and the picture of them.
extension RunTask {
    /// Enlarges a range of rows; the result is their samples.
    func runPart(
        _ plans: [Plan], rows: Range<Int>, reader: PictureReader, how: PictureProcessing, weights: LoadedWeights, pool: ThreadPool, start: RunStart
    ) throws -> RunResult {
        let begin = monotonicSeconds(), info = picture.info, scale = picture.model.model.scale
        let rowBytes = info.bytesPerRow
        var decode = 0.0, encode = 0.0, next = 0, written = 0
        try picture.model.model.execute(
            plans, width: info.width, height: info.height, rows: rows, weights: weights, pool: pool,
            kind: PictureKind(colourChannels: info.colourChannels, hasAlpha: info.hasAlpha), bits: info.bits, how: how,
            source: { target, row, count in
                let start = monotonicSeconds()
                defer { decode += monotonicSeconds() - start }
                // The decoder begins at the top, whatever is wanted.
                while next < row {
                    try self.checkCancellation()
                    let skipped = min(target.count / rowBytes, row - next)
                    try reader.readRows(into: target, from: next, count: skipped)
                    next += skipped
                }
                try self.checkCancellation()
                try reader.readRows(into: target, from: row, count: count)
                next = row + count
            },
            sinks: [{ rows, _ in
                let start = monotonicSeconds()
                defer { encode += monotonicSeconds() - start }
                try writeSamples(rows, to: self.output, at: written)
                written += rows.count
            }],
            progress: { part in
                try self.checkCancellation()
                self.observer.progressed(part)
            })
        let seconds = monotonicSeconds() - begin
        return RunResult(
            start: start, width: picture.width, height: rows.count * scale, seconds: seconds, decodeSeconds: decode,
            computeSeconds: max(0, seconds - decode - encode), encodeSeconds: encode, resultBytes: written, notes: LoadedModel.notes(on: plans))
    }

    /// Rows of samples between a part's file and the writer.
    private static let assemblyRows = 16

    /// What an assembly holds beside the codecs.
    static func assemblyBytes(rowBytes: Int) -> Int { assemblyRows * rowBytes }

    /// Encodes the samples of all parts, as they would have been encoded where they were made in one place.
    func assemble(_ parts: PictureParts, open: (Int) throws -> Int32, start: RunStart) throws -> RunResult {
        let begin = monotonicSeconds(), info = picture.info, scale = picture.model.model.scale
        try checkCancellation()
        let reader = try PictureReader(
            descriptor: picture.descriptor, name: picture.name, formats: [info.format],
            limits: PictureLimits(maxPixels: .max, decoderBytes: info.decoderBytes))
        guard reader.info == info else { throw EnlargerError(.pictureInvalid, "\(picture.name) has changed while it waited") }
        let writer = try PictureWriter(
            descriptor: output, name: picture.name, format: picture.format, width: picture.width, height: picture.height, bits: info.bits,
            colourChannels: info.colourChannels, hasAlpha: info.hasAlpha, metadataFrom: reader)
        defer { writer.cancel() }
        let rowBytes = info.bytesPerRow * scale
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: RunTask.assemblyBytes(rowBytes: rowBytes), alignment: 64)
        defer { room.deallocate() }
        var decode = 0.0, done = 0
        for index in 0..<parts.count {
            let wait = monotonicSeconds(), samples = try open(index)
            decode += monotonicSeconds() - wait
            defer { close(samples) }
            let rows = parts.rows(index).count * scale
            guard byteCount(samples) == rows * rowBytes else {
                throw EnlargerError(.outputFailed, "part \(index) of \(picture.name) has \(byteCount(samples)) bytes; \(rows * rowBytes) are expected")
            }
            for row in stride(from: 0, to: rows, by: RunTask.assemblyRows) {
                try checkCancellation()
                let count = min(RunTask.assemblyRows, rows - row)
                try readSamples(UnsafeMutableRawBufferPointer(rebasing: room[..<(count * rowBytes)]), from: samples, at: row * rowBytes)
                try writer.writeRows(UnsafeRawBufferPointer(room), count: count)
                done += count
                observer.progressed(Double(done) / Double(picture.height))
            }
        }
        try writer.finish()
        let seconds = monotonicSeconds() - begin
        return RunResult(
            start: start, width: picture.width, height: picture.height, seconds: seconds, decodeSeconds: decode, computeSeconds: 0,
            encodeSeconds: seconds - decode, resultBytes: byteCount(output), notes: info.notes + writer.notes)
    }
}

private func writeSamples(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int) throws(EnlargerError) {
    var done = 0
    while done < bytes.count {
        let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw EnlargerError(errno == ENOSPC ? .diskFull : .outputFailed, "a part: \(String(cString: strerror(errno)))") }
        done += count
    }
}

private func readSamples(_ room: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: Int) throws(EnlargerError) {
    var done = 0
    while done < room.count {
        let count = pread(descriptor, room.baseAddress! + done, room.count - done, offset + done)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw EnlargerError(.outputFailed, "a part cannot be read: \(count < 0 ? String(cString: strerror(errno)) : "it is cut short")") }
        done += count
    }
}
