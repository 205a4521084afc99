import BlobStore
import Enlarger
import Glibc
import Jobs
import NATSQueue
import PictureIO
import Tensors

/// A picture's way to the queue.
extension Batch {
    /// Submits a picture's jobs; where there is no room for them, or the queue or the store is away, again later: every step finds
    /// what an earlier try has done.
    func start(_ index: Int, _ course: Course) {
        let picture = course.pictures[index]
        do throws(EnlargerError) {
            let input = try open(picture)
            defer { close(input.descriptor) }
            let header = try PreparedPicture(
                descriptor: input.descriptor, name: picture.name, parameters: configuration.parameters, settings: settings, store: models)
            let requests = try requests(picture, header, tag: input.tag)
            track(index, requests)
            let found = try find(requests, picture, index)
            if found.isDone {
                // A client that was killed may have had no time for it.
                StorePictures(store: store).removeAll(of: requests.whole.id)
                var result = BatchResult()
                result.wasThere = true
                (result.width, result.height, result.parts) = (header.width, header.height, max(1, requests.parts.count))
                return end(index, .success(result), course)
            }
            let isNew = !found.jobs.contains(requests.whole.id)
            if case .file = picture.input, isNew, try store.info(requests.whole.inputKey) == nil {
                try store.put(requests.whole.inputKey, contentsOf: input.descriptor)
            }
            if isNew {
                for request in requests.parts.isEmpty ? [requests.whole] : requests.parts where !found.jobs.contains(request.id) {
                    try submit(request)
                }
                if found.hasAllParts { try submit(requests.whole) }
            }
            guard course.waits else { return end(index, .success(BatchResult()), course) }
            let finished = state.withLock { state in
                state.entries[index]!.stage = .running
                return state.entries[index]!.finished
            }
            if let finished { finish(index, finished, course) }
        } catch {
            let isPassing = [.queueFull, .queueUnavailable, .diskFull, .storeUnavailable].contains(error.code)
            if isPassing, !state.withLock({ $0.isEnding }) { return postpone(index, error) }
            end(index, .failure(error), course)
        }
    }

    /// With growing pauses and jitter.
    private func postpone(_ index: Int, _ error: EnlargerError) {
        let isFirst = state.withLock { state in
            // Others wait for the same.
            let isFirst = !state.entries.values.contains { $0.stage == .postponed }, pause = state.entries[index]!.pause
            state.entries[index]!.stage = .postponed
            state.entries[index]!.due = monotonicSeconds() + pause * .random(in: 0.5...1.5)
            state.entries[index]!.pause = min(pause * 2, 5)
            return isFirst
        }
        if isFirst { log("\(error.message); it is tried again") }
    }

    private var settings: EngineSettings {
        var settings = EngineSettings(memory: memory)
        settings.maxPixels = .max
        settings.maxOutputPixels = .max
        return settings
    }

    private func track(_ index: Int, _ requests: Requests) {
        state.withLock { state in
            state.entries[index]!.job = requests.whole.id
            state.entries[index]!.parts = requests.parts.map(\.id)
            state.entries[index]!.seen = monotonicSeconds()
            for request in requests.parts + [requests.whole] { state.entryOfJob[request.id] = index }
        }
    }

