import CKernels
import NetworkGraph
import StreamPlanner
import Tensors

/// One node over the rows of one step: finds the row pointers and calls the kernel, its tasks shared out over the pool.
struct NodeCall {
    let run: PassRows
    let node: Int
    /// Output rows to make.
    let rows: Range<Int>
    /// Row where the step's tile grid begins (at or above `rows`).
    let gridStart: Int
    /// Output columns to make.
    let columns: Range<Int>
    let strip: Strip
    let output: (_ row: Int) -> UnsafeMutablePointer<Float>
    let input: (_ index: Int, _ row: Int) -> UnsafeMutablePointer<Float>

    private var graph: NetworkGraph { run.network.graph }
    private var inputs: [Int] { graph.nodes[node].inputs }
    private var isa: ek_isa { run.network.device.isa }
    private var col0: Int32 { Int32(run.bufferColumn(node, columns.lowerBound, strip)) }
    private var col1: Int32 { Int32(run.bufferColumn(node, columns.upperBound, strip)) }

    func execute() {
        let packed = run.network.packed(node)
        switch graph.nodes[node].operation {
        case .input: break
        case .convolution(let conv):
            if CPUDevice.isTiled(conv) { winograd(conv, packed) } else { direct(conv, packed) }
        case .transposedConvolution(let conv): transposed(conv, packed)
        case .activation(let activation): unary(activation.kernel, packed.second, packed.third)
        case .affine: unary(EK_AFFINE, packed.second, packed.third)
        case .add, .subtract, .multiply:
            if let constant = inputs.firstIndex(where: { graph.isConstant[$0] }) { join(constant) } else { binary() }
        case .globalMean: sumUp()
        case .concatenate: concatenate()
        case .slice(let range): slice(range)
        case .depthToSpace(let s, let order): depthToSpace(s, order)
        case .border(let mode, let extent): border(mode, extent)
        case .resize(let method, let s): resize(method, s)
        case .resample(let method, let numerator, let divisor): resize(method, numerator, over: divisor)
        }
    }

    // MARK: Row pointers

    private func map(_ node: Int, _ rows: UnsafePointer<UnsafeMutablePointer<Float>?>?) -> ek_map {
        let rowClass = run.rowClass(node)
        return ek_map(
            rows: rows, block_stride: rowClass.blockStride, planar: rowClass.isPlanar ? 1 : 0, channels: Int32(graph.channels[node]))
    }

    /// Pointers to rows of an input; those outside the picture are rows of its border, or the row of zeros.
    private func inputPointers(_ index: Int, _ range: Range<Int>) -> RowPointers {
        let limit = graph.scales[inputs[index]] * run.plan.height
        if case .border(let mode, _) = graph.nodes[inputs[index]].operation, case .convolution(let conv) = graph.nodes[node].operation {
            // What a kernel reads past its padding (a whole tile) does not count; the rows that stand for it may be gone.
            return RowPointers(range.map { $0 >= -conv.padTop && $0 < limit + conv.padBottom ? input(index, mode.place($0, in: limit)) : run.zeroRow })
        }
        return RowPointers(range.map { $0 >= 0 && $0 < limit ? input(index, $0) : run.zeroRow })
    }
    private func outputPointers() -> RowPointers { RowPointers(rows.map { output($0) }) }

    private func epilogue(_ packed: PackedNode, _ activation: Activation?, residual: RowPointers?, scale: Float?) -> ek_epilogue {
        ek_epilogue(
            bias: packed.second, slope: activation == nil ? nil : packed.third,
            residual: residual.map { map(inputs[1], $0.pointer) } ?? ek_map(), residual_scale: scale ?? 1)
    }

    // MARK: Convolutions

