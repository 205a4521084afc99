import CVulkan
import Enlarger
import Foundation
import NetworkGraph
import StreamPlanner
import Tensors
import TestSupport
import Testing
import VulkanBackend

/// The Vulkan devices of this machine, with the validation layer where it is installed.
enum TestDriver {
    static let shared = VulkanDriver(validates: true)
    static var isPresent: Bool {
        if shared.devices.contains(where: { $0.unfitness == nil }) { return true }
        print("skipped, no Vulkan device: \(shared.absence ?? "none can be used")")
        return false
    }
}

/// Pictures through a Vulkan device, mostly Mesa's software rasteriser, beside the processor. Skipped without a driver.
@Suite(.serialized, .enabled(if: TestDriver.isPresent)) struct DeviceTests {
    private func upscaler(_ model: Model, _ device: UpscaleOptions.Device, _ change: (inout UpscaleOptions) -> Void = { _ in }) throws -> Upscaler {
        var options = UpscaleOptions()
        options.device = device
        if device != .cpu { options.precision = .fp32 }
        change(&options)
        return try Upscaler(model: model, name: "test", options: options, driver: TestDriver.shared)
    }

    /// One picture of any depth through the path that files take.
    private func enlarge(_ picture: Picture, _ upscaler: Upscaler, memory: Int? = nil) throws -> [[UInt8]] {
        let hasAlpha = picture.channels % 2 == 0
        let kind = PictureKind(colourChannels: picture.channels - (hasAlpha ? 1 : 0), hasAlpha: hasAlpha)
        let planner = try upscaler.planner(width: picture.width, height: picture.height, kind: kind, bits: picture.bits)
        let how = PictureProcessing(device: upscaler.device, chroma: upscaler.options.chroma == .bilinear ? .bilinear : .bicubic)
        let plan = try planner.plan(width: picture.width, height: picture.height, budget: memory)
        let rowBytes = picture.width * picture.channels * picture.bits / 8, bytes = picture.bytes
        var results = upscaler.scales.map { _ in [UInt8]() }
        try upscaler.loaded.execute(
            [plan], width: picture.width, height: picture.height, weights: upscaler.loaded.packWeights(for: upscaler.device), pool: upscaler.pool, kind: kind, bits: picture.bits, how: how,
            source: { target, row, count in target.copyBytes(from: bytes[row * rowBytes..<(row + count) * rowBytes]) },
            sinks: results.indices.map { i in { rows, _ in results[i] += rows } }, progress: nil)
        return results
    }

    /// Greatest difference of two samples.
    private func distance(_ a: [UInt8], _ b: [UInt8], bits: Int) -> Int {
        guard a.count == b.count else { return .max }
        if bits == 8 { return zip(a, b).map { abs(Int($0) - Int($1)) }.max()! }
        func sample(_ bytes: [UInt8], _ i: Int) -> Int { Int(bytes[i]) | Int(bytes[i + 1]) << 8 }
        return stride(from: 0, to: a.count, by: 2).map { abs(sample(a, $0) - sample(b, $0)) }.max()!
    }

    @Test(arguments: [1, 2, 3, 4], [8, 16])
    func `pixels become what they become on the processor`(channels: Int, bits: Int) throws {
        let picture = Picture.made(31, 22, channels, bits: bits)
        let models = try [SmallModels.edsr(scale: 3), SmallModels.nearest(), SmallModels.nearest(channels: .luma), bgr()]
        for (number, model) in models.enumerated() {
            for chroma in number == 2 ? [UpscaleOptions.Chroma.bicubic, .bilinear] : [.bicubic] {
                let device = try upscaler(model, .vulkan(index: 0)) { $0.chroma = chroma }
                let expected = try enlarge(picture, upscaler(model, .cpu) { $0.chroma = chroma })[0]
                let result = try enlarge(picture, device)[0]
                // Ties fall either way; a level of 16 bits is a 257th of one of 8.
                #expect(distance(result, expected, bits: bits) <= 1, "model \(number), \(chroma)")
                if number == 1, channels % 2 == 1, bits == 8 { #expect(result == expected) }
                let planner = try device.planner(width: 31, height: 22, kind: PictureKind(colourChannels: 3, hasAlpha: false), bits: bits)
                for memory in [planner.minimumBytes(width: 31, height: 22) * 11 / 10, nil] {
                    if let other = try? enlarge(picture, device, memory: memory) { #expect(other[0] == result) }
                }
            }
        }
        #expect(VulkanDriver.validationMessages == 0)
    }

    private func bgr() throws -> Model {
        var model = try SmallModels.edsr(scale: 2, seed: 9)
        model.processing = Processing(channels: .bgr, mean: [103, 111, 114], inputScale: 1 / 255)
        return model
    }

    @Test func `strips pass through files and give the same bytes`() throws {
        let picture = Picture.made(83, 22, 4), model = try SmallModels.edsr(scale: 2)
        let device = try upscaler(model, .vulkan(index: 0))
        let planner = try device.planner(width: 83, height: 22, kind: PictureKind(colourChannels: 3, hasAlpha: true), bits: 8)
        let whole = try enlarge(picture, device)
        let minimum = planner.minimumBytes(width: 83, height: 22)
        #expect(try planner.plan(width: 83, height: 22, budget: minimum).stripCount > 1)
        #expect(try enlarge(picture, device, memory: minimum) == whole)
        #expect(VulkanDriver.validationMessages == 0)
    }

    @Test func `several scales at once, and the mean over eight orientations`() throws {
        let picture = PixelPicture(width: 19, height: 14, kind: PictureKind(colourChannels: 3, hasAlpha: false), pixels: Picture.made(19, 14).bytes.map { $0 })
        let pyramid = try SmallModels.pyramid(channels: .luma)
        let many = try enlarge(Picture.made(19, 14), upscaler(pyramid, .vulkan(index: 0)) { $0.scales = [2, 4] })
        let expected = try enlarge(Picture.made(19, 14), upscaler(pyramid, .cpu) { $0.scales = [2, 4] })
        for i in 0..<2 { #expect(distance(many[i], expected[i], bits: 8) <= 1) }
        let model = try SmallModels.edsr(scale: 2)
        let augmented = try upscaler(model, .vulkan(index: 0)) { $0.testTimeAugmentation = true }.upscale(picture)
        let wanted = try upscaler(model, .cpu) { $0.testTimeAugmentation = true }.upscale(picture)
        #expect(distance(augmented.pixels, wanted.pixels, bits: 8) <= 1)
        #expect(VulkanDriver.validationMessages == 0)
    }

    // MARK: What auto takes, and what it does when a GPU fails

    /// The device as if it were hardware.
    private static let hardware = VulkanDriver(validates: true) { $0.type = CV_DISCRETE }

    @Test func `auto takes hardware and never software, in the precision that is there`() throws {
        var options = UpscaleOptions()
        #expect(try ComputeDevice.chosen(options, driver: VulkanDriver { $0.type = CV_SOFTWARE }).device.name == "cpu")
        let (device, note) = try ComputeDevice.chosen(options, driver: Self.hardware)
        #expect((device.name, device.precision) == ("vulkan:0", Self.hardware.devices[0].hasHalfPrecision ? "fp16" : "fp32"))
        #expect(note == nil)
        #expect(try ComputeDevice.chosen(options, driver: VulkanDriver { ($0.type, $0.has_fp16) = (CV_DISCRETE, 0) }).device.precision == "fp32")
        let without = try ComputeDevice.chosen(options, driver: VulkanDriver { ($0.type, $0.compute_family) = (CV_DISCRETE, -1) })
        #expect(without.device.name == "cpu" && without.note?.contains("queue") == true)
        options.precision = .bf16
        if (try? ComputeDevice.chosen(options, driver: Self.hardware)) != nil { #expect(try ComputeDevice.chosen(options, driver: Self.hardware).device.name == "cpu") }
        options = UpscaleOptions()
        options.device = .vulkan(index: 0)
        options.precision = .bf16
        #expect(throws: EnlargerError.self) { try ComputeDevice.chosen(options, driver: Self.hardware) }
    }

    @Test func `with auto the processor takes over what the GPU fails at, and it is said`() throws {
        let folder = Folder(), model = try SmallModels.edsr(scale: 2)
        try Picture.made(40, 60).save(folder.file("a.png"))
        try upscaler(model, .cpu).upscale(folder.file("a.png"), to: folder.file("cpu.png"))
        let expected = try #require(folder.data("cpu.png"))
        for fails in ["allocation", "wait", "budget"] {
            let driver = fails == "budget" ? VulkanDriver { ($0.type, $0.local_bytes, $0.has_memory_budget) = (CV_DISCRETE, 100_000, 0) } : Self.hardware
            let upscaler = try Upscaler(model: model, name: "test", options: UpscaleOptions(), driver: driver)
            guard case .vulkan(let device) = upscaler.device else { Issue.record("not on the GPU"); return }
            let good = try fails == "budget" ? nil : upscaler.upscale(folder.file("a.png"), to: folder.file("b.png"))
            #expect(good?.device ?? "vulkan:0" == "vulkan:0")
            if fails == "allocation" { device.context.faults.failAllocation(after: 1) }
            if fails == "wait" { device.context.faults.loseDevice(after: 2) }
            let result = try upscaler.upscale(folder.file("a.png"), to: folder.file("c.png"))
            #expect(result.device == "cpu" && result.notes.contains { $0.contains("processor") }, "\(fails)")
            #expect(try Picture.read(folder.file("c.png")) == Picture.read(folder.file("cpu.png")))
            // Memory may be there again; a lost device is not.
            let next = try upscaler.upscale(folder.file("a.png"), to: folder.file("d.png"))
            #expect(next.device == (fails == "allocation" ? "vulkan:0" : "cpu"))
            #expect(folder.contents.allSatisfy { $0.hasSuffix(".png") })
        }
        #expect(folder.data("cpu.png") == expected)
    }

    @Test func `a device that was named fails with its own error, and leaves no file`() throws {
        let folder = Folder()
        try Picture.made(40, 60).save(folder.file("a.png"))
        for (code, break_): (EnlargerError.Code, (DeviceFaults) -> Void) in [
            (.allocationFailed, { $0.failAllocation(after: 2) }), (.deviceLost, { $0.loseDevice(after: 3) }),
        ] {
            let upscaler = try upscaler(SmallModels.edsr(scale: 2), .vulkan(index: 0))
            guard case .vulkan(let device) = upscaler.device else { return }
            break_(device.context.faults)
            let error = #expect(throws: EnlargerError.self) { try upscaler.upscale(folder.file("a.png"), to: folder.file("b.png")) }
            #expect(error?.code == code)
            #expect(folder.contents == ["a.png"])
        }
    }
}

extension CommandTests {
    @Suite(.enabled(if: TestDriver.isPresent)) struct DeviceCommandTests {
        let folder = Folder()
        private let validation = ["ENLARGE_VULKAN_VALIDATION": "1"]

        @Test func `two processes use one device at once`() throws {
            try Picture.made(70, 50).save(folder.file("a.png"))
            let one = try Enlarge.run("a.png", "-m", "tiny-x2", "--device", "vulkan:0", "--json", "-o", "one.png", in: folder)
            #expect(one.status == 0 && one.objects.first?["device"] as? String == "vulkan:0", "\(one.errors)")
            let runs = try ["b.png", "c.png"].map {
                try Enlarge.start(["a.png", "-m", "tiny-x2", "--device", "vulkan:0", "-o", $0], in: folder, environment: validation)
            }
            for run in runs {
                let result = try run.wait()
                #expect(result.status == 0 && !result.errors.contains("validation"), "\(result.errors)")
            }
            #expect(folder.data("b.png") == folder.data("one.png") && folder.data("c.png") == folder.data("one.png"))
        }

        @Test func `without a driver there is no such device, and auto is the processor`() throws {
            try Picture.made(20, 10).save(folder.file("a.png"))
            let none = ["VK_DRIVER_FILES": "/nonexistent", "VK_ICD_FILENAMES": "/nonexistent"]
            let named = try Enlarge.start(["a.png", "-m", "tiny-x2", "--device", "vulkan:0", "--json"], in: folder, environment: none).wait()
            #expect(named.status == 4 && named.error?["code"] as? String == "no_device")
            let auto = try Enlarge.start(["a.png", "-m", "tiny-x2", "-v", "-o", "b.png"], in: folder, environment: none).wait()
            #expect(auto.status == 0 && auto.errors.contains("CPU") && auto.errors.contains("no GPU"), "\(auto.errors)")
            let devices = try Enlarge.start(["devices", "--json"], in: folder, environment: none).wait()
            #expect(devices.status == 0 && devices.objects.count == 1 && devices.errors.contains("Vulkan"))
        }

        @Test func `devices, plans and runs at once are told`() throws {
            let devices = try Enlarge.run("devices", "--json", in: folder)
            #expect(devices.status == 0 && devices.objects.count >= 2)
            #expect(devices.objects[1]["device"] as? String == "vulkan:0" && devices.objects[1]["memory_bytes"] != nil)
            func plan(_ more: String...) throws -> CommandResult {
                try Enlarge.run(["plan", "-m", "tiny-x2", "--size", "300x200", "--device", "vulkan:0", "--json"] + more, in: folder)
            }
            let one = try plan("--memory", "64M")
            let runBytes = one.integer("planned_bytes") - one.integer("weights_bytes")
            #expect(one.status == 0 && one.integer("concurrent_runs") == ((64 << 20) - one.integer("weights_bytes")) / runBytes)
            let many = try plan("--memory", "64M", "--runs", "100")
            #expect(many.status == 0 && many.integer("concurrent_runs") >= 100, "\(many.text)")
            let small = try plan("--memory", "100K")
            #expect(small.status == 3 && small.error?["code"] as? String == "does_not_fit")
            #expect(try Enlarge.run("plan", "-m", "tiny-x2", "--size", "9x9", "--runs", "2", "--device", "cpu", in: folder).status == 2)
        }

        @Test func `the bare network and the bench run on it`() throws {
            let input = Npy(shape: [1, 3, 9, 14], values: (0..<378).map { Float($0 % 23) / 23 - 0.5 })
            try input.write(path: folder.file("in.npy"))
            for (device, output) in [("cpu", "cpu.npy"), ("vulkan:0", "gpu.npy")] {
                let result = try Enlarge.start(
                    ["network", "tiny-x2", "--input", "in.npy", "--output", output, "--device", device, "--precision", "fp32"], in: folder, environment: validation
                ).wait()
                #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
            }
            let (a, b) = (try Npy(path: folder.file("cpu.npy")), try Npy(path: folder.file("gpu.npy")))
            #expect(a.shape == b.shape && zip(a.values, b.values).allSatisfy { abs($0 - $1) < 1e-4 })
            let bench = try Enlarge.start(
                ["bench", "-m", "tiny-x2", "--size", "24x16", "--passes", "1", "--device", "vulkan:0", "--runs", "3", "--json"], in: folder, environment: validation
            ).wait()
            #expect(bench.status == 0 && bench.errors.isEmpty && bench.integer("runs") == 3, "\(bench.errors)")
            #expect(bench.integer("device_bytes") > 0)
        }
    }
}
