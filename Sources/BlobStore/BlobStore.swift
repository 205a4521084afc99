package import Tensors

/// What a store says of a blob.
package struct BlobInfo: Sendable, Equatable {
    package var key: String
    package var byteCount: Int
    /// Another one whenever the content is another one: S3's ETag, or a file's size and time.
    package var tag: String
    /// Seconds since 1970.
    package var modified: Int
}

/// Named sequences of bytes that several machines share: a folder, or a bucket of S3.
///
/// A key is a relative path (`BlobKey`). A blob has its name only when it is complete; the one of a name that exists
/// already is replaced at once. All methods may be called from any thread, and block; they try again what may pass.
///
/// They throw `storeUnavailable` when the store does not answer in spite of that, `accessRefused`, `blobNotFound`,
/// `diskFull` when the store or the disk has no room, `outputFailed` for the rest.
package protocol BlobStore: Sendable {
    /// For people.
    var address: String { get }

    /// nil where there is none.
    func info(_ key: String) throws(EnlargerError) -> BlobInfo?

    /// The blobs whose keys begin with `prefix`, in the order of their keys, until `visit` returns false.
    func list(_ prefix: String, _ visit: (BlobInfo) throws(EnlargerError) -> Bool) throws(EnlargerError)

    /// The blob as a file that is open for reading, at its beginning; the caller closes it. What is elsewhere is copied
    /// to a temporary file without a name, and its checksum compared where the store has one.
    func open(_ key: String) throws(EnlargerError) -> Int32

    /// A blob on its way.
    func create(_ key: String) throws(EnlargerError) -> any NewBlob

    /// No effect where there is none.
    func remove(_ key: String) throws(EnlargerError)

    /// Removes what uploads left that never ended, of blobs whose keys begin with `prefix`.
    /// - Parameter seconds: younger ones stay: they may be on their way.
    func sweep(_ prefix: String, olderThan seconds: Int) throws(EnlargerError)

    /// Removes what unfinished uploads of exactly this blob have left, on whatever machine they were.
    func abandon(_ key: String) throws(EnlargerError)

    /// Writes, reads and removes something, to see that it can be done.
    func check() throws(EnlargerError)
}

/// A blob that is being made, as a file: whoever makes it writes to the descriptor. Dropped without `finish`, it leaves
/// nothing behind.
package protocol NewBlob: AnyObject, Sendable {
    /// Open for reading and writing.
    var descriptor: Int32 { get }

    /// The first `byteCount` bytes will not change any more: a distant store may have them already.
    func advance(to byteCount: Int) throws(EnlargerError)

    /// The file is complete: gives the blob its name, durably. Called once, and last.
    /// - Returns: its bytes.
    func finish() throws(EnlargerError) -> Int

    /// Forgets it.
    func cancel()
}

extension BlobStore {
    /// Makes a blob of bytes.
    package func put(_ key: String, _ bytes: [UInt8]) throws(EnlargerError) {
        let blob = try create(key)
        do throws(EnlargerError) {
            try bytes.span.withUnsafeBytes { bytes throws(EnlargerError) in try writeAll(bytes, to: blob.descriptor, name: key) }
            _ = try blob.finish()
        } catch {
            blob.cancel()
            throw error
        }
    }

    /// Makes a blob of a file's bytes.
    package func put(_ key: String, contentsOf descriptor: Int32) throws(EnlargerError) {
        let blob = try create(key)
        do throws(EnlargerError) {
            try copyFile(descriptor, to: blob.descriptor, name: key)
            _ = try blob.finish()
        } catch {
            blob.cancel()
            throw error
        }
    }

    /// The bytes of a small blob.
    package func get(_ key: String) throws(EnlargerError) -> [UInt8] {
        let file = try open(key)
        defer { closeFile(file) }
        return try readFile(file, name: key)
    }

    package func check() throws(EnlargerError) {
        let key = ".enlarge-check-\(UInt64.random(in: .min ... .max))"
        try put(key, Array("enlarge".utf8))
        guard try get(key) == Array("enlarge".utf8) else { throw EnlargerError(.outputFailed, "\(address) does not keep what it is given") }
        try remove(key)
    }
}

/// What a blob may be called: segments joined by "/", none of them empty, "." or "..", of at most 255 bytes each and 900
/// together, without control characters. So no key leads out of a folder, and every key is one of S3's too.
package enum BlobKey {
    package static func isValid(_ key: String) -> Bool {
        let segments = key.split(separator: "/", omittingEmptySubsequences: false)
        return key.utf8.count <= 900
            && segments.allSatisfy { (1...255).contains($0.utf8.count) && $0 != "." && $0 != ".." }
            && key.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    }

    /// - Throws: `usage`.
    package static func check(_ key: String) throws(EnlargerError) {
        guard isValid(key) else { throw EnlargerError(.usage, "\(key): no blob can be called so") }
    }
}
