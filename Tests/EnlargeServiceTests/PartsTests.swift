import BlobStore
import Enlarger
import Foundation
import Glibc
import Jobs
import PictureIO
import Tensors
import Testing

@testable import EnlargeService

extension EngineTests {
    /// Pictures in parts, on one worker with its queue in SQLite and its store in a folder.
    struct PartsTests {
        let folder: EngineFolder
        let queue: SQLiteJobQueue
        let store: FolderStore

        init() throws {
            folder = try EngineFolder()
            for name in ["data", "store"] { try FileManager.default.createDirectory(atPath: folder.file(name), withIntermediateDirectories: true) }
            var policy = JobQueuePolicy()
            policy.lease = .seconds(3)
            policy.maximumUnfinished = 12
            queue = try SQLiteJobQueue(folder: DataFolder(path: folder.file("data")), policy: policy)
            store = try FolderStore(path: folder.file("store"))
        }

        private func worker(_ engine: UpscaleEngine) -> JobWorker {
            JobWorker(
                name: "w", runner: PartsRunner(engine: engine, store: store, queue: queue), queue: queue, pictures: StorePictures(store: store),
                hub: JobHub(), counters: Counters(), log: ServiceLog { _ in }, lease: .seconds(3))
        }

        /// Runs a worker for a while.
        private func working<Value>(_ engine: UpscaleEngine, _ body: (JobWorker) throws -> Value) rethrows -> Value {
            let worker = worker(engine)
            worker.start()
            defer {
                worker.stop(seconds: 0)
                engine.drain(seconds: 0)
            }
            return try body(worker)
        }

        private func submit(_ name: String, to engine: UpscaleEngine, parts: Int, _ parameters: PictureParameters = .init()) throws -> JobRequest {
            let picture = try engine.prepare(folder.file(name), parameters)
            let request = JobRequest(
                owner: "ann", name: name, model: picture.model.model.name, scale: 2, format: picture.format.rawValue, inputWidth: picture.info.width,
                inputHeight: picture.info.height, width: picture.width, height: picture.height, plannedBytes: picture.plannedBytes,
                expectedSeconds: picture.expectedSeconds, parameters: picture.parameters.kept
            ).cut(into: parts)
            let file = OpenFile(path: folder.file(name))
            try withExtendedLifetime(file) { try store.put(request.inputKey, contentsOf: file.descriptor) }
            _ = try queue.submit(request)
            return request
        }

        @discardableResult
    private func until<Value>(_ what: String, seconds: Double = 60, _ look: () throws -> Value?) throws -> Value {
            let end = monotonicSeconds() + seconds
            while monotonicSeconds() < end {
                if let value = try look() { return value }
                usleep(20_000)
            }
            throw EnlargerError(.badResult, "\(what) does not come")
        }

        private func finished(_ request: JobRequest) throws -> Job {
            try until("the end of the job") { try queue.job(request.id, owner: "ann").flatMap { $0.state.isFinished ? $0 : nil } }
        }

        private func blobs() throws -> [String] {
            var keys: [String] = []
            try store.list("") { blob in
                keys.append(blob.key)
                return true
            }
            return keys
        }

        /// Neither jobs of parts nor blobs but `blobs` are left, soon.
        private func expectNothingLeft(of request: JobRequest, but blobs: [String] = []) throws {
            try until("an empty store") { try self.blobs() == blobs ? true : nil }
            #expect(try request.partRequests.allSatisfy { try queue.job($0.id, owner: $0.owner) == nil })
        }

