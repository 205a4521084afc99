/// A float32 array as NumPy's .npy files hold it: C order, little-endian.
///
/// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html (versions 1 to 3).
package struct Npy: Sendable, Equatable {
    package var shape: [Int]
    /// Row-major; the product of `shape` elements.
    package var values: [Float]

    /// - Precondition: `values.count` is the product of `shape`.
    package init(shape: [Int], values: [Float]) {
        precondition(values.count == shape.reduce(1, *))
        self.shape = shape
        self.values = values
    }

    /// - Throws: `pictureNotFound` for a missing file, else as `init(parsing:name:)`.
    package init(path: String) throws(EnlargerError) {
        let storage = try ByteStorage.mapping(path: path, missing: .pictureNotFound, invalid: .pictureInvalid)
        try self.init(parsing: storage, name: path)
    }

    /// Peak memory: the elements once more.
    /// - Throws: `pictureInvalid` when the bytes are not an .npy file of exactly the size that its header says;
    ///   `pictureUnsupported` for element types other than `<f4` and for Fortran order.
    package init(parsing storage: ByteStorage, name: String) throws(EnlargerError) {
        func invalid(_ reason: String) -> EnlargerError { EnlargerError(.pictureInvalid, "\(name): \(reason)") }
        let bytes = storage.bytes
        guard bytes.count >= 12, bytes[0] == 0x93, bytes[1..<6].elementsEqual("NUMPY".utf8) else {
            throw invalid("not an .npy file")
        }
        let headerStart = bytes[6] == 1 ? 10 : 12
        guard (1...3).contains(bytes[6]) else { throw invalid(".npy version \(bytes[6])") }
        let headerCount = bytes[6] == 1
            ? Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
            : Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
        guard headerCount <= 65_535, headerStart + headerCount <= bytes.count else {
            throw invalid("a header of \(headerCount) bytes in a file of \(bytes.count)")
        }
        let header = String(decoding: bytes[headerStart..<headerStart + headerCount], as: UTF8.self)
        guard let type = Npy.value(of: "descr", in: header), let order = Npy.value(of: "fortran_order", in: header),
            let tuple = Npy.value(of: "shape", in: header)
        else { throw invalid("a header without descr, fortran_order and shape") }
        guard type.hasPrefix("'<f4'") || type.hasPrefix("\"<f4\"") else {
            throw EnlargerError(.pictureUnsupported, "\(name): elements of type \(type.prefix(8)); only '<f4' is read")
        }
        guard order.hasPrefix("False") else { throw EnlargerError(.pictureUnsupported, "\(name): Fortran order") }
        guard tuple.first == "(", let end = tuple.firstIndex(of: ")") else { throw invalid("a shape that is no tuple") }
        var shape: [Int] = [], count = 1
        for part in tuple[tuple.index(after: tuple.startIndex)..<end].split(separator: ",") {
            let digits = part.drop { $0 == " " }
            guard let extent = Int(digits), extent >= 0, shape.count < 8 else { throw invalid("extent \"\(part)\" in its shape") }
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw invalid("its shape is too large") }
            count = product
            shape.append(extent)
        }
        let dataStart = headerStart + headerCount
        guard (bytes.count - dataStart) / 4 == count, (bytes.count - dataStart) % 4 == 0 else {
            throw invalid("\(bytes.count - dataStart) bytes of data for shape \(shape)")
        }
        self.shape = shape
        values = [Float](unsafeUninitializedCapacity: count) { buffer, filled in
            UnsafeMutableRawBufferPointer(buffer).copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[dataStart...]))
            filled = count
        }
    }

    /// The text after `'key':` in a header, without leading spaces.
    private static func value(of key: String, in header: String) -> Substring? {
        let text = Substring(header)
        guard let range = find("'\(key)'", in: text) ?? find("\"\(key)\"", in: text) else { return nil }
        let rest = text[range...].drop { $0 == " " }
        guard rest.first == ":" else { return nil }
        return rest.dropFirst().drop { $0 == " " }
    }

    /// The index after the first occurrence of `pattern`.
    private static func find(_ pattern: String, in text: Substring) -> Substring.Index? {
        var rest = text
        while !rest.isEmpty {
            if rest.hasPrefix(pattern) { return rest.index(rest.startIndex, offsetBy: pattern.count) }
            rest = rest.dropFirst()
        }
        return nil
    }

    /// The file's bytes, version 1, data at a multiple of 64.
    package func serialized() -> [UInt8] {
        let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
        var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(extents)), }"
        header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
        let count = header.utf8.count
        var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(count & 255), UInt8(count >> 8)]
        bytes += header.utf8
        values.withUnsafeBytes { bytes += $0 }
        return bytes
    }

    /// Writes under a temporary name, then renames.
    package func write(path: String) throws(EnlargerError) {
        let file = try ReplacementFile(path: path)
        try file.write(serialized())
        try file.commit()
    }
}
