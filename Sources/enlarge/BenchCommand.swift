import CPUBackend
import Enlarger
import NetworkGraph
import StreamPlanner
import Synchronization
import Tensors
import VulkanBackend

/// The network alone, on random input: one warm-up, then timed passes.
enum BenchCommand {
    static func run(_ words: [String]) throws -> Int32 {
        let arguments = try Arguments(
            words, withValue: SharedFlags.withValue.merging(["--passes": "--passes", "--band-rows": "--band-rows", "--runs": "--runs"]) { a, _ in a }, alone: SharedFlags.alone)
        guard let size = try arguments.size("--size") else { throw EnlargerError(.usage, "bench needs --size WxH") }
        let passes = try arguments.integer("--passes", in: 1...1000) ?? 3
        let runs = try arguments.integer("--runs", in: 1...1000) ?? 1
        let console = Console(isJSON: arguments.has("--json"), isQuiet: arguments.has("--quiet"))
        let options = try SharedFlags.options(arguments)
        let upscaler = try Upscaler(options: options)
        let graph = try upscaler.bareGraph()
        guard runs == 1 || upscaler.device.isGPU else { throw EnlargerError(.usage, "--runs is for GPUs") }
        let emptyContext = upscaler.device.processBytesOnDevice
        let planner = upscaler.planner(graph)
        let plan: Plan
        if let rows = try arguments.integer("--band-rows", in: 4...65536) {
            guard rows % 4 == 0, let forced = planner.makePlan(width: size.width, height: size.height, bandRows: rows, stripCount: 1) else {
                throw EnlargerError(.usage, "--band-rows \(rows): a multiple of 4 is needed")
            }
            plan = forced
        } else {
            plan = try planner.plan(width: size.width, height: size.height, budget: upscaler.device.budget(options.memory, runs: runs, graph))
        }
        let weights = try upscaler.device.load(graph)
        let all = Shared(try (0..<runs).map { _ in try weights.run(plan, pool: upscaler.pool) })
        // Input rows come from one row of noise and the result goes nowhere: the process holds what the plan says.
        var noise = SeededRandom(seed: 7)
        let row = (0..<size.width + 64).map { _ in noise.unit() * 255 * upscaler.model.processing.inputScale }
        let channels = graph.channels[graph.inputNode]
        var times: [Double] = []
        let clock = ContinuousClock()
        let together = ThreadPool(threads: runs), failures = Mutex<[any Error]>([])
        for pass in 0...passes {
            let start = clock.now
            together.run(tasks: runs) { index, _ in
                do {
                    try all.value[index].run(
                        fill: { s, y, view in
                            row.withUnsafeBufferPointer { for c in 0..<channels { view.fill(channel: c, from: $0.baseAddress! + (y * 7 + c * 3 + s.core.lowerBound) % 32) } }
                        },
                        deliver: { _, _, _, _ in })
                } catch {
                    failures.withLock { $0.append(error) }
                }
            }
            if let failure = failures.withLock({ $0.first }) { throw failure }
            if pass > 0 { times.append(start.duration(to: clock.now) / .seconds(1)) }
        }
        times.sort()
        let gigaflops = Double(runs) * graph.directFlops(width: size.width, height: size.height) / times[0] / 1e9
        var fields: [(String, JSONLine.Value)] = [
            ("model", .string(upscaler.modelName)), ("size", .string("\(size.width)x\(size.height)")), ("device", .string(upscaler.device.name)),
            ("precision", .string(upscaler.precision)), ("threads", .integer(upscaler.device.threads)), ("best_s", .number(times[0])),
            ("median_s", .number(times[times.count / 2])), ("gflops", .number(gigaflops)), ("planned_bytes", .integer(plan.plannedBytes)),
            ("process_peak_bytes", .integer(processPeakBytes())), ("band_rows", .integer(plan.bandRows)), ("expected_s", .number(plan.seconds * upscaler.device.slowness)),
        ]
        if case .vulkan(let device) = upscaler.device {
            // What the account holds is what was allocated; NVIDIA's library tells what the process holds of the GPU, its context included.
            fields += [("runs", .integer(runs)), ("device_bytes", .integer(device.context.account.peakBytes))]
            if let emptyContext, let full = upscaler.device.processBytesOnDevice {
                fields += [("device_process_bytes", .integer(full)), ("device_context_bytes", .integer(emptyContext))]
            }
        }
        withExtendedLifetime(all) {}
        console.json(fields)
        console.say("\(upscaler.modelName) \(size.width) x \(size.height), \(upscaler.deviceDescription): best \(seconds(times[0])), median \(seconds(times[times.count / 2])), \(Int(gigaflops)) GFLOP/s, planned \(mebibytes(plan.plannedBytes)), process peak \(mebibytes(processPeakBytes()))")
        return ExitStatus.done
    }
}

/// Runs that several threads use, each its own.
private final class Shared<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// A small seeded generator (xorshift64*), so that runs are alike.
struct SeededRandom {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func unit() -> Float {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return Float((state &* 2_685_821_657_736_338_717) >> 40) / Float(1 << 24)
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
