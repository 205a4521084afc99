import BlobStore
import Jobs
import PictureIO
import Tensors

/// Jobs of many machines in the engine: pictures, parts of pictures, and pictures of parts.
struct PartsRunner: JobRunner {
    let engine: UpscaleEngine
    let store: any BlobStore
    let queue: any JobQueue
    private let runs = PartsRuns()

    init(engine: UpscaleEngine, store: any BlobStore, queue: any JobQueue) {
        (self.engine, self.store, self.queue) = (engine, store, queue)
    }

    var slots: Int { engine.statistics.slots }

    func prepare(_ job: Job, input: Int32) throws -> any PreparedJob {
        let request = job.request, store = store
        // A worker that follows as many pictures as it may enlarges the next ones itself: somebody has to.
        let parts = runs.hasRoom ? PartJobs(of: request, queue: queue, store: store) : nil
        let picture = try engine.prepare(
            descriptor: input, name: request.name ?? "the picture", parameters: PictureParameters(request),
            task: { info throws(EnlargerError) in
                guard parts != nil || request.partIndex != nil else { return .picture }
                guard let cut = request.parts, cut.height == info.height, (request.partIndex ?? 0) < cut.count, (request.partIndex ?? 0) >= 0 else {
                    throw EnlargerError(.pictureInvalid, "the picture is not the one that was cut: it has \(info.height) rows, not \(request.inputHeight)")
                }
                if let index = request.partIndex { return .part(cut, index: index) }
                return .assembly(cut) { try store.open(StorePictures.partKey(request.id, $0)) }
            })
        guard let parts else { return PreparedRun(engine: engine, picture: picture) }
        return PartsRun(engine: engine, assembly: picture, parts: parts, runs: runs)
    }

    func cancel(_ run: Int) { if run < 0 { runs.cancel(run) } else { engine.cancel(run) } }

    func completed(_ job: Job) {
        PartJobs(of: job.request, queue: queue, store: store)?.remove()
        PartJobs.cleanUp(after: job.request, queue: queue, store: store)
    }
}
