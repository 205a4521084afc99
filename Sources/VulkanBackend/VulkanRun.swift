import CVulkan
import NetworkGraph
package import StreamPlanner
package import Tensors

/// Runs one plan of a network on the device: rows in, rows out, in the memory the plan names.
///
/// Command buffers are recorded once, for a full band, and submitted again for every step of every strip; what a step makes
/// stands in tables that the host writes. While the device computes a band, the host fills the next one and empties the one
/// before. One run at a time; the object can run again, on another picture of the same size.
package final class VulkanRun {
    package let network: VulkanNetwork
    package let plan: Plan
    package let hostRows: HostRows
    let pass: Plan.Pass
    let schedule: Schedule
    let tables: StepTables
    let layout: HostLayout
    let arena: DeviceMemory
    let host: DeviceMemory
    /// Of each row class and of the tables, in bytes from the arena's start, where the row of zeros is.
    let classOffset: [Int]
    let tableOffset: Int
    private let commands: CommandList
    /// Command buffers of each band on its way; buffer 0 clears the arena.
    private let buffersOfBand: Int
    private var context: VulkanContext { network.device.context }

    /// - Parameter plan: made by a planner for `network.graph` and `network.device`, its `picture` being that of `hostRows`.
    /// - Throws: `allocationFailed`, `deviceLost`.
    package init(network: VulkanNetwork, plan: Plan, hostRows: HostRows = .planes) throws(EnlargerError) {
        let graph = network.graph, context = network.device.context
        self.network = network
        self.plan = plan
        self.hostRows = hostRows
        precondition(plan.passes.count == 1, "a plan of several passes")
        pass = plan.passes[0]
        schedule = Schedule(graph: graph, part: pass.part, height: plan.height, bandRows: plan.bandRows)
        tables = StepTables(graph: graph, height: plan.height, bandRows: plan.bandRows)
        var next = pass.rowClasses.map(\.rowBytes).max()!, offsets: [Int] = []
        for rowClass in pass.rowClasses {
            offsets.append(next)
            next += rowClass.rowBytes * rowClass.capacity
        }
        precondition(next == pass.activationBytes, "the plan's rows are not its bytes")
        classOffset = offsets
        tableOffset = next
        let rows = min(plan.bandRows, plan.height), widest = WidestColumns(graph, plan)
        layout = HostLayout(
            tableBytes: tables.byteCount,
            inputBytes: rows * widest.input * hostRows.bytes(channels: graph.channels[graph.inputNode]),
            outputBytes: graph.outputs.map { output in
                let scale = graph.scales[output.node]
                return rows * scale * widest.core * scale * hostRows.bytes(channels: graph.channels[output.node])
            })
        arena = try DeviceMemory(context, byteCount: next + tables.byteCount, isHost: false)
        host = try DeviceMemory(context, byteCount: layout.byteCount, isHost: true)
        precondition(arena.byteCount + host.byteCount <= plan.runBytes, "a run takes more than its plan says")
        let recording = NodeRecording(
            network: network, plan: plan, widest: widest, hostRows: hostRows, tables: tables, arena: arena.address, tableAddress: arena.address + UInt64(next),
            host: host.address, layout: layout)
        let parts = recording.parts()
        buffersOfBand = parts.count
        commands = try CommandList(context, buffers: 1 + parts.count * VulkanDevice.bandsInFlight)
        try record(recording, parts)
        context.savePipelines()
    }

    deinit { commands.drain() }

    /// The buffer that clears the arena, and for each band on its way: its tables to the device, then every node.
    private func record(_ recording: NodeRecording, _ parts: [Range<Int>]) throws(EnlargerError) {
        try commands.record(0, isRepeated: true) { list in
            cv_barrier(list, 0)
            cv_fill(list, 0, arena.buffer, 0, UInt64(tableOffset), 0)
            cv_barrier(list, 0)
        }
        for band in 0..<VulkanDevice.bandsInFlight {
            for (p, part) in parts.enumerated() {
                let buffer = 1 + band * parts.count + p
                try commands.record(buffer) { list throws(EnlargerError) in
                    cv_barrier(list, Int32(buffer))
                    if p == 0 {
                        cv_copy(list, Int32(buffer), host.buffer, UInt64(layout.tables(band)), arena.buffer, UInt64(tableOffset), UInt64(tables.byteCount))
                        cv_barrier(list, Int32(buffer))
                    }
                    for n in part {
                        for call in recording.calls(n, band: band) { try dispatch(call, list, buffer) }
                        cv_barrier(list, Int32(buffer))
                        let deliveries = recording.deliveries(n, band: band)
                        for call in deliveries { try dispatch(call, list, buffer) }
                        if !deliveries.isEmpty { cv_barrier(list, Int32(buffer)) }
                    }
                    if p == parts.count - 1 { cv_barrier_to_host(list, Int32(buffer)) }
                }
            }
        }
    }

    private func dispatch(_ call: KernelCall, _ list: OpaquePointer, _ buffer: Int) throws(EnlargerError) {
        let (x, y, z) = call.groups
        guard max(x, y, z) <= 65535 else { throw EnlargerError(.doesNotFit, "a row of this picture is too long for the device") }
        let pipeline = try context.pipeline(call.pipeline)
        withUnsafeBytes(of: call.arguments) {
            cv_dispatch(list, Int32(buffer), pipeline, $0.baseAddress, UInt32($0.count), UInt32(x), UInt32(y), UInt32(z))
        }
    }

    // MARK: Running

    /// A step that was submitted: what it is of, and when it is finished.
    private struct Pending {
        var strip: Strip
        /// The finished part of the run behind it.
        var part: Double
        var outputs: [Range<Int>]
        var band: Int
        var submission: Int
    }

    /// Streams the picture through, band by band.
    ///
    /// - Parameters:
    ///   - upload: called for every strip in turn, and in it for all input rows in order: writes the columns `strip.input`
    ///     of `rows`, packed.
    ///   - download: called for every output and all of its rows in order: reads the columns of `strip.core`, enlarged.
    ///   - progress: told the finished part, 0...1, after every step.
    /// - Throws: `badResult` for values that are not finite or leave fp16's range, `deviceLost`; what the closures throw.
    package func run(
        upload: (_ strip: Strip, _ rows: Range<Int>, _ target: UnsafeMutableRawPointer) throws -> Void,
        download: (_ strip: Strip, _ output: Int, _ rows: Range<Int>, _ source: UnsafeRawPointer) throws -> Void,
        progress: (Double) throws -> Void
    ) throws {
        try commands.wait()  // a run that was left by an error
        let status = host.host.assumingMemoryBound(to: UInt32.self)
        status.pointee = 0
        var pending: [Pending] = [], band = 0
        func finishOldest() throws {
            let oldest = pending.removeFirst()
            try commands.wait(for: oldest.submission)
            guard status.pointee == 0 else { throw badResult }
            for (output, rows) in oldest.outputs.enumerated() where !rows.isEmpty {
                try download(oldest.strip, output, rows, host.host + layout.output(oldest.band, output))
            }
            try progress(oldest.part)
        }
        let graph = network.graph, input = graph.inputNode
        for s in 0..<pass.stripCount {
            let strip = graph.strip(core: plan.core(s, of: pass), width: plan.width, part: pass.part) { _ in false }
            // Memory is not zero when it is new, and columns at the sides must be when a strip of another width comes.
            try commands.submit(0, count: 1)
            var ledger = RowLedger(schedule: schedule, classes: pass.classOfNode)
            for step in schedule.steps {
                if pending.count == VulkanDevice.bandsInFlight { try finishOldest() }
                let outputs = fillTables(band, strip: strip, step: step, ledger: &ledger)
                let rows = schedule.rows(input, step: step)
                if !rows.isEmpty { try upload(strip, rows, host.host + layout.input(band)) }
                for part in 0..<buffersOfBand { try commands.submit(1 + band * buffersOfBand + part, count: 1) }
                let part = (Double(s) + Double(step + 1) / Double(schedule.steps.count)) / Double(pass.stripCount)
                pending.append(Pending(strip: strip, part: part, outputs: outputs, band: band, submission: commands.submitted))
                band = (band + 1) % VulkanDevice.bandsInFlight
            }
        }
        while !pending.isEmpty { try finishOldest() }
    }

    private var badResult: EnlargerError {
        let reason = network.device.precision == .fp16 ? "not finite or beyond the range of 16-bit floats (--precision fp32 has a larger one)" : "not finite"
        return EnlargerError(.badResult, "the network made values that are \(reason); nothing was written")
    }
}

extension VulkanRun: NetworkRun {
    /// - Precondition: `hostRows` are planes.
    package func run(
        fill: (_ strip: Strip, _ row: Int, _ view: RowView) throws -> Void,
        deliver: (_ strip: Strip, _ output: Int, _ row: Int, _ view: RowView) throws -> Void,
        progress: (Double) throws -> Void
    ) throws {
        precondition(hostRows == .planes)
        let graph = network.graph
        func view(_ rows: UnsafeMutableRawPointer, _ index: Int, channels: Int, columns: Int) -> RowView {
            RowView(planes: rows.assumingMemoryBound(to: Float.self) + index * channels * columns, stride: columns, count: columns)
        }
        try run(
            upload: { strip, rows, target in
                for (i, row) in rows.enumerated() {
                    try fill(strip, row, view(target, i, channels: graph.channels[graph.inputNode], columns: strip.input.count))
                }
            },
            download: { strip, output, rows, source in
                let node = graph.outputs[output].node, columns = strip.core.count * graph.scales[node]
                for (i, row) in rows.enumerated() {
                    let view = view(UnsafeMutableRawPointer(mutating: source), i, channels: graph.channels[node], columns: columns)
                    try deliver(strip, output, row, view)
                }
            }, progress: progress)
    }
}