    private func winograd(_ conv: Convolution, _ packed: PackedNode) {
        let tile = Schedule.tile
        let top = gridStart + (rows.lowerBound - gridStart) / tile * tile
        let tilesY = (rows.upperBound - top + tile - 1) / tile
        let left = firstTileColumn(columns.lowerBound)
        let tilesX = (columns.upperBound - left + tile - 1) / tile
        let covered = top..<top + tilesY * tile
        let inRows = inputPointers(0, top - 1..<covered.upperBound + 1)
        let outRows = RowPointers(covered.map { rows.contains($0) ? output($0) : nil })
        let residual = conv.residualScale.map { _ in RowPointers(covered.map { rows.contains($0) ? input(1, $0) : nil }) }
        let call = Shared(
            ek_winograd(
                in: map(inputs[0], inRows.pointer), out: map(node, outRows.pointer), tiles_y: Int32(tilesY), tiles_x: Int32(tilesX),
                tile_col: Int32(run.bufferColumn(node, left, strip)), col0: col0, col1: col1, weights: packed.weights,
                element: conv.weights.elementType.kernelElement, step: conv.weights.elementType.step, zero: conv.weights.elementType.zeroPoint,
                bf16: run.network.device.usesBFloat16 ? 1 : 0,
                epilogue: epilogue(packed, conv.activation, residual: residual, scale: conv.residualScale)))
        let threads = Int32(run.pool.threads)
        let (isa, scratch) = (isa, Shared(run.scratch))
        for stage in 0..<ek_winograd_stages(&call.value, threads) {
            run.pool.run(tasks: Int(ek_winograd_tasks(&call.value, threads, stage))) { task, thread in
                ek_winograd_task(&call.value, isa, scratch.value, threads, stage, Int32(task), Int32(thread))
            }
        }
        withExtendedLifetime((inRows, outRows, residual)) {}
    }

    private func direct(_ conv: Convolution, _ packed: PackedNode) {
        let needed = graph.nodes[node].operation.needed(.rows, input: 0, for: rows)
        let inRows = inputPointers(0, needed), outRows = outputPointers()
        let residual = conv.residualScale.map { _ in RowPointers(rows.map { input(1, $0) }) }
        let call = Shared(
            ek_direct(
                in: map(inputs[0], inRows.pointer), out: map(node, outRows.pointer), rows: Int32(rows.count), col0: col0, col1: col1,
                kh: Int32(conv.kernelHeight), kw: Int32(conv.kernelWidth), dilation: Int32(conv.dilation), pad_left: Int32(conv.padLeft),
                weights: packed.weights.assumingMemoryBound(to: Float.self),
                epilogue: epilogue(packed, conv.activation, residual: residual, scale: conv.residualScale)))
        let isa = isa
        eachRow(rows.count) { first, end in ek_direct_run(&call.value, isa, first, end) }
        withExtendedLifetime((inRows, outRows, residual)) {}
    }

    private func transposed(_ conv: TransposedConvolution, _ packed: PackedNode) {
        let needed = graph.nodes[node].operation.needed(.rows, input: 0, for: rows)
        let inRows = inputPointers(0, needed), outRows = outputPointers()
        let pad = Int32(run.plan.pad), x0 = strip.input.lowerBound
        let call = Shared(
            ek_transposed(
                in: map(inputs[0], inRows.pointer), out: map(node, outRows.pointer), out_row0: Int32(rows.lowerBound),
                in_row0: Int32(needed.lowerBound), col0: col0, col1: col1, out_pad: pad, in_pad: pad,
                out_x0: Int32(graph.scales[node] * x0), in_x0: Int32(graph.scales[inputs[0]] * x0), kh: Int32(conv.kernelHeight),
                kw: Int32(conv.kernelWidth), stride: Int32(conv.stride), pad_top: Int32(conv.padTop), pad_left: Int32(conv.padLeft),
                weights: packed.weights.assumingMemoryBound(to: Float.self),
                epilogue: epilogue(packed, conv.activation, residual: nil, scale: nil)))
        let isa = isa
        eachRow(rows.count) { first, end in ek_transposed_run(&call.value, isa, first, end) }
        withExtendedLifetime((inRows, outRows)) {}
    }

    // MARK: Elementwise

