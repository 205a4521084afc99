import CVulkan
import Glibc
import NetworkGraph
import StreamPlanner
import Synchronization
import Tensors
import TestSupport
import Testing
import VulkanBackend

extension VulkanTests {
    @Suite(.serialized) struct `A Vulkan device that fails` {
        private let graph = TestGraphs.make("residuals that are planar")

        /// Everything from the weights to the last row.
        private func all(_ device: VulkanDevice) throws -> [[Float]] {
            let network = try VulkanNetwork(graph: graph, device: device)
            let plan = try #require(device.planner(graph).makePlan(width: 20, height: 20, bandRows: 8, stripCount: 1))
            return try run(network, plan, input: TestGraphs.input(for: graph, width: 20, height: 20))
        }

        @Test func `reports each failed allocation and frees what it had`() throws {
            let device = try TestDevice.device(.fp32), context = device.context
            let expected = try all(device), before = context.account.bytes
            var failures = 0
            for count in 0..<100 {
                context.faults.failAllocation(after: count)
                defer { context.faults.failAllocation(after: -1) }
                do {
                    #expect(try all(device) == expected)
                    break
                } catch let error as EnlargerError {
                    #expect(error.code == .allocationFailed)
                    failures += 1
                }
                #expect(context.account.bytes == before)
            }
            // Weights, the buffer that brings them, the arena, and what the host sees.
            #expect(failures == 4)
            #expect(VulkanDriver.validationMessages == 0)
        }

        @Test func `reports the device lost at each submission and each wait`() throws {
            let device = try TestDevice.device(.fp32), context = device.context
            let expected = try all(device), before = context.account.bytes
            var failures = 0
            for count in 0..<100 {
                context.faults.loseDevice(after: count)
                defer { context.faults.loseDevice(after: -1) }
                do {
                    #expect(try all(device) == expected)
                    break
                } catch let error as EnlargerError {
                    #expect(error.code == .deviceLost)
                    failures += 1
                }
                #expect(context.account.bytes == before)
            }
            #expect(failures > 8 && failures < 100)
            #expect(VulkanDriver.validationMessages == 0)
        }

