import CVulkan
import NetworkGraph
import Tensors
import Testing
import VulkanBackend

/// Which devices and layers take the kernel that multiplies matrices; no device is needed to know.
@Suite struct `The kernel that multiplies matrices` {
    private func info(shapes: [(m: UInt32, n: UInt32, k: UInt32, workgroup: UInt32)], adjusting: (inout cv_info) -> Void = { _ in }) -> VulkanDeviceInfo {
        var raw = cv_info()
        (raw.has_core, raw.has_fp16, raw.has_matrices, raw.has_subgroup_control) = (1, 1, 1, 1)
        (raw.min_subgroup_size, raw.max_subgroup_size, raw.shared_bytes) = (32, 32, UInt32(MatrixKernel.sharedBytes))
        raw.shape_count = Int32(shapes.count)
        withUnsafeMutableBytes(of: &raw.shapes) { bytes in
            let table = bytes.bindMemory(to: cv_matrix_shape.self)
            for (i, s) in shapes.enumerated() { table[i] = cv_matrix_shape(m: s.m, n: s.n, k: s.k, workgroup: s.workgroup) }
        }
        adjusting(&raw)
        return VulkanDeviceInfo(raw, systemIndex: 0)
    }

    @Test func `takes the best shape that a device reports and its subgroups suit`() {
        let square: [(m: UInt32, n: UInt32, k: UInt32, workgroup: UInt32)] = [(8, 8, 8, 0), (16, 8, 16, 0), (16, 16, 16, 0)]
        #expect(MatrixKernel(info(shapes: square))?.side == 16)
        let wide = MatrixKernel(info(shapes: square) { ($0.min_subgroup_size, $0.max_subgroup_size) = (8, 64) })
        #expect(wide?.side == 16 && wide?.lanes == 32)
        let narrow = MatrixKernel(info(shapes: square) { ($0.min_subgroup_size, $0.max_subgroup_size) = (8, 16) })
        #expect(narrow?.side == 8 && narrow?.lanes == 8)
    }

    @Test func `is left alone where a device lacks anything that it needs`() {
        let good: [(m: UInt32, n: UInt32, k: UInt32, workgroup: UInt32)] = [(16, 16, 16, 0)]
        #expect(MatrixKernel(info(shapes: good)) != nil)
        #expect(MatrixKernel(info(shapes: [])) == nil)
        #expect(MatrixKernel(info(shapes: [(16, 8, 16, 0), (16, 16, 8, 0)])) == nil)
        #expect(MatrixKernel(info(shapes: [(16, 16, 16, 256)])) == nil)
        #expect(MatrixKernel(info(shapes: good) { $0.has_matrices = 0 }) == nil)
        #expect(MatrixKernel(info(shapes: good) { $0.shared_bytes -= 1 }) == nil)
        #expect(MatrixKernel(info(shapes: good) { ($0.min_subgroup_size, $0.max_subgroup_size) = (64, 64) }) == nil)
    }

    @Test func `is compiled for every shape that may be taken`() throws {
        var names: Set<String> = []
        var shader = try #require(cv_shaders())
        while let name = shader.pointee.name {
            names.insert(String(cString: name))
            shader += 1
        }
        #expect(!MatrixKernel.compiled.isEmpty)
        for kernel in MatrixKernel.compiled { #expect(names.contains(kernel.shader)) }
    }

    @Test func `takes 3 x 3 layers of full blocks and no others`() throws {
        let kernel = try #require(MatrixKernel.compiled.first)
        func conv(_ k: Int, _ inputs: Int, _ outputs: Int) -> Convolution {
            Convolution(weights: TensorData([Float](repeating: 0, count: k * k * inputs * outputs), shape: [k, k, inputs, outputs]))
        }
        #expect(kernel.suits(conv(3, 16, 24), inputIsPlanar: false))
        #expect(!kernel.suits(conv(3, 16, 24), inputIsPlanar: true))
        #expect(!kernel.suits(conv(3, 15, 24), inputIsPlanar: false))
        #expect(!kernel.suits(conv(3, 16, 23), inputIsPlanar: false))
        #expect(!kernel.suits(conv(1, 16, 24), inputIsPlanar: false))
        #expect(!kernel.suits(conv(5, 16, 24), inputIsPlanar: false))
        var dilated = conv(3, 16, 24)
        dilated.dilation = 2
        #expect(!kernel.suits(dilated, inputIsPlanar: false))
    }
}
