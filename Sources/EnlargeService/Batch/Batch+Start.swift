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
            let request = try request(picture, header, tag: input.tag)
            track(index, request)
            switch try find(request, picture) {
            case .done:
                // A client that was killed may have had no time for it.
                StorePictures(store: store).removeAll(of: request.id)
                var result = BatchResult()
                result.wasThere = true
                (result.width, result.height, result.parts) = (header.width, header.height, request.parts?.count ?? 1)
                return end(index, .success(result), course)
            case .finished(let job): state.withLock { $0.entries[index]!.finished = job }
            case .underWay: break
            case .nothing:
                if case .file = picture.input, try store.info(request.inputKey) == nil {
                    try store.put(request.inputKey, contentsOf: input.descriptor)
                }
                try submit(request)
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

    private func track(_ index: Int, _ request: JobRequest) {
        state.withLock { state in
            state.entries[index]!.job = request.id
            state.entries[index]!.parts = request.parts?.count ?? 1
            state.entries[index]!.seen = monotonicSeconds()
            state.entryOfJob[request.id] = index
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

    private func request(_ picture: BatchPicture, _ header: PreparedPicture, tag: String) throws(EnlargerError) -> JobRequest {
        let count = try configuration.cut.partCount(header)
        var parameters = header.parameters.kept
        if case .blob(let key) = picture.input { parameters[JobRequest.input] = key }
        if case .blob(let key) = picture.output { parameters[JobRequest.result] = key }
        let asked = parameters.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] } + [model.key, header.format.rawValue, "\(count)"]
        return JobRequest(
            id: JobIdentifier(digits([name, picture.name, tag] + asked))!, owner: owner, name: String(picture.name.suffix(200)),
            model: model.model.name, scale: model.model.scale, format: header.format.rawValue, inputWidth: header.info.width,
            inputHeight: header.info.height, width: header.width, height: header.height, plannedBytes: header.plannedBytes,
            expectedSeconds: header.expectedSeconds, parameters: parameters
        ).cut(into: count)
    }

    private enum Found {
        case nothing, underWay
        /// Its result waits in the store.
        case finished(Job)
        /// With its result where it belongs.
        case done
    }

    /// What an earlier run has left. What cannot be used of it is forgotten.
    private func find(_ request: JobRequest, _ picture: BatchPicture) throws(EnlargerError) -> Found {
        guard let job = try queue.job(request.id, owner: owner) else { return .nothing }
        guard job.state.isFinished else { return .underWay }
        if job.state == .done {
            if exists(picture.output) { return .done }
            if try store.info(request.resultKey) != nil { return .finished(job) }
        }
        _ = try queue.remove(request.id, owner: owner)
        PartJobs(of: request, queue: queue, store: store)?.remove()
        return .nothing
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
