import BlobStore
import Glibc
import Jobs
import NATSQueue
import Tensors

/// A picture's way back.
extension Batch {
    /// Looks what has become of a picture's job, and fetches the result where it is there.
    func look(at index: Int, _ picture: BatchPicture, _ tell: Tell) {
        let (stage, id) = state.withLock { ($0.entries[index].stage, $0.entries[index].job) }
        guard stage == .running, let id else { return }
        do throws(EnlargerError) {
            guard let job = try queue.job(id, owner: owner) else {
                throw EnlargerError(.queueUnavailable, "\(picture.name): its job is not in the queue any more")
            }
            guard job.state.isFinished else { return note(job, index) }
            finish(index, picture, job, tell)
        } catch {
            guard error.code != .queueUnavailable || queue.connection.isConnected else { return }
            guard error.code != .accessRefused else { return fail(index, error, tell) }
            if error.code == .queueUnavailable { fail(index, error, tell) }
        }
    }

    private func note(_ job: Job, _ index: Int) {
        state.change { $0.entries[index].progress = job.progress }
    }

    private func fail(_ index: Int, _ error: EnlargerError, _ tell: Tell) {
        end(index)
        tell(index, .failure(error))
    }

    private func finish(_ index: Int, _ picture: BatchPicture, _ job: Job, _ tell: Tell) {
        let isFirst = state.change { state in
            defer { state.entries[index].stage = .fetching }
            return state.entries[index].stage == .running
        }
        guard isFirst else { return }
        var outcome: Result<BatchResult, EnlargerError>
        do throws(EnlargerError) {
            guard job.state == .done else {
                throw EnlargerError(
                    job.problem.flatMap { EnlargerError.Code(rawValue: $0.code) } ?? (job.state == .cancelled ? .cancelled : .outputFailed),
                    job.problem?.message ?? "the job was \(job.state.rawValue)")
            }
            if case .file(let path) = picture.output { try fetch(job.request.resultKey, to: path) }
            outcome = .success(
                BatchResult(
                    width: job.request.width, height: job.request.height, bytes: job.resultBytes ?? 0, seconds: job.seconds, attempts: job.attempts,
                    parts: job.request.parts?.count ?? 1))
        } catch {
            // What is in the store stays for the next time, where it is this side that has no room.
            if job.state == .done {
                end(index)
                return tell(index, .failure(error))
            }
            outcome = .failure(error)
        }
        clear(job.request)
        end(index)
        tell(index, outcome)
    }

    /// Takes away what is left of a picture: its jobs first, so that none of them can leave anything any more.
    private func clear(_ request: JobRequest) {
        PartJobs(of: request, queue: queue, store: store)?.remove()
        StorePictures(store: store).removeAll(of: request.id)
    }

    private func fetch(_ key: String, to path: String) throws(EnlargerError) {
        let blob = try store.open(key)
        defer { close(blob) }
        let file = try ReplacementFile(path: path)
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
        defer { room.deallocate() }
        while true {
            let count = read(blob, room.baseAddress!, room.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw EnlargerError(.storeUnavailable, "\(key): \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            try file.write(UnsafeRawBufferPointer(rebasing: room[..<count]))
        }
        try file.commit()
    }
}