        @Test(arguments: [2, 7], [PictureFormat.png, .szi])
        func `a picture in parts is one job, with the bytes of one run`(parts: Int, format: PictureFormat) throws {
            try folder.make("a.png", 90, 150)
            let engine = folder.engine(memory: 64 << 20)
            let request = try submit("a.png", to: engine, parts: parts, parameters(format: format))
            let job = try working(engine) { _ in
                let job = try finished(request)
                try expectNothingLeft(of: request, but: [request.resultKey])
                return job
            }
            #expect(job.state == .done && job.progress == 1 && job.attempts == 1)
            #expect(try queue.jobs(owner: "ann", limit: 10, after: nil)?.count == 1)
            #expect(try queue.counts().values.reduce(0, +) == 1)
            let expected = try folder.reference("a.png", parameters(), to: "whole." + format.fileExtension)
            #expect(FileManager.default.contents(atPath: folder.file("store/" + request.resultKey)) == expected)
        }

        @Test func `what fails in a part fails the picture, with the part's reason`() throws {
            try folder.make("whole.png", 200, 300)
            let bytes = try folder.data("whole.png")
            try bytes.prefix(bytes.count * 2 / 3).write(to: URL(fileURLWithPath: folder.file("a.png")))
            let engine = folder.engine(memory: 64 << 20)
            let request = try submit("a.png", to: engine, parts: 5)
            try working(engine) { _ in
                let job = try finished(request)
                #expect(job.state == .failed && job.attempts == 1)
                #expect(job.problem?.code == "picture_invalid" && job.problem?.message.contains("damaged") == true, "\(job)")
                try expectNothingLeft(of: request)
            }
        }

        @Test(arguments: [true, false])
        func `a cancelled picture leaves neither jobs nor blobs`(byService: Bool) throws {
            try folder.make("a.png", 300, 600)
            let engine = folder.engine(memory: 64 << 20)
            let request = try submit("a.png", to: engine, parts: 6, parameters("slow", scale: 2))
            try working(engine) { worker in
                _ = try until("a part that runs") {
                    try request.partRequests.contains { try queue.job($0.id, owner: $0.owner)?.state == .running } ? true : nil
                }
                #expect(try queue.cancel(request.id, owner: "ann")?.state == .cancelled)
                if byService {
                    _ = try queue.remove(request.id, owner: "ann")
                    PartJobs(of: request, queue: queue, store: store)?.remove()
                }
                try until("an idle worker") { worker.activeCount == 0 ? true : nil }
                try expectNothingLeft(of: request)
            }
        }

        @Test func `a worker that stops gives the picture back, and the next one goes on`() throws {
            try folder.make("a.png", 200, 400)
            let first = folder.engine(memory: 64 << 20), second = folder.engine(memory: 64 << 20)
            let request = try submit("a.png", to: first, parts: 8, parameters("mid", scale: 2))
            let done = try working(first) { _ in
                try until("a part that is done") { () -> [JobIdentifier]? in
                    let done = try request.partRequests.filter { try queue.job($0.id, owner: $0.owner)?.state == .done }.map(\.id)
                    return done.isEmpty ? nil : done
                }
            }
            let given = try #require(try queue.job(request.id, owner: "ann"))
            #expect(given.state == .queued && given.attempts == 0)
            for id in done { #expect(try queue.job(id, owner: JobRequest.ownerOfParts(of: request.id))?.state == .done) }
            try working(second) { _ in
                #expect(try finished(request).state == .done)
                try expectNothingLeft(of: request, but: [request.resultKey])
            }
            let expected = try folder.reference("a.png", parameters("mid", scale: 2), to: "whole.png")
            #expect(FileManager.default.contents(atPath: folder.file("store/" + request.resultKey)) == expected)
        }

        @Test func `where the queue has no room for the parts the picture stays whole`() throws {
            try folder.make("a.png", 60, 90)
            let engine = folder.engine(memory: 64 << 20)
            // Of twelve jobs at most.
            let request = try submit("a.png", to: engine, parts: 30)
            try working(engine) { _ in
                #expect(try finished(request).state == .done)
                try expectNothingLeft(of: request, but: [request.resultKey])
            }
            #expect(
                try FileManager.default.contents(atPath: folder.file("store/" + request.resultKey))
                    == folder.reference("a.png", parameters(), to: "whole.png"))
        }

