import NetworkGraph
import StreamPlanner

/// The most columns of any strip: of the input, of what is delivered, and of each node.
struct WidestColumns {
    var input = 0
    var core = 0
    var nodes: [Int]

    init(_ graph: NetworkGraph, _ plan: Plan) {
        let pass = plan.passes[0]
        nodes = [Int](repeating: 0, count: graph.nodes.count)
        for s in 0..<pass.stripCount {
            let strip = graph.strip(core: plan.core(s, of: pass), width: plan.width, part: pass.part) { _ in false }
            input = max(input, strip.input.count)
            core = max(core, strip.core.count)
            for n in graph.nodes.indices { nodes[n] = max(nodes[n], strip.columns(n).count) }
        }
    }
}

/// Which kernels run a node, and what they are told: once for each band on its way, for all steps.
struct NodeRecording {
    let network: VulkanNetwork
    let plan: Plan
    let widest: WidestColumns
    let hostRows: HostRows
    let tables: StepTables
    /// Addresses on the device.
    let arena: UInt64
    let tableAddress: UInt64
    let host: UInt64
    let layout: HostLayout

    private var graph: NetworkGraph { network.graph }
    private var pass: Plan.Pass { plan.passes[0] }
    private var suffix: String { network.device.precision == .fp16 ? "f16" : "f32" }

    /// Nodes in parts that no device should take long for: a system ends what does not answer for some seconds.
    func parts() -> [Range<Int>] {
        let most = 4e11
        var parts: [Range<Int>] = [], first = 0, sum = 0.0
        for n in graph.nodes.indices {
            let flops = network.device.flops(graph, node: n, rows: tables.nodes[n].outputRows, columns: columns(n))
            if sum + flops > most, n > first {
                parts.append(first..<n)
                (first, sum) = (n, 0)
            }
            sum += flops
        }
        return parts + [first..<graph.nodes.count]
    }

    /// The node's kernels; they may run at the same time.
    func calls(_ n: Int, band: Int) -> [KernelCall] {
        let inputs = graph.nodes[n].inputs
        switch graph.nodes[n].operation {
        case .input: return [input(n, band: band)]
        case .convolution(let conv): return [convolution(n, conv)]
        case .transposedConvolution(let conv): return [transposed(n, conv)]
        case .activation(let activation): return [unary(n, activation)]
        case .affine: return [unary(n, 5)]
        case .add: return [binary(n, 0)]
        case .subtract: return [binary(n, 1)]
        case .multiply: return [binary(n, 2)]
        case .concatenate:
            var channel = 0
            return inputs.indices.map { index in
                defer { channel += graph.channels[inputs[index]] }
                return copy(n, input: index, from: 0, to: channel, count: graph.channels[inputs[index]])
            }
        case .slice(let range): return [copy(n, input: 0, from: range.lowerBound, to: 0, count: range.count)]
        case .border(let mode, let extent):
            return [copy(n, input: 0, from: 0, to: 0, count: graph.channels[n], border: extent, mirrors: mode == .reflect)]
        case .depthToSpace(let s, let order):
            var call = elementwise("depth_to_space", [order == .channelFirst ? 1 : 0], n)
            call.arguments.p.x = UInt32(s)
            return [call]
        case .resize(let method, let s): return [resize(n, method, s, 1)]
        case .resample(let method, let numerator, let divisor): return [resize(n, method, numerator, divisor)]
        case .globalMean: preconditionFailure("a planner refuses networks that take passes here")
        }
    }

    // MARK: Parts of a call

    private func columns(_ n: Int) -> Int {
        if case .input = graph.nodes[n].operation { widest.input } else { widest.nodes[n] }
    }

    private func map(_ node: Int, list: Int) -> KernelArguments.Map {
        let rowClass = pass.rowClasses[pass.classOfNode[node]]
        return KernelArguments.Map(
            list: UInt32(list), stride: UInt32(rowClass.blockStride), channels: UInt32(graph.channels[node]), isPlanar: rowClass.isPlanar ? 1 : 0)
    }

