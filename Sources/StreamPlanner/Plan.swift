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

    package var width: Int
    package var height: Int
    package var threads: Int
    package var bandRows: Int
    package var strips: [Strip]
    package var rowClasses: [RowClass]
    /// The row class of each node.
    package var classOfNode: [Int]
    package var rowLags: [Int]
    package var columnLags: [Int]
    /// Zero columns at each side of every row.
    package var pad: Int

    package var weightsBytes: Int
    package var activationBytes: Int
    package var scratchBytes: Int
    /// Rows of the picture and of the result that are on their way in and out.
    package var ioBytes: Int
    /// The expected duration, by the device's cost model.
    package var seconds: Double

    /// What the run allocates for itself; weights may be shared with others.
    package var runBytes: Int { activationBytes + scratchBytes + ioBytes }
    /// Everything the run needs.
    package var plannedBytes: Int { weightsBytes + runBytes }
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
