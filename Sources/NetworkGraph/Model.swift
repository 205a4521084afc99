/// A network with what happens around it: how pixels become its input and its output becomes pixels.
package struct Model: Sendable {
    /// "edsr", "espcn", "fsrcnn", "lapsrn", or whatever the file calls itself.
    package var architecture: String
    package var graph: NetworkGraph
    package var processing: Processing
    /// Free text for `models info` (licence, training, PSNR), from native files.
    package var metadata: [String: String]
    /// What was assumed or changed when the file was read, for people.
    package var notes: [String]

    package init(
        architecture: String, graph: NetworkGraph, processing: Processing, metadata: [String: String] = [:], notes: [String] = []
    ) {
        self.architecture = architecture
        self.graph = graph
        self.processing = processing
        self.metadata = metadata
        self.notes = notes
    }

    /// Enlargement of each output, in the order of `graph.outputs`.
    package var scales: [Int] { graph.outputs.map { graph.scales[$0.node] } }
}

/// Pixels p (0...255, 16-bit pictures as fractions) become x = (p - mean) · inputScale, per channel, and outputs y
/// become p = y / inputScale + mean, saturated and rounded.
package struct Processing: Sendable, Equatable {
    package enum Channels: String, Sendable {
        case rgb, bgr
        /// Y of BT.601 full range (OpenCV's YCrCb) goes through the network; Cr and Cb are resized.
        case luma
    }
    package var channels: Channels
    /// One element for each network channel, in the network's channel order.
    package var mean: [Float]
    package var inputScale: Float
    /// Pixels beyond each of the picture's edges that go through the network (edge pixels are repeated there) and are cut off
    /// its output: for networks whose convolutions do not pad, as waifu2x's.
    package var margin: Int

    package init(channels: Channels, mean: [Float], inputScale: Float, margin: Int = 0) {
        self.channels = channels
        self.mean = mean
        self.inputScale = inputScale
        self.margin = margin
    }
}
