"""The networks of check.py: super-resolution architectures, small, with seeded weights, and random graphs.

Sizes are unknown (symbolic) unless the name says otherwise. `script` is the spelling of torch.onnx's TorchScript exporter,
`dynamo` that of its successor.
"""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from builder import Builder


def edsr(scale=2, style="dynamo", opset=18, blocks=3, width=32, batch_norm=False, size=None, spelled=None, metadata=None):
    b = Builder(3, 1, opset=opset, style=style, size=size)
    shift = b.node("Conv", ["input", b.tensor(np.eye(3).reshape(3, 3, 1, 1)), b.tensor([-0.45, -0.44, -0.4])], 3, kernel_shape=[1, 1])
    head = x = b.conv(shift, width)
    for _ in range(blocks):
        y = b.conv(x, width, bias=not batch_norm)
        y = b.relu(b.batch_norm(y) if batch_norm else y)
        y = b.conv(y, width, bias=not batch_norm)
        y = b.batch_norm(y) if batch_norm else b.binary("Mul", y, b.scalar(0.1))
        x = b.add(y, x)
    x = b.add(b.conv(x, width), head)
    for s in [2, 2] if scale == 4 else [scale]:
        x = b.conv(x, width * s * s)
        x = b.shuffle(x, s) if spelled is None else b.shuffle_spelled(x, s, dynamic=spelled == "dynamic")
        if spelled == "fixed":
            break
    x = b.conv(x, 3)
    mean = b.node("Conv", [x, b.tensor(np.eye(3).reshape(3, 3, 1, 1)), b.tensor([0.45, 0.44, 0.4])], 3, kernel_shape=[1, 1])
    return b.finish(mean, metadata=metadata)


def fsrcnn(scale=3, style="script"):
    b = Builder(1, 2, opset=11, style=style)
    x = b.prelu(b.conv("input", 56, 5))
    x = b.prelu(b.conv(x, 12, 1))
    for _ in range(4):
        x = b.conv(x, 12)
    x = b.prelu(x)
    x = b.prelu(b.conv(x, 56, 1))
    return b.finish(b.deconv(x, 1, 9, scale, 4, extra=scale - 1))


def espcn(scale=3, spelled=True, order="CRD", opset=13):
    b = Builder(1, 3, opset=opset, style="script")
    x = b.unary("Tanh", b.conv("input", 64, 5))
    x = b.unary("Tanh", b.conv(x, 32))
    x = b.conv(x, scale * scale)
    x = b.shuffle_spelled(x, scale, order=order) if spelled else b.shuffle(x, scale, order)
    return b.finish(b.unary("Sigmoid", x))


