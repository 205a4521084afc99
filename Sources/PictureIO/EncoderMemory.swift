import CVips

/// Estimates of the bytes that encoding holds, libvips' buffers counted; upper bounds found by measurement.
enum EncoderMemory {
    /// Rows in libvips' two write buffers, its line cache and the codec's strip.
    static let streamingRows = 96
    static let fixedBytes = 3 << 20

    static func bytes(format: PictureFormat, width: Int, height: Int, rowBytes: Int, ringRows: Int) -> Int {
        let rows = format == .szi ? ringRows : ringRows + streamingRows
        var total = fixedBytes.addingOrMax(rowBytes.multipliedOrMax(by: min(height, rows)))
        if format == .szi { total = total.addingOrMax(pyramidBytes(width: width, height: height, pixel: rowBytes / width)) }
        if format.isWholePicture {
            // WebP: ARGB and the planes of the encoder; AVIF: planes, reconstruction, references.
            let pixel = format == .webp ? 12 : 72
            total = total.addingOrMax(width.multipliedOrMax(by: height).multipliedOrMax(by: pixel))
        }
        return total
    }

    /// A line of tiles of every level and a row for the level below, a tile with its file, and what the zip file's directory will say
    /// of every tile.
    private static func pyramidBytes(width: Int, height: Int, pixel: Int) -> Int {
        let tile = Int(EV_PYRAMID_TILE), side = tile + 2 * Int(EV_PYRAMID_OVERLAP)
        var (width, height) = (width, height)
        var total = 3 * side * side * pixel
        while true {
            let tiles = ((width + tile - 1) / tile).multipliedOrMax(by: (height + tile - 1) / tile)
            total = total.addingOrMax((width * pixel).multipliedOrMax(by: min(side, height) + 1)).addingOrMax(tiles.multipliedOrMax(by: 32))
            if width == 1, height == 1 { return total }
            (width, height) = ((width + 1) / 2, (height + 1) / 2)
        }
    }
}