    /// - Parameters a, b: what the kernel takes for each channel.
    private func unary(_ kind: ek_unary, _ a: UnsafePointer<Float>?, _ b: UnsafePointer<Float>?, of index: Int = 0) {
        let inRows = inputPointers(index, rows), outRows = outputPointers()
        let call = Shared((map(inputs[index], inRows.pointer), map(node, outRows.pointer), a, b, col0, col1))
        eachRow(rows.count) { first, end in
            let (from, to, a, b, col0, col1) = call.value
            ek_unary_run(kind, a, b, from.advanced(first), to.advanced(first), end - first, col0, col1)
        }
        withExtendedLifetime((inRows, outRows)) {}
    }

    private func binary() {
        let kind =
            switch graph.nodes[node].operation {
            case .subtract: EK_SUB
            case .multiply: EK_MUL
            default: EK_ADD
            }
        let left = inputPointers(0, rows), right = inputPointers(1, rows), outRows = outputPointers()
        let call = Shared((map(inputs[0], left.pointer), map(inputs[1], right.pointer), map(node, outRows.pointer), col0, col1))
        eachRow(rows.count) { first, end in
            let (x, y, to, col0, col1) = call.value
            ek_binary_run(kind, x.advanced(first), y.advanced(first), to.advanced(first), end - first, col0, col1)
        }
        withExtendedLifetime((left, right, outRows)) {}
    }

    // MARK: Means over the picture

    /// Adds, subtracts or multiplies a map and a value that is the same at every pixel.
    private func join(_ constant: Int) {
        let factors = run.constants.factors(
            graph.nodes[node].operation, constant: inputs[constant], isFirst: constant == 0, channels: graph.channels[node])
        factors.scale.withUnsafeBufferPointer { scale in
            factors.offset.withUnsafeBufferPointer { offset in unary(EK_AFFINE, scale.baseAddress, offset.baseAddress, of: 1 - constant) }
        }
    }

    /// Row by row, in each row from left to right: the sums do not depend on bands or threads.
    private func sumUp() {
        let inRows = inputPointers(0, rows)
        let call = Shared((map(inputs[0], inRows.pointer), run.constants.sums(node), col0, col1))
        let count = Int32(rows.count), channels = graph.channels[node]
        run.pool.run(tasks: (channels + 15) / 16) { task, _ in
            let (from, sums, col0, col1) = call.value
            ek_sum_channels(from, Int32(16 * task), Int32(min(16 * task + 16, channels)), count, col0, col1, sums)
        }
        withExtendedLifetime(inRows) {}
    }

    private func concatenate() {
        let outRows = outputPointers()
        var channel = 0
        for index in inputs.indices {
            let inRows = inputPointers(index, rows)
            let count = graph.channels[inputs[index]]
            ek_copy_channels(
                map(inputs[index], inRows.pointer), 0, map(node, outRows.pointer), Int32(channel), Int32(count), Int32(rows.count), col0, col1)
            channel += count
            withExtendedLifetime(inRows) {}
        }
        withExtendedLifetime(outRows) {}
    }

    private func slice(_ range: Range<Int>) {
        let inRows = inputPointers(0, rows), outRows = outputPointers()
        ek_copy_channels(
            map(inputs[0], inRows.pointer), Int32(range.lowerBound), map(node, outRows.pointer), 0, Int32(range.count), Int32(rows.count), col0,
            col1)
        withExtendedLifetime((inRows, outRows)) {}
    }

    /// The input's rows, their ends filled where they are the picture's.
    private func border(_ mode: BorderMode, _ extent: Int) {
        let inRows = inputPointers(0, rows), outRows = outputPointers()
        let from = map(inputs[0], inRows.pointer), to = map(node, outRows.pointer)
        ek_copy_channels(from, 0, to, 0, Int32(graph.channels[node]), Int32(rows.count), col0, col1)
        let width = graph.scales[node] * run.plan.width
        func column(_ position: Int) -> Int32 { Int32(run.bufferColumn(node, position, strip)) }
        for distance in 1...extent {
            if columns.lowerBound == 0 { ek_copy_column(from, column(mode.place(-distance, in: width)), to, column(-distance), Int32(rows.count)) }
            let beyond = width - 1 + distance
            if columns.upperBound == width { ek_copy_column(from, column(mode.place(beyond, in: width)), to, column(beyond), Int32(rows.count)) }
        }
        withExtendedLifetime((inRows, outRows)) {}
    }

