"""One EDSR network with seeded random weights, in the file formats of the engines that are compared.

Weights do not change speed or memory, so a file made here stands in for a trained one.
"""
import numpy as np

DT_FLOAT, DT_INT32, DT_QUINT8 = 1, 3, 12


def parameters(blocks, channels, scale, seed=0):
    """Yields (weights as [out][in][3][3], bias) of every convolution, in order."""
    rng = np.random.default_rng(seed)
    body = [(channels, channels, gain) for _ in range(blocks) for gain in (2.0, 1.0)]
    for cin, cout, gain in [(3, channels, 1.0), *body, (channels, channels, 1.0), (channels, 3 * scale * scale, 0.25)]:
        weights = rng.standard_normal((cout, cin, 3, 3)) * np.sqrt(gain / (9 * cin))
        yield weights.astype(np.float32), (rng.standard_normal(cout) * 0.01).astype(np.float32)


def write_onnx(path, blocks, channels, scale, res_scale):
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    tensors, nodes, layers = [], [], parameters(blocks, channels, scale)

    def conv(x, out):
        weights, bias = next(layers)
        tensors.extend([numpy_helper.from_array(weights, out + "_w"), numpy_helper.from_array(bias, out + "_b")])
        nodes.append(helper.make_node("Conv", [x, out + "_w", out + "_b"], [out], kernel_shape=[3, 3], pads=[1] * 4))
        return out

    tensors.append(numpy_helper.from_array(np.float32(res_scale), "res_scale"))
    x = head = conv("x", "head")
    for i in range(blocks):
        nodes.append(helper.make_node("Relu", [conv(x, f"a{i}")], [f"r{i}"]))
        y = conv(f"r{i}", f"b{i}")
        if res_scale != 1:
            nodes.append(helper.make_node("Mul", [y, "res_scale"], [f"m{i}"]))
            y = f"m{i}"
        nodes.append(helper.make_node("Add", [x, y], [f"s{i}"]))
        x = f"s{i}"
    nodes.append(helper.make_node("Add", [conv(x, "body"), head], ["skip"]))
    nodes.append(helper.make_node("DepthToSpace", [conv("skip", "tail")], ["y"], blocksize=scale, mode="CRD"))
    sizes = (("x", "h", "w"), ("y", "H", "W"))
    io = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, h, w]) for name, h, w in sizes]
    graph = helper.make_graph(nodes, "edsr", io[:1], io[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def write_ncnn(stem, blocks, channels, scale, res_scale):
    """Writes STEM.param and STEM.bin."""
    lines, blobs, layers = [], set(), parameters(blocks, channels, scale)
    with open(stem + ".bin", "wb") as out:
        def layer(kind, name, ins, outs, params=""):
            lines.append(f"{kind} {name} {len(ins)} {len(outs)} {' '.join(ins + outs)} {params}")
            blobs.update(ins + outs)

        def conv(x, name, relu=0):
            weights, bias = next(layers)
            out.write(b"\0\0\0\0" + weights.tobytes() + bias.tobytes())
            layer("Convolution", name, [x], [name], f"0={len(bias)} 1=3 4=1 5=1 6={weights.size} 9={relu}")
            return name

        layer("Input", "x", [], ["x"])
        conv("x", "head")
        layer("Split", "sp_head", ["head"], ["x0", "skip0"])
        x = "x0"
        for i in range(blocks):
            layer("Split", f"sp{i}", [x], [f"{x}a", f"{x}b"])
            y = conv(conv(f"{x}a", f"a{i}", 1), f"b{i}")
            if res_scale != 1:
                layer("BinaryOp", f"m{i}", [y], [f"m{i}"], f"0=2 1=1 2={res_scale}")
                y = f"m{i}"
            layer("BinaryOp", f"s{i}", [f"{x}b", y], [f"s{i}"], "0=0")
            x = f"s{i}"
        layer("BinaryOp", "skip", [conv(x, "body"), "skip0"], ["skip"], "0=0")
        layer("PixelShuffle", "y", [conv("skip", "tail")], ["y"], f"0={scale}")
    with open(stem + ".param", "w") as f:
        f.write(f"7767517\n{len(lines)} {len(blobs)}\n" + "\n".join(lines) + "\n")


def varint(n):
    out = bytearray()
    while n > 127:
        out.append((n & 127) | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, payload):
    """A protobuf field: int -> varint, bytes/str -> length-delimited."""
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    if isinstance(payload, str):
        payload = payload.encode()
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def tensor(dtype, array):
    shape = b"".join(field(2, field(1, int(d))) for d in array.shape)
    return field(8, field(1, dtype) + field(2, shape) + field(4, array.tobytes()))


TYPE = {d: field(6, d) for d in (DT_FLOAT, DT_INT32, DT_QUINT8)}
ONES = field(1, field(3, bytes([1, 1, 1, 1])))


def quantized(array):
    """Steps of 8 bits, and the minimum and the maximum that they span, as TensorFlow quantises constants."""
    low, high = np.float32(min(array.min(), 0)), np.float32(max(array.max(), 0))
    per_unit = 255 / (high - low)  # the minimum is rounded to a whole step, so 0.0 is exact
    return np.clip(np.round(array * per_unit) - np.round(low * per_unit), 0, 255).astype(np.uint8), low, high


def as_stored(array):
    """The values that a reader of the GraphDef finds: MIN_FIRST, (step + round(low / size)) * size in float32."""
    if array.size < 1024:
        return array
    steps, low, high = quantized(array)
    size = np.float32((high - low) / np.float32(255))
    return (steps.astype(np.float32) + np.float32(np.round(low / size))) * size


class GraphDef:
    """A frozen TensorFlow graph with weights in 8 bits, as OpenCV's EDSR files are: constants of 1,024 elements or more
    are DT_QUINT8 with a minimum and a maximum, read through Dequantize (MIN_FIRST)."""

    def __init__(self):
        self.parts = []

    def add(self, name, op, inputs=(), **attributes):
        body = field(1, name) + field(2, op) + b"".join(field(3, i) for i in inputs)
        body += b"".join(field(5, field(1, key) + field(2, value)) for key, value in attributes.items())
        self.parts.append(field(1, body))
        return name

    def const(self, name, array):
        array = np.ascontiguousarray(array)
        if array.dtype == np.int32:
            return self.add(name, "Const", dtype=TYPE[DT_INT32], value=tensor(DT_INT32, array))
        if array.size < 1024:
            return self.add(name, "Const", dtype=TYPE[DT_FLOAT], value=tensor(DT_FLOAT, array))
        steps, low, high = quantized(array)
        self.add(name + "_quantized_const", "Const", dtype=TYPE[DT_QUINT8], value=tensor(DT_QUINT8, steps))
        self.add(name + "_quantized_min", "Const", dtype=TYPE[DT_FLOAT], value=tensor(DT_FLOAT, np.array(low)))
        self.add(name + "_quantized_max", "Const", dtype=TYPE[DT_FLOAT], value=tensor(DT_FLOAT, np.array(high)))
        inputs = [name + "_quantized_const", name + "_quantized_min", name + "_quantized_max"]
        return self.add(name, "Dequantize", inputs, T=TYPE[DT_QUINT8], mode=field(2, "MIN_FIRST"))

    def conv(self, name, source, weights, bias):
        weights = self.const(name + "/weights", weights.transpose(2, 3, 1, 0))
        self.add(name, "Conv2D", [source, weights], T=TYPE[DT_FLOAT], strides=ONES, dilations=ONES,
                 padding=field(2, "SAME"), data_format=field(2, "NHWC"), use_cudnn_on_gpu=field(5, 1))
        return self.binary(name + "/sum", "Add", name, self.const(name + "/bias", bias))

    def binary(self, name, op, a, b):
        return self.add(name, op, [a, b], T=TYPE[DT_FLOAT])


def write_graph_def(path, blocks, channels, scale, res_scale):
    layers, graph = parameters(blocks, channels, scale), GraphDef()
    perm = graph.const("NCHW_output/perm", np.array([0, 3, 1, 2], np.int32))
    graph.add("IteratorGetNext", "Placeholder", dtype=TYPE[DT_FLOAT])
    x = head = graph.conv("head", "IteratorGetNext", *next(layers))
    for i in range(blocks):
        y = graph.add(f"relu{i}", "Relu", [graph.conv(f"a{i}", x, *next(layers))], T=TYPE[DT_FLOAT])
        y = graph.conv(f"b{i}", y, *next(layers))
        if res_scale != 1:
            y = graph.binary(f"mul{i}", "Mul", y, graph.const(f"mul{i}/y", np.array(res_scale, np.float32)))
        x = graph.binary(f"s{i}", "Add", x, y)
    y = graph.binary("skip", "Add", graph.conv("body", x, *next(layers)), head)
    y = graph.conv("tail", y, *next(layers))
    graph.add("NHWC_output", "DepthToSpace", [y], T=TYPE[DT_FLOAT], block_size=field(3, scale), data_format=field(2, "NHWC"))
    graph.add("NCHW_output", "Transpose", ["NHWC_output", perm], T=TYPE[DT_FLOAT], Tperm=TYPE[DT_INT32])
    with open(path, "wb") as f:
        f.write(b"".join(graph.parts) + field(4, field(1, 27)))
