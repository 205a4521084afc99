/// Push constants, as `rows.slang` has them.
struct KernelArguments {
    struct Map {
        var list: UInt32 = 0
        var stride: UInt32 = 0
        var channels: UInt32 = 0
        var isPlanar: UInt32 = 0
    }
    var arena: UInt64 = 0
    var table: UInt64 = 0
    var constants: UInt64 = 0
    var status: UInt64 = 0
    var output = Map()
    var input = Map()
    var second = Map()
    var p = SIMD4<UInt32>()
    var q = SIMD4<UInt32>()
    var f = SIMD4<Float>()
}

/// One dispatch: a kernel, what it is told, and how many groups of 64 invocations run it.
struct KernelCall {
    var pipeline: PipelineKey
    var arguments: KernelArguments
    var groups: (x: Int, y: Int, z: Int)
}
