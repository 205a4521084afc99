"""Seeded ncnn networks, text and weights, of the layers that Enlarger reads."""
import struct

import numpy as np

FP16_TAG = 0x01306B47


class Writer:
    """Layers of one network; a blob that is read twice passes through a Split, as ncnn wants it."""

    def __init__(self, seed, half=False):
        self.random, self.half = np.random.default_rng(seed), half
        self.lines, self.blobs, self.weights, self.names = [], 0, b"", 0

    def layer(self, kind, inputs, outputs=1, *parameters):
        self.names += 1
        made = [f"b{self.blobs + i}" for i in range(outputs)]
        self.blobs += outputs
        self.lines.append(" ".join([kind, f"{kind.lower()}{self.names}", str(len(inputs)), str(outputs), *inputs, *made, *parameters]))
        return made

    def numbers(self, count, scale=1.0, offset=0.0):
        return (self.random.standard_normal(count) * scale + offset).astype("<f4")

    def tagged(self, values):
        if self.half:
            data = values.astype("<f2").tobytes()
            self.weights += struct.pack("<I", FP16_TAG) + data + b"\0" * (-len(data) % 4)
        else:
            self.weights += struct.pack("<I", 0) + values.tobytes()

    def raw(self, values):
        self.weights += values.tobytes()

    def convolution(self, x, cin, cout, kernel=3, dilation=1, groups=1, activation=0, padding=None, bias=True):
        size, pad = cin * cout // groups * kernel * kernel, dilation * (kernel - 1) // 2 if padding is None else padding
        self.tagged(self.numbers(size, np.sqrt(1.5 * groups / (cin * kernel * kernel))))
        if bias:
            self.raw(self.numbers(cout, 0.1))
        kinds = {1: [], 2: ["-23310=1,0.2"], 3: ["-23310=2,-0.7,0.9"], 4: []}
        more = [f"9={activation}", *kinds[activation]] if activation else []
        if groups > 1:
            more.append(f"7={groups}")
        return self.layer("Convolution" if groups == 1 else "ConvolutionDepthWise", [x], 1, f"0={cout}", f"1={kernel}", f"2={dilation}",
                          f"4={pad}", f"5={int(bias)}", f"6={size}", *more)[0]

    def deconvolution(self, x, cin, cout, kernel, stride):
        self.tagged(self.numbers(cin * cout * kernel * kernel, np.sqrt(1.5 / (cin * kernel))))
        self.raw(self.numbers(cout, 0.1))
        return self.layer("Deconvolution", [x], 1, f"0={cout}", f"1={kernel}", f"3={stride}", f"4={(kernel - stride) // 2}", "5=1",
                          f"6={cin * cout * kernel * kernel}")[0]

    def prelu(self, x, channels):
        self.raw(self.numbers(channels, 0.2, 0.25))
        return self.layer("PReLU", [x], 1, f"0={channels}")[0]

    def save(self, stem):
        with open(stem + ".param", "w") as file:
            file.write(f"7767517\n{len(self.lines)} {self.blobs}\n" + "\n".join(self.lines) + "\n")
        with open(stem + ".bin", "wb") as file:
            file.write(self.weights)


def elementwise(w, x, c):
    """One random layer of c channels to c channels."""
    kind = w.random.integers(0, 14)
    if kind == 0:
        return w.prelu(x, c)
    if kind == 1:
        return w.layer("ReLU", [x], 1, f"0={w.random.choice([0, 0.1, 0.25])}")[0]
    if kind == 2:
        return w.layer("Clip", [x], 1, "0=-1.5", "1=1.25")[0]
    if kind == 3:
        return w.layer(str(w.random.choice(["Sigmoid", "TanH", "AbsVal", "Dropout", "HardSigmoid"])), [x])[0]
    if kind == 4:
        op = int(w.random.choice([0, 1, 2, 3, 4, 5, 7]))
        return w.layer("BinaryOp", [x], 1, f"0={op}", "1=1", "2=0.75")[0]
    if kind == 5:
        w.raw(w.numbers(c, 0.3, 1)), w.raw(w.numbers(c, 0.3))
        return w.layer("Scale", [x], 1, f"0={c}", "1=1")[0]
    if kind == 6:
        for values in (w.numbers(c, 0.3, 1), w.numbers(c, 0.2), np.abs(w.numbers(c)) + 0.5, w.numbers(c, 0.2)):
            w.raw(values.astype("<f4"))
        return w.layer("BatchNorm", [x], 1, f"0={c}", "1=0.00001")[0]
    if kind == 7:
        a, b = w.layer("Split", [x], 2)
        first = c // 2
        p, q = w.layer("Slice", [a], 2, f"-23300=2,{first},-233", "1=0")
        joined = w.layer("Concat", [q, p], 1, "0=0")[0]
        return w.layer("Eltwise", [joined, b], 1, "0=1", "-23301=2,0.5,-0.75")[0]
    if kind == 8:
        a, b = w.layer("Split", [x], 2)
        return w.layer("BinaryOp", [w.convolution(a, c, c), b], 1, f"0={w.random.choice([0, 1, 2, 7])}")[0]
    if kind == 9:
        return w.convolution(x, c, c, kernel=int(w.random.choice([1, 3, 5, 7])), dilation=int(w.random.choice([1, 2])), activation=int(w.random.integers(0, 5)))
    if kind == 10:
        return w.convolution(x, c, c, groups=c, bias=False)
    if kind == 11:
        pad = int(w.random.integers(1, 3))
        sides = " ".join(f"{side}={pad}" for side in range(4))
        return w.convolution(w.layer("Padding", [x], 1, *sides.split(), f"4={w.random.integers(0, 3)}")[0], c, c, kernel=2 * pad + 1, padding=0)
    if kind == 12:
        return channel_attention(w, x, c)
    a, b = w.layer("Split", [x], 2)
    part = w.layer("Crop", [a], 1, "-23309=1,1", f"-23310=1,{c - 1}", "-23311=1,0")[0]
    return w.layer("Concat", [b, w.convolution(part, c - 2, 4)], 1, "0=0")[0], c + 4


