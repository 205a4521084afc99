import BlobStore
import Glibc
import Jobs
import Synchronization
import Tensors

/// Pictures of jobs in a store that many machines share. A job names its blobs, or they are below its identifier.
struct StorePictures: JobPictures {
    let store: any BlobStore

    /// Blobs of jobs that name none.
    static func folder(_ id: JobIdentifier) -> String { "jobs/\(id)" }
    static func partPrefix(_ whole: JobIdentifier) -> String { folder(whole) + "/part-" }
    static func partKey(_ whole: JobIdentifier, _ index: Int) -> String { partPrefix(whole) + String(index) }

    func openInput(of job: Job) throws(EnlargerError) -> Int32 {
        do throws(EnlargerError) {
            return try store.open(job.request.inputKey)
        } catch {
            guard error.code == .blobNotFound else { throw error }
            throw EnlargerError(.pictureNotFound, "\(job.request.inputKey): there is no such picture in the store")
        }
    }

    func beginResult(of job: Job) throws(EnlargerError) -> any JobResult {
        let key = job.request.resultKey
        // What an earlier attempt left that was cut off.
        if job.attempts > 1 { try store.abandon(key) }
        return StoreResult(try store.create(key))
    }

    func keepInput(_ request: JobRequest, descriptor: Int32, path: String) throws(EnlargerError) -> Bool {
        try store.put(request.inputKey, contentsOf: descriptor)
        return false
    }

    func openResult(of job: Job) throws(EnlargerError) -> Int32 { try store.open(job.request.resultKey) }

    func removeInput(of job: Job) {
        if job.request.ownsInput { try? store.remove(job.request.inputKey) }
        if job.request.parts != nil, job.request.partIndex == nil { removeParts(of: job.id) }
    }
    func removeParts(of whole: JobIdentifier) { remove(StorePictures.partPrefix(whole)) }
    func removeResult(of job: Job) { try? store.remove(job.request.resultKey) }
    func removeAll(of id: JobIdentifier) { remove(StorePictures.folder(id) + "/") }

    private func remove(_ prefix: String) {
        var keys: [String] = []
        try? store.list(prefix) { blob in
            keys.append(blob.key)
            return true
        }
        for key in keys { try? store.remove(key) }
    }
}

extension JobRequest {
    /// Parameters that name blobs which are somebody's own, and not the job's.
    static let input = "input", result = "result"
    var inputKey: String { parameters[JobRequest.input] ?? "\(StorePictures.folder(wholeID))/input" }
    var resultKey: String {
        if let partIndex { return StorePictures.partKey(wholeID, partIndex) }
        return parameters[JobRequest.result] ?? "\(StorePictures.folder(id))/result"
    }
    /// The picture was put into the store for this job.
    var ownsInput: Bool { parameters[JobRequest.input] == nil && partIndex == nil }
}

/// A result that goes to the store while it is made: a thread sends what there is, so that the run never waits.
private final class StoreResult: JobResult {
    let descriptor: Int32
    private let blob: any NewBlob
    private let state = Monitor(State())

    private struct State {
        var size = 0
        var sent = 0
        var isSending = false
        var isOver = false
        var error: EnlargerError?
    }

    /// Less is not worth a thread.
    private static let piece = 8 << 20

    init(_ blob: any NewBlob) {
        self.blob = blob
        descriptor = blob.descriptor
    }

    func grew(isInOrder: Bool) -> Bool {
        guard isInOrder else { return true }
        let size = byteCount(descriptor)
        let (starts, error) = state.change { state in
            state.size = size
            let starts = !state.isSending && !state.isOver && size - state.sent >= StoreResult.piece
            if starts { state.isSending = true }
            return (starts, state.error)
        }
        if starts { detachThread { self.send() } }
        return error == nil
    }

    private func send() {
        while true {
            let size = state.change { state -> Int? in
                guard !state.isOver, state.error == nil, state.size - state.sent >= StoreResult.piece else {
                    state.isSending = false
                    return nil
                }
                return state.size
            }
            guard let size else { return }
            do throws(EnlargerError) {
                try blob.advance(to: size)
                state.change { $0.sent = size }
            } catch {
                state.change { $0.error = error }
            }
        }
    }

    private func settle() -> EnlargerError? {
        state.change { $0.isOver = true }
        return state.wait { $0.isSending ? nil : .some($0.error) } ?? nil
    }

    func keep() throws(EnlargerError) -> Int {
        if let error = settle() { throw error }
        return try blob.finish()
    }

    func discard() {
        _ = settle()
        blob.cancel()
    }
}

/// Runs on a thread of its own.
func detachThread(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let failed = pthread_create(
        &thread, nil,
        { argument in
            Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    precondition(failed == 0, "no thread could be started")
    pthread_detach(thread)
}
