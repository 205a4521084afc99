import BlobStore
import Jobs
import Tensors

/// The jobs of one picture's parts in the queue, and the blobs that they leave. Whoever knows the picture's job finds them.
struct PartJobs: Sendable {
    let whole: JobRequest
    let queue: any JobQueue
    let store: any BlobStore
    private let requests: [JobRequest]

    /// nil for a job without parts.
    init?(of whole: JobRequest, queue: any JobQueue, store: any BlobStore) {
        requests = whole.partRequests
        guard !requests.isEmpty else { return nil }
        (self.whole, self.queue, self.store) = (whole, queue, store)
    }

    var count: Int { requests.count }

    /// How far the parts are.
    struct Standing {
        /// Parts whose samples are in the store.
        var done: Set<Int> = []
        /// Of all parts, 0...1.
        var progress = 0.0
        /// A part was given up.
        var problem: JobProblem?
        /// A part's job is not in the queue, or was cancelled: it has to be submitted.
        var isMissing = false
    }

    /// - Parameter known: parts that are not looked at again.
    func standing(known: Set<Int>) throws(EnlargerError) -> Standing {
        var standing = Standing(done: known)
        var progress = Double(known.count)
        for (index, request) in requests.enumerated() where !known.contains(index) {
            switch try queue.job(request.id, owner: request.owner) {
            case let job? where job.state == .done:
                standing.done.insert(index)
                progress += 1
            case let job? where job.state == .failed:
                standing.problem = job.problem ?? JobProblem(code: "internal_error", message: "a part failed")
            case let job? where job.state == .cancelled: standing.isMissing = true
            case let job?: progress += job.progress
            case nil: standing.isMissing = true
            }
        }
        standing.progress = progress / Double(requests.count)
        return standing
    }

    /// Parts whose samples are in the store, whatever the queue says.
    func stored() throws(EnlargerError) -> Set<Int> {
        var stored: Set<Int> = []
        let prefix = StorePictures.partPrefix(whole.id)
        try store.list(prefix) { blob in
            if let index = Int(blob.key.dropFirst(prefix.count)), requests.indices.contains(index) { stored.insert(index) }
            return true
        }
        return stored
    }

    /// Submits what is neither done nor on its way. What has failed stays as it is.
    /// - Returns: the parts whose samples are in the store already.
    /// - Throws: also `queueFull`, with some of them submitted.
    func submitMissing() throws(EnlargerError) -> Set<Int> {
        var stored = try stored()
        for (index, request) in requests.enumerated() where !stored.contains(index) {
            if let job = try queue.job(request.id, owner: request.owner) {
                if job.state == .done, try store.info(request.resultKey) != nil {
                    stored.insert(index)
                    continue
                }
                guard job.state == .done || job.state == .cancelled else { continue }
                _ = try queue.remove(request.id, owner: request.owner)
            }
            do throws(EnlargerError) {
                _ = try queue.submit(request)
            } catch {
                // Somebody who took this one for lost does the same.
                guard try queue.job(request.id, owner: request.owner) != nil else { throw error }
            }
        }
        return stored
    }

    /// Cancels what is on its way, forgets all parts, and takes their blobs away.
    func remove() {
        for request in requests {
            _ = try? queue.cancel(request.id, owner: request.owner)
            _ = try? queue.remove(request.id, owner: request.owner)
        }
        StorePictures(store: store).removeParts(of: whole.id)
    }

    /// Whether the picture's job is still to be done, by whomever.
    var isWanted: Bool {
        get throws(EnlargerError) { try queue.job(whole.id, owner: whole.owner)?.state.isFinished == false }
    }

    /// Takes away what a part has made of a picture that is not wanted any more, and that nobody else may take away.
    static func cleanUp(after part: JobRequest, queue: any JobQueue, store: any BlobStore) {
        guard let owner = part.parameters[JobRequest.wholeOwner] else { return }
        do throws(EnlargerError) {
            if try queue.job(part.wholeID, owner: owner)?.state.isFinished != false { try store.remove(part.resultKey) }
        } catch {
            // Nobody can say whether it is wanted: who puts the picture together takes it away.
        }
    }
}
