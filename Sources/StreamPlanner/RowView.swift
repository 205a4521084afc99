/// A row of a map as the outside sees it: channel by channel, as float32.
package struct RowView {
    package let base: UnsafeMutablePointer<Float>
    package let isPlanar: Bool
    package let blockStride: Int
    /// Index of the first column that is the caller's.
    package let firstColumn: Int
    /// Columns that are the caller's.
    package let count: Int

    package init(base: UnsafeMutablePointer<Float>, isPlanar: Bool, blockStride: Int, firstColumn: Int, count: Int) {
        self.base = base
        self.isPlanar = isPlanar
        self.blockStride = blockStride
        self.firstColumn = firstColumn
        self.count = count
    }

    /// A planar row outside any run: plane c begins at `planes + c * stride`.
    package init(planes: UnsafeMutablePointer<Float>, stride: Int, count: Int) {
        self.init(base: planes, isPlanar: true, blockStride: stride, firstColumn: 0, count: count)
    }

    /// The columns of one channel, when the row is planar (maps of at most 4 channels are).
    package func plane(_ channel: Int) -> UnsafeMutablePointer<Float> {
        precondition(isPlanar)
        return base + channel * blockStride + firstColumn
    }

    /// Copies one channel out; works for every layout.
    package func copy(channel: Int, to target: UnsafeMutablePointer<Float>) {
        if isPlanar {
            target.update(from: plane(channel), count: count)
        } else {
            let source = base + channel / 16 * blockStride + firstColumn * 16 + channel % 16
            for x in 0..<count { target[x] = source[16 * x] }
        }
    }

    /// Copies one channel in; works for every layout.
    package func fill(channel: Int, from source: UnsafePointer<Float>) {
        if isPlanar {
            plane(channel).update(from: source, count: count)
        } else {
            let target = base + channel / 16 * blockStride + firstColumn * 16 + channel % 16
            for x in 0..<count { target[16 * x] = source[x] }
        }
    }
}
