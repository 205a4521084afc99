import PictureIO
import Testing

extension PictureTests {
    struct LongPictureTests {
        @Test func `many pictures leave no memory behind`() throws {
            let folder = Folder()
            let picture = Picture.made(300, 200, 3)
            func round() throws {
                try write(picture, folder.file("b.png"), metadataFrom: PictureReader(path: folder.file("a.tif")))
                #expect(try read(folder.file("b.png")).1 == picture)
                _ = try? read(folder.file("c.png"))
            }
            try fixture(picture, folder.file("a.tif"))
            _ = folder.write(Array(repeating: 0, count: 99), "c.png")
            for _ in 0..<20 { try round() }
            let before = processStatus("VmRSS")
            for _ in 0..<150 { try round() }
            let growth = processStatus("VmRSS") - before
            #expect(growth < 4 << 20, "\(growth >> 10) KiB")
        }

        @Test func `pictures are read and written side by side`() async throws {
            let folder = Folder()
            let path = folder.path
            try await withThrowingTaskGroup(of: Void.self) { group in
                for i in 0..<8 {
                    group.addTask {
                        let picture = Picture.made(100 + i, 200, 3)
                        let name = "\(path)/\(i).\(i % 2 == 0 ? "png" : "tif")"
                        try write(picture, name)
                        let back = try read(name).1
                        #expect(back == picture)
                    }
                }
                try await group.waitForAll()
            }
            #expect(folder.contents.count == 8)
        }

        /// In a process of its own, because resident memory is the whole process's, and other tests allocate meanwhile.
        @Test(arguments: [PictureFormat.png, .tiff])
        func `a long picture flows through in little memory`(format: PictureFormat) async {
            await #expect(processExitsWith: .success) { [name = format.rawValue as String] in
                try copyLongPicture(#require(PictureFormat(rawValue: name)))
            }
        }
    }
}

/// Copies a picture of 38 MB band by band, and checks its bytes and by how much resident memory grows.
private func copyLongPicture(_ format: PictureFormat) throws {
    let folder = Folder()
    let (width, height, band) = (64, 200_000, 100)
    let source = folder.file("a.\(format.fileExtension)")
    let piece = Picture.made(width, band, 3, noise: 200)
    let writer = try PictureWriter(
        path: source, width: width, height: height, bits: 8, colourChannels: 3, hasAlpha: false)
    for _ in 0..<(height / band) {
        try piece.bytes.withUnsafeBytes { try writer.writeRows($0, count: band) }
    }
    try writer.finish()

    let before = processStatus("VmRSS")
    let reader = try PictureReader(path: source)
    let copy = try PictureWriter(
        path: folder.file("b.\(format.fileExtension)"), width: width, height: height, bits: 8, colourChannels: 3,
        hasAlpha: false,
        metadataFrom: reader)
    var rows = [UInt8](repeating: 0, count: piece.bytes.count)
    var most = before
    for y in stride(from: 0, to: height, by: band) {
        try rows.withUnsafeMutableBytes { try reader.readRows(into: $0, from: y, count: band) }
        #expect(rows == piece.bytes)
        try rows.withUnsafeBytes { try copy.writeRows($0, count: band) }
        if y % 10_000 == 0 { most = max(most, processStatus("VmRSS")) }
    }
    try copy.finish()
    #expect(most - before < 12 << 20, "\((most - before) >> 10) KiB of growth")
    #expect(try PictureReader(path: folder.file("b.\(format.fileExtension)")).info.height == height)
}
