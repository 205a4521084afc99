import BlobStore
import Glibc
import Jobs
import NATSQueue
import Tensors

/// A picture's way back.
extension Batch {
    /// Looks what has become of a picture's job, and fetches the result where it is there.
    func look(at index: Int, _ course: Course) {
        guard let entry = state.withLock({ $0.entries[index] }), entry.stage == .running, let id = entry.job else { return }
        do throws(EnlargerError) {
            guard let job = try queue.mendedJob(id, owner: owner) else {
                throw EnlargerError(.dataUnusable, "\(course.pictures[index].name): its job is not in the queue any more")
            }
            guard job.state.isFinished else { return state.withLock { $0.entries[index]?.progress = job.progress } }
            finish(index, job, course)
        } catch {
            // The rest may pass: it is looked at again.
            if [.accessRefused, .dataUnusable].contains(error.code) { end(index, .failure(error), course) }
        }
    }

    func finish(_ index: Int, _ job: Job, _ course: Course) {
        let isFirst = state.withLock { state in
            defer { state.entries[index]?.stage = .fetching }
            return state.entries[index]?.stage == .running
        }
        guard isFirst else { return }
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
                    parts: job.request.parts?.count ?? 1))
        } catch {
            // What is in the store stays for the next time, where it is this side that has no room.
            if job.state == .done {
                if error.code == .storeUnavailable { return fetchLater(index, error, course) }
                return end(index, .failure(error), course)
            }
            outcome = .failure(error)
        }
        // What is left of the picture: its other jobs first, so that none of them can leave anything any more.
        PartJobs(of: job.request, queue: queue, store: store)?.remove()
        StorePictures(store: store).removeAll(of: job.id)
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
