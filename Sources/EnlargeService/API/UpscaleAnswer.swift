import Enlarger
import Glibc
import HTTPServer
import PictureIO
import Synchronization
import Tensors

/// The answer to `POST /v1/upscale`: a file that the engine writes, sent as it grows.
final class UpscaleAnswer: HTTPStream {
    private let exchange: HTTPExchange
    private let picture: PreparedPicture
    private let output: Int32
    private let bytes: GrowingFileBytes
    /// Adds what every answer bears.
    private let dress: @Sendable (HTTPResponse) -> HTTPResponse
    private let state: Mutex<State>

    private struct State {
        /// The picture as it came; it goes when the run is over.
        var input: HTTPSpool?
        var start: RunStart?
        var run: Int?
        var hasBegun = false
        var hasNoRoom = false
        var result: Result<RunResult, EnlargerError>?
    }

    /// A result that is smaller is sent when it is complete, with its length.
    private static let streamingBytes = 64 << 10

    /// - Parameter output: closed with this.
    init(
        exchange: HTTPExchange, picture: PreparedPicture, input: HTTPSpool, output: Int32, disk: DiskAccount,
        dress: @escaping @Sendable (HTTPResponse) -> HTTPResponse
    ) {
        self.exchange = exchange
        self.picture = picture
        self.output = output
        bytes = GrowingFileBytes(disk)
        self.dress = dress
        state = Mutex(State(input: input))
    }

    deinit { Glibc.close(output) }

    /// Gives the picture to the engine.
    func submit(to engine: UpscaleEngine, counters: Counters) throws {
        let run = try engine.submit(
            picture, output: output,
            observer: RunObserver(
                started: { start in self.state.withLock { $0.start = start } },
                progressed: { _ in self.progressed(engine) },
                finished: { result in
                    self.finished(result)
                    switch result {
                    case .success(let run):
                        counters.upscaled(run, pixelsIn: self.picture.info.width * self.picture.info.height)
                    case .failure(let error): counters.ended(error.code == .cancelled ? "cancelled" : "failed")
                    }
                }))
        state.withLock { $0.run = run }
        exchange.whenGone { _ in engine.cancel(run) }
    }

    private func progressed(_ engine: UpscaleEngine) {
        let size = size
        guard bytes.grow(to: size) else {
            let run = state.withLock { state in
                state.hasNoRoom = true
                return state.run
            }
            if let run { engine.cancel(run) }
            return
        }
        guard picture.format.isWrittenInOrder, size >= UpscaleAnswer.streamingBytes else { return }
        let isFirst = state.withLock { state in
            defer { state.hasBegun = true }
            return !state.hasBegun
        }
        if isFirst {
            answer(
                HTTPResponse(status: 200, headers: headers + [("Trailer", "X-Enlarge-Seconds")], body: .stream(self)))
        } else {
            exchange.wake()
        }
    }

    private func finished(_ given: Result<RunResult, EnlargerError>) {
        let hasRoom = bytes.grow(to: size)
        let (result, hasBegun) = state.withLock { state in
            let result =
                hasRoom && !state.hasNoRoom ? given : .failure(EnlargerError(.diskFull, "no room for the result"))
            state.result = result
            state.input = nil
            return (result, state.hasBegun)
        }
        if hasBegun { return exchange.wake() }
        switch result {
        case .success(let run):
            let copy = fcntl(output, F_DUPFD_CLOEXEC, 0)
            guard copy >= 0 else { return answer(Problem(500, "internal_error", "too many open files").response) }
            answer(
                HTTPResponse(
                    status: 200, headers: headers + [("X-Enlarge-Seconds", JSON.number(run.seconds).text)],
                    body: .file(descriptor: copy, offset: 0, count: run.resultBytes)))
        case .failure(let error): answer(Problem(error).response)
        }
    }

    private func answer(_ response: HTTPResponse) { exchange.answer(dress(response)) }

    private var headers: [(name: String, value: String)] {
        let start = state.withLock { $0.start }
        return [
            ("Content-Type", picture.format.mediaType), ("Cache-Control", "no-store"),
            ("X-Enlarge-Model", picture.model.model.name),
            ("X-Enlarge-Scale", String(picture.model.model.scale)), ("X-Enlarge-Device", "cpu"),
            ("X-Enlarge-Precision", picture.precision),
            ("X-Enlarge-Planned-Bytes", String(start?.plannedBytes ?? picture.plannedBytes)),
            ("X-Enlarge-Expected-Seconds", JSON.number(start?.expectedSeconds ?? picture.expectedSeconds).text),
            ("X-Enlarge-Width", String(picture.width)), ("X-Enlarge-Height", String(picture.height)),
        ]
    }

    private var size: Int {
        var status = stat()
        return fstat(output, &status) == 0 ? Int(status.st_size) : 0
    }

    // MARK: HTTPStream

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> HTTPStreamStep {
        // Looked at before the file: what was written when it ended is complete.
        let result = state.withLock { $0.result }
        if case .failure = result { return .failed }
        let count = pread(output, buffer.baseAddress!, buffer.count, offset)
        if count > 0 { return .bytes(count) }
        if count < 0 { return .failed }
        guard case .success(let run) = result else { return .wait }
        return .end(trailers: [("X-Enlarge-Seconds", JSON.number(run.seconds).text)])
    }

    func close() {}
}

extension PictureFormat {
    var mediaType: String {
        switch self {
        case .png: "image/png"
        case .jpg: "image/jpeg"
        case .webp: "image/webp"
        case .tiff: "image/tiff"
        case .avif: "image/avif"
        case .heic: "image/heic"
        case .gif: "image/gif"
        case .pnm: "image/x-portable-anymap"
        case .szi: "application/zip"
        }
    }
}
