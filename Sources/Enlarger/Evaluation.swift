import Glibc
package import Tensors

/// How close enlarged pictures come to the originals: PSNR and SSIM over a folder of pairs.
///
/// On Y of BT.601, `scale` pixels of border left out, as super-resolution papers measure.
package struct Evaluation: Sendable, Equatable {
    package struct Score: Sendable, Equatable {
        package var name: String
        /// Infinite for equal pictures.
        package var psnr: Double
        package var ssim: Double
    }
    package var scores: [Score] = []
    package var psnr: Double { scores.map(\.psnr).reduce(0, +) / Double(scores.count) }
    package var ssim: Double { scores.map(\.ssim).reduce(0, +) / Double(scores.count) }

    /// Enlarges every `*_LR.png` of the folder and compares it with its `*_HR.png`.
    ///
    /// - Parameter report: told each picture's score as it is there.
    /// - Throws: `pictureNotFound` for a folder without pairs or a picture without its other half, `pictureInvalid` for a
    ///   pair whose sizes do not belong together; what `enlarge` throws.
    package init(
        folder: String, scale: Int, enlarge: (PixelPicture) throws -> PixelPicture, report: (Score) -> Void = { _ in }
    ) throws {
        for name in try Evaluation.pairs(in: folder) {
            let small = try PixelPicture(path: "\(folder)/\(name)_LR.png"), large = try PixelPicture(path: "\(folder)/\(name)_HR.png")
            let score = try Evaluation.score(name: name, result: enlarge(small), original: large, scale: scale)
            report(score)
            scores.append(score)
        }
    }

    /// Compares the common part, from the top-left corner.
    /// - Throws: `pictureInvalid` when a side differs by `scale` pixels or more, or too little is left inside the border.
    package static func score(name: String, result: PixelPicture, original: PixelPicture, scale: Int) throws(EnlargerError) -> Score {
        // A low-resolution picture is made from the original cut to a multiple of the scale.
        guard abs(result.width - original.width) < scale, abs(result.height - original.height) < scale else {
            throw EnlargerError(.pictureInvalid, "\(name): the picture enlarges to \(result.width) x \(result.height), and its original has \(original.width) x \(original.height)")
        }
        let width = min(result.width, original.width) - 2 * scale, height = min(result.height, original.height) - 2 * scale
        guard width >= 11, height >= 11 else {
            throw EnlargerError(.pictureInvalid, "\(name): \(width) x \(height) pixels are left inside the border; 11 x 11 are needed")
        }
        let a = result.luma.cropped(left: scale, top: scale, width: width, height: height)
        let b = original.luma.cropped(left: scale, top: scale, width: width, height: height)
        return Score(name: name, psnr: a.psnr(b), ssim: a.ssim(b))
    }

    /// Names of the pairs, without their endings, sorted.
    static func pairs(in folder: String) throws(EnlargerError) -> [String] {
        guard let directory = opendir(folder) else { throw EnlargerError(.pictureNotFound, "\(folder): \(systemError())") }
        defer { closedir(directory) }
        var small: Set<String> = [], large: Set<String> = []
        while let entry = readdir(directory) {
            let file = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
            if file.hasSuffix("_LR.png") { small.insert(String(file.dropLast(7))) }
            if file.hasSuffix("_HR.png") { large.insert(String(file.dropLast(7))) }
        }
        if let alone = small.symmetricDifference(large).sorted().first {
            throw EnlargerError(.pictureNotFound, "\(folder): \(alone)_\(small.contains(alone) ? "HR" : "LR").png is missing")
        }
        guard !small.isEmpty else { throw EnlargerError(.pictureNotFound, "\(folder): no pairs of *_HR.png and *_LR.png") }
        return small.sorted()
    }
}
