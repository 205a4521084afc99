import BlobStore
import Glibc
import Jobs
import NATSQueue
import PictureIO
import Tensors

/// Jobs of many machines in the engine: pictures, parts of pictures, and pictures of parts.
///
/// Whoever finishes the last part of a picture submits the job that puts the parts together.
struct PartsRunner: JobRunner {
    let engine: UpscaleEngine
    let store: any BlobStore
    let queue: any JobQueue

    var slots: Int { engine.statistics.slots }

    func prepare(_ job: Job, input: Int32) throws -> any PreparedJob {
        let request = job.request, store = store
        let picture = try engine.prepare(
            descriptor: input, name: request.name ?? "the picture", parameters: PictureParameters(request),
            task: { info throws(EnlargerError) in
                guard request.parameters[JobRequest.partCount] != nil else { return .picture }
                guard let parts = request.parts, parts.height == info.height, (request.partIndex ?? 0) < parts.count, (request.partIndex ?? 0) >= 0 else {
                    throw EnlargerError(.pictureInvalid, "the picture is not the one that was cut: it has \(info.height) rows, not \(request.inputHeight)")
                }
                if let index = request.partIndex { return .part(parts, index: index) }
                return .assembly(parts) { try store.open(StorePictures.partKey(request.id, $0)) }
            })
        return PreparedRun(engine: engine, picture: picture)
    }

    func cancel(_ run: Int) { engine.cancel(run) }

    func completed(_ job: Job) throws {
        guard let parts = job.request.parts, job.request.partIndex != nil else { return }
        let whole = job.request.wholeID
        if try queue.job(whole, owner: job.request.owner) != nil { return }
        var found = 0
        try store.list(StorePictures.partPrefix(whole)) { _ in
            found += 1
            return true
        }
        guard found == parts.count else { return }
        var request = job.request
        request.id = whole
        request.parameters[JobRequest.part] = nil
        request.parameters[JobRequest.whole] = nil
        do throws(EnlargerError) {
            _ = try queue.submit(request)
        } catch {
            // Two workers may have finished the last two parts at once.
            guard try queue.job(whole, owner: request.owner) != nil else { throw error }
        }
    }
}
