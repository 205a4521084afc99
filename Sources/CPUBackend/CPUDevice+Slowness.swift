import CKernels
import NetworkGraph
import StreamPlanner
import Synchronization
import Tensors

extension CPUDevice {
    /// How many times the seconds of a plan this processor takes at the moment.
    ///
    /// Plans compare by the cost model alone, so that the same request has the same plan every time. Where seconds are told
    /// to people, they are times this: one small layer, run for a millisecond once in the life of the process, over what the
    /// model expects of it. 1 where the probe cannot be run.
    package var slowness: Double {
        let key = Probe(isa: isa.rawValue, usesBFloat16: usesBFloat16)
        return CPUDevice.measured.withLock { known in
            if let found = known[key] { return found }
            let found = (try? probe()) ?? 1
            known[key] = found
            return found
        }
    }

    private struct Probe: Hashable {
        var isa: UInt32
        var usesBFloat16: Bool
    }
    private static let measured = Mutex<[Probe: Double]>([:])

    private func probe() throws -> Double {
        let device = try CPUDevice(threads: 1, isa: isa, usesBFloat16: usesBFloat16)
        let channels = 64, (width, height) = isa == EK_SCALAR ? (16, 8) : (112, 16)
        let weights = TensorData([Float](repeating: 0.01, count: 9 * channels * channels), shape: [3, 3, channels, channels])
        let graph = try NetworkGraph(
            nodes: [
                .init("x", .input(channels: channels), inputs: []), .init("y", .convolution(Convolution(weights: weights)), inputs: [0]),
            ], outputs: [.init(name: "y", node: 1)])
        let plan = try Planner(graph: graph, costs: device).plan(width: width, height: height)
        let run = try CPURun(network: CPUNetwork(graph: graph, device: device), plan: plan, pool: ThreadPool(threads: 1))
        let clock = ContinuousClock()
        let taken = try (0..<4).map { _ in try clock.measure { try run.run(fill: { _, _, _ in }, deliver: { _, _, _, _ in }) } }
        // By itself, its rows in the nearest cache, a layer runs so much faster than in a network (Benchmarks/costs.py).
        return 1.17 * (taken.min()! / .seconds(1)) / plan.seconds
    }
}
