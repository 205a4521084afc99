/// An answer that is ready to be sent.
package struct HTTPResponse: Sendable {
    package enum Body: Sendable {
        case bytes([UInt8])
        /// Bytes that live as long as the process.
        case constant(ConstantBytes)
        /// A part of an open file, which is closed with the answer.
        case file(descriptor: Int32, offset: Int, count: Int)
        /// Of unknown length: sent in chunks.
        case stream(any HTTPStream)
    }
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: Body

    package init(status: Int, headers: [(name: String, value: String)] = [], body: Body = .bytes([])) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    package init(status: Int = 200, type: String, text: String) {
        self.init(status: status, headers: [("Content-Type", type)], body: .bytes(Array(text.utf8)))
    }

    /// Frees what the body holds, where it was never sent.
    func discard() {
        switch body {
        case .bytes, .constant: break
        case .file(let descriptor, _, _): closeFile(descriptor)
        case .stream(let stream): stream.close()
        }
    }
}

/// Bytes of the program itself.
package struct ConstantBytes: @unchecked Sendable {  // never written
    let bytes: UnsafeRawBufferPointer

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }
}

/// A body that comes into being while it is sent.
package protocol HTTPStream: AnyObject, Sendable {
    /// Called on a network thread, with growing offsets; must not block. `buffer` has room.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> HTTPStreamStep
    /// Called once: the answer was sent, or cannot be.
    func close()
}

package enum HTTPStreamStep: Sendable {
    /// So many were copied, at least one.
    case bytes(Int)
    /// None yet: `HTTPExchange.wake` will tell.
    case wait
    case end(trailers: [(name: String, value: String)])
    /// The connection ends without the last chunk, so that the client knows.
    case failed
}
