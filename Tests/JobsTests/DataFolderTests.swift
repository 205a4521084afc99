import Foundation
import Glibc
import Jobs
import Tensors
import TestSupport
import Testing

/// The folder and the database file: one process at a time, and nothing of it is changed that is not understood.
@Suite struct DataFolderTests {
    @Test func theFolderIsPrivate() throws {
        let fixture = try QueueFixture()
        var status = stat()
        for (name, mode) in [
            ("", 0o700), ("/inputs", 0o700), ("/results", 0o700), ("/jobs.sqlite", 0o600), ("/lock", 0o600),
        ] {
            #expect(stat(fixture.path + name, &status) == 0)
            #expect(status.st_mode & 0o777 == mode_t(mode))
        }
    }

    @Test func aSecondUserIsRefused() throws {
        let fixture = try QueueFixture()
        #expect(unusable(fixture.path)?.contains("in use by another process") == true)
        fixture.close()
        #expect(unusable(fixture.path) == nil)
    }

    @Test func aSecondProcessIsRefused() async throws {
        let fixture = try QueueFixture()
        let path = fixture.path
        await #expect(processExitsWith: .success) { [path = path as String] in
            let error = #expect(throws: EnlargerError.self) { _ = try DataFolder(path: path) }
            #expect(error?.code == .dataUnusable)
        }
    }

    @Test(arguments: ["/proc/enlarger", "/dev/null", "/nowhere/at/all"]) func whatIsNoFolderIsRefused(_ path: String) {
        #expect(unusable(path)?.contains(path) == true)
    }

    /// /var/lib/NAME is such a link for a systemd service with a dynamic user.
    @Test func theFolderMayLieBehindALink() throws {
        let fixture = try QueueFixture()
        let id = try fixture.submit().id
        fixture.close()
        let link = fixture.path + ".link"
        #expect(symlink(fixture.path, link) == 0)
        defer { unlink(link) }
        let queue = try SQLiteJobQueue(folder: DataFolder(path: link))
        #expect(try queue.state(of: id) == .queued)
    }

    @Test func theDatabaseIsNoLink() throws {
        let fixture = try QueueFixture()
        fixture.close()
        let real = fixture.path + "/elsewhere"
        #expect(rename(fixture.database, real) == 0 && symlink(real, fixture.database) == 0)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: real))
        #expect(unusable(fixture.path) != nil)
        #expect(try Data(contentsOf: URL(fileURLWithPath: real)) == bytes)
    }

    @Test func anUnfinishedDatabaseIsMadeAnew() throws {
        let fixture = try QueueFixture()
        fixture.close()
        unlink(fixture.database)
        for name in ["", "-journal", "-wal", "-shm"] {
            try Data("half".utf8).write(to: URL(fileURLWithPath: fixture.database + ".new" + name))
        }
        try fixture.reopen()
        try fixture.submit()
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.path).allSatisfy { !$0.contains(".new") })
    }

    @Test(arguments: ["/inputs/", "/results/"]) func filesWithoutADatabaseAreKept(_ folder: String) throws {
        let fixture = try QueueFixture()
        fixture.close()
        unlink(fixture.database)
        let file = fixture.path + folder + JobIdentifier().description
        try Data("picture".utf8).write(to: URL(fileURLWithPath: file))
        let message = unusable(fixture.path)
        #expect(message?.contains("jobs.sqlite is missing") == true)
        #expect(FileManager.default.fileExists(atPath: file))
        #expect(!FileManager.default.fileExists(atPath: fixture.database))
        unlink(file)
        #expect(unusable(fixture.path) == nil)
    }

    /// A new database would take the old one's log for its own.
    @Test func aLogWithoutADatabaseIsKept() async throws {
        let path = try await unclean()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let log = try Data(contentsOf: URL(fileURLWithPath: path + "/jobs.sqlite-wal"))
        #expect(!log.isEmpty)
        unlink(path + "/jobs.sqlite")
        #expect(unusable(path)?.contains("jobs.sqlite is missing") == true)
        #expect(!FileManager.default.fileExists(atPath: path + "/jobs.sqlite"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: path + "/jobs.sqlite-wal")) == log)
    }

    @Test(arguments: Damage.allCases) func damageIsRefusedAndLeftAlone(_ damage: Damage) throws {
        let fixture = try filled()
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture.database)))
        damage.apply(to: &bytes)
        try Data(bytes).write(to: URL(fileURLWithPath: fixture.database))
        for _ in 0..<2 {
            let message = unusable(fixture.path) ?? "nothing is refused"
            #expect(message.contains(fixture.database) && message.contains(damage.words), "\(message)")
            #expect([UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture.database))) == bytes)
        }
    }

    /// Whatever bytes change: it is refused, or it works and throws what the protocol says.
    @Test func noDamageEndsTheProcess() throws {
        let fixture = try filled()
        let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture.database)))
        var generator = SeededGenerator(seed: 7)
        var refused = 0
        for _ in 0..<60 {
            var bytes = whole
            let begin = Int.random(in: 0..<bytes.count, using: &generator)
            for index in begin..<min(begin + Int.random(in: 1...64, using: &generator), bytes.count) {
                bytes[index] = .random(in: 0...255, using: &generator)
            }
            for name in ["-wal", "-shm"] { unlink(fixture.database + name) }
            try Data(bytes).write(to: URL(fileURLWithPath: fixture.database))
            do throws(EnlargerError) {
                let queue = try SQLiteJobQueue(folder: DataFolder(path: fixture.path))
                _ = try queue.submit(.sample())
                _ = try queue.jobs(owner: "", limit: 1000, after: nil)
                while let claim = try queue.claim(worker: "a", timeout: .zero) {
                    _ = try queue.complete(claim, resultBytes: 1, seconds: 1)
                }
            } catch {
                #expect(error.code == .dataUnusable, "\(error)")
                refused += 1
            }
        }
        #expect(refused > 10)
    }

    /// What was acknowledged before a kill is there afterwards, and what ran is queued again.
    @Test func aKilledProcessLosesNothing() async throws {
        let path = try await unclean()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let text = try String(contentsOfFile: path + "/acknowledged", encoding: .utf8)
        // The last line may be cut.
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        let acknowledged = try lines.map { try #require(JobIdentifier($0)) }
        let queue = try SQLiteJobQueue(folder: DataFolder(path: path))
        #expect(acknowledged.count > 3)
        for id in acknowledged { #expect(try queue.state(of: id) != nil) }
        #expect(try queue.state(of: acknowledged[0]) == .done)
        #expect(try queue.job(acknowledged[1], owner: "")?.problem?.code == "interrupted")
        #expect(try queue.counts()[.running] == 0)
        #expect(try queue.claim(worker: "a", timeout: .zero)?.job.id == acknowledged[1])
    }
}

/// Ways in which a file is no database of jobs.
enum Damage: CaseIterable {
    case middle, half, header, cut, start, empty, text, application, noVersion, newerVersion

    func apply(to bytes: inout [UInt8]) {
        var generator = SeededGenerator(seed: 1)
        switch self {
        case .middle:
            for index in bytes.count / 2..<bytes.count / 2 + 4096 {
                bytes[index] = .random(in: 0...255, using: &generator)
            }
        case .half: bytes.removeLast(bytes.count / 2)
        case .header: bytes.removeLast(bytes.count - 100)
        case .cut: bytes.removeLast(bytes.count - 20)
        case .start: bytes[0] = 0
        case .empty: bytes = []
        case .text: bytes = Array(String(repeating: "Dear diary, there was no database today.\n", count: 200).utf8)
        case .application: bytes[68...71] = [1, 2, 3, 4]
        case .noVersion: bytes[60...63] = [0, 0, 0, 0]
        case .newerVersion: bytes[60...63] = [0, 0, 0, 2]
        }
    }

    /// What the message says.
    var words: String {
        switch self {
        case .application: "none of jobs: it is left alone"
        case .newerVersion: "version 2"
        case .empty: "it is empty"
        default: "is damaged"
        }
    }
}

extension QueueFixture {
    var database: String { path + "/jobs.sqlite" }
}

/// The message with which a queue in the folder is refused as `dataUnusable`; nil when it is not.
private func unusable(_ path: String) -> String? {
    do throws(EnlargerError) {
        _ = try SQLiteJobQueue(folder: DataFolder(path: path))
        return nil
    } catch {
        #expect(error.code == .dataUnusable)
        return error.message
    }
}

/// A closed queue with a hundred jobs that are done, in some dozen pages.
private func filled() throws -> QueueFixture {
    let fixture = try QueueFixture()
    for number in 0..<100 {
        try fixture.submit("picture \(number)")
        _ = try fixture.queue.complete(try fixture.claim(), resultBytes: 1, seconds: 1)
    }
    fixture.close()
    return fixture
}

/// A folder whose process was killed in the middle of a submission. Of the jobs in `acknowledged`, one a line, the first
/// is done and the second ran.
private func unclean() async throws -> String {
    let fixture = try filled()
    let path = fixture.path + "-killed"
    try FileManager.default.copyItem(atPath: fixture.path, toPath: path)
    try await leave(path)
    return path
}

private func leave(_ path: String) async throws {
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
        let queue = try SQLiteJobQueue(folder: DataFolder(path: path))
        let file = open(path + "/acknowledged", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        func acknowledge(_ id: JobIdentifier) {
            let line = Array("\(id)\n".utf8)
            #expect(write(file, line, line.count) == line.count)
        }
        for _ in 0..<2 { acknowledge(try queue.submit(.sample()).id) }
        let first = try #require(try queue.claim(worker: "a", timeout: .zero))
        _ = try queue.complete(first, resultBytes: 1, seconds: 1)
        _ = try #require(try queue.claim(worker: "a", timeout: .zero))
        Thread.detachNewThread {
            usleep(100_000)
            kill(getpid(), SIGKILL)
        }
        while true { acknowledge(try queue.submit(.sample()).id) }
    }
}
