import CVips
import Foundation
import Glibc
import PictureIO
import Tensors
import Testing

extension PictureTests {
    struct BadOutputTests {
        func failure(_ picture: Picture, _ path: String, format: PictureFormat? = nil) -> EnlargerError? {
            do {
                try write(picture, path, format: format)
                return nil
            } catch {
                return error
            }
        }

        @Test func `a place that cannot be written is an error with its reason`() throws {
            let folder = Folder()
            let picture = Picture.made(20, 20, 3)
            #expect(failure(picture, folder.file("no/such/a.png"))?.code == .outputFailed)
            #expect(failure(picture, "/proc/a.png")?.code == .outputFailed)
            #expect(failure(picture, folder.path, format: .png)?.code == .outputFailed)
            #expect(failure(picture, folder.file("a.xyz"))?.code == .usage)
            #expect(failure(picture, folder.file("a.gif"))?.code == .usage)
            #expect(failure(Picture.made(17_000, 1, 3), folder.file("a.webp"))?.code == .outputFailed)
            #expect(failure(Picture.made(1, 66_000, 3), folder.file("a.jpg"))?.code == .outputFailed)
            #expect(folder.contents.isEmpty)
        }

        @Test(arguments: PictureFormat.available)
        func `a device that is full is an error`(format: PictureFormat) {
            let error = failure(Picture.made(300, 300, 3, noise: 200), "/dev/full", format: format)
            #expect(error?.code == .outputFailed)
            var status = stat()
            #expect(stat("/dev/full", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
        }

        @Test func `a disk that fills up leaves neither a file nor a hang`() throws {
            let folder = Folder()
            let disk = folder.file("disk")
            mkdir(disk, 0o755)
            let picture = Picture.made(200, 200, 3, noise: 200)
            for format in PictureFormat.available {
                try write(picture, folder.file("whole.\(format.fileExtension)"))
                let whole = bytes(of: folder.file("whole.\(format.fileExtension)")).count
                for kilobytes in [4, 8, whole / 2048 & ~3, whole / 1024 & ~3] where kilobytes > 0 && kilobytes * 1024 < whole {
                    guard mount("tmpfs", disk, "tmpfs", 0, "size=\(kilobytes)k") == 0 else {
                        print("skipped: mounting a small disk is not permitted here")
                        return
                    }
                    let error = failure(picture, "\(disk)/a.\(format.fileExtension)")
                    #expect(error?.code == .outputFailed, "\(format) on \(kilobytes) KiB of \(whole) bytes")
                    #expect(try FileManager.default.contentsOfDirectory(atPath: disk).isEmpty)
                    umount2(disk, Int32(MNT_DETACH))
                }
            }
        }

        @Test(arguments: [PictureFormat.png, .tiff])
        func `a pipe receives the whole picture`(format: PictureFormat) async throws {
            let folder = Folder()
            let pipe = folder.file("pipe")
            #expect(mkfifo(pipe, 0o600) == 0)
            let path = folder.path
            let collector = Thread {
                _ = FileManager.default.createFile(atPath: path + "/got", contents: FileHandle(forReadingAtPath: path + "/pipe")?.readDataToEndOfFile())
                _ = FileManager.default.createFile(atPath: path + "/done", contents: nil)
            }
            collector.start()
            let picture = Picture.made(100, 90, 3, 16)
            try write(picture, pipe, format: format)
            while !FileManager.default.fileExists(atPath: path + "/done") { usleep(1000) }
            #expect(try read(path + "/got").1 == picture)
        }

        @Test func `a writer that is dropped, cancelled or unfinished leaves the old file alone`() throws {
            let folder = Folder()
            let path = folder.write([1, 2, 3], "a.png")
            let rows = [UInt8](repeating: 7, count: 300 * 100)
            func start() throws -> PictureWriter {
                let writer = try PictureWriter(path: path, width: 100, height: 500, bits: 8, colourChannels: 3, hasAlpha: false)
                try rows.withUnsafeBytes { try writer.writeRows($0, count: 100) }
                return writer
            }
            _ = try start()
            try start().cancel()
            let writer = try start()
            #expect(throws: EnlargerError.self) { try writer.finish() }
            #expect(folder.contents == ["a.png"] && bytes(of: path) == [1, 2, 3])
        }

        @Test func `an interrupted process removes its unfinished outputs`() throws {
            let folder = Folder()
            let slot = ev_temporary_add(folder.write([1], "left.part"))
            let gone = ev_temporary_add(folder.write([1], "kept"))
            ev_temporary_remove(gone)
            ev_remove_temporaries()
            ev_temporary_remove(slot)
            #expect(folder.contents == ["kept"])
        }
    }
}
