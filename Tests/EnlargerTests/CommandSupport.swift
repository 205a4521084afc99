import Foundation
import Glibc
import ModelFormats
import NetworkGraph
import TestSupport
import Testing

/// Tests of the built command, one after the other: they start processes that use every processor.
@Suite(.serialized) enum CommandTests {}

/// What a run of the command left.
struct CommandResult {
    var status: Int32
    var output: Data
    var errors: String

    var text: String { String(decoding: output, as: UTF8.self) }
    /// The JSON objects of standard output, one a line.
    var objects: [[String: Any]] {
        text.split(separator: "\n").map { (try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) ?? [:] }
    }
    /// The `error` object of the last line.
    var error: [String: Any]? { objects.last?["error"] as? [String: Any] }
    /// The keys of the first line, in order of appearance.
    var keys: [String] {
        let line = text.split(separator: "\n").first.map(String.init) ?? ""
        return (objects.first ?? [:]).keys.sorted { a, b in
            line.range(of: "\"\(a)\":")!.lowerBound < line.range(of: "\"\(b)\":")!.lowerBound
        }
    }
    func integer(_ key: String) -> Int { (objects.first?[key] as? NSNumber)?.intValue ?? -1 }
}

enum Enlarge {
    /// The command that was built with these tests.
    static let path: String = {
        if let named = ProcessInfo.processInfo.environment["ENLARGE"] { return named }
        let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        let built = CommandLine.arguments.first { $0.contains(".xctest") } ?? tests
        let folder = built.range(of: "/debug/") ?? built.range(of: "/release/")
        return folder.map { String(built[..<$0.upperBound]) + "enlarge" } ?? "enlarge"
    }()

    /// A folder with small models: `tiny-x2`, `tiny-x3`, `nearest-x2`, `luma-x2`, `slow-x2`, `pyramid` (x2 and x4).
    static let models: String = {
        let folder = NSTemporaryDirectory() + "enlarge-test-models-\(getpid())"
        try! FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let all = try! [
            "tiny-x2": SmallModels.edsr(scale: 2), "tiny-x3": SmallModels.edsr(scale: 3),
            "nearest-x2": SmallModels.nearest(), "luma-x2": SmallModels.nearest(channels: .luma),
            "pyramid": SmallModels.pyramid(), "luma-pyramid": SmallModels.pyramid(channels: .luma),
            "slow-x2": SmallModels.edsr(scale: 2, blocks: 8, channels: 64),
        ]
        for (name, model) in all { try! SafetensorsFile.write(model, to: "\(folder)/\(name).safetensors") }
        atexit { try? FileManager.default.removeItem(atPath: NSTemporaryDirectory() + "enlarge-test-models-\(getpid())") }
        return folder
    }()

    /// Runs the command to its end in `folder`, where relative paths begin.
    static func run(_ arguments: String..., in folder: Folder, input: Data? = nil) throws -> CommandResult {
        try run(arguments, in: folder, input: input)
    }

    static func run(_ arguments: [String], in folder: Folder, input: Data? = nil) throws -> CommandResult {
        try start(arguments, in: folder, input: input).wait()
    }

    static func start(
        _ arguments: [String], in folder: Folder, input: Data? = nil, environment: [String: String] = [:], standardOutput: FileHandle? = nil,
        standardError: FileHandle? = nil
    ) throws -> CommandRun {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        process.environment = ["ENLARGE_MODELS": models, "HOME": "/nonexistent", "PATH": "/usr/bin:/bin"].merging(environment) { $1 }
        // Files, not pipes: nobody has to read while the command runs.
        let scratch = Folder()
        func file(_ name: String, _ data: Data = Data()) throws -> FileHandle {
            _ = FileManager.default.createFile(atPath: scratch.file(name), contents: data)
            return try #require(FileHandle(forUpdatingAtPath: scratch.file(name)))
        }
        process.standardInput = try input.map { try file("in", $0) } ?? FileHandle.nullDevice
        process.standardOutput = try standardOutput ?? file("out")
        process.standardError = try standardError ?? file("err")
        try process.run()
        return CommandRun(process: process, scratch: scratch)
    }
}

/// A command under way.
struct CommandRun {
    let process: Process
    let scratch: Folder

    /// Waits, two minutes at most.
    func wait() throws -> CommandResult {
        let end = Date().addingTimeInterval(120)
        while process.isRunning, Date() < end { usleep(2000) }
        if process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            Issue.record("the command hangs: \(process.arguments ?? [])")
        }
        process.waitUntilExit()
        return CommandResult(
            status: process.terminationStatus, output: FileManager.default.contents(atPath: scratch.file("out")) ?? Data(),
            errors: String(decoding: FileManager.default.contents(atPath: scratch.file("err")) ?? Data(), as: UTF8.self))
    }
}

/// A folder that goes away with its test.
final class Folder {
    let path: String
    init() {
        path = NSTemporaryDirectory() + "enlarge-tests-" + UUID().uuidString
        try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func file(_ name: String) -> String { path + "/" + name }
    /// Every file of the folder and of those in it, hidden ones too, sorted.
    var contents: [String] {
        (FileManager.default.subpaths(atPath: path) ?? []).filter { !isFolder(file($0)) }.sorted()
    }
    private func isFolder(_ path: String) -> Bool {
        var answer: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &answer) && answer.boolValue
    }
    func data(_ name: String) -> Data? { FileManager.default.contents(atPath: file(name)) }
    @discardableResult func write(_ bytes: some Sequence<UInt8>, _ name: String) -> String {
        _ = FileManager.default.createFile(atPath: file(name), contents: Data(bytes))
        return file(name)
    }
    func make(_ folder: String) throws { try FileManager.default.createDirectory(atPath: file(folder), withIntermediateDirectories: true) }
}
