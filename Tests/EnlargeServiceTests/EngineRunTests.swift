import EnlargeService
import Enlarger
import Foundation
import PictureIO
import Synchronization
import Tensors
import TestSupport
import Testing

extension EngineTests {
    /// Pictures that the engine enlarges.
    struct RunTests {
        let folder = try! EngineFolder()

        @Test func `a hundred pictures from eight threads in a small budget are those of the command`() async {
            // In a process of its own: the account of memory is the process's.
            await #expect(processExitsWith: .success) { try RunTests().runHundred() }
        }

        fileprivate func runHundred() throws {
            let budget = 40 << 20
            let engine = folder.engine(memory: budget, threads: 3)
            struct Job: Sendable {
                var input: String
                var parameters: PictureParameters
                var expected: Data
            }
            var random = SeededGenerator(seed: 5)
            let jobs = try (0..<20).map { i in
                let format = [PictureFormat.png, .jpg, .tiff, .png][i % 4], scale = 2 + i % 2
                let (width, height) = i == 7 ? (500, 400) : (Int.random(in: 5...90, using: &random), Int.random(in: 5...90, using: &random))
                let input = "in\(i).\(format.fileExtension)"
                try folder.make(input, width, height, channels: format == .jpg ? [1, 3][i / 4 % 2] : 1 + i / 4 % 4, seed: UInt64(i))
                var parameters = parameters(scale: scale)
                parameters.isAugmented = i == 11
                return Job(input: input, parameters: parameters, expected: try folder.reference(input, parameters, to: "out\(i).\(format.fileExtension)"))
            }
            let before = MemoryAccount.bytes
            MemoryAccount.resetPeak()
            DispatchQueue.concurrentPerform(iterations: 8) { thread in
                do {
                    for i in stride(from: thread, to: 100, by: 8) {
                        let job = jobs[i * 7 % 20], output = OpenFile(), listener = Listener()
                        try engine.submit(
                            engine.prepare(folder.file(job.input), job.parameters), to: output,
                            observer: listener.observer { _ in
                                let now = engine.statistics
                                #expect(now.runBytes + now.weightsBytes <= budget && now.running <= now.slots)
                            })
                        let result = try listener.wait().get()
                        #expect(output.data == job.expected, "\(job.input)")
                        #expect(result.resultBytes == job.expected.count)
                        let steps = listener.steps.withLock { $0 }
                        #expect(steps == steps.sorted() && steps.last == 1)
                        let start = try #require(listener.start.withLock { $0 })
                        #expect(start == result.start && start.plannedBytes <= budget)
                    }
                } catch {
                    Issue.record(error)
                }
            }
            #expect(MemoryAccount.peakBytes - before <= budget)
            let end = engine.statistics
            #expect(end.runBytes == 0 && end.running == 0 && end.waiting == 0 && end.totals.finished == 100)
            #expect(end.weightsBytes > 0 && MemoryAccount.bytes - before <= end.weightsBytes + 4096 && MemoryAccount.bytes > before)
            engine.drain(seconds: 10)
        }

        @Test func `what never fits is refused with its bytes, and runs in just that many`() throws {
            try folder.make("a.png", 300, 200)
            let expected = try folder.reference("a.png", parameters(), to: "b.png")
            func shortage(_ memory: Int) throws -> EnlargerError.Shortage? {
                let engine = folder.engine(memory: memory)
                defer { engine.drain(seconds: 10) }
                do {
                    _ = try engine.prepare(folder.file("a.png"))
                    return nil
                } catch let error as EnlargerError {
                    #expect(error.code == .doesNotFit && error.shortage?.budgetBytes == memory)
                    return error.shortage
                }
            }
            let needed = try #require(try shortage(1 << 20)).neededBytes
            #expect(needed > 1 << 20)
            #expect(try shortage(needed - 1)?.neededBytes == needed)
            for memory in [needed, needed + needed / 8, 4 * needed] {
                let engine = folder.engine(memory: memory)
                let (data, result) = try engine.run(folder.file("a.png"))
                #expect(data == expected && result.start.plannedBytes <= memory)
                engine.drain(seconds: 10)
            }
        }

        @Test func `weights of two models take turns where there is room for one`() throws {
            try folder.make("a.png", 40, 30)
            let small = folder.engine(memory: 1 << 20)
            let refusal = #expect(throws: EnlargerError.self) { try small.prepare(folder.file("a.png"), parameters("mid-x2")) }
            small.drain(seconds: 1)
            let needed = try #require(refusal?.shortage).neededBytes
            let engine = folder.engine(memory: needed + (256 << 10))
            let models = try ["mid-x2", "other-x2"].map { try engine.store.model($0, scale: nil) }
            for round in 0..<4 {
                let (now, other) = (models[round % 2], models[1 - round % 2])
                let expected = try folder.reference("a.png", parameters(now.model.name), to: "b.png")
                #expect(try engine.run(folder.file("a.png"), parameters(now.model.name)).0 == expected)
                #expect(now.hasWeights && !other.hasWeights)
            }
            engine.drain(seconds: 10)
        }

        @Test func `a result can be read while it grows, where its format is written in order`() throws {
            try folder.make("a.png", 200, 600)
            let engine = folder.engine(memory: 12 << 20)
            for format in [PictureFormat.png, .jpg] {
                let output = OpenFile(), listener = Listener(), pieces = Mutex<[Data]>([])
                try engine.submit(
                    engine.prepare(folder.file("a.png"), parameters(format: format)), to: output,
                    observer: listener.observer { _ in pieces.withLock { $0.append(output.data) } })
                _ = try listener.wait().get()
                let whole = output.data
                #expect(pieces.withLock { $0.allSatisfy { whole.starts(with: $0) } && Set($0.map(\.count)).count > 2 })
            }
            #expect(PictureFormat.allCases.filter { !$0.isWrittenInOrder } == [.tiff])
            engine.drain(seconds: 10)
        }

        @Test func `the result's format is asked for, or the input's, or PNG`() throws {
            try folder.make("a.jpg", 20, 10)
            try Data("P6 2 1 255 abcdef".utf8).write(to: URL(fileURLWithPath: folder.file("a.ppm")))
            let engine = folder.engine(memory: 64 << 20)
            #expect(try engine.prepare(folder.file("a.jpg")).format == .jpg)
            #expect(try engine.prepare(folder.file("a.jpg"), parameters(format: .webp)).format == .webp)
            let picture = try engine.prepare(folder.file("a.ppm"))
            #expect(picture.format == .png && picture.width == 4 && picture.height == 2)
            engine.drain(seconds: 10)
        }
    }
}
