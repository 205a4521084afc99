import NetworkGraph
import StreamPlanner
import Tensors
import TestSupport
import Testing
import VulkanBackend

/// One after the other: they share the device and its account.
@Suite(.serialized, .enabled(if: TestDevice.isPresent)) enum VulkanTests {}

extension VulkanTests {
    @Suite(.serialized) struct `The streaming engine on a Vulkan device` {
        @Test(arguments: TestGraphs.inOnePass, TestDevice.precisions)
        func `equals the plain evaluation of the graph`(name: String, precision: VulkanDevice.Precision) throws {
            let graph = TestGraphs.make(name), device = try TestDevice.device(precision)
            let network = try VulkanNetwork(graph: graph, device: device)
            for (width, height) in [(1, 1), (1, 6), (7, 5), (23, 18)] {
                let input = TestGraphs.input(for: graph, width: width, height: height)
                let expected = ReferenceEvaluator.evaluate(graph: graph, input: input, width: width, height: height)
                let results = try run(network, device.planner(graph).plan(width: width, height: height), input: input)
                for (result, wanted) in zip(results, expected) {
                    #expect(relativeError(result, wanted) <= (precision == .fp32 ? 3e-5 : 1e-2), "\(width) x \(height)")
                }
            }
            #expect(VulkanDriver.validationMessages == 0)
        }

        @Test(arguments: TestGraphs.inOnePass, TestDevice.precisions)
        func `gives the same bytes for every budget, band and strip`(name: String, precision: VulkanDevice.Precision) throws {
            let graph = TestGraphs.make(name), device = try TestDevice.device(precision), planner = device.planner(graph)
            let network = try VulkanNetwork(graph: graph, device: device)
            for (width, height) in [(1, 9), (17, 13)] {
                let input = TestGraphs.input(for: graph, width: width, height: height)
                let expected = bits(try run(network, planner.wholePicturePlan(width: width, height: height), input: input))
                var plans = [4, 8].compactMap { planner.makePlan(width: width, height: height, bandRows: $0, stripCount: 1) }
                plans += [2, 5].compactMap { planner.makePlan(width: width, height: height, bandRows: 8, stripCount: $0) }
                plans.append(try planner.plan(width: width, height: height, budget: planner.minimumBytes(width: width, height: height)))
                var seen: [Plan] = []
                for plan in plans where !seen.contains(plan) {
                    seen.append(plan)
                    #expect(
                        bits(try run(network, plan, input: input)) == expected,
                        "\(width) x \(height), bands of \(plan.bandRows), \(plan.stripCount) strips")
                }
            }
            #expect(VulkanDriver.validationMessages == 0)
        }

        @Test(arguments: TestDevice.precisions)
        func `gives the same bytes on a picture of many bands, and again on the next`(precision: VulkanDevice.Precision) throws {
            let graph = TestGraphs.make("residuals that are planar"), (width, height) = (61, 90)
            let device = try TestDevice.device(precision), planner = device.planner(graph)
            let network = try VulkanNetwork(graph: graph, device: device)
            let whole = try VulkanRun(network: network, plan: planner.wholePicturePlan(width: width, height: height))
            let plan = try #require(planner.makePlan(width: width, height: height, bandRows: 4, stripCount: 1))
            let banded = try VulkanRun(network: network, plan: plan)
            for seed: UInt64 in [1, 2, 1] {
                let input = TestGraphs.input(for: graph, width: width, height: height, seed: seed)
                #expect(try bits(outputs(of: banded, graph, input: input)) == bits(outputs(of: whole, graph, input: input)))
            }
        }

        @Test(arguments: TestGraphs.inOnePass, TestDevice.precisions)
        func `allocates what the plan says`(name: String, precision: VulkanDevice.Precision) throws {
            let graph = TestGraphs.make(name), device = try TestDevice.device(precision)
            let planner = device.planner(graph), account = device.context.account
            for budget in [nil, planner.minimumBytes(width: 161, height: 50)] {
                let plan = try planner.plan(width: 161, height: 50, budget: budget)
                let before = account.bytes
                account.resetPeak()
                let network = try VulkanNetwork(graph: graph, device: device)
                #expect(account.peakBytes - before <= plan.weightsBytes)
                let run = try VulkanRun(network: network, plan: plan)
                let run2 = try VulkanRun(network: network, plan: plan)
                withExtendedLifetime((run, run2)) {
                    let taken = account.peakBytes - before
                    #expect(taken <= plan.weightsBytes + 2 * plan.runBytes)
                    // Pages, and the buffer that brought the weights; of several strips the plan counts the result's full rows.
                    if plan.stripCount == 1 { #expect(taken >= plan.weightsBytes + 2 * plan.runBytes - 8 * 4096 - (256 << 10)) }
                }
            }
        }

        @Test func `refuses means over the whole picture, which take passes`() throws {
            let graph = TestGraphs.make("channel attention"), device = try TestDevice.device(.fp32)
            let error = #expect(throws: EnlargerError.self) { try device.planner(graph).plan(width: 20, height: 20) }
            #expect(error?.code == .modelUnsupported)
        }

        @Test func `EDSR on 500 x 500 in fp16 takes what its planner was meant to`() throws {
            guard TestDevice.precisions.contains(.fp16) else { return }
            // Weights as published: bytes. No data is touched, so zeros will do.
            let graph = try edsr(blocks: 32, channels: 256, scale: 3)
            let device = try TestDevice.device(.fp16)
            let planner = Planner(graph: graph, costs: device, picture: VulkanDevice.pictureBytes(bytesPerPixel: 3))
            for rows in planner.bandHeights(for: 500) {
                let plan = try #require(planner.makePlan(width: 500, height: 500, bandRows: rows, stripCount: 1))
                #expect(plan.plannedBytes <= 160 << 20, "bands of \(rows)")
            }
            let plan = try #require(planner.makePlan(width: 500, height: 500, bandRows: 16, stripCount: 1))
            #expect(plan.weightsBytes + 100 * plan.runBytes <= 8 << 30)
        }

        private func edsr(blocks: Int, channels: Int, scale: Int) throws -> NetworkGraph {
            var nodes: [NetworkGraph.Node] = [.init("x", .input(channels: 3), inputs: [])]
            func conv(_ x: Int, _ from: Int, _ to: Int, _ activation: Activation? = nil, residual: Int? = nil) -> Int {
                let weights = TensorData(
                    elementType: .uint8(zeroPoint: -128, step: 1 / 128), shape: [3, 3, from, to],
                    storage: ByteStorage(copying: [UInt8](repeating: 128, count: 9 * from * to)))!
                var conv = Convolution(weights: weights)
                (conv.activation, conv.residualScale) = (activation, residual.map { _ in 0.1 })
                nodes.append(.init("n\(nodes.count)", .convolution(conv), inputs: [x] + (residual.map { [$0] } ?? [])))
                return nodes.count - 1
            }
            let head = conv(0, 3, channels)
            var y = head
            for _ in 0..<blocks { y = conv(conv(y, channels, channels, .relu), channels, channels, residual: y) }
            y = conv(conv(y, channels, channels, residual: head), channels, 3 * scale * scale)
            nodes.append(.init("y", .depthToSpace(scale, .blockFirst), inputs: [y]))
            return try NetworkGraph(nodes: nodes, outputs: [.init(name: "y", node: nodes.count - 1)])
        }
    }
}