    private func arguments(_ n: Int) -> KernelArguments {
        let table = tables.nodes[n], inputs = graph.nodes[n].inputs
        var arguments = KernelArguments(arena: arena, table: tableAddress + UInt64(4 * table.start), constants: network.address(n), status: host)
        arguments.output = map(n, list: table.output)
        if !inputs.isEmpty { arguments.input = map(inputs[0], list: table.inputs[0]) }
        if inputs.count > 1 { arguments.second = map(inputs[1], list: table.inputs[1]) }
        return arguments
    }

    private func isPlanar(_ n: Int) -> Bool { pass.rowClasses[pass.classOfNode[n]].isPlanar }
    private func blocks(_ n: Int) -> Int { isPlanar(n) ? graph.channels[n] : (graph.channels[n] + 15) / 16 }

    /// An invocation for each element of the output.
    private func elementwise(_ shader: String, _ constants: [UInt32], _ n: Int, columns extra: Int = 0) -> KernelCall {
        let elements = (columns(n) + extra) * (isPlanar(n) ? 1 : 16)
        return KernelCall(
            pipeline: PipelineKey(shader: "\(shader).\(suffix)", constants: constants), arguments: arguments(n),
            groups: ((elements + 63) / 64, tables.nodes[n].outputRows, blocks(n)))
    }

    // MARK: Convolutions

    private func code(_ activation: Activation?) -> UInt32 {
        switch activation {
        case nil: 0
        case .relu: 1
        default: 2
        }
    }

    private func convolution(_ n: Int, _ conv: Convolution) -> KernelCall {
        let constants = network.constants(n), outputs = constants.outputBlocks * 16
        let groups = outputs <= 16 ? 4 : outputs <= 32 ? 8 : 16, columnsEach = 64 / groups * 8
        var arguments = arguments(n)
        arguments.p = [UInt32(conv.dilation), UInt32(conv.padLeft), UInt32(constants.paddedInputs), UInt32(constants.outputBlocks)]
        arguments.q = [constants.firstParameter, constants.secondParameter, 0, 0]
        arguments.f = [conv.residualScale ?? 1, network.factor(n), constants.zero, 0]
        let inputIsPlanar = isPlanar(graph.nodes[n].inputs[0])
        if let matrices = network.device.matrices, matrices.suits(conv, inputIsPlanar: inputIsPlanar) {
            let key = PipelineKey(
                shader: matrices.shader, constants: [constants.encoding.rawValue, code(conv.activation), conv.residualScale == nil ? 0 : 1],
                subgroup: UInt32(matrices.lanes))
            func parts(_ count: Int, _ each: Int) -> Int { (count + each - 1) / each }
            return KernelCall(
                pipeline: key, arguments: arguments,
                groups: (
                    parts(columns(n), MatrixKernel.columns), parts(tables.nodes[n].outputRows, MatrixKernel.rows),
                    parts(outputs, MatrixKernel.outputs)
                ))
        }
        let key = PipelineKey(
            shader: "convolution.\(suffix)",
            constants: [
                constants.encoding.rawValue, code(conv.activation), conv.residualScale == nil ? 0 : 1, UInt32(conv.kernelHeight),
                UInt32(conv.kernelWidth), UInt32(groups),
            ])
        return KernelCall(
            pipeline: key, arguments: arguments,
            groups: ((columns(n) + columnsEach - 1) / columnsEach, tables.nodes[n].outputRows, (outputs + groups * 4 - 1) / (groups * 4)))
    }

    private func transposed(_ n: Int, _ conv: TransposedConvolution) -> KernelCall {
        let constants = network.constants(n)
        var arguments = arguments(n)
        arguments.p = [UInt32(conv.stride), UInt32(conv.padTop), UInt32(conv.padLeft), UInt32(constants.outputBlocks)]
        let height = graph.scales[graph.nodes[n].inputs[0]] * plan.height
        arguments.q = [constants.firstParameter, constants.secondParameter, UInt32(constants.paddedInputs), UInt32(height)]
        arguments.f = [1, network.factor(n), constants.zero, 0]
        let key = PipelineKey(
            shader: "transposed.\(suffix)",
            constants: [constants.encoding.rawValue, code(conv.activation), 0, UInt32(conv.kernelHeight), UInt32(conv.kernelWidth)])
        return KernelCall(
            pipeline: key, arguments: arguments,
            groups: ((columns(n) + 63) / 64, tables.nodes[n].outputRows, constants.outputBlocks * 4))
    }

