import BlobStore
import Glibc
import Jobs
import NATSQueue
import Tensors

/// A picture's way back.
extension Batch {
    /// Looks what has become of a picture's jobs, and fetches the result where it is there.
    func look(at index: Int, _ course: Course) {
        guard let entry = state.withLock({ $0.entries[index] }), entry.stage == .running, let job = entry.job else { return }
        let parts = entry.parts
        do throws(EnlargerError) {
            if let whole = try queue.mendedJob(job, owner: owner) {
                guard whole.state.isFinished else { return note(whole, index) }
                return finish(index, whole, course)
            }
            guard !parts.isEmpty else { throw EnlargerError(.dataUnusable, "\(course.pictures[index].name): its job is not in the queue any more") }
            var isComplete = true
            for part in parts where entry.progress[part] != 1 {
                guard let found = try queue.mendedJob(part, owner: owner) else {
                    isComplete = false
                    continue
                }
                note(found, index)
                isComplete = isComplete && found.state == .done
                guard found.state == .failed || found.state == .cancelled else { continue }
                // The picture may have been put together a moment ago, of a part that was made twice.
                if try queue.job(job, owner: owner) != nil { return }
                return finish(index, found, course)
            }
            // Who made the last part found the queue full, and may have ended before it could hand on: `start` does it.
            if isComplete, try queue.job(job, owner: owner) == nil { state.withLock { $0.entries[index]?.stage = .postponed } }
        } catch {
            // The rest may pass: it is looked at again.
            if [.accessRefused, .dataUnusable].contains(error.code) { end(index, .failure(error), course) }
        }
    }

    private func note(_ job: Job, _ index: Int) {
        state.withLock { $0.entries[index]?.progress[job.id] = job.state == .done ? 1 : job.progress }
    }

    /// - Parameter job: the picture's, or a part's that failed.
    func finish(_ index: Int, _ job: Job, _ course: Course) {
        let entry = state.withLock { state -> Entry? in
            guard let entry = state.entries[index], entry.stage == .running else { return nil }
            state.entries[index]!.stage = .fetching
            return entry
        }
        guard let entry else { return }
        var outcome: Result<BatchResult, EnlargerError>
        do throws(EnlargerError) {
            guard job.state == .done else {
                throw EnlargerError(
                    job.problem.flatMap { EnlargerError.Code(rawValue: $0.code) } ?? (job.state == .cancelled ? .cancelled : .outputFailed),
                    job.problem?.message ?? "the job was \(job.state.rawValue)")
            }
            if case .file(let path) = course.pictures[index].output { try fetch(job.request.resultKey, to: path) }
            outcome = .success(
                BatchResult(
                    width: job.request.width, height: job.request.height, bytes: job.resultBytes ?? 0, seconds: job.seconds, attempts: job.attempts,
                    parts: max(1, entry.parts.count)))
        } catch {
            // What is in the store stays for the next time, where it is this side that has no room.
            if job.state == .done {
                if error.code == .storeUnavailable { return fetchLater(index, error, course) }
                return end(index, .failure(error), course)
            }
            outcome = .failure(error)
        }
        // What is left of the picture: its other jobs first, so that none of them can leave anything any more.
        for other in entry.parts + [entry.job!] where other != job.id { _ = try? queue.cancel(other, owner: owner) }
        StorePictures(store: store).removeAll(of: entry.job!)
        end(index, outcome, course)
    }

    private func fetchLater(_ index: Int, _ error: EnlargerError, _ course: Course) {
        if state.withLock({ $0.isEnding }) { return end(index, .failure(error), course) }
        log("\(error.message); it is fetched later")
        state.withLock { state in
            state.entries[index]?.stage = .running
            state.entries[index]?.seen = monotonicSeconds()
        }
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
