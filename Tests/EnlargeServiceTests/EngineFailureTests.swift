import EnlargeService
import Enlarger
import Foundation
import Glibc
import PictureIO
import Synchronization
import Tensors
import TestSupport
import Testing

extension EngineTests {
    /// What goes wrong goes wrong for one picture.
    struct FailureTests {
        let folder = try! EngineFolder()

        /// Of these tests alone: others of the process open and close theirs meanwhile.
        private func openFiles() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count { name in
                let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")) ?? ""
                return path.contains("enlarge-open-") || path.contains("enlarge-engine-")
            }
        }

        @Test func `a damaged picture fails alone`() throws {
            try folder.make("a.png", 120, 90)
            let whole = try folder.data("a.png")
            try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: folder.file("cut.png")))
            try Data("<html>".utf8).write(to: URL(fileURLWithPath: folder.file("no.png")))
            let expected = try folder.reference("a.png", parameters(), to: "b.png")
            let engine = folder.engine(memory: 64 << 20)
            let names = ["a.png", "cut.png", "a.png", "cut.png", "a.png"]
            let running = try names.map { name in
                let listener = Listener(), output = OpenFile()
                try engine.submit(engine.prepare(folder.file(name)), to: output, observer: listener.observer())
                return (name, listener, output)
            }
            for (name, listener, output) in running {
                switch try listener.wait() {
                case .success: #expect(name == "a.png" && output.data == expected)
                case .failure(let error): #expect(name == "cut.png" && error.code == .pictureInvalid, "\(error)")
                }
            }
            #expect(throws: EnlargerError.self) { try engine.prepare(folder.file("no.png")) }
            #expect(engine.statistics.totals.failed == 2 && engine.statistics.runBytes == 0)
            engine.drain(seconds: 10)
        }

        @Test func `a full disk is an error, and the engine goes on`() throws {
            try folder.make("a.png", 120, 90)
            let engine = folder.engine(memory: 64 << 20)
            for format in [PictureFormat.png, .jpg, .webp] {
                let error = #expect(throws: EnlargerError.self) {
                    try engine.run(folder.file("a.png"), parameters(format: format), to: OpenFile(path: "/dev/full", O_RDWR))
                }
                #expect(error?.code == .outputFailed)
            }
            #expect(try engine.run(folder.file("a.png")).1.resultBytes > 0)
            #expect(engine.statistics.runBytes == 0)
            engine.drain(seconds: 10)
        }

        @Test(arguments: 0..<3)
        func `memory that the system does not have is an error of one picture`(allocation: Int) async {
            // In a process of its own: others would get the failure.
            await #expect(processExitsWith: .success) { [allocation = allocation as Int] in
                try FailureTests().failAllocation(allocation)
            }
        }

        fileprivate func failAllocation(_ allocation: Int) throws {
            try folder.make("a.png", 60, 50)
            let engine = folder.engine(memory: 64 << 20)
            let before = MemoryAccount.bytes
            MemoryAccount.failAllocation(after: allocation)
            let error = #expect(throws: EnlargerError.self) { try engine.run(folder.file("a.png")) }
            MemoryAccount.failAllocation(after: -1)
            #expect(error?.code == .allocationFailed)
            let statistics = engine.statistics
            #expect(statistics.runBytes == 0 && (statistics.weightsBytes == 0) == (allocation == 0))
            #expect((MemoryAccount.bytes == before) == (allocation == 0))
            #expect(try engine.run(folder.file("a.png")).1.width == 120)
            engine.drain(seconds: 10)
        }

        @Test func `cancelled pictures leave nothing, whether they waited or ran`() async {
            await #expect(processExitsWith: .success) { try FailureTests().cancel() }
        }

        fileprivate func cancel() throws {
            try folder.make("a.png", 300, 4000)
            try folder.make("b.png", 30, 40)
            // Before the first picture: the engine lets go of a picture's files just after it has told of its end.
            let files = try openFiles()
            let engine = folder.engine(memory: 64 << 20, threads: 1)
            _ = try engine.run(folder.file("b.png"), parameters("slow-x2"))
            let bytes = MemoryAccount.bytes
            let number = Mutex<Int?>(nil), running = Listener(), waiting = Listener()
            do {
                let first = try engine.submit(
                    engine.prepare(folder.file("a.png"), parameters("slow-x2")), to: OpenFile(),
                    observer: running.observer { _ in
                        // The first band is there: what waits can no longer start before it.
                        if let id = number.withLock({ $0 }) { engine.cancel(id) }
                    })
                let second = try engine.submit(
                    engine.prepare(folder.file("a.png"), parameters("slow-x2")), to: OpenFile(), observer: waiting.observer())
                engine.cancel(second)
                engine.cancel(second)
                #expect(throws: EnlargerError(.cancelled, "the picture was cancelled")) { try waiting.wait().get() }
                #expect(waiting.start.withLock { $0 } == nil)
                number.withLock { $0 = first }
            }
            #expect(throws: EnlargerError(.cancelled, "the picture was cancelled")) { try running.wait().get() }
            #expect(engine.statistics.totals.cancelled == 2 && engine.statistics.runBytes == 0)
            engine.drain(seconds: 10)
            #expect(MemoryAccount.bytes == bytes)
            #expect(try openFiles() == files)
        }

        @Test func `a full queue says when to come back, and a drained engine takes nothing`() throws {
            try folder.make("a.png", 300, 1500)
            let engine = folder.engine(memory: 64 << 20, threads: 1, queueLimit: 2)
            var listeners: [Listener] = []
            let refusal = #expect(throws: SubmitError.self) {
                while listeners.count < 10 {
                    let listener = Listener()
                    try engine.submit(
                        engine.prepare(folder.file("a.png"), parameters("slow-x2")), to: OpenFile(), observer: listener.observer())
                    listeners.append(listener)
                }
            }
            guard case .queueFull(let seconds) = refusal else { throw EnlargerError(.usage, "the queue takes everything") }
            #expect(seconds >= 1 && listeners.count >= 2 && engine.statistics.totals.refused == 1)
            engine.drain(seconds: 0)
            for listener in listeners {
                #expect(throws: EnlargerError(.cancelled, "the picture was cancelled")) { try listener.wait().get() }
            }
            let picture = try engine.prepare(folder.file("a.png"))
            #expect(throws: SubmitError.shuttingDown) {
                try engine.submit(picture, to: OpenFile(), observer: Listener().observer())
            }
        }

        @Test func `draining waits for what runs`() throws {
            try folder.make("a.png", 200, 200)
            let engine = folder.engine(memory: 64 << 20)
            let listeners = try (0..<5).map { _ in
                let listener = Listener()
                try engine.submit(engine.prepare(folder.file("a.png")), to: OpenFile(), observer: listener.observer())
                return listener
            }
            engine.drain(seconds: 100)
            for listener in listeners { #expect(try listener.wait().get().width == 400) }
        }

        @Test func `limits are checked before anything is decoded`() throws {
            try folder.make("a.png", 100, 60)
            func code(_ parameters: PictureParameters = .init(), _ change: (inout EngineSettings) -> Void) -> EnlargerError.Code? {
                let engine = folder.engine(memory: 64 << 20, change: change)
                defer { engine.drain(seconds: 1) }
                do {
                    _ = try engine.prepare(folder.file("a.png"), parameters)
                    return nil
                } catch {
                    return (error as? EnlargerError)?.code
                }
            }
            #expect(code { $0.maxPixels = 6000 } == nil)
            #expect(code { $0.maxPixels = 5999 } == .pictureTooLarge)
            #expect(code { $0.maxOutputPixels = 23_999 } == .pictureTooLarge)
            #expect(code { $0.formats = [.jpg, .webp] } == .pictureUnsupported)
            #expect(code(parameters(scale: 5)) { _ in } == .modelNotFound)
            #expect(code(parameters("tiny-x2", scale: 3)) { _ in } == .usage)
            #expect(code(parameters(format: .gif)) { _ in } == .usage)
        }

        @Test(arguments: ["../tiny-x2", "/etc/passwd", "tiny-x2.safetensors", "", ".", "a/b", "tiny\0", String(repeating: "a", count: 101), "é", "none"])
        func `a model's name is never a path`(name: String) throws {
            let engine = folder.engine(memory: 64 << 20)
            let error = #expect(throws: EnlargerError.self) { try engine.store.model(name, scale: 2) }
            #expect(error?.code == .modelNotFound && error?.message.contains(EngineFolder.models) == false)
            #expect(engine.store.all().map(\.model.name).contains("tiny-x3"))
            engine.drain(seconds: 1)
        }
    }
}