def lapsrn(scale=4):
    b = Builder(1, 4, opset=14)
    x, image, outputs = b.leaky(b.conv("input", 32)), "input", []
    for _ in range(scale // 2):
        for _ in range(3):
            x = b.leaky(b.conv(x, 32))
        x = b.leaky(b.deconv(x, 32, 4, 2, 1))
        image = b.deconv(image, 1, 4, 2, 1, bias=False)
        image = b.add(image, b.conv(x, 1))
        outputs.append(image)
    return b.finish(*outputs)


def srvgg(scale=4, style="dynamo"):
    b = Builder(3, 5, opset=20, style=style)
    x = b.prelu(b.conv("input", 32))
    for _ in range(4):
        x = b.prelu(b.conv(x, 32))
    x = b.shuffle(b.conv(x, 3 * scale * scale), scale)
    return b.finish(b.add(x, b.resize("input", scale)))


def rrdb(dense=16, width=32, dtype=np.float32):
    b = Builder(3, 6, opset=16, dtype=dtype)

    def block(x):
        parts = [x]
        for i in range(5):
            y = b.conv(b.concat(*parts) if i else x, dense if i < 4 else width, gain=0.7)
            parts.append(b.leaky(y) if i < 4 else y)
        return b.add(b.binary("Mul", parts[-1], b.scalar(0.2)), x)

    head = x = b.conv("input", width)
    for _ in range(2):
        y = x
        for _ in range(3):
            y = block(y)
        x = b.add(b.binary("Mul", y, b.scalar(0.2)), x)
    x = b.add(head, b.conv(x, width))
    for _ in range(2):
        x = b.leaky(b.conv(b.resize(x, 2, by="floats" if dtype == np.float32 else "scales"), width))
    return b.finish(b.conv(b.leaky(b.conv(x, width)), 3))


def carn(scale=2, groups=4):
    b = Builder(3, 7, opset=12, style="script")
    width = 32

    def block(x):
        y = b.relu(b.conv(x, width, groups=groups))
        y = b.relu(b.conv(y, width, groups=groups))
        return b.relu(b.add(b.conv(y, width, 1), x))

    def cascade(x, inner):
        known = y = x
        for _ in range(3):
            known = b.concat(known, inner(y))
            y = b.relu(b.conv(known, width, 1))
        return y

    sub = [b.tensor(np.array([-0.4488, -0.4371, -0.404]).reshape(1, 3, 1, 1)), b.tensor(np.array([0.4488, 0.4371, 0.404]).reshape(1, 3, 1, 1))]
    x = b.conv(b.add("input", sub[0]), width)
    x = cascade(x, lambda y: cascade(y, block))
    x = b.shuffle_spelled(b.relu(b.conv(x, width * scale * scale, groups=groups)), scale)
    return b.finish(b.add(b.conv(x, 3), sub[1]))


def imdn(opset=17, blocks=2):
    b = Builder(3, 8, opset=opset)
    width, kept = 32, 8
    head = x = b.conv("input", width)
    outputs = []
    for _ in range(blocks):
        parts, y = [], x
        for _ in range(3):
            part, y = b.split(b.leaky(b.conv(y, width), 0.05), [kept, width - kept])
            parts.append(part)
        parts.append(b.conv(y, kept))
        x = b.add(b.conv(b.concat(*parts), width, 1), x)
        outputs.append(x)
    x = b.leaky(b.conv(b.concat(*outputs), width, 1), 0.05)
    x = b.conv(b.add(b.conv(x, width), head), 3 * 9)
    return b.finish(b.shuffle(x, 3))


def pixels_attention():
    """Attention of each pixel on itself (PAN): 1 x 1 convolutions and a sigmoid, which stream."""
    b = Builder(3, 9, opset=15)
    x = b.conv("input", 24)
    x = b.binary("Mul", b.conv(x, 24), b.unary("Sigmoid", b.conv(x, 24, 1)))
    x = b.binary("Mul", x, b.unary("Sigmoid", b.conv(x, 1, 1)))
    x = b.leaky(b.conv(b.resize(x, 2, by="sizes"), 24))
    return b.finish(b.add(b.conv(x, 3), b.resize("input", 2, "linear", by="sizes")))


def channel_attention(opset=14, by="pool"):
    """Attention of channels (RCAN): means over the picture, which take a pass each."""
    b = Builder(3, 16, opset=opset)
    head = x = b.conv("input", 32)
    for _ in range(3):
        y = b.conv(b.relu(b.conv(x, 32)), 32)
        if by == "pool":
            mean = b.node("GlobalAveragePool", [y], 32)
        elif opset < 18:
            mean = b.node("ReduceMean", [y], 32, axes=[2, 3], keepdims=1)
        else:
            mean = b.node("ReduceMean", [y, b.tensor([-1, -2], np.int64)], 32, keepdims=1)
        weight = b.unary("Sigmoid", b.conv(b.relu(b.conv(mean, 4, 1)), 32, 1))
        x = b.add(b.binary("Mul", y, weight), x)
    x = b.add(b.conv(x, 32), head)
    # Contrast-aware, as IMDN's: the mean is taken away first.
    centred = b.binary("Sub", x, b.node("GlobalAveragePool", [x], 32))
    deviation = b.node("GlobalAveragePool", [b.binary("Mul", centred, centred)], 32)
    x = b.binary("Mul", x, b.unary("Sigmoid", b.conv(deviation, 32, 1)))
    return b.finish(b.shuffle(b.conv(x, 12), 2))


def channels_last():
    """As converters from TensorFlow write: Transpose around an NCHW network."""
    b = Builder(3, 10, opset=13, channels_last=True)
    x = b.node("Transpose", ["input"], 3, perm=[0, 3, 1, 2])
    x = b.shuffle(b.conv(b.relu(b.conv(x, 24)), 12), 2, "DCR")
    return b.finish(b.node("Transpose", [x], 3, perm=[0, 2, 3, 1]))


def external():
    return edsr(blocks=2)


def conventions():
    """Everything around the operations: pads of their own nodes, auto_pad, odd kernels, constants of every shape."""
    b = Builder(3, 11, opset=18)
    x = b.binary("Div", b.binary("Sub", "input", b.tensor(np.array([0.4, 0.5, 0.6]).reshape(3, 1, 1))), b.tensor(np.array([[[[0.2]]]])))
    x = b.conv(b.pad(x, [1, 2, 3, 0]), 20, (4, 4), pads=[0, 0, 0, 0])
    x = b.conv(x, 20, (1, 9), auto_pad="SAME_UPPER")
    x = b.conv(x, 20, (2, 6), auto_pad="SAME_LOWER")
    x = b.conv(b.clip(x, -1, None), 20, 3, dilation=3, groups=5)
    x = b.conv(b.clip(x, None, 0.8), 12, 7, dilation=2)
    x = b.node("Identity", [b.clip(x, 0, 6)], 12)
    x = b.batch_norm(b.concat(x, b.slice(x, 3, 7)))
    x = b.node("Gather", [x, b.tensor([2, 1, 0, 15, 4], np.int64)], 5, axis=1)
    x = b.binary("Sub", b.scalar(1), b.node("Sum", [x, x, b.unary("Neg", b.unary("Abs", x))], 5))
    x = b.unary("HardSigmoid", b.deconv(x, 5, 5, 3, 1, groups=5), alpha=0.3)
    return b.finish(b.conv(b.binary("Mul", x, x), 3, 1))


def resizes():
    b = Builder(3, 12, opset=13)
    parts = [
        b.resize("input", 3, "cubic", a=-0.75), b.resize("input", 3, "cubic", by="sizes", a=-0.5, coordinate_transformation_mode="half_pixel"),
        b.resize("input", 3, "linear"), b.resize("input", 3, "linear", coordinate_transformation_mode="asymmetric"), b.resize("input", 3),
        b.resize("input", 3, coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_floor"),
    ]
    return b.finish(b.conv(b.concat(*parts), 3, 1))


def old():
    """Operator set 9, where scales, pads and bounds were attributes and Upsample had no modes of coordinates."""
    b = Builder(3, 14, opset=9)
    x = b.node("Pad", ["input"], 3, mode="constant", pads=[0, 0, 1, 1, 0, 0, 1, 1], value=0.0)
    x = b.node("Clip", [b.conv(x, 24, pads=[0] * 4)], 24, min=-0.5, max=0.75)
    x = b.node("Slice", [x], 16, axes=[1], starts=[4], ends=[20])
    near = b.node("Upsample", [x, b.tensor([1, 1, 2, 2], np.float32)], 16, mode="nearest")
    linear = b.node("Upsample", [b.conv(x, 8), b.tensor([1, 1, 2, 2], np.float32)], 8, mode="linear")
    return b.finish(b.conv(b.concat(near, linear), 3))


def random_graph(seed):
    """A graph of listed operations, drawn at random; it enlarges 1 to 4 times."""
    r = np.random.default_rng(1000 + seed)
    opset = int(r.choice([11, 12, 13, 15, 17, 18, 19, 21]))
    b = Builder(int(r.choice([1, 3])), seed, opset=opset, style=str(r.choice(["script", "dynamo"])))
    scale, pool = 1, ["input"]

    def convolution(x):
        groups = int(r.choice([1, 1, 1, 2]))
        width = b.width(x)
        groups = groups if width % groups == 0 else 1
        k = (int(r.choice([1, 2, 3, 3, 5, 7, 9])), int(r.choice([1, 3, 3, 4, 5])))
        return b.conv(x, int(r.choice([4, 6, 16, 24, 32])) // groups * groups, k, groups=groups, dilation=int(r.choice([1, 1, 2])), bias=bool(r.random() < 0.7))

    def alike(x):
        same = [y for y in pool if b.width(y) == b.width(x)]
        return str(r.choice(same))

    def slope(x):
        return b.tensor(r.uniform(-0.5, 0.5, (1, b.width(x), 1, 1)))

    unary = [
        convolution, convolution, convolution, b.relu, lambda x: b.leaky(x, float(r.uniform(0, 0.5))), b.prelu, lambda x: b.clip(x, -0.7, 0.9),
        lambda x: b.unary("Sigmoid", x), lambda x: b.unary("Tanh", x), lambda x: b.add(x, slope(x)), lambda x: b.binary("Sub", slope(x), x),
        lambda x: b.binary("Mul", x, slope(x)), lambda x: b.binary("Div", x, b.scalar(1.7)), b.batch_norm, lambda x: b.batch_norm(convolution(x)),
        lambda x: b.add(x, alike(x)), lambda x: b.binary("Sub", x, alike(x)), lambda x: b.binary("Mul", x, alike(x)),
        lambda x: b.concat(x, str(r.choice(pool))), lambda x: b.node("Identity", [x], b.width(x)),
        lambda x: b.conv(b.pad(x, [2, 0, 1, 1]), 8, 3, pads=[0, 0, 0, 0]),
    ]
    for _ in range(int(r.integers(4, 14))):
        x = str(r.choice(pool[-3:]))
        if r.random() < 0.15 and scale == 1:
            s = int(r.choice([2, 3]))
            kind = int(r.integers(0, 6))
            if kind == 0:
                x = b.shuffle(b.conv(x, 6 * s * s), s, str(r.choice(["DCR", "CRD"])))
            elif kind == 1:
                x = b.shuffle_spelled(b.conv(x, 4 * s * s), s, order=str(r.choice(["DCR", "CRD"])))
            elif kind == 2:
                x = b.deconv(x, 8, 4, 2, 1) if s == 2 else b.deconv(x, 8, 5, 3, 1)
            else:
                x = b.resize(x, s, ["nearest", "linear", "cubic"][kind - 3], by=str(r.choice(["scales", "sizes", "floats"])))
            scale, pool = scale * s, [x]
            continue
        if r.random() < 0.12 and b.width(x) >= 4:
            first = int(r.integers(1, b.width(x)))
            pool += b.split(x, [first, b.width(x) - first]) if r.random() < 0.5 else [b.slice(x, 0, first)]
            continue
        y = unary[int(r.integers(0, len(unary)))](x)
        if b.width(y) <= 96:
            pool.append(y)
    return b.finish(b.conv(pool[-1], b.channels))


def reflected():
    b = Builder(3, 13, opset=17)
    x = b.leaky(b.conv(b.pad("input", [1, 1, 1, 1], "reflect"), 24, pads=[0] * 4))
    x = b.relu(b.conv(b.pad(x, [2, 2, 2, 2], "edge"), 24, 5, pads=[0] * 4))
    skip = x
    x = b.conv(b.pad(x, [1, 1, 1, 1], "reflect"), 24, pads=[0] * 4)
    x = b.add(b.conv(x, 24), skip)
    return b.finish(b.shuffle(b.conv(b.pad(x, [3, 3, 3, 3], "reflect"), 12, 7, pads=[0] * 4), 2))


NETWORKS = {
    "edsr-x2": lambda: edsr(2), "edsr-x3-script": lambda: edsr(3, "script", 11), "edsr-x4-bn": lambda: edsr(4, batch_norm=True),
    "edsr-spelled": lambda: edsr(2, "script", 12, spelled="dynamic"), "edsr-fixed": lambda: edsr(2, "script", 17, size=(19, 26), spelled="fixed"),
    "fsrcnn-x2": lambda: fsrcnn(2), "fsrcnn-x3": lambda: fsrcnn(3), "espcn-spelled": lambda: espcn(3), "espcn-dcr": lambda: espcn(2, order="DCR", opset=11),
    "espcn-d2s": lambda: espcn(3, False), "lapsrn-x4": lapsrn, "srvgg-x4": srvgg, "rrdb": rrdb, "carn": carn, "imdn": imdn, "imdn-11": lambda: imdn(11),
    "pixel-attention": pixels_attention, "channel-attention": channel_attention, "channel-attention-reduce": lambda: channel_attention(14, "reduce"),
    "channel-attention-18": lambda: channel_attention(18, "reduce"), "channels-last": channels_last, "conventions": conventions, "resizes": resizes,
    "rrdb-half": lambda: rrdb(dtype=np.float16), "edsr-external": external, "edsr-metadata": lambda: edsr(2, metadata={"enlarger.channels": "bgr", "enlarger.range": "255"}),
    "reflected": reflected, "operator-set-9": old,
}


def in_single_precision(model):
    """The same network with float32 arithmetic; weights keep their 16-bit values."""
    model = type(model).FromString(model.SerializeToString())
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT16:
                attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float32)))
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    return model
