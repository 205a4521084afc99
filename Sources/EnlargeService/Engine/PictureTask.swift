/// What a run makes of a picture.
package enum PictureTask: Sendable {
    /// The enlarged picture.
    case picture
    /// The enlargement of one part's rows, byte for byte those of the whole picture: samples as `PictureReader` has them, without a
    /// header.
    case part(PictureParts, index: Int)
    /// The enlarged picture, of parts that were made elsewhere.
    /// - `open`: gives a part's samples, open at their beginning; who calls closes them.
    case assembly(PictureParts, open: @Sendable (_ index: Int) throws -> Int32)

    var isPart: Bool { if case .part = self { true } else { false } }
    var isAssembly: Bool { if case .assembly = self { true } else { false } }
}

/// A picture's rows, cut into ranges of near-equal height.
package struct PictureParts: Sendable, Equatable {
    package let height: Int
    package let count: Int

    /// nil unless every part has a row.
    package init?(height: Int, count: Int) {
        guard count >= 1, count <= height else { return nil }
        self.height = height
        self.count = count
    }

    /// Input rows of a part, from 0.
    package func rows(_ index: Int) -> Range<Int> { height * index / count..<height * (index + 1) / count }
}
