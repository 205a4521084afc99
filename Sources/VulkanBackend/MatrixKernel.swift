import CVulkan
import Glibc
package import NetworkGraph
import StreamPlanner
import Synchronization
import Tensors

/// One of the shapes for which `convolution_matrix.slang` is compiled: VK_KHR_cooperative_matrix, fp16 operands, fp32 sums.
package struct MatrixKernel: Sendable, Hashable {
    /// Rows, columns and depth of a matrix.
    package let side: Int
    /// Invocations of the subgroup that multiplies it.
    package let lanes: Int

    package var shader: String { "convolution_matrix.\(side)x\(lanes)" }

    /// Output rows, columns and channels of a group, as the shader has them.
    static let rows = 4, columns = 64, outputs = 64
    /// What a group keeps in shared memory.
    package static let sharedBytes = 32 << 10

    /// The best first.
    package static let compiled = [MatrixKernel(side: 16, lanes: 32), MatrixKernel(side: 8, lanes: 8)]

    /// The best that the device's shapes and subgroups suit.
    package init?(_ info: VulkanDeviceInfo) {
        guard info.multipliesMatrices, Int(info.raw.shared_bytes) >= Self.sharedBytes else { return nil }
        let found = Self.compiled.first { kernel in
            info.matrixSides.contains(kernel.side)
                && (Int(info.raw.min_subgroup_size)...Int(info.raw.max_subgroup_size)).contains(kernel.lanes)
        }
        guard let found else { return nil }
        self = found
    }

    private init(side: Int, lanes: Int) {
        self.side = side
        self.lanes = lanes
    }

    /// 3 x 3 of full blocks of channels; for fewer outputs most of a group would stand idle.
    package func suits(_ conv: Convolution, inputIsPlanar: Bool) -> Bool {
        conv.kernelHeight == 3 && conv.kernelWidth == 3 && conv.dilation == 1 && !inputIsPlanar && conv.inputChannels >= 16
            && conv.outputChannels >= 24
    }
}

extension VulkanContext {
    /// How matrices are multiplied here: nil where the device does not, where it does it wrong, and where
    /// ENLARGE_VULKAN_MATRICES is 0. Tried once, on a small layer.
    func matrices() -> MatrixKernel? {
        triedMatrices.withLock { known in
            if let known { return known.kernel }
            var kernel = getenv("ENLARGE_VULKAN_MATRICES").map { String(cString: $0) } == "0" ? nil : MatrixKernel(info)
            if let tried = kernel, !isRight(tried) { kernel = nil }
            known = TriedMatrices(kernel: kernel)
            return kernel
        }
    }

    struct TriedMatrices {
        var kernel: MatrixKernel?
    }

    /// A layer of odd size, with and without: drivers of this extension are young.
    private func isRight(_ kernel: MatrixKernel) -> Bool {
        func values(_ count: Int, _ scale: Float) -> [Float] { (0..<count).map { scale * Float(($0 * 2_654_435_761 >> 7) % 2001 - 1000) / 1000 } }
        let channels = 48, width = 71, height = 6
        var conv = Convolution(weights: TensorData(values(9 * channels * channels, 0.1), shape: [3, 3, channels, channels]), bias: values(channels, 1))
        conv.residualScale = 0.5
        let nodes: [NetworkGraph.Node] = [.init("x", .input(channels: channels), inputs: []), .init("y", .convolution(conv), inputs: [0, 0])]
        do {
            let graph = try NetworkGraph(nodes: nodes, outputs: [.init(name: "y", node: 1)])
            let input = values(channels * width * height, 1)
            func result(_ device: VulkanDevice) throws -> [Float] {
                let plan = try Planner(graph: graph, costs: device, picture: VulkanDevice.planeBytes(graph)).plan(width: width, height: height)
                var result: [Float] = []
                try VulkanRun(network: VulkanNetwork(graph: graph, device: device), plan: plan).run(
                    fill: { _, y, view in
                        input.withUnsafeBufferPointer { for c in 0..<channels { view.fill(channel: c, from: $0.baseAddress! + (c * height + y) * width) } }
                    },
                    deliver: { _, _, _, view in for c in 0..<channels { for x in 0..<width { result.append(view.plane(c)[x]) } } })
                return result
            }
            let plain = try result(VulkanDevice(context: self, precision: .fp16, usesMatrices: false))
            let product = try result(VulkanDevice(context: self, trying: kernel))
            // Sums of 432 products in another order, then fp16.
            return plain.count == product.count && zip(plain, product).allSatisfy { abs($0 - $1) <= 0.01 + 0.002 * abs($0) }
        } catch {
            return false
        }
    }
}

extension VulkanDevice {
    fileprivate init(context: VulkanContext, trying kernel: MatrixKernel) {
        self.context = context
        precision = .fp16
        matrices = kernel
    }
}
