#!/usr/bin/env python3
"""The error of whole networks: Enlarger against direct convolution in double precision.

    swift build -c release --product enlarge
    python3 Benchmarks/precision.py            (needs NumPy alone)

Prints, for EDSR of 16 x 64 and 32 x 256, the largest difference over the largest value, and ends with status 1 where
fp32 is further off than 1e-4.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np

import networks


def convolution(x, weights, bias):
    """x [C, H, W] and weights [O, C, 3, 3] in float64; 'same' zero padding."""
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    y = np.zeros((weights.shape[0], height * width))
    for i in range(3):
        for j in range(3):
            y += weights[:, :, i, j] @ padded[:, i:i + height, j:j + width].reshape(len(x), -1)
    return y.reshape(-1, height, width) + bias[:, None, None]


def edsr(x, blocks, channels, scale, residual_scale):
    # The graph's constants are HWIO, and are quantised in that order; the values do not depend on it.
    layers = ((networks.as_stored(w).astype(np.float64), b.astype(np.float64)) for w, b in networks.parameters(blocks, channels, scale))
    head = x = convolution(x, *next(layers))
    for _ in range(blocks):
        y = convolution(np.maximum(convolution(x, *next(layers)), 0), *next(layers))
        x = x + np.float64(np.float32(residual_scale)) * y
    y = convolution(convolution(x, *next(layers)) + head, *next(layers))
    _, height, width = y.shape
    phases = y.reshape(scale, scale, 3, height, width)  # TensorFlow's depth to space: the phase first
    return phases.transpose(2, 3, 0, 4, 1).reshape(3, height * scale, width * scale)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--enlarge", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.build/release/enlarge"))
    parser.add_argument("--size", default="45x38", help="width x height")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    picture = np.random.default_rng(7).uniform(-128, 128, (3, height, width)).astype(np.float32)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        np.save(folder + "/in.npy", picture[None])
        for blocks, channels, residual_scale in (16, 64, 1.0), (32, 256, 0.1):
            networks.write_graph_def(folder + "/network.pb", blocks, channels, 3, residual_scale)
            expected = edsr(picture.astype(np.float64), blocks, channels, 3, residual_scale)
            for precision in "fp32", "bf16":
                run = subprocess.run(
                    [options.enlarge, "network", folder + "/network.pb", "--input", folder + "/in.npy", "--output",
                     folder + "/out.npy", "--precision", precision], capture_output=True, text=True)
                if run.returncode == 4:
                    print(f"{blocks} x {channels} {precision}: {run.stderr.strip()}")
                    continue
                if run.returncode:
                    sys.exit(run.stderr)
                error = np.abs(np.load(folder + "/out.npy")[0] - expected).max() / np.abs(expected).max()
                failed |= precision == "fp32" and not error <= 1e-4
                print(f"{blocks} x {channels} {precision}: relative error {error:.2e}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
