import CVips
import Foundation
import Glibc
import PictureIO
import Tensors
import Testing

extension PictureTests {
    /// SZI: a Deep Zoom pyramid in a zip file.
    struct PyramidTests {
        let folder = Folder()
        static let tile = 254, overlap = 1

        /// The picture of one level, put together of its tiles. What overlaps must be equal.
        private func stitched(_ zip: StoredZip, level: Int, _ width: Int, _ height: Int) throws -> Picture {
            var whole: Picture?, seen = 0
            for row in 0..<(height + Self.tile - 1) / Self.tile {
                for column in 0..<(width + Self.tile - 1) / Self.tile {
                    let (left, top) = (max(0, column * Self.tile - Self.overlap), max(0, row * Self.tile - Self.overlap))
                    let right = min(width, (column + 1) * Self.tile + Self.overlap), bottom = min(height, (row + 1) * Self.tile + Self.overlap)
                    let tile = try read(folder.write(zip.content("picture/picture_files/\(level)/\(column)_\(row).png"), "tile.png")).1
                    try #require((tile.width, tile.height) == (right - left, bottom - top))
                    if whole == nil {
                        whole = Picture(width: width, height: height, channels: tile.channels, bits: tile.bits, bytes: [])
                        whole!.bytes = [UInt8](repeating: 0, count: height * whole!.row)
                    }
                    for y in 0..<tile.height {
                        let start = (top + y) * whole!.row + left * tile.pixel, line = tile.bytes[y * tile.row..<(y + 1) * tile.row]
                        if y >= 2 * Self.overlap || row == 0, column > 0 {
                            let shared = 2 * Self.overlap * tile.pixel
                            #expect(whole!.bytes[start..<start + shared].elementsEqual(line.prefix(shared)))
                        }
                        whole!.bytes.replaceSubrange(start..<start + tile.row, with: line)
                    }
                    seen += 1
                }
            }
            #expect(zip.entries.keys.count { $0.hasPrefix("picture/picture_files/\(level)/") } == seen)
            return try #require(whole)
        }

        @Test(arguments: [1, 2, 3, 4], [8, 16])
        func `the largest level is the picture, and every level is half as large as the one above`(channels: Int, bits: Int) throws {
            for (width, height) in [(1, 1), (254, 3), (255, 256), (37, 521), (601, 510)] {
                let picture = Picture.made(width, height, channels, bits, noise: 90)
                let writer = try write(picture, folder.file("a.szi"))
                #expect(writer.notes.isEmpty)
                let zip = try StoredZip(folder.file("a.szi"))
                var sizes = [(width, height)]
                while sizes.last! != (1, 1) { sizes.append(((sizes.last!.0 + 1) / 2, (sizes.last!.1 + 1) / 2)) }
                for (level, size) in sizes.reversed().enumerated() {
                    let found = try stitched(zip, level: level, size.0, size.1)
                    if level == sizes.count - 1 { #expect(found == picture) }
                }
                #expect(!zip.entries.keys.contains { $0.hasPrefix("picture/picture_files/\(sizes.count)/") })
                let description = String(decoding: try zip.content("picture/picture.dzi"), as: UTF8.self)
                for text in ["Format=\"png\"", "Overlap=\"1\"", "TileSize=\"254\"", "Height=\"\(height)\"", "Width=\"\(width)\""] {
                    #expect(description.contains(text), "\(text) in \(description)")
                }
            }
        }

        @Test func `the level below holds the means of two by two pixels`() throws {
            let picture = Picture.made(300, 260, 3, noise: 200)
            try write(picture, folder.file("a.szi"))
            let half = try stitched(StoredZip(folder.file("a.szi")), level: 8, 150, 130)
            for y in 0..<130 {
                for x in 0..<150 {
                    for c in 0..<3 {
                        let corner = 2 * y * picture.row + 6 * x + c
                        let sum = [0, 3, picture.row, picture.row + 3].reduce(0) { $0 + Int(picture.bytes[corner + $1]) }
                        #expect(Int(half.bytes[y * half.row + 3 * x + c]) == (sum + 2) / 4)
                    }
                }
            }
        }

        @Test(arguments: [8, 16])
        func `what cannot be seen has no part in the colour below`(bits: Int) throws {
            // Rows of a red pixel that is seen, and a white one that is not; then a half and a quarter of the two.
            let full = bits == 8 ? 255 : 65535
            let samples = [full, 0, 0, full, full, full, full, 0, full, 0, 0, full / 2, 0, 0, full, full / 4, 0, 0, 0, 0, 0, 0, 0, 0]
            var picture = Picture(width: 2, height: 3, channels: 4, bits: bits, bytes: [])
            picture.bytes = samples.flatMap { bits == 8 ? [UInt8($0)] : [UInt8($0 & 255), UInt8($0 >> 8)] }
            try write(picture, folder.file("a.szi"))
            let below = try stitched(StoredZip(folder.file("a.szi")), level: 1, 1, 2)
            let alphas = [full, 0, full / 2, full / 4], seen = alphas.reduce(0, +)
            let red = (full * full + full * (full / 2) + seen / 2) / seen, blue = (full * (full / 4) + seen / 2) / seen
            #expect((0..<8).map(below.sample) == [red, 0, blue, (seen + 2) / 4, 0, 0, 0, 0])
        }

        @Test func `the bytes do not tell when, where or in what pieces they were written`() throws {
            let picture = Picture.made(520, 300, 3)
            try write(picture, folder.file("a.szi"), rowsAtOnce: 1)
            try write(picture, folder.file("other.szi"), rowsAtOnce: 300)
            #expect(bytes(of: folder.file("a.szi")) == bytes(of: folder.file("other.szi")))
            let zip = try StoredZip(folder.file("a.szi"))
            #expect(zip.entries.values.allSatisfy { $0.times == [[0, 0, 0x21, 0]] })
        }

        @Test func `a pipe receives the bytes of a file`() throws {
            let picture = Picture.made(90, 80, 3)
            try write(picture, folder.file("a.szi"))
            let pipe = folder.file("pipe"), whole = bytes(of: folder.file("a.szi"))
            #expect(mkfifo(pipe, 0o600) == 0)
            let reader = open(pipe, O_RDONLY | O_NONBLOCK)
            defer { close(reader) }
            try #require(whole.count < 64 << 10, "a pipe holds no more")
            try write(picture, pipe, format: .szi)
            var got = [UInt8](repeating: 0, count: whole.count + 1)
            #expect(Glibc.read(reader, &got, got.count) == whole.count && got.dropLast() == whole[...])
        }

        @Test func `every tile bears the profile, and nothing else of the metadata`() throws {
            try fixture(Picture.made(60, 40, 3), folder.file("s.jpg"), profile: "p3", comment: "grazing sheep")
            let reader = try PictureReader(path: folder.file("s.jpg"))
            let notes = try write(Picture.made(300, 200, 3), folder.file("a.szi"), metadataFrom: reader).notes
            #expect(notes == ["the tiles of a pyramid bear no EXIF: not carried over"])
            let zip = try StoredZip(folder.file("a.szi"))
            for name in zip.entries.keys where name.hasSuffix(".png") {
                let tile = try zip.content(name)
                #expect(try PictureReader(path: folder.write(tile, "tile.png")).info.hasProfile)
                #expect(Data(tile).range(of: Data("sheep".utf8)) == nil)
            }
        }

        @Test func `a pyramid is no input`() throws {
            try write(Picture.made(30, 20, 3), folder.file("a.szi"))
            let error = #expect(throws: EnlargerError.self) { try PictureReader(path: folder.file("a.szi")) }
            #expect(error?.code == .pictureInvalid)
            #expect(PictureFormat(path: "a.szi") == .szi && PictureFormat(path: "a.dzi") == nil)
        }

        /// In a process of its own, because resident memory is the whole process's, and other tests allocate meanwhile.
        @Test(arguments: [20_000, 60_000])
        func `memory is what was estimated`(width: Int) async {
            await #expect(processExitsWith: .success) { [width = width as Int] in try writeWidePyramid(width) }
        }
    }

