package import NetworkGraph
package import StreamPlanner

/// What a run of a plan delivers, put together.
package struct GatheredRun {
    package typealias Fill = (_ strip: Strip, _ row: Int, _ view: RowView) -> Void
    package typealias Deliver = (_ strip: Strip, _ output: Int, _ row: Int, _ view: RowView) -> Void

    /// [output][channel][row][column], of the rows that were run; what was not delivered is NaN.
    package private(set) var outputs: [[Float]]
    /// Rows of input that the first strip asked for.
    package private(set) var read: [Int] = []
    /// Every row of every column came once, in order.
    package let isComplete: Bool

    /// - Parameters:
    ///   - rows: of the input, that are run.
    ///   - input: [channel][row][column] of the whole picture.
    ///   - run: the run, which is given where its rows come from and go to.
    package init(
        _ graph: NetworkGraph, width: Int, height: Int, rows: Range<Int>, input: [Float], run: (_ fill: Fill, _ deliver: Deliver) throws -> Void
    ) rethrows {
        let scales = graph.outputs.map { graph.scales[$0.node] }, channels = graph.outputs.map { graph.channels[$0.node] }
        var results = zip(channels, scales).map { [Float](repeating: .nan, count: $0 * width * rows.count * $1 * $1) }
        var next = scales.map { [Int](repeating: rows.lowerBound * $0, count: width) }, isInOrder = true, read: [Int] = []
        try input.withUnsafeBufferPointer { source in
            try run(
                { strip, row, view in
                    if strip.core.lowerBound == 0 { read.append(row) }
                    for c in 0..<graph.channels[graph.inputNode] {
                        view.fill(channel: c, from: source.baseAddress! + (c * height + row) * width + strip.input.lowerBound)
                    }
                },
                { strip, index, row, view in
                    let scale = scales[index]
                    for column in strip.core {
                        isInOrder = isInOrder && next[index][column] == row
                        next[index][column] = row + 1
                    }
                    results[index].withUnsafeMutableBufferPointer { target in
                        for c in 0..<channels[index] {
                            let line = c * rows.count * scale + row - rows.lowerBound * scale
                            view.copy(channel: c, to: target.baseAddress! + line * width * scale + strip.core.lowerBound * scale)
                        }
                    }
                })
        }
        (outputs, self.read) = (results, read)
        isComplete = isInOrder && zip(next, scales).allSatisfy { $0 == [Int](repeating: rows.upperBound * $1, count: width) }
    }

    package init(_ execution: any NetworkRun, _ graph: NetworkGraph, input: [Float]) throws {
        let plan = execution.plan
        try self.init(graph, width: plan.width, height: plan.height, rows: 0..<plan.height, input: input) { fill, deliver in
            try execution.run(fill: fill, deliver: deliver)
        }
    }
}
