package import CKernels
import CSystem
package import NetworkGraph
import StreamPlanner
package import Tensors

import Glibc

/// The processor as a device: which kernels run a node, and what they cost.
package struct CPUDevice: DeviceCosts {
    package let isa: ek_isa
    package var threads: Int
    /// Products in bfloat16 where Winograd runs (needs AVX512-BF16).
    package let usesBFloat16: Bool

    /// - Parameter isa: nil: the best the processor has, or what ENLARGE_ISA names (scalar, avx2, avx512, avx512-bf16).
    package init(threads: Int? = nil, isa: ek_isa? = nil, usesBFloat16: Bool = false) throws(EnlargerError) {
        let best = ek_best_isa()
        self.isa = if let isa { isa } else { try CPUDevice.forcedInstructionSet(best: best) ?? best }
        self.threads = max(1, threads ?? CPUDevice.processorCount)
        self.usesBFloat16 = usesBFloat16
        if usesBFloat16, self.isa.rawValue < EK_AVX512_BF16.rawValue {
            throw EnlargerError(.noDevice, "bf16 needs a processor with AVX512-BF16; this one offers \(String(cString: ek_isa_name(self.isa)))")
        }
    }

    package var name: String { String(cString: ek_isa_name(isa)) }

    /// Processors that this process may use.
    package static var processorCount: Int { Int(es_processor_count()) }

    private static func forcedInstructionSet(best: ek_isa) throws(EnlargerError) -> ek_isa? {
        guard let name = getenv("ENLARGE_ISA").map({ String(cString: $0) }), !name.isEmpty else { return nil }
        let all = [("scalar", EK_SCALAR), ("avx2", EK_AVX2), ("avx512", EK_AVX512), ("avx512-bf16", EK_AVX512_BF16)]
        guard let isa = all.first(where: { $0.0 == name.lowercased() })?.1 else {
            throw EnlargerError(.usage, "ENLARGE_ISA=\(name) is none of \(all.map(\.0).joined(separator: ", "))")
        }
        guard isa.rawValue <= best.rawValue else {
            throw EnlargerError(.noDevice, "ENLARGE_ISA=\(name): this processor offers \(String(cString: ek_isa_name(best)))")
        }
        return isa
    }

    // MARK: Costs

    package var takesPasses: Bool { true }

    package func isTiled(_ graph: NetworkGraph, node: Int) -> Bool {
        guard case .convolution(let conv) = graph.nodes[node].operation else { return false }
        return CPUDevice.isTiled(conv)
    }

    /// Winograd pays where both sides have channels enough to fill the transforms' work with products.
    static func isTiled(_ conv: Convolution) -> Bool {
        conv.kernelHeight == 3 && conv.kernelWidth == 3 && conv.dilation == 1 && conv.groups == 1 && conv.padTop == 1 && conv.padLeft == 1
            && conv.inputChannels >= 24 && conv.outputChannels >= 24
    }

    package func weightsBytes(_ graph: NetworkGraph) -> Int {
        graph.nodes.indices.reduce(0) { $0 + PackedNode.Layout(graph.nodes[$1].operation, channels: graph.channels[$1]).byteCount }
    }

    package func scratchBytes(_ graph: NetworkGraph, node: Int, rows: Int, columns: Int) -> Int {
        guard case .convolution(let conv) = graph.nodes[node].operation, CPUDevice.isTiled(conv) else { return 0 }
        let tiles = (rows + 3) / 4 * ((columns + 6) / 4)
        return ek_winograd_scratch_bytes(Int32(conv.inputChannels), Int32(conv.outputChannels), Int32(tiles), Int32(threads), usesBFloat16 ? 1 : 0)
    }

    package func seconds(_ graph: NetworkGraph, node: Int, rows: Int, columns: Int) -> Double {
        computeSeconds(graph, node: node, rows: rows, columns: columns) + memorySeconds(graph, node: node, rows: rows, columns: columns)
    }

    /// What a step reads and writes beyond the cache's size went to memory since the layer before, and comes back from there.
    private func memorySeconds(_ graph: NetworkGraph, node: Int, rows: Int, columns: Int) -> Double {
        let scale = graph.scales[node]
        let values = graph.nodes[node].inputs.reduce(rows * columns * graph.channels[node]) { sum, input in
            let part = graph.scales[input]
            return sum + rows * part / scale * (columns * part / scale) * graph.channels[input]
        }
        return Double(max(0, values * 4 - CPUDevice.cacheBytes)) / CPUDevice.memoryRate
    }

    private func computeSeconds(_ graph: NetworkGraph, node: Int, rows: Int, columns: Int) -> Double {
        let outputs = Double(rows * columns)
        let rate = CPUDevice.rate(isa) * Double(threads)
        switch graph.nodes[node].operation {
        case .convolution(let conv):
            let weights = Double(conv.kernelHeight * conv.kernelWidth * conv.inputChannels * conv.outputChannels / conv.groups)
            if CPUDevice.isTiled(conv), isa != EK_SCALAR {
                // Each tile: 36 products for 16 outputs, and the transforms of its data; each pass: the filters' transform.
                let tileCount = (rows + 3) / 4 * ((columns + 6) / 4), tiles = Double(tileCount)
                let passes = Double(ek_winograd_filter_passes(Int32(conv.inputChannels), Int32(conv.outputChannels), Int32(tileCount)))
                let channels = Double(conv.inputChannels + conv.outputChannels)
                let products = tiles * 72 * Double(conv.inputChannels * conv.outputChannels)
                return (products + tiles * channels * 400 + weights / 9 * 350 * passes) / rate + 8e-6
            }
            return 2 * outputs * weights / (0.7 * rate) + 5e-6
        case .transposedConvolution(let conv):
            let weights = Double(conv.kernelHeight * conv.kernelWidth * conv.inputChannels * conv.outputChannels)
            return 2 * outputs * weights / Double(conv.stride * conv.stride) / (0.25 * rate) + 5e-6
        default:
            return outputs * Double(graph.channels[node]) * 1e-9 / Double(threads) + 3e-6
        }
    }

    /// The part of the last-level cache that two layers can count on to pass rows through, and bytes a second beyond it, as
    /// bands of 4 to 64 rows of 512 to 4096 columns found them.
    private static let cacheBytes = 8 << 20, memoryRate = 25e9

    /// Multiply-adds of one thread, in floating-point operations a second, as Benchmarks/costs.py found them.
    private static func rate(_ isa: ek_isa) -> Double {
        switch isa {
        case EK_SCALAR: 1.4e9
        case EK_AVX2: 70e9
        default: 140e9
        }
    }
}
