#!/usr/bin/env python3
"""A network of RealESRGAN_x4plus's structure with seeded weights (ESRGAN's residual-in-residual dense blocks).

    python3 make_rrdb.py STEM [--blocks 23] [--channels 64] [--growth 32]

Writes STEM.param and STEM.bin, weights as fp16. Weights are small, so that values stay in range through all blocks.
"""
import argparse

import numpy as np

from networks import Writer


def convolution(w, x, cin, cout, gain, leaky=False):
    w.tagged(w.numbers(cin * cout * 9, gain * np.sqrt(1 / (cin * 9))))
    w.raw(w.numbers(cout, 0.01))
    more = ["9=2", "-23310=1,0.2"] if leaky else []
    return w.layer("Convolution", [x], 1, f"0={cout}", "1=3", "4=1", "5=1", f"6={cin * cout * 9}", *more)[0]


def dense_block(w, x, channels, growth):
    *parts, residual = w.layer("Split", [x], 6)
    made = []  # of each convolution, a blob for every later one, which all read it
    for i in range(5):
        inputs = [parts[i]] + [blobs.pop() for blobs in made]
        joined = w.layer("Concat", inputs, 1, "0=0")[0] if i else inputs[0]
        if i < 4:
            y = convolution(w, joined, channels + i * growth, growth, 1.2, leaky=True)
            made.append(w.layer("Split", [y], 4 - i) if i < 3 else [y])
    y = convolution(w, joined, channels + 4 * growth, channels, 0.5)
    return w.layer("Eltwise", [y, residual], 1, "0=1", "-23301=2,0.2,1.0")[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stem")
    parser.add_argument("--blocks", type=int, default=23)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--growth", type=int, default=32)
    options = parser.parse_args()
    w, c = Writer(23, half=True), options.channels
    x, skip = w.layer("Split", [convolution(w, w.layer("Input", [])[0], 3, c, 1.0)], 2)
    for _ in range(options.blocks):
        x, residual = w.layer("Split", [x], 2)
        for _ in range(3):
            x = dense_block(w, x, c, options.growth)
        x = w.layer("Eltwise", [x, residual], 1, "0=1", "-23301=2,0.2,1.0")[0]
    x = w.layer("BinaryOp", [convolution(w, x, c, c, 0.7), skip], 1, "0=0")[0]
    for _ in range(2):
        x = convolution(w, w.layer("Interp", [x], 1, "0=1", "1=2.0", "2=2.0")[0], c, c, 1.2, leaky=True)
    convolution(w, convolution(w, x, c, c, 1.2, leaky=True), c, 3, 0.3)
    w.save(options.stem)


if __name__ == "__main__":
    main()
