package import NetworkGraph
import Tensors

/// Small networks that between them use every operation, every skip and several outputs.
package enum TestGraphs {
    package static let names = [
        "edsr", "edsr, 8-bit weights", "edsr, 16-bit weights", "wide edsr", "fsrcnn-like", "espcn-like", "lapsrn-like", "dense", "with planes around", "elementwise",
        "even and dilated kernels", "nearest and bilinear", "enlarged, then reduced", "sharp bicubic and bilinear from the corner",
        "residuals that are planar", "borders that go on", "channel attention",
    ]
    /// Those that can run in one pass: they take no mean over the picture.
    package static let inOnePass = names.filter { name in
        !make(name).nodes.contains { if case .globalMean = $0.operation { true } else { false } }
    }

    package static func make(_ name: String) -> NetworkGraph {
        var builder = Builder(seed: UInt64(names.firstIndex(of: name)! + 1))
        return try! builder.build(name)
    }

    private struct Builder {
        var random: SeededGenerator
        var nodes: [NetworkGraph.Node] = []
        enum Storage { case float32, float16, uint8 }
        var storage = Storage.float32

        init(seed: UInt64) { random = SeededGenerator(seed: seed) }

        mutating func unit() -> Float { Float(random.next() >> 40) / Float(1 << 24) * 2 - 1 }

        mutating func add(_ operation: Operation, _ inputs: Int...) -> Int {
            nodes.append(.init("n\(nodes.count)", operation, inputs: inputs))
            return nodes.count - 1
        }

        mutating func weights(_ kh: Int, _ kw: Int, _ cin: Int, _ cout: Int) -> TensorData {
            let shape = [kh, kw, cin, cout], count = kh * kw * cin * cout
            let gain = 1 / Float(kh * kw * cin).squareRoot()
            switch storage {
            case .float32: return TensorData((0..<count).map { _ in unit() * 1.7 * gain }, shape: shape)
            case .float16:
                let bytes = (0..<count).flatMap { _ in withUnsafeBytes(of: Float16(unit() * 1.7 * gain).bitPattern.littleEndian) { Array($0) } }
                return TensorData(elementType: .float16, shape: shape, storage: ByteStorage(copying: bytes))!
            case .uint8:
                let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                return TensorData(elementType: .uint8(zeroPoint: -128, step: gain / 75), shape: shape, storage: ByteStorage(copying: bytes))!
            }
        }

        mutating func conv(
            _ x: Int, _ k: Int, _ cin: Int, _ cout: Int, _ activation: Activation? = nil, residual: Int? = nil, scale: Float = 1, dilation: Int = 1,
            groups: Int = 1, kw: Int? = nil
        ) -> Int {
            var conv = Convolution(weights: weights(k, kw ?? k, cin / groups, cout), bias: (0..<cout).map { _ in unit() * 0.1 }, dilation: dilation, groups: groups)
            conv.activation = activation
            if let residual {
                conv.residualScale = scale
                return add(.convolution(conv), x, residual)
            }
            return add(.convolution(conv), x)
        }

        mutating func slopes(_ count: Int) -> Activation { .prelu((0..<count).map { _ in unit() * 0.5 }) }

        mutating func edsr(blocks: Int, channels: Int, scale: Int) throws -> NetworkGraph {
            let x = add(.input(channels: 3))
            let head = conv(x, 3, 3, channels)
            var y = head
            for _ in 0..<blocks { y = conv(conv(y, 3, channels, channels, .relu), 3, channels, channels, residual: y, scale: 0.3) }
            y = conv(y, 3, channels, channels, residual: head)
            y = conv(y, 3, channels, 3 * scale * scale)
            let result = add(.depthToSpace(scale, .blockFirst), y)
            return try finish(result)
        }

        func finish(_ outputs: Int...) throws -> NetworkGraph {
            try NetworkGraph(nodes: nodes, outputs: outputs.map { .init(name: "out\($0)", node: $0) })
        }

        mutating func build(_ name: String) throws -> NetworkGraph {
            switch name {
            case "edsr": return try edsr(blocks: 3, channels: 32, scale: 2)
            case "edsr, 8-bit weights":
                storage = .uint8
                return try edsr(blocks: 2, channels: 32, scale: 3)
            case "edsr, 16-bit weights":
                storage = .float16
                return try edsr(blocks: 1, channels: 40, scale: 4)
            case "wide edsr": return try edsr(blocks: 1, channels: 144, scale: 2)
            case "fsrcnn-like":
                var y = conv(add(.input(channels: 1)), 5, 1, 24, slopes(24))
                y = conv(conv(conv(y, 1, 24, 5, slopes(5)), 3, 5, 5, slopes(5)), 1, 5, 24, slopes(24))
                let up = TransposedConvolution(weights: weights(9, 9, 24, 1), bias: [0.1], stride: 3, padTop: 3, padLeft: 3)
                let result = add(.transposedConvolution(up), y)
                return try finish(result)
            case "espcn-like":
                let y = conv(conv(conv(add(.input(channels: 1)), 5, 1, 64, .relu), 3, 64, 32, .relu), 3, 32, 4)
                let result = add(.activation(.tanh), add(.depthToSpace(2, .channelFirst), y))
                return try finish(result)
            case "lapsrn-like":
                let x = add(.input(channels: 1))
                let base = add(.depthToSpace(2, .blockFirst), conv(x, 4, 1, 4))
                var y = conv(conv(x, 3, 1, 32, slopes(1)), 3, 32, 32, slopes(1))
                y = add(.depthToSpace(2, .blockFirst), conv(y, 4, 32, 16))
                let first = add(.activation(slopes(1)), add(.add, base, conv(y, 3, 4, 1)))
                y = add(.depthToSpace(2, .blockFirst), conv(conv(y, 3, 4, 32, slopes(1)), 4, 32, 4))
                let second = add(.add, add(.depthToSpace(2, .blockFirst), conv(first, 4, 1, 4)), y)
                return try finish(first, second)
            case "dense":
                let x = conv(add(.input(channels: 3)), 3, 3, 32)
                let a = conv(x, 3, 32, 16, slopes(1))
                let b = conv(add(.concatenate, x, a), 3, 48, 16, slopes(1))
                let c = conv(add(.concatenate, x, a, b), 3, 64, 32, residual: x, scale: 0.2)
                let up = add(.resize(.nearest, 2), c)
                let result = conv(conv(up, 3, 32, 32, slopes(32)), 3, 32, 3)
                return try finish(result)
            case "with planes around":
                let x = add(.input(channels: 4))
                let luma = add(.slice(0..<1), x)
                let y = add(.depthToSpace(3, .channelFirst), conv(conv(conv(luma, 3, 1, 32, .relu), 3, 32, 32, .relu), 3, 32, 9))
                let chroma = add(.resize(.bicubic, 3), add(.slice(1..<3), x))
                let alpha = add(.resize(.bicubic, 3), add(.slice(3..<4), x))
                let result = add(.concatenate, y, chroma, alpha)
                return try finish(result)
            case "elementwise":
                let x = add(.input(channels: 3))
                let y = conv(x, 3, 3, 24)
                let mask = add(.activation(.sigmoid), conv(y, 1, 24, 1))
                let product = add(.multiply, y, mask)
                let clipped = add(.activation(.clip(lower: -0.3, upper: 0.4)), add(.affine(scale: [1.5], offset: [0.1]), product))
                let difference = add(.subtract, add(.activation(.absolute), clipped), y)
                let scaled = add(.affine(scale: (0..<24).map { 1 + Float($0) / 24 }, offset: (0..<24).map { Float($0) / 48 }), difference)
                let result = add(.activation(.tanh), conv(add(.add, scaled, mask), 3, 24, 3))
                return try finish(result)
            case "even and dilated kernels":
                let x = add(.input(channels: 2))
                var y = conv(x, 2, 2, 20, slopes(20))
                y = conv(y, 3, 20, 20, .relu, dilation: 3)
                y = conv(y, 3, 20, 20, slopes(1), groups: 2, kw: 5)
                y = conv(y, 6, 20, 12)
                let up = TransposedConvolution(weights: weights(4, 4, 12, 3), bias: [], stride: 2, padTop: 1, padLeft: 1)
                let result = add(.transposedConvolution(up), y)
                return try finish(result)
            case "borders that go on":
                let x = add(.input(channels: 3))
                let y = conv(add(.border(.reflect, 1), x), 3, 3, 32, slopes(32))
                let wide = add(.border(.reflect, 3), y)
                let a = conv(wide, 7, 32, 24), b = conv(wide, 3, 32, 24)
                let c = conv(add(.border(.replicate, 2), a), 3, 24, 24, residual: b, dilation: 2)
                let d = conv(add(.border(.replicate, 4), c), 4, 24, 32, .relu, kw: 6)
                let e = conv(conv(d, 3, 32, 32), 3, 32, 12)
                let up = add(.depthToSpace(2, .channelFirst), e)
                let result = add(.add, conv(add(.border(.reflect, 2), up), 5, 3, 3), add(.resize(.nearest, 2), x))
                return try finish(result)
            case "channel attention":
                let x = add(.input(channels: 3))
                let head = conv(x, 3, 3, 40)
                var y = head
                for k in 0..<2 {
                    let z = conv(conv(y, 3, 40, 40, .relu), 3, 40, 40)
                    let mean = add(.globalMean, z)
                    let weight = add(.activation(.sigmoid), conv(conv(mean, 1, 40, 5, .relu), 1, 5, k == 0 ? 40 : 1))
                    y = add(.add, add(.multiply, weight, z), y)
                }
                // A mean that is taken away and put back, and one of few planes.
                let mean = add(.globalMean, y)
                let centred = conv(add(.subtract, y, mean), 3, 40, 40, residual: head, scale: 0.5)
                let up = add(.depthToSpace(2, .channelFirst), conv(add(.add, mean, centred), 3, 40, 12))
                let few = add(.affine(scale: [0.5], offset: [0.1]), add(.activation(.tanh), add(.globalMean, up)))
                let all = add(.concatenate, few, add(.multiply, few, few))
                let result = add(.subtract, add(.slice(1..<4), all), up)
                return try finish(result)
            case "residuals that are planar":
                let x = add(.input(channels: 3))
                let y = conv(conv(x, 3, 3, 8, .relu), 3, 8, 3, residual: x, scale: 0.5)
                let base = add(.resize(.bilinear, 2), y)
                let result = conv(add(.resize(.nearest, 2), y), 3, 3, 3, residual: base)
                return try finish(result)
            case "enlarged, then reduced":
                let x = add(.input(channels: 3))
                let large = add(.add, add(.depthToSpace(4, .channelFirst), conv(conv(x, 3, 3, 24, .relu), 3, 24, 48)), add(.resize(.nearest, 4), x))
                let planar = add(.resample(.bicubicSharp, 3, 4), large)
                let wide = add(.resample(.bilinear, 3, 4), conv(large, 3, 3, 24))
                let result = add(.add, planar, conv(wide, 3, 24, 3))
                return try finish(result)
            case "sharp bicubic and bilinear from the corner":
                let x = add(.input(channels: 3))
                let y = add(.depthToSpace(3, .channelFirst), conv(conv(x, 3, 3, 24, slopes(24)), 3, 24, 27))
                let wide = add(.resize(.bicubicSharp, 3), conv(x, 3, 3, 20))
                let a = add(.add, y, conv(wide, 1, 20, 3))
                let result = add(.add, a, add(.resize(.bilinearFromCorner, 3), x))
                return try finish(result)
            default:
                let x = add(.input(channels: 3))
                let y = add(.depthToSpace(2, .channelFirst), conv(conv(x, 3, 3, 32, slopes(32)), 3, 32, 12))
                let a = add(.add, y, add(.resize(.nearest, 2), x))
                let result = add(.add, a, add(.resize(.bilinear, 2), x))
                return try finish(result)
            }
        }
    }

    /// Seeded values in -1...1 for an input of the graph, [channels][height][width].
    package static func input(for graph: NetworkGraph, width: Int, height: Int, seed: UInt64 = 5) -> [Float] {
        var random = SeededGenerator(seed: seed)
        return (0..<graph.channels[graph.inputNode] * width * height).map { _ in Float(random.next() >> 40) / Float(1 << 24) * 2 - 1 }
    }
}