    // MARK: Others

    private func unary(_ n: Int, _ activation: Activation) -> KernelCall {
        switch activation {
        case .relu, .prelu: unary(n, 0)
        case .tanh: unary(n, 1)
        case .sigmoid: unary(n, 2)
        case .absolute: unary(n, 3)
        case .clip: unary(n, 4)
        }
    }

    private func unary(_ n: Int, _ operation: UInt32) -> KernelCall {
        let constants = network.constants(n)
        var call = elementwise("unary", [operation], n)
        call.arguments.p = [constants.firstParameter, constants.secondParameter, 0, 0]
        return call
    }

    private func binary(_ n: Int, _ operation: UInt32) -> KernelCall { elementwise("binary", [operation], n) }

    private func copy(_ n: Int, input index: Int, from: Int, to: Int, count: Int, border: Int = 0, mirrors: Bool = false) -> KernelCall {
        var call = elementwise("copy", [mirrors ? 1 : 0], n, columns: 2 * border)
        call.arguments.input = map(graph.nodes[n].inputs[index], list: tables.nodes[n].inputs[index])
        call.arguments.p = [UInt32(from), UInt32(to), UInt32(count), UInt32(border)]
        call.groups.z = isPlanar(n) ? count : (to + count + 15) / 16 - to / 16
        return call
    }

    private func resize(_ n: Int, _ method: ResizeMethod, _ numerator: Int, _ divisor: Int) -> KernelCall {
        let codes: [ResizeMethod: UInt32] = [.nearest: 0, .bilinear: 1, .bicubic: 2, .bicubicSharp: 3, .bilinearFromCorner: 4]
        var call = elementwise("resize", [codes[method]!], n)
        call.arguments.p = [UInt32(numerator), UInt32(divisor), 0, 0]
        return call
    }

    // MARK: Host

    private func input(_ n: Int, band: Int) -> KernelCall {
        let address = host + UInt64(layout.input(band))
        switch hostRows {
        case .planes:
            var call = elementwise("planes_in", [], n)
            call.arguments.constants = address
            return call
        case .pixels(let pixels):
            var call = elementwise("pixels_in", pixels.constants, n)
            call.arguments.constants = address
            call.arguments.f = [pixels.means[0], pixels.means[1], pixels.means[2], pixels.scale]
            call.groups = ((columns(n) + 63) / 64, call.groups.y, 1)
            return call
        }
    }

    /// What brings the rows of a node that is an output to the host.
    func deliveries(_ n: Int, band: Int) -> [KernelCall] {
        graph.outputs.indices.filter { graph.outputs[$0].node == n }.map { index in
            let port = tables.ports[index], scale = graph.scales[n], rows = port.inputRows[0]
            let columns = widest.core * scale
            var arguments = KernelArguments(
                arena: arena, table: tableAddress + UInt64(4 * port.start), constants: host + UInt64(layout.output(band, index)), status: host)
            arguments.input = map(n, list: port.inputs[0])
            switch hostRows {
            case .planes:
                return KernelCall(
                    pipeline: PipelineKey(shader: "planes_out.\(suffix)", constants: []), arguments: arguments,
                    groups: ((columns + 63) / 64, rows, graph.channels[n]))
            case .pixels(let pixels):
                let groups = (rows * columns * pixels.bytesPerPixel + 255) / 256, across = min(groups, 32768)
                arguments.p = [UInt32(pixels.planes), UInt32(across), 0, 0]
                arguments.f = [pixels.means[0], pixels.means[1], pixels.means[2], 1 / pixels.scale]
                return KernelCall(
                    pipeline: PipelineKey(shader: "pixels_out.\(suffix)", constants: pixels.constants), arguments: arguments,
                    groups: (across, (groups + across - 1) / across, 1))
            }
        }
    }
}
