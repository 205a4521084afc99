"""A small layer over onnx.helper: networks are written node by node, in the spelling of PyTorch's exporters."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Builder:
    """Collects nodes; every method returns the name of the value that it makes."""

    def __init__(self, channels, seed, opset=17, size=None, style="dynamo", dtype=np.float32, channels_last=False):
        self.channels, self.opset, self.style, self.dtype = channels, opset, style, dtype
        self.random = np.random.default_rng(seed)
        self.nodes, self.tensors, self.count = [], [], 0
        height, width = size or ("height", "width")
        self.shape = [1, height, width, channels] if channels_last else [1, channels, height, width]
        self.widths = {"input": channels}

    def name(self, kind):
        self.count += 1
        return f"/{kind.lower()}/{kind}_{self.count}" if self.style == "script" else f"{kind.lower()}_{self.count}"

    def tensor(self, values, dtype=None, as_node=False):
        """A constant: an initializer, or a Constant node as TorchScript writes small ones."""
        array = np.asarray(values, dtype=dtype or self.dtype)
        name = self.name("weight")
        if as_node or (self.style == "script" and array.size <= 8 and array.dtype != self.dtype):
            self.nodes.append(helper.make_node("Constant", [], [name], name=self.name("Constant"), value=numpy_helper.from_array(array)))
        else:
            self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def node(self, kind, inputs, channels, outputs=1, **attributes):
        names = [self.name(kind) + "_output" for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=self.name(kind), **attributes))
        for name, count in zip(names, channels if isinstance(channels, list) else [channels] * outputs):
            self.widths[name] = count
        return names[0] if outputs == 1 else names

    def width(self, x):
        return self.widths[x]

    def weights(self, *shape, gain=1.0):
        inputs = int(np.prod(shape[1:]))
        return self.tensor(self.random.normal(0, gain / np.sqrt(inputs), shape))

    def conv(self, x, outputs, k=3, groups=1, dilation=1, bias=True, gain=1.0, pads=None, **attributes):
        kh, kw = k if isinstance(k, tuple) else (k, k)
        pads = pads or [dilation * (kh - 1) // 2, dilation * (kw - 1) // 2, dilation * (kh - 1) - dilation * (kh - 1) // 2, dilation * (kw - 1) - dilation * (kw - 1) // 2]
        inputs = [x, self.weights(outputs, self.width(x) // groups, kh, kw, gain=gain)]
        if bias:
            inputs.append(self.tensor(self.random.normal(0, 0.1, outputs)))
        if "auto_pad" not in attributes:
            attributes["pads"] = pads
        return self.node("Conv", inputs, outputs, kernel_shape=[kh, kw], strides=[1, 1], dilations=[dilation] * 2, group=groups, **attributes)

    def deconv(self, x, outputs, k, s, pad, extra=0, groups=1, bias=True):
        inputs = [x, self.tensor(self.random.normal(0, 1 / np.sqrt(self.width(x) * k * k / s / s), (self.width(x), outputs // groups, k, k)))]
        if bias:
            inputs.append(self.tensor(self.random.normal(0, 0.1, outputs)))
        return self.node("ConvTranspose", inputs, outputs, kernel_shape=[k, k], strides=[s, s], pads=[pad] * 4, output_padding=[extra] * 2, group=groups)

    def unary(self, kind, x, **attributes):
        return self.node(kind, [x], self.width(x), **attributes)

    def relu(self, x):
        return self.unary("Relu", x)

    def leaky(self, x, alpha=0.2):
        return self.unary("LeakyRelu", x, alpha=alpha)

    def prelu(self, x):
        return self.node("PRelu", [x, self.tensor(self.random.uniform(0, 0.4, (self.width(x), 1, 1)))], self.width(x))

    def clip(self, x, low, high):
        low = "" if low is None else self.tensor(low, as_node=self.style == "script")
        high = "" if high is None else self.tensor(high, as_node=self.style == "script")
        return self.node("Clip", [x, low, high] if high else [x, low], self.width(x))

    def binary(self, kind, x, y):
        return self.node(kind, [x, y], max(self.widths.get(x, 1), self.widths.get(y, 1)))

    def add(self, x, y):
        return self.binary("Add", x, y)

    def scalar(self, value):
        return self.tensor(value, as_node=True)

    def concat(self, *parts):
        return self.node("Concat", list(parts), sum(self.width(p) for p in parts), axis=1)

    def split(self, x, sizes):
        if self.opset < 13:
            return self.node("Split", [x], list(sizes), outputs=len(sizes), axis=1, split=sizes)
        return self.node("Split", [x, self.tensor(sizes, np.int64)], list(sizes), outputs=len(sizes), axis=1)

    def slice(self, x, first, end):
        lists = [self.tensor([v], np.int64) for v in (first, end, 1, 1)]
        return self.node("Slice", [x, *lists], end - first)

    def batch_norm(self, x):
        c = self.width(x)
        values = [self.random.uniform(0.5, 1.5, c), self.random.normal(0, 0.1, c), self.random.normal(0, 0.1, c), self.random.uniform(0.5, 1.5, c)]
        return self.node("BatchNormalization", [x] + [self.tensor(v) for v in values], c, epsilon=1e-5, momentum=0.9)

    def shuffle(self, x, s, order="CRD"):
        return self.node("DepthToSpace", [x], self.width(x) // (s * s), blocksize=s, mode=order)

    def shuffle_spelled(self, x, s, dynamic=True, order="CRD"):
        """Pixel shuffle as TorchScript wrote it: Reshape, Transpose, Reshape, the shapes computed where sizes are unknown."""
        c = self.width(x) // (s * s)
        if dynamic:
            shape = self.node("Shape", [x], 0)
            h, w = (self.node("Gather", [shape, self.tensor(i, np.int64)], 0, axis=0) for i in (2, 3))

            def column(value):
                return self.node("Unsqueeze", [value, self.tensor([0], np.int64)], 0) if self.opset >= 13 else self.node("Unsqueeze", [value], 0, axes=[0])

            def numbers(*values):
                return [self.tensor([v], np.int64) for v in values]

            front = numbers(1, c, s, s) if order == "CRD" else numbers(1, s, s, c)
            first = self.node("Concat", front + [column(h), column(w)], 0, axis=0)
            big = [column(self.node("Mul", [v, self.tensor(s, np.int64)], 0)) for v in (h, w)]
            last = self.node("Concat", numbers(1, c) + big, 0, axis=0)
        else:
            # Fixed sizes: the exporter knows them, "-1" is the batch.
            height, width = self.shape[2], self.shape[3]
            first = self.tensor([-1, c, s, s, height, width] if order == "CRD" else [-1, s, s, c, height, width], np.int64)
            last = self.tensor([-1, c, height * s, width * s], np.int64)
        x = self.node("Reshape", [x, first], 0)
        x = self.node("Transpose", [x], 0, perm=[0, 1, 4, 2, 5, 3] if order == "CRD" else [0, 3, 4, 1, 5, 2])
        return self.node("Reshape", [x, last], c)

    def roi(self):
        """Optional only from operator set 13 on."""
        return "" if self.opset >= 13 else self.tensor([], np.float32)

    def resize(self, x, s, mode="nearest", by="scales", a=-0.75, **attributes):
        """Resize as F.interpolate is exported: by constant scales, or by sizes computed from the shape."""
        attributes.setdefault("coordinate_transformation_mode", "asymmetric" if mode == "nearest" else "pytorch_half_pixel")
        if mode == "nearest":
            attributes.setdefault("nearest_mode", "floor")
        if mode == "cubic":
            attributes["cubic_coeff_a"] = a
        if by == "scales":
            inputs = [x, self.roi(), self.tensor([1, 1, s, s], np.float32)]
        else:
            shape = self.node("Shape", [x], 0)
            rows = self.node("Slice", [shape, self.tensor([2], np.int64), self.tensor([4], np.int64), self.tensor([0], np.int64)], 0)
            large = self.node("Mul", [rows, self.tensor([s, s], np.int64)], 0)
            if by == "floats":
                large = self.node("Cast", [rows], 0, to=TensorProto.FLOAT)
                large = self.node("Floor", [self.node("Mul", [large, self.tensor([s, s], np.float32)], 0)], 0)
                large = self.node("Cast", [large], 0, to=TensorProto.INT64)
            start = self.node("Slice", [shape, self.tensor([0], np.int64), self.tensor([2], np.int64), self.tensor([0], np.int64)], 0)
            inputs = [x, self.roi(), self.roi(), self.node("Concat", [start, large], 0, axis=0)]
        return self.node("Resize", inputs, self.width(x), mode=mode, **attributes)

    def pad(self, x, pads, mode="constant"):
        """Left, right, top, bottom, as F.pad counts them."""
        left, right, top, bottom = pads
        inputs = [x, self.tensor([0, 0, top, left, 0, 0, bottom, right], np.int64)]
        if mode == "constant":
            inputs.append(self.scalar(0))
        return self.node("Pad", inputs, self.width(x), mode=mode)

    def finish(self, *outputs, metadata=None, half=False):
        kind = TensorProto.FLOAT16 if self.dtype == np.float16 else TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes, "main_graph",
            [helper.make_tensor_value_info("input", kind, self.shape)],
            [helper.make_tensor_value_info(o, kind, [1, None, None, None]) for o in outputs], self.tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8, producer_name="pytorch")
        if metadata:
            helper.set_model_props(model, metadata)
        onnx.checker.check_model(model)
        return model