    struct ZipTests {
        let folder = Folder()

        @Test(arguments: [(0, 1), (0, 65_534), (0, 65_535), (0, 70_000), (1 << 32, 3)])
        func `many entries and places beyond 4 GiB make it zip64`(offset: Int, count: Int) throws {
            let path = folder.write([], "a.zip"), file = open(path, O_RDWR)
            defer { close(file) }
            lseek(file, off_t(offset), SEEK_SET)
            try #require(ev_fixture_zip(file, UInt64(offset), Int32(count)) == 0)
            let list = Process(), pipe = Pipe()
            list.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            let program = """
                import sys, zipfile
                z = zipfile.ZipFile(sys.argv[1])
                names = z.namelist()
                print(z.testzip(), len(names), z.read(names[-1]), names[-1])
                """
            list.arguments = ["python3", "-c", program, path]
            list.standardOutput = pipe
            try list.run()
            let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            list.waitUntilExit()
            #expect(text == "None \(count) b'x' \(count - 1)\n")
            // The end's own fields are full exactly where another record has the numbers.
            var end = [UInt8](repeating: 0, count: 42)
            var status = stat()
            fstat(file, &status)
            #expect(pread(file, &end, 42, status.st_size - 42) == 42)
            #expect((end[..<4] == [0x50, 0x4B, 6, 7]) == (count >= 65_535 || offset > 0))
        }
    }
}

/// Checks by how much resident memory grows while a wide pyramid is written.
private func writeWidePyramid(_ width: Int) throws {
    let folder = Folder(), height = 1100
    try write(Picture.made(600, 600, 3), folder.file("warm.szi"))
    let row = Picture.made(width, 1, 3, noise: 200).bytes
    let before = processStatus("VmRSS")
    let writer = try PictureWriter(path: folder.file("a.szi"), width: width, height: height, bits: 8, colourChannels: 3, hasAlpha: false)
    var most = before
    for y in 0..<height {
        try row.withUnsafeBytes { try writer.writeRows($0, count: 1) }
        if y % 20 == 0 { most = max(most, processStatus("VmRSS")) }
    }
    try writer.finish()
    most = max(most, processStatus("VmRSS"))
    #expect(most - before <= writer.encoderBytes, "\((most - before) >> 10) KiB of growth, \(writer.encoderBytes >> 10) KiB estimated")
    // An estimate that is far above what is used would refuse what fits.
    #expect(3 * (most - before) >= writer.encoderBytes, "\((most - before) >> 10) KiB of growth, \(writer.encoderBytes >> 10) KiB estimated")
}
