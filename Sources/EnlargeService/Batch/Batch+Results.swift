import BlobStore
import Glibc
import Jobs
import NATSQueue
import Tensors

/// A picture's way back.
extension Batch {
    /// Looks what has become of a picture's jobs, and fetches the result where it is there.
    func look(at index: Int, _ picture: BatchPicture, _ tell: Tell) {
        let (stage, job, parts) = state.withLock { ($0.entries[index].stage, $0.entries[index].job, $0.entries[index].parts) }
        guard stage == .running, let job else { return }
        do throws(EnlargerError) {
            if let whole = try queue.job(job, owner: owner) {
                guard whole.state.isFinished else { return note(whole, index) }
                return finish(index, picture, whole, parts: parts, tell)
            }
            guard !parts.isEmpty else { throw EnlargerError(.dataUnusable, "\(picture.name): its job is not in the queue any more") }
            for part in parts where state.withLock({ $0.entries[index].progress[part] }) != 1 {
                guard let found = try queue.job(part, owner: owner) else { continue }
                note(found, index)
                guard found.state == .failed || found.state == .cancelled else { continue }
                // The picture may have been put together a moment ago, of a part that was made twice.
                if try queue.job(job, owner: owner) != nil { return }
                return finish(index, picture, found, parts: parts, tell)
            }
        } catch {
            // The rest may pass: it is looked at again.
            if error.code == .accessRefused || error.code == .dataUnusable { fail(index, error, tell) }
        }
    }

    private func note(_ job: Job, _ index: Int) {
        state.change { $0.entries[index].progress[job.id] = job.state == .done ? 1 : job.progress }
    }

    private func fail(_ index: Int, _ error: EnlargerError, _ tell: Tell) {
        end(index)
        tell(index, .failure(error))
    }

    private func finish(_ index: Int, _ picture: BatchPicture, _ job: Job, parts: [JobIdentifier], _ tell: Tell) {
        let isFirst = state.change { state in
            defer { state.entries[index].stage = .fetching }
            return state.entries[index].stage == .running
        }
        guard isFirst else { return }
        let whole = state.withLock { $0.entries[index].job! }
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
                    parts: max(1, parts.count)))
        } catch {
            // What is in the store stays for the next time, where it is this side that has no room.
            if job.state == .done {
                if error.code == .storeUnavailable, !state.withLock({ $0.isEnding }) {
                    log("\(error.message); it is fetched later")
                    return state.change { state in
                        state.entries[index].stage = .running
                        state.entries[index].seen = monotonicSeconds()
                    }
                }
                end(index)
                return tell(index, .failure(error))
            }
            outcome = .failure(error)
        }
        clear(whole, parts: parts)
        end(index)
        tell(index, outcome)
    }

    /// Takes away what is left of a picture: its jobs first, so that none of them can leave anything any more.
    private func clear(_ whole: JobIdentifier, parts: [JobIdentifier]) {
        for job in parts + [whole] { _ = try? queue.cancel(job, owner: owner) }
        StorePictures(store: store).removeAll(of: whole)
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