        @Test func `goes on with the next picture after one that its caller left`() throws {
            struct Stop: Error {}
            let device = try TestDevice.device(.fp32)
            let network = try VulkanNetwork(graph: graph, device: device)
            let plan = try #require(device.planner(graph).makePlan(width: 20, height: 40, bandRows: 4, stripCount: 1))
            let run = try VulkanRun(network: network, plan: plan)
            let input = TestGraphs.input(for: graph, width: 20, height: 40), expected = try outputs(of: run, graph, input: input)
            for row in [0, 7, 39] {
                #expect(throws: Stop.self) {
                    try run.run(fill: { _, y, _ in if y == row { throw Stop() } }, deliver: { _, _, _, _ in }, progress: { _ in })
                }
                #expect(throws: Stop.self) {
                    try run.run(fill: { _, _, _ in }, deliver: { _, _, y, _ in if y == row { throw Stop() } }, progress: { _ in })
                }
                #expect(try outputs(of: run, graph, input: input) == expected)
            }
            #expect(VulkanDriver.validationMessages == 0)
        }

        /// x · 300 · 300, and a ReLU that would make zeros of NaN.
        private func overflowing(gain: Float, relu: Bool) throws -> NetworkGraph {
            func conv(_ activation: Activation?) -> Operation {
                var conv = Convolution(weights: TensorData([gain, 0, 0, gain], shape: [1, 1, 2, 2]))
                conv.activation = activation
                return .convolution(conv)
            }
            return try NetworkGraph(
                nodes: [
                    .init("x", .input(channels: 2), inputs: []), .init("a", conv(nil), inputs: [0]),
                    .init("y", conv(relu ? .relu : nil), inputs: [1]),
                ], outputs: [.init(name: "y", node: 2)])
        }

        @Test(arguments: TestDevice.precisions)
        func `never gives values that are not finite or too large for a result`(precision: VulkanDevice.Precision) throws {
            let device = try TestDevice.device(precision)
            func once(gain: Float, relu: Bool, _ value: Float) throws -> [[Float]] {
                let graph = try overflowing(gain: gain, relu: relu)
                let plan = try device.planner(graph).plan(width: 5, height: 9)
                return try run(VulkanNetwork(graph: graph, device: device), plan, input: (0..<90).map { $0 == 77 ? value : 0.5 })
            }
            for relu in [false, true] {
                _ = try once(gain: 200, relu: relu, 1)
                for value in [Float.nan, .infinity, -.infinity, 3e38] {
                    let error = #expect(throws: EnlargerError.self) { try once(gain: 200, relu: relu, value) }
                    #expect(error?.code == .badResult)
                }
            }
            // 1.7 · 200 · 200 is more than fp16 holds.
            if precision == .fp16 {
                #expect(throws: EnlargerError.self) { try once(gain: 200, relu: true, 1.7) }
                #expect(try once(gain: 200, relu: true, -1.7)[0].allSatisfy { $0 >= 0 })
            } else {
                #expect(try once(gain: 200, relu: true, 1.7)[0].max()! > 65504)
            }
            #expect(VulkanDriver.validationMessages == 0)
        }

        @Test func `several runs at once share a device and its weights`() throws {
            let device = try TestDevice.device(.fp32), graph = graph
            let network = try VulkanNetwork(graph: graph, device: device)
            let plan = try #require(device.planner(graph).makePlan(width: 20, height: 30, bandRows: 4, stripCount: 1))
            let expected = try (0..<4).map { try run(network, plan, input: TestGraphs.input(for: graph, width: 20, height: 30, seed: $0)) }
            let before = device.context.account.bytes
            final class Work: @unchecked Sendable {  // each thread has its own index
                var results = [[[Float]]?](repeating: nil, count: 4)
            }
            let work = Work(), lock = Mutex(())
            var threads: [pthread_t] = []
            for index in 0..<4 {
                var thread = pthread_t()
                final class Job { let body: () -> Void; init(_ body: @escaping () -> Void) { self.body = body } }
                let job = Job {
                    let result = try? run(network, plan, input: TestGraphs.input(for: graph, width: 20, height: 30, seed: UInt64(index)))
                    lock.withLock { _ in work.results[index] = result }
                }
                pthread_create(&thread, nil, { Unmanaged<Job>.fromOpaque($0!).takeRetainedValue().body(); return nil }, Unmanaged.passRetained(job).toOpaque())
                threads.append(thread)
            }
            for thread in threads { pthread_join(thread, nil) }
            for index in 0..<4 { #expect(work.results[index] == expected[index]) }
            #expect(device.context.account.bytes == before)
            #expect(VulkanDriver.validationMessages == 0)
        }
    }

    @Suite(.serialized) struct `Devices that lack something` {
        @Test func `one without 16-bit floats runs fp32 and refuses fp16`() throws {
            let driver = VulkanDriver(validates: true) { $0.has_fp16 = 0 }
            let info = try #require(driver.devices.first)
            #expect(info.precisions == ["fp32"] && info.unfitness == nil)
            let context = try VulkanContext(driver: driver, info: info, cacheFolder: nil)
            let error = #expect(throws: EnlargerError.self) { try VulkanDevice(context: context, precision: .fp16) }
            #expect(error?.code == .noDevice)
            let graph = TestGraphs.make("edsr, 16-bit weights"), device = try VulkanDevice(context: context, precision: .fp32)
            let input = TestGraphs.input(for: graph, width: 9, height: 7)
            let expected = ReferenceEvaluator.evaluate(graph: graph, input: input, width: 9, height: 7)
            let result = try run(VulkanNetwork(graph: graph, device: device), device.planner(graph).plan(width: 9, height: 7), input: input)
            #expect(relativeError(result[0], expected[0]) <= 3e-5)
            #expect(VulkanDriver.validationMessages == 0)
        }

        @Test func `one that does not compute, or is too old, cannot be used`() throws {
            for (adjust, word): ((inout cv_info) -> Void, String) in [({ $0.compute_family = -1 }, "queue"), ({ $0.has_core = 0 }, "1.2")] {
                let driver = VulkanDriver(adjusting: adjust)
                for index in [0, nil] {
                    let error = #expect(throws: EnlargerError.self) { try driver.device(index) }
                    #expect(error?.code == .noDevice && error?.message.contains(word) == true)
                }
                #expect(throws: EnlargerError.self) { try VulkanContext(driver: driver, info: driver.devices[0], cacheFolder: nil) }
            }
        }

        @Test func `software is used when it is named, and never else`() throws {
            let driver = VulkanDriver { $0.type = CV_SOFTWARE }
            #expect(try driver.device(0).kind == .software)
            let error = #expect(throws: EnlargerError.self) { try driver.device(nil) }
            #expect(error?.code == .noDevice && error?.message.contains("named") == true)
            #expect(try VulkanDriver { $0.type = CV_DISCRETE }.device(nil).kind == .discrete)
            #expect(throws: EnlargerError.self) { try driver.device(99) }
        }
    }

    @Suite(.serialized) struct `Compiled shaders` {
        @Test func `stay for the next process, and harm nothing when damaged`() throws {
            let folder = "/tmp/enlarger-pipelines-\(getpid())"
            defer { _ = system("rm -rf \(folder)") }
            let driver = TestDevice.driver, info = try #require(driver.devices.first)
            let graph = TestGraphs.make("nearest and bilinear"), input = TestGraphs.input(for: graph, width: 5, height: 5)
            func once() throws -> [[Float]] {
                let device = try VulkanDevice(context: VulkanContext(driver: driver, info: info, cacheFolder: folder + "/a/b"), precision: .fp32)
                return try run(VulkanNetwork(graph: graph, device: device), device.planner(graph).plan(width: 5, height: 5), input: input)
            }
            let expected = try once()
            let names = try files(folder + "/a/b")
            let path = folder + "/a/b/" + (try #require(names.first))
            #expect(names.count == 1)
            let good = try contents(path)
            #expect(try once() == expected)
            for damage in [[], Array(good.prefix(10)), Array(good.dropLast(1)), good.map { $0 ^ 1 }, good.dropLast(1) + [good.last! ^ 1], Array("x".utf8)] {
                let file = try ReplacementFile(path: path)
                try file.write(damage)
                try file.commit()
                #expect(try once() == expected)
            }
            #expect(try files(folder + "/a/b") == names)
            // A folder that cannot be written is no reason to fail.
            let device = try VulkanDevice(context: VulkanContext(driver: driver, info: info, cacheFolder: "/proc/none"), precision: .fp32)
            let plan = try device.planner(graph).plan(width: 5, height: 5)
            #expect(try run(VulkanNetwork(graph: graph, device: device), plan, input: input) == expected)
            #expect(VulkanDriver.validationMessages == 0)
        }

        private func files(_ folder: String) throws -> [String] {
            let directory = try #require(opendir(folder))
            defer { closedir(directory) }
            var names: [String] = []
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
                if !name.hasPrefix(".") { names.append(name) }
            }
            return names.sorted()
        }

        private func contents(_ path: String) throws -> [UInt8] { withExtendedLifetime(try ByteStorage.mapping(path: path)) { [UInt8]($0.bytes) } }
    }
}