def channel_attention(w, x, c):
    """Squeeze and excitation: the mean over the picture, two matrices, and its product with the map."""
    a, b = w.layer("Split", [x], 2)
    mean = w.layer("Pooling", [a], 1, "0=1", "4=1")[0]
    for size, outputs, activation in ((c, 4, "9=1"), (4, c, "9=4")):
        w.tagged(w.numbers(size * outputs, np.sqrt(1.5 / size)))
        w.raw(w.numbers(outputs, 0.1))
        mean = w.layer("InnerProduct", [mean], 1, f"0={outputs}", "1=1", f"2={size * outputs}", activation)[0]
    weight = w.layer("Reshape", [mean], 1, "0=1", "1=1", f"2={c}")[0]
    return w.layer("BinaryOp", [b, weight], 1, "0=2")[0]


def unpadded(w):
    """As waifu2x: convolutions without padding, then a transposed one that cuts as well, or none."""
    x, c = w.convolution(w.layer("Input", [], 1)[0], 3, 16, padding=0, activation=2), 16
    for _ in range(int(w.random.integers(1, 4))):
        if w.random.integers(0, 2):
            a, b = w.layer("Split", [x], 2)
            x = w.layer("BinaryOp", [w.convolution(a, c, c, kernel=1), b], 1, "0=0")[0]
        x = w.convolution(x, c, c, kernel=int(w.random.choice([3, 3, 5])), padding=0, activation=2)
    if w.random.integers(0, 2):
        x = w.layer("PixelShuffle", [w.convolution(x, c, 12, padding=0)], 1, "0=2")[0]
        w.convolution(x, 3, 3, kernel=5, padding=0)
        return
    # 4 x 4, stride 2, 3 pixels less at each side.
    w.tagged(w.numbers(c * 3 * 16, np.sqrt(1.5 / (c * 4))))
    w.raw(w.numbers(3, 0.1))
    w.layer("Deconvolution", [x], 1, "0=3", "1=4", "3=2", "4=3", "5=1", f"6={c * 48}")


def cut(stem):
    """Pixels that a network of `write` may take off a picture's sides."""
    return 24 if int(stem.rsplit("-", 1)[1]) % 8 == 7 else 0


def write(stem, seed, widths=(8, 13, 16, 32)):
    w = Writer(seed, half=seed % 2 == 1)
    if seed % 8 == 7:
        unpadded(w)
        w.save(stem)
        return stem
    x = w.layer("Input", [], 1)[0]
    side, x = w.layer("Split", [x], 2)
    c = int(w.random.choice(widths))
    x = w.convolution(x, 3, c)
    for _ in range(int(w.random.integers(2, 6))):
        x = elementwise(w, x, c)
        if isinstance(x, tuple):
            x, c = x
    s = int(w.random.choice([2, 3, 4]))
    end = w.random.integers(0, 3)
    if end == 0:
        x = w.layer("PixelShuffle", [w.convolution(x, c, 3 * s * s)], 1, f"0={s}")[0]
    elif end == 1:
        x = w.deconvolution(x, c, 3, s + 2 * int(w.random.integers(0, 2)), s)
    else:
        x = w.convolution(w.layer("Interp", [x], 1, f"0={w.random.integers(1, 4)}", f"1={s}", f"2={s}")[0], c, 3)
    x = w.layer("BinaryOp", [x, w.layer("Interp", [side], 1, f"0={w.random.integers(1, 4)}", f"1={s}", f"2={s}")[0]], 1, "0=0")[0]
    if s == 4 and w.random.integers(0, 2):
        factor = w.random.choice([0.5, 0.75])
        w.layer("Interp", [x], 1, f"0={w.random.integers(2, 4)}", f"1={factor}", f"2={factor}")
    w.save(stem)
    return stem
