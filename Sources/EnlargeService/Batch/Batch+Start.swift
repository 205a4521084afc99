import BlobStore
import Enlarger
import Glibc
import Jobs
import NATSQueue
import PictureIO
import Tensors

/// A picture's way to the queue.
extension Batch {
    typealias Tell = @Sendable (Int, Result<BatchResult, EnlargerError>) -> Void

    func start(_ index: Int, _ picture: BatchPicture, waits: Bool, _ tell: @escaping Tell) {
        do throws(EnlargerError) {
            let input = try open(picture)
            defer { close(input.descriptor) }
            let header = try PreparedPicture(
                descriptor: input.descriptor, name: picture.name, parameters: configuration.parameters, settings: settings, store: models)
            let request = try request(picture, header, tag: input.tag)
            let parts = request.parts?.count ?? 1
            if try isDone(request, picture) {
                var result = BatchResult()
                result.wasThere = true
                (result.width, result.height, result.parts) = (header.width, header.height, parts)
                track(index, request, parts: parts)
                end(index)
                return tell(index, .success(result))
            }
            if case .file = picture.input, try queue.job(request.id, owner: owner) == nil, try store.info(request.inputKey) == nil {
                try store.put(request.inputKey, contentsOf: input.descriptor)
            }
            try submit(request)
            track(index, request, parts: parts)
            if waits {
                state.change { $0.entries[index].stage = .running }
            } else {
                end(index)
                tell(index, .success(BatchResult()))
            }
        } catch {
            end(index)
            tell(index, .failure(error))
        }
    }

    private var settings: EngineSettings {
        var settings = EngineSettings(memory: memory)
        settings.maxPixels = .max
        settings.maxOutputPixels = .max
        return settings
    }

    private func track(_ index: Int, _ request: JobRequest, parts: Int) {
        state.change { state in
            state.entries[index].job = request.id
            state.entries[index].parts = parts
            state.entries[index].seen = monotonicSeconds()
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

    /// Whether there is nothing left to do; what can not be used of an earlier run is forgotten.
    private func isDone(_ request: JobRequest, _ picture: BatchPicture) throws(EnlargerError) -> Bool {
        guard let job = try queue.job(request.id, owner: owner), job.state.isFinished else { return false }
        if job.state == .done {
            if exists(picture.output) { return true }
            if try store.info(request.resultKey) != nil { return false }
        }
        _ = try queue.remove(request.id, owner: owner)
        PartJobs(of: request, queue: queue, store: store)?.remove()
        return false
    }

    private func exists(_ place: BatchPicture.Place) -> Bool {
        switch place {
        case .file(let path): access(path, F_OK) == 0
        case .blob(let key): (try? store.info(key)) != nil
        }
    }

    /// Submits a job that is not there yet, as soon as the queue has room.
    private func submit(_ request: JobRequest) throws(EnlargerError) {
        var pause = 0.2
        while true {
            do throws(EnlargerError) {
                if try queue.job(request.id, owner: owner) == nil { _ = try queue.submit(request) }
                return
            } catch {
                guard [.queueFull, .queueUnavailable, .diskFull].contains(error.code), !state.withLock({ $0.isEnding }) else { throw error }
                usleep(UInt32(pause * .random(in: 0.5...1.5) * 1e6))
                pause = min(pause * 2, 5)
            }
        }
    }
}
