package import NetworkGraph

/// What a device needs for each node, asked by the planner.
package protocol DeviceCosts: Sendable {
    /// Threads that the run uses.
    var threads: Int { get }
    /// Whether a run may be cut into passes, with values in files between them.
    var takesPasses: Bool { get }
    /// Bytes of all weights in the form that the device keeps.
    func weightsBytes(_ graph: NetworkGraph) -> Int
    /// Bytes of scratch for the largest call: `node` computing `rows` x `columns` outputs in one step.
    func scratchBytes(_ graph: NetworkGraph, node: Int, rows: Int, columns: Int) -> Int
    /// Whether the node is computed in 4 x 4 tiles, whose rounding depends on the grid.
    func isTiled(_ graph: NetworkGraph, node: Int) -> Bool
    /// Bytes of an element of a map.
    var elementBytes: Int { get }
    /// Bytes of a run that are neither rows, nor scratch, nor pictures.
    func overheadBytes(_ graph: NetworkGraph, height: Int, bandRows: Int) -> Int
    /// Expected seconds of one step of `node` over `rows` x `columns` outputs.
    func seconds(_ graph: NetworkGraph, node: Int, rows: Int, columns: Int) -> Double
}

extension DeviceCosts {
    package var elementBytes: Int { 4 }
    package func overheadBytes(_ graph: NetworkGraph, height: Int, bandRows: Int) -> Int { 0 }
}

/// Bytes of picture rows in flight: what stands outside the network for each input row of a band.
package struct PictureBytes: Sendable, Equatable {
    /// Bytes for one pixel of the input, and for one pixel of the (enlarged) output.
    package var input: Int
    package var output: Int
    /// Fixed bytes, whatever the size.
    package var fixed: Int

    package init(input: Int, output: Int, fixed: Int = 0) {
        self.input = input
        self.output = output
        self.fixed = fixed
    }
    package static let none = PictureBytes(input: 0, output: 0)
}
