import CPUBackend
import Enlarger
import NetworkGraph
import StreamPlanner
import Tensors

/// The network alone, on random input: one warm-up, then timed passes.
enum BenchCommand {
    static func run(_ words: [String]) throws -> Int32 {
        let arguments = try Arguments(
            words, withValue: SharedFlags.withValue.merging(["--passes": "--passes", "--band-rows": "--band-rows"]) { a, _ in a }, alone: SharedFlags.alone)
        guard let size = try arguments.size("--size") else { throw EnlargerError(.usage, "bench needs --size WxH") }
        let passes = try arguments.integer("--passes", in: 1...1000) ?? 3
        let console = Console(isJSON: arguments.has("--json"), isQuiet: arguments.has("--quiet"))
        let options = try SharedFlags.options(arguments)
        let upscaler = try Upscaler(options: options)
        let graph = try upscaler.bareGraph()
        let planner = Planner(graph: graph, costs: upscaler.device)
        let plan: Plan
        if let rows = try arguments.integer("--band-rows", in: 4...65536) {
            guard rows % 4 == 0, let forced = planner.makePlan(width: size.width, height: size.height, bandRows: rows, stripCount: 1) else {
                throw EnlargerError(.usage, "--band-rows \(rows): a multiple of 4 is needed")
            }
            plan = forced
        } else {
            plan = try planner.plan(width: size.width, height: size.height, budget: options.memory)
        }
        let run = try CPURun(network: CPUNetwork(graph: graph, device: upscaler.device), plan: plan, pool: upscaler.pool)
        // Input rows come from one row of noise and the result goes nowhere: the process holds what the plan says.
        var noise = SeededRandom(seed: 7)
        let row = (0..<size.width + 64).map { _ in noise.unit() * 255 * upscaler.model.processing.inputScale }
        let channels = graph.channels[graph.inputNode]
        var times: [Double] = []
        let clock = ContinuousClock()
        for pass in 0...passes {
            let start = clock.now
            try run.run(
                fill: { s, y, view in
                    row.withUnsafeBufferPointer { for c in 0..<channels { view.fill(channel: c, from: $0.baseAddress! + (y * 7 + c * 3 + s.core.lowerBound) % 32) } }
                },
                deliver: { _, _, _, _ in })
            if pass > 0 { times.append(start.duration(to: clock.now) / .seconds(1)) }
        }
        times.sort()
        let gigaflops = graph.directFlops(width: size.width, height: size.height) / times[0] / 1e9
        console.json([
            ("model", .string(upscaler.modelName)), ("size", .string("\(size.width)x\(size.height)")), ("device", .string("cpu")),
            ("precision", .string(upscaler.precision)), ("threads", .integer(upscaler.device.threads)), ("best_s", .number(times[0])),
            ("median_s", .number(times[times.count / 2])), ("gflops", .number(gigaflops)), ("planned_bytes", .integer(plan.plannedBytes)),
            ("process_peak_bytes", .integer(processPeakBytes())), ("band_rows", .integer(plan.bandRows)), ("expected_s", .number(plan.seconds * upscaler.device.slowness)),
        ])
        console.say("\(upscaler.modelName) \(size.width) x \(size.height), \(upscaler.deviceDescription): best \(seconds(times[0])), median \(seconds(times[times.count / 2])), \(Int(gigaflops)) GFLOP/s, planned \(mebibytes(plan.plannedBytes)), process peak \(mebibytes(processPeakBytes()))")
        return ExitStatus.done
    }
}

/// A small seeded generator (xorshift64*), so that runs are alike.
struct SeededRandom {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func unit() -> Float {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return Float(state &* 2_685_821_657_736_338_717 >> 40) / Float(1 << 24)
    }
}

extension NetworkGraph {
    /// Floating-point operations of every convolution done directly, two for a multiply-add.
    func directFlops(width: Int, height: Int) -> Double {
        nodes.indices.reduce(0.0) { sum, n in
            let outputs = Double(scales[n] * width) * Double(scales[n] * height)
            switch nodes[n].operation {
            case .convolution(let conv):
                return sum + 2 * outputs * Double(conv.kernelHeight * conv.kernelWidth * conv.inputChannels / conv.groups * conv.outputChannels)
            case .transposedConvolution(let conv):
                return sum + 2 * outputs * Double(conv.kernelHeight * conv.kernelWidth * conv.inputChannels * conv.outputChannels) / Double(conv.stride * conv.stride)
            default: return sum
            }
        }
    }
}