    // MARK: Enlarging

    /// Rows of a block come from one input row; a step may begin or end inside a block, so whole blocks are made and
    /// rows that are not asked for go nowhere.
    private func depthToSpace(_ s: Int, _ order: DepthToSpaceOrder) {
        let blocks = floorDivide(rows.lowerBound, s)..<floorDivide(rows.upperBound - 1, s) + 1
        let inColumns = floorDivide(columns.lowerBound, s)..<floorDivide(columns.upperBound - 1, s) + 1
        let inRows = inputPointers(0, blocks)
        let outRows = RowPointers((blocks.lowerBound * s..<blocks.upperBound * s).map { rows.contains($0) ? output($0) : nil })
        let pad = Int32(run.plan.pad)
        let first = Int32(run.bufferColumn(inputs[0], inColumns.lowerBound, strip)), end = Int32(run.bufferColumn(inputs[0], inColumns.upperBound, strip))
        let call = Shared((map(inputs[0], inRows.pointer), map(node, outRows.pointer)))
        eachRow(blocks.count) { row0, row1 in
            ek_depth_to_space(
                call.value.0.advanced(row0), call.value.1.advanced(row0 * Int32(s)), Int32(s), order == .blockFirst ? 0 : 1, row1 - row0, first, end,
                pad, pad)
        }
        withExtendedLifetime((inRows, outRows)) {}
    }

    private func resize(_ method: ResizeMethod, _ s: Int, over divisor: Int = 1) {
        let limit = graph.scales[inputs[0]] * run.plan.height
        let needed = graph.nodes[node].operation.needed(.rows, input: 0, for: rows)
        let inRows = RowPointers(needed.map { input(0, min(max($0, 0), limit - 1)) }), outRows = outputPointers()
        let kinds: [ResizeMethod: Int32] = [.nearest: 0, .bilinear: 1, .bicubic: 2, .bicubicSharp: 3, .bilinearFromCorner: 4]
        let pad = Int32(run.plan.pad), x0 = strip.input.lowerBound
        let call = Shared(
            ek_resize(
                in: map(inputs[0], inRows.pointer), out: map(node, outRows.pointer), method: kinds[method]!, s: Int32(s), divisor: Int32(divisor),
                out_row0: Int32(rows.lowerBound), in_row0: Int32(needed.lowerBound), rows: Int32(rows.count), x0: Int32(columns.lowerBound),
                x1: Int32(columns.upperBound), width: Int32(graph.scales[inputs[0]] * run.plan.width), in_x0: Int32(graph.scales[inputs[0]] * x0),
                in_pad: pad, out_x0: Int32(graph.scales[node] * x0), out_pad: pad))
        eachRow(rows.count) { first, end in ek_resize_run(&call.value, first, end) }
        withExtendedLifetime((inRows, outRows)) {}
    }

    /// Shares rows out over the pool.
    private func eachRow(_ count: Int, _ body: @escaping @Sendable (_ first: Int32, _ end: Int32) -> Void) {
        let tasks = min(count, run.pool.threads * 4)
        run.pool.run(tasks: tasks) { task, _ in body(Int32(count * task / tasks), Int32(count * (task + 1) / tasks)) }
    }
}

/// An array of row pointers with a stable address for the length of a kernel call.
private final class RowPointers: @unchecked Sendable {  // immutable after init
    let pointer: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>
    init(_ rows: [UnsafeMutablePointer<Float>?]) {
        pointer = .allocate(capacity: max(rows.count, 1))
        pointer.initialize(from: rows, count: rows.count)
    }
    deinit { pointer.deallocate() }
}

/// Parameters of a kernel call, read by several threads while nobody writes them.
private final class Shared<Value>: @unchecked Sendable {
    var value: Value
    init(_ value: Value) { self.value = value }
}

extension ek_map {
    fileprivate func advanced(_ rows: Int32) -> ek_map {
        var map = self
        map.rows = self.rows + Int(rows)
        return map
    }
}
