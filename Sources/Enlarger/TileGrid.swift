public import Tensors

/// Overlapping tiles along one side of a picture, and how much each counts for a pixel of the result.
///
/// The first tile begins at 0, the next ones `size - overlap` further, and the last ends where the picture does. Where tiles
/// overlap their weights rise and fall linearly; of all tiles they add up to 1 at every pixel.
package struct TileGrid: Sendable, Equatable {
    /// Of every tile, in pixels of the input.
    package let size: Int
    /// First pixel of each tile.
    package let starts: [Int]
    private let overlap: Int
    private let scale: Int

    /// - Parameters:
    ///   - length: of the side; a shorter side than `size` has one tile.
    ///   - overlap: less than `size`.
    package init(length: Int, size: Int, overlap: Int, scale: Int) {
        self.size = min(size, length)
        self.overlap = overlap
        self.scale = scale
        let last = length - self.size
        starts = Array(stride(from: 0, to: last, by: size - overlap)) + [last]
    }

    /// The weight of tile `index` at an enlarged pixel of its own, 0 ..< size · scale.
    package func weight(_ index: Int, at offset: Int) -> Float {
        let place = starts[index] * scale + offset
        var sum: Float = 0
        for other in max(0, index - 2)...min(starts.count - 1, index + 2) { sum += share(other, place - starts[other] * scale) }
        return share(index, offset) / sum
    }

    /// A ramp at each side that has a neighbour; 0 outside the tile.
    private func share(_ index: Int, _ offset: Int) -> Float {
        let length = size * scale, ramp = Float(max(overlap * scale, 1))
        guard offset >= 0, offset < length else { return 0 }
        let left = index > 0 ? (Float(offset) + 0.5) / ramp : 1, right = index < starts.count - 1 ? (Float(length - offset) - 0.5) / ramp : 1
        return min(left, right, 1)
    }
}

/// Tiles as an option: what other programs do for want of streaming, here to compare with.
public struct Tiling: Sendable, Equatable {
    /// Side of a tile in pixels of the input.
    public var size: Int
    /// Pixels that neighbours share.
    public var overlap: Int

    /// - Parameters:
    ///   - size: side of a tile, 16 to 65536 pixels of the input.
    ///   - overlap: at most half of the size; nil: 32, or an eighth of a small tile.
    /// - Throws: `usage`.
    public init(size: Int, overlap: Int? = nil) throws(EnlargerError) {
        guard size >= 16, size <= 65_536 else { throw EnlargerError(.usage, "tiles of \(size) pixels; 16 to 65536 are possible") }
        self.size = size
        self.overlap = overlap ?? min(32, size / 8)
        guard self.overlap >= 0, self.overlap <= size / 2 else {
            throw EnlargerError(.usage, "tiles of \(size) pixels that overlap by \(self.overlap); 0 to \(size / 2) are possible")
        }
    }

    /// Of a picture.
    package func tileCount(width: Int, height: Int) -> Int {
        [width, height].reduce(1) { $0 * TileGrid(length: $1, size: size, overlap: overlap, scale: 1).starts.count }
    }
}