        @Test func `parts that are lost are submitted anew, and those that are there are not`() throws {
            try folder.make("a.png", 60, 90)
            let engine = folder.engine(memory: 64 << 20)
            let request = try submit("a.png", to: engine, parts: 4), parts = request.partRequests
            let jobs = try #require(PartJobs(of: request, queue: queue, store: store))
            #expect(try jobs.standing(known: []).isMissing)
            try store.put(parts[2].resultKey, [1])
            #expect(try jobs.submitMissing() == [2])
            #expect(try parts.map { try queue.job($0.id, owner: $0.owner)?.state } == [.queued, .queued, nil, .queued])
            #expect(try jobs.submitMissing() == [2] && !jobs.standing(known: [2]).isMissing)
            // One ends without its samples, as where they were swept away; one is cancelled; one fails.
            var claims: [JobClaim] = []
            for _ in 0..<4 { claims.append(try #require(try queue.claim(worker: "w", timeout: .zero))) }
            let claim = Dictionary(uniqueKeysWithValues: claims.map { ($0.job.id, $0) })
            #expect(try queue.complete(claim[parts[0].id]!, resultBytes: 1, seconds: 1) == .held)
            #expect(try queue.cancel(parts[1].id, owner: parts[1].owner)?.state == .cancelled)
            #expect(try queue.fail(claim[parts[3].id]!, JobProblem(code: "picture_invalid", message: "why"), retry: false) == .held)
            let standing = try jobs.standing(known: [2])
            #expect(standing.done == [0, 2] && standing.isMissing && standing.problem?.message == "why" && standing.progress == 0.5)
            #expect(try jobs.submitMissing() == [2])
            #expect(try parts.map { try queue.job($0.id, owner: $0.owner)?.state } == [.queued, .queued, nil, .failed])
            jobs.remove()
            #expect(try parts.allSatisfy { try queue.job($0.id, owner: $0.owner) == nil } && blobs() == [request.inputKey])
            engine.drain(seconds: 0)
        }

        @Test func `large pictures are cut, others and what cannot be cut are not`() throws {
            try folder.make("a.png", 100, 40)
            let engine = folder.engine(memory: 64 << 20)
            let picture = try engine.prepare(folder.file("a.png"))
            var augmented = PictureParameters()
            augmented.isAugmented = true
            let whole = try engine.prepare(folder.file("a.png"), augmented)
            #expect(try PictureCut().partCount(picture) == 1)
            #expect(try PictureCut(fromPixels: 4001).partCount(picture) == 1)
            #expect(try PictureCut(fromPixels: 4000).partCount(picture) == 4)
            #expect(try PictureCut(fromPixels: 1).partCount(picture) == 40)
            #expect(try PictureCut(parts: 3).partCount(picture) == 3)
            #expect(try PictureCut(fromPixels: 4000).partCount(whole) == 1)
            let error = #expect(throws: EnlargerError.self) { try PictureCut(parts: 3).partCount(whole) }
            #expect(error != nil)

            let request = JobRequest(
                owner: "ann", model: "tiny", scale: 2, format: "png", inputWidth: 100, inputHeight: 40, width: 200, height: 80, plannedBytes: 1,
                expectedSeconds: 8)
            #expect(request.cut(into: 1) == request && request.partRequests.isEmpty)
            let parts = request.cut(into: 4).partRequests
            #expect(Set(parts.map(\.id) + [request.id]).count == 5 && parts == request.cut(into: 4).partRequests)
            #expect(parts.allSatisfy { $0.wholeID == request.id && $0.owner != "ann" && $0.partRequests.isEmpty && $0.expectedSeconds == 2 })
            #expect(parts.map(\.partIndex) == [0, 1, 2, 3] && parts.allSatisfy { $0.parts == PictureParts(height: 40, count: 4) })
            engine.drain(seconds: 0)
        }
    }
}