    /// - Returns: the picture, open at its beginning, and what changes with its content.
    private func open(_ picture: BatchPicture) throws(EnlargerError) -> (descriptor: Int32, tag: String) {
        switch picture.input {
        case .file(let path):
            let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
            var status = stat()
            guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
                throw EnlargerError(.pictureNotFound, "\(path): \(String(cString: strerror(errno)))")
            }
            guard status.st_mode & S_IFMT == S_IFREG else {
                close(descriptor)
                throw EnlargerError(.pictureNotFound, "\(path): only a file can be submitted")
            }
            return (descriptor, "\(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)")
        case .blob(let key):
            guard let info = try store.info(key) else { throw EnlargerError(.pictureNotFound, "\(picture.name): there is no such picture in the store") }
            return (try store.open(key), info.tag)
        }
    }

    struct Requests {
        var whole: JobRequest
        /// Empty for a picture that one machine enlarges.
        var parts: [JobRequest] = []
    }

    private func requests(_ picture: BatchPicture, _ header: PreparedPicture, tag: String) throws(EnlargerError) -> Requests {
        let count = try partCount(header)
        var parameters = header.parameters.kept
        if case .blob(let key) = picture.input { parameters[JobRequest.input] = key }
        if case .blob(let key) = picture.output { parameters[JobRequest.result] = key }
        let asked = parameters.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] } + [model.key, header.format.rawValue, "\(count)"]
        let id = digits([name, picture.name, tag] + asked)
        var whole = JobRequest(
            id: JobIdentifier(id)!, owner: owner, name: String(picture.name.suffix(200)), model: model.model.name, scale: model.model.scale,
            format: header.format.rawValue, inputWidth: header.info.width, inputHeight: header.info.height, width: header.width,
            height: header.height, plannedBytes: header.plannedBytes, expectedSeconds: header.expectedSeconds, parameters: parameters)
        guard count > 1 else { return Requests(whole: whole) }
        whole.parameters[JobRequest.partCount] = "\(count)"
        let parts = (0..<count).map { part in
            var request = whole
            request.id = JobIdentifier(digits([id, "part", "\(part)"]))!
            request.expectedSeconds = whole.expectedSeconds.map { $0 / Double(count) }
            request.parameters[JobRequest.part] = "\(part)"
            request.parameters[JobRequest.whole] = id
            return request
        }
        return Requests(whole: whole, parts: parts)
    }

    /// Pixels of a part of a picture that is cut, and from how many on it is.
    private static let partPixels = 10_000_000, cutPixels = 40_000_000

    private func partCount(_ header: PreparedPicture) throws(EnlargerError) -> Int {
        let pixels = header.info.width * header.info.height
        guard let count = configuration.parts ?? (pixels >= Batch.cutPixels ? pixels / Batch.partPixels : nil) else { return 1 }
        let parts = min(count, header.info.height)
        guard parts > 1 else { return 1 }
        do throws(EnlargerError) {
            try model.model.checkRows(augmented: header.parameters.isAugmented)
        } catch {
            // Cut only where that was asked for.
            guard configuration.parts == nil else { throw error }
            return 1
        }
        return parts
    }

    /// What an earlier run has left in the queue. What cannot be used of it is forgotten.
    /// - Returns: whether there is nothing left to do, whether all parts of a picture that was cut are there, and the jobs that are.
    private func find(
        _ requests: Requests, _ picture: BatchPicture, _ index: Int
    ) throws(EnlargerError) -> (isDone: Bool, hasAllParts: Bool, jobs: Set<JobIdentifier>) {
        var jobs: Set<JobIdentifier> = [], partCount = 0
        for request in [requests.whole] + requests.parts {
            guard let job = try queue.job(request.id, owner: owner) else { continue }
            let isWhole = request.id == requests.whole.id
            guard job.state.isFinished else {
                jobs.insert(job.id)
                continue
            }
            if job.state == .done {
                if isWhole, exists(picture.output) { return (true, false, jobs) }
                // A part's blob goes when the picture is put together.
                if try store.info(request.resultKey) != nil || (!isWhole && jobs.contains(requests.whole.id)) {
                    jobs.insert(job.id)
                    if !isWhole { partCount += 1 }
                    if isWhole { state.withLock { $0.entries[index]!.finished = job } }
                    continue
                }
            }
            _ = try queue.remove(request.id, owner: owner)
        }
        return (false, partCount > 0 && partCount == requests.parts.count, jobs)
    }

    private func exists(_ place: BatchPicture.Place) -> Bool {
        switch place {
        case .file(let path): access(path, F_OK) == 0
        case .blob(let key): (try? store.info(key)) != nil
        }
    }

    private func submit(_ request: JobRequest) throws(EnlargerError) {
        do throws(EnlargerError) {
            _ = try queue.submit(request)
        } catch {
            // An earlier try, whose answer was lost, may have come through meanwhile.
            guard error.code == .outputFailed, try queue.job(request.id, owner: owner) != nil else { throw error }
        }
    }
}
