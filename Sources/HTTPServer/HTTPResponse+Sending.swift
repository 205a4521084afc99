import CMicroHTTP

extension HTTPResponse {
    /// As libmicrohttpd has it; nil when there is no memory. What the body holds goes with it.
    func response(for exchange: HTTPExchange) -> OpaquePointer? {
        let made: OpaquePointer?
        switch body {
        case .bytes(let bytes): made = bytes.withUnsafeBytes { hs_response_bytes($0.baseAddress, $0.count) }
        case .constant(let constant): made = hs_response_static(constant.bytes.baseAddress, constant.bytes.count)
        case .file(let descriptor, let offset, let count):
            made = hs_response_file(descriptor, UInt64(offset), UInt64(count))
        case .stream(let stream): made = StreamReader(stream, exchange).response()
        }
        guard let made else {
            discard()
            return nil
        }
        // A value that is not allowed in a header is left out.
        for header in headers { _ = hs_add_header(made, header.name, header.value) }
        return made
    }

    /// The connection ends with it.
    var closing: HTTPResponse {
        var copy = self
        copy.headers.append(("Connection", "close"))
        return copy
    }
}

/// Between libmicrohttpd's calls and a stream.
private final class StreamReader {
    private let stream: any HTTPStream
    private let exchange: HTTPExchange
    private var made: OpaquePointer?

    init(_ stream: any HTTPStream, _ exchange: HTTPExchange) {
        self.stream = stream
        self.exchange = exchange
    }

    deinit { stream.close() }

    func response() -> OpaquePointer? {
        let kept = Unmanaged.passRetained(self)
        made = hs_response_stream(
            { context, offset, bytes, count in
                let reader = Unmanaged<StreamReader>.fromOpaque(context!).takeUnretainedValue()
                return reader.exchange.read(
                    reader.stream, UnsafeMutableRawBufferPointer(start: bytes, count: count), at: Int(offset)
                ) {
                    _ = hs_add_footer(reader.made, $0, $1)
                }
            }, kept.toOpaque(), { Unmanaged<StreamReader>.fromOpaque($0!).release() })
        if made == nil { kept.release() }
        return made
    }
}
