import Foundation
import Glibc
import Testing

extension CommandTests {
    /// A process that is told to stop, in the middle of its work.
    struct InterruptTests {
        let folder = Folder()

        @Test(arguments: [(SIGINT, "1G"), (SIGTERM, "1G"), (SIGHUP, "1G"), (SIGTERM, "8M")])
        func `an interrupted run leaves nothing`(signal: Int32, memory: String) throws {
            try Picture.made(900, 1500).save(folder.file("a.png"))
            for name in ["b.png", "b.tif"] {
                let run = try Enlarge.start(["a.png", "-m", "slow-x2", "--memory", memory, "-o", name], in: folder)
                let end = Date().addingTimeInterval(30)
                while folder.contents.count < 2, run.process.isRunning, Date() < end { usleep(1000) }
                #expect(folder.contents.count == 2 && !folder.contents.contains(name), "unfinished, under another name")
                usleep(50_000)
                #expect(run.process.isRunning)
                kill(run.process.processIdentifier, signal)
                let result = try run.wait()
                #expect(result.status == 128 + signal)
                #expect(result.errors.split(separator: "\n").count == 1 && result.output.isEmpty, "\(result.errors)")
                #expect(folder.contents == ["a.png"])
            }
        }
    }
}
