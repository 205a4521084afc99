/// How pixels lie in memory: interleaved, colour first, then alpha; samples of 8 bits, or of 16 in native byte order.
public struct PixelFormat: Sendable, Hashable {
    public enum Order: Sendable, Hashable { case grey, rgb, bgr }
    public var order: Order
    public var hasAlpha: Bool
    /// 8 or 16.
    public var bits: Int

    public init(_ order: Order, hasAlpha: Bool = false, bits: Int = 8) {
        precondition(bits == 8 || bits == 16, "samples have 8 or 16 bits")
        (self.order, self.hasAlpha, self.bits) = (order, hasAlpha, bits)
    }

    public var channels: Int { kind.channels }
    public var bytesPerPixel: Int { channels * bits / 8 }

    package var kind: PictureKind { PictureKind(colourChannels: order == .grey ? 1 : 3, hasAlpha: hasAlpha) }

    /// Exchanges red and blue of `count` pixels.
    func exchangeRedAndBlue(_ pixels: UnsafeMutableRawPointer, count: Int) {
        if bits == 8 { exchange(pixels.assumingMemoryBound(to: UInt8.self), count) } else { exchange(pixels.assumingMemoryBound(to: UInt16.self), count) }
    }

    private func exchange<Sample>(_ samples: UnsafeMutablePointer<Sample>, _ count: Int) {
        let step = channels
        for i in 0..<count {
            let pixel = samples + i * step
            (pixel[0], pixel[2]) = (pixel[2], pixel[0])
        }
    }
}
