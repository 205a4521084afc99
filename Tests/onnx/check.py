#!/usr/bin/env python3
"""Runs ONNX networks through `enlarge network` and onnxruntime and compares.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -r Tests/onnx/requirements.txt
    /tmp/venv/bin/python Tests/onnx/check.py --enlarge .build/release/enlarge

Every network runs on pictures of odd sizes. The result must be within 1e-4 of onnxruntime's, relative to the largest
value of the reference, and the same bytes with the smallest budget and without one, on one thread and on two.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime

import make_networks

SIZES = [(19, 26), (7, 5), (33, 61)]  # height, width


def run(command):
    return subprocess.run(command, capture_output=True, text=True)


def enlarge(program, model, source, target, *flags):
    result = run([program, "network", model, "--input", source, "--output", target, *flags])
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip())
    return np.load(target)


def minimum(program, model, source, folder):
    """The smallest budget, from the error of an impossible one."""
    result = run([program, "network", model, "--input", source, "--output", folder + "/none.npy", "--memory", "1"])
    found = re.search(r"needs at least (\d+) bytes", result.stderr)
    if not found:
        raise RuntimeError("no minimum in: " + result.stderr.strip())
    return found.group(1)


def reference(model, values):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: values})


def check(program, name, model, folder, sizes):
    """The largest relative error over the sizes."""
    path = f"{folder}/{name}.onnx"
    if "external" in name:
        whole = type(model).FromString(model.SerializeToString())
        onnx.save_model(model, path, save_as_external_data=True, location=f"{name}.data", size_threshold=64)
        model = whole
    else:
        onnx.save_model(model, path)
    if "half" in name:
        model = make_networks.in_single_precision(model)
    last = "channels-last" in name
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    channels, worst = shape[3] if last else shape[1], 0.0
    for height, width in [(shape[2], shape[3])] if shape[2] and not last else sizes:
        values = np.random.default_rng(height).random((1, channels, height, width), dtype=np.float32)
        source = f"{folder}/in.npy"
        np.save(source, values)
        expected = reference(model, values.transpose(0, 2, 3, 1) if last else values)
        expected = max(expected, key=lambda e: e.size)
        expected = expected.transpose(0, 3, 1, 2) if last else expected
        result = enlarge(program, path, source, f"{folder}/out.npy")
        if result.shape != expected.shape:
            raise RuntimeError(f"shape {result.shape}, expected {expected.shape}")
        worst = max(worst, float(np.abs(result - expected).max() / max(np.abs(expected).max(), 1e-30)))
        for flags in [["--memory", minimum(program, path, source, folder)], ["-j", "1"], ["-j", "2"]]:
            again = enlarge(program, path, source, f"{folder}/again.npy", *flags)
            if again.tobytes() != result.tobytes():
                raise RuntimeError(f"{width} x {height}: other bytes with {' '.join(flags)}")
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--enlarge", required=True, help="the program")
    parser.add_argument("--random", type=int, default=100, help="number of random graphs")
    parser.add_argument("--only", help="names that contain this")
    parser.add_argument("--files", nargs="*", default=[], help="more networks, as files (exports of real ones)")
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.enlarge)
    networks = [(name, make, SIZES) for name, make in make_networks.NETWORKS.items()]
    networks += [(f"random-{i}", lambda i=i: make_networks.random_graph(i), [(11 + i % 3, 17 + i % 5)]) for i in range(arguments.random)]
    networks += [(os.path.splitext(os.path.basename(f))[0], lambda f=f: onnx.load(f), SIZES) for f in arguments.files]
    if arguments.only:
        networks = [n for n in networks if arguments.only in n[0]]
    failed, start, worst_random = 0, time.time(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, make, sizes in networks:
            try:
                error = check(program, name, make(), folder, sizes)
                good = error <= 1e-4
                if not name.startswith("random-"):
                    print(f"{name:18} {error:.1e}{'' if good else '  TOO LARGE'}", flush=True)
                elif not good:
                    print(f"{name:18} {error:.1e}  TOO LARGE", flush=True)
                if name.startswith("random-"):
                    worst_random = max(worst_random, error)
                failed += not good
            except Exception as error:  # the other networks still run
                failed += 1
                print(f"{name:18} FAILED: {error}", flush=True)
    print(f"{len(networks)} networks, {failed} failed, random graphs within {worst_random:.1e}, {time.time() - start:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
