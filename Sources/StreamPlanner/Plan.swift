package import NetworkGraph

/// How a network runs on a picture of one size, and every byte that it takes. A pure value.
package struct Plan: Sendable, Equatable {
    /// Rows of one layout, all pads included. An element has as many bytes as the device says.
    package struct RowClass: Sendable, Equatable {
        package var scale: Int
        package var channels: Int
        /// Planar rows are [channels][columns]; others [channels/16][columns][16].
        package var isPlanar: Bool
        /// Columns at each side that the node fills beyond the picture's edge; 0: they stay zero.
        package var border: Int
        /// Columns of a row: pad, picture columns of the widest strip, pad.
        package var columns: Int
        /// Elements between channel blocks (or planes) of a row.
        package var blockStride: Int
        /// Bytes of a row, a multiple of 64.
        package var rowBytes: Int
        /// Rows that exist.
        package var capacity: Int
    }

    /// One part of the network over the whole picture.
    package struct Pass: Sendable, Equatable {
        package var part: NetworkPart
        /// Vertical strips of near-equal width, one after the other; see `Plan.core`.
        package var stripCount: Int
        /// Input columns of the widest, its halo counted.
        package var widestInput: Int
        package var rowClasses: [RowClass]
        /// The row class of each node that the part visits; -1 for others.
        package var classOfNode: [Int]
        /// Bytes of all rows, the shared row of zeros included.
        package var activationBytes: Int
        package var scratchBytes: Int
        /// The expected duration, by the device's cost model.
        package var seconds: Double
    }

    package var width: Int
    package var height: Int
    package var threads: Int
    package var bandRows: Int
    /// One, mostly. Of several, each begins when the one before has ended.
    package var passes: [Pass]
    /// Zero columns at each side of every row.
    package var pad: Int

    package var weightsBytes: Int
    /// What is constant over the picture: 16 floats and 16 doubles for every 16 channels of such a node.
    package var constantBytes: Int
    /// Rows of the picture and of the result that are on their way in and out.
    package var ioBytes: Int
    /// The most that files hold of values between passes.
    package var temporaryBytes: Int

    package var activationBytes: Int { passes.map(\.activationBytes).max()! }
    package var scratchBytes: Int { passes.map(\.scratchBytes).max()! }
    /// The expected duration, by the device's cost model.
    package var seconds: Double { passes.reduce(0) { $0 + $1.seconds } }
    /// What the run allocates for itself; weights may be shared with others.
    package var runBytes: Int { activationBytes + constantBytes + scratchBytes + ioBytes }
    /// Everything the run needs.
    package var plannedBytes: Int { weightsBytes + runBytes }
    /// Vertical strips, of the pass that has most.
    package var stripCount: Int { passes.map(\.stripCount).max()! }
    /// Everything flows from the first row to the last in one go, nothing waits in files.
    package var isStream: Bool { passes.count == 1 && stripCount == 1 }
    /// Input columns of the widest strip of the first pass, which is the one that reads the picture.
    package var widestInput: Int { passes[0].widestInput }

    /// Input columns that strip `index` of a pass delivers.
    package func core(_ index: Int, of pass: Pass) -> Range<Int> {
        width * index / pass.stripCount..<width * (index + 1) / pass.stripCount
    }
}

extension NetworkGraph {
    /// Whether the rows of a node are planar. Maps of few channels are, to save the padding to 16; what a convolution
    /// stores is not, since its kernels store 16 channels at once, and elementwise operations keep their input's layout.
    package func isPlanar(_ node: Int) -> Bool {
        switch nodes[node].operation {
        case .convolution, .transposedConvolution: false
        case .activation, .affine, .border: isPlanar(nodes[node].inputs[0])
        default: channels[node] <= 4
        }
    }
}

extension Plan {
    /// Where the values of constant nodes stand in a run's memory, in bytes: 16 floats for every 16 channels, and behind them,
    /// for a mean, as many doubles for its sums.
    package static func constantOffsets(_ graph: NetworkGraph) -> (offsets: [Int: Int], total: Int) {
        var offsets: [Int: Int] = [:], total = 0
        for n in graph.nodes.indices where graph.isConstant[n] {
            offsets[n] = total
            total += (graph.channels[n] + 15) / 16 * (64 + 128)
        }
        return (offsets, total)
    }
}
