package import NetworkGraph
package import StreamPlanner
package import Tensors

/// A GPU with the precision that a network runs in: which kernels run a node, and what they cost.
package struct VulkanDevice: DeviceCosts {
    package enum Precision: String, Sendable, Hashable {
        /// float32 throughout.
        case fp32
        /// Maps and weights of 16 bits, sums of 32.
        case fp16
    }
    package let context: VulkanContext
    package let precision: Precision
    /// How it multiplies matrices; nil: by plain kernels alone.
    package let matrices: MatrixKernel?

    /// - Parameter usesMatrices: where the device multiplies them as a whole, in fp16, and does it right.
    /// - Throws: `noDevice` when the device has no such precision.
    package init(context: VulkanContext, precision: Precision, usesMatrices: Bool = true) throws(EnlargerError) {
        guard precision == .fp32 || context.info.hasHalfPrecision else {
            throw EnlargerError(.noDevice, "\(context.info.name) has no 16-bit floats; fp32 is possible")
        }
        self.context = context
        self.precision = precision
        matrices = precision == .fp16 && usesMatrices ? context.matrices() : nil
    }

    /// "vulkan:0"
    package var name: String { "vulkan:\(context.info.index)" }

    /// Bands that are on their way at once: one is filled and one emptied while the device computes.
    static let bandsInFlight = 2

    // MARK: Costs

    package var threads: Int { 1 }
    package var takesPasses: Bool { false }
    package var elementBytes: Int { precision == .fp16 ? 2 : 4 }
    /// Every output sums in one order, wherever it stands.
    package func isTiled(_ graph: NetworkGraph, node: Int) -> Bool { false }
    package func scratchBytes(_ graph: NetworkGraph, node: Int, rows: Int, columns: Int) -> Int { 0 }

    /// Weights, and the buffer that brings them.
    package func weightsBytes(_ graph: NetworkGraph) -> Int {
        let bytes = graph.nodes.indices.reduce(0) { $0 + NodeConstants(graph, node: $1, precision: precision).byteCount }
        return context.rounded(bytes) + context.rounded(min(VulkanNetwork.uploadBytes, bytes))
    }

    /// Tables of rows (on the device, and for each band on its way in host memory), the status word, and rounding.
    package func overheadBytes(_ graph: NetworkGraph, height: Int, bandRows: Int) -> Int {
        let tables = StepTables(graph: graph, height: height, bandRows: bandRows).byteCount
        return tables * (1 + VulkanDevice.bandsInFlight) + HostLayout.fixedBytes(outputs: graph.outputs.count) + 2 * context.granule
    }

    /// What pictures take outside the network, in pixels of so many bytes.
    package static func pictureBytes(bytesPerPixel: Int, fixed: Int = 0) -> PictureBytes {
        PictureBytes(input: bandsInFlight * bytesPerPixel, output: bandsInFlight * bytesPerPixel, fixed: fixed)
    }

    /// What planes of float32 take outside the network.
    package static func planeBytes(_ graph: NetworkGraph) -> PictureBytes {
        let most = graph.outputs.map { graph.channels[$0.node] }.max()!
        return PictureBytes(input: bandsInFlight * 4 * graph.channels[graph.inputNode], output: bandsInFlight * 4 * most)
    }

    package func seconds(_ graph: NetworkGraph, node: Int, rows: Int, columns: Int) -> Double {
        let outputs = Double(rows * columns), channels = Double(graph.channels[node])
        let moved = outputs * channels * Double(elementBytes) * Double(1 + graph.nodes[node].inputs.count)
        return flops(graph, node: node, rows: rows, columns: columns) / rate + moved / 300e9 + VulkanDevice.launchSeconds
    }

    /// Floating-point operations of a step, two for a multiply-add.
    func flops(_ graph: NetworkGraph, node: Int, rows: Int, columns: Int) -> Double {
        let outputs = Double(rows * columns)
        switch graph.nodes[node].operation {
        case .convolution(let conv):
            return 2 * outputs * Double(conv.kernelHeight * conv.kernelWidth * conv.inputChannels * conv.outputChannels)
        case .transposedConvolution(let conv):
            return 2 * outputs * Double(conv.kernelHeight * conv.kernelWidth * conv.inputChannels * conv.outputChannels)
                / Double(conv.stride * conv.stride)
        default: return outputs * Double(graph.channels[node])
        }
    }

    /// A dispatch and the barrier after it.
    private static let launchSeconds = 6e-6

    /// Operations a second: guesses by kind, which choose between band heights and nothing else.
    private var rate: Double {
        switch context.info.kind {
        case .software: 3e9
        case .discrete: matrices != nil ? 40e12 : 6e12
        default: 1e12
        }
    }
}
