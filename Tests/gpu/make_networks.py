#!/usr/bin/env python3
"""Writes the networks that check.py runs: every operation in ONNX, and EDSR in the sizes that are measured."""
import os
import sys

import onnx

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT + "/Tests/onnx", ROOT + "/Benchmarks"]
import make_networks  # noqa: E402
import networks  # noqa: E402

# Of Tests/onnx: between them every operation that a device has. Means over the picture take passes, which it does not have;
# channels that come last are another reader's concern.
SKIPPED = ("channel-attention", "channels-last", "edsr-external", "edsr-metadata", "edsr-fixed", "rrdb-half")


def main(folder, small):
    for name, make in make_networks.NETWORKS.items():
        if not name.startswith(SKIPPED) and (not small or name in ("edsr-x2", "fsrcnn-x3", "lapsrn-x4", "carn", "resizes", "reflected")):
            onnx.save_model(make(), f"{folder}/{name}.onnx")
    for seed in range(4 if small else 40):
        onnx.save_model(make_networks.random_graph(seed), f"{folder}/random-{seed}.onnx")
    for blocks, channels in [(2, 16)] if small else [(16, 64), (32, 256)]:
        networks.write_graph_def(f"{folder}/EDSR-{blocks}x{channels}_x3.pb", blocks, channels, 3, 0.1 if channels == 256 else 1)


main(sys.argv[1], "--small" in sys.argv[2:])
