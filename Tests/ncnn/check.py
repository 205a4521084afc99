#!/usr/bin/env python3
"""ncnn networks through Enlarger and through ncnn itself, at odd sizes: equal within 1e-3 on 0..255 (files), or 1e-5 of the largest value (seeded).

    python3 -m venv .venv && .venv/bin/pip install -r Tests/ncnn/requirements.txt
    .venv/bin/python Tests/ncnn/check.py --enlarge .build/release/enlarge [--models FOLDER_OF_PARAM_FILES] [--count 60]

The networks are those of the folder, and seeded ones of every layer that is read. Each also runs on one
thread in the smallest budget there is, and must give the same bytes. Ends with status 1 when one differs.
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import ncnn
import numpy as np

import networks


def by_ncnn(stem, picture):
    net = ncnn.Net()
    net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_fp16_packed = net.opt.use_bf16_storage = False
    # Its fast convolutions are off by as much as the bound; as written, sums are closest to exact.
    net.opt.use_winograd_convolution = net.opt.use_sgemm_convolution = False
    if net.load_param(stem + ".param") or net.load_model(stem + ".bin"):
        sys.exit(f"ncnn does not load {stem}")
    extractor = net.create_extractor()
    extractor.input(net.input_names()[0], ncnn.Mat(np.ascontiguousarray(picture)))
    status, result = extractor.extract(net.output_names()[0])
    if status:
        sys.exit(f"ncnn does not run {stem}")
    return np.array(result)


def by_enlarger(enlarge, stem, picture, folder, *more):
    np.save(folder + "/in.npy", picture[None])
    run = subprocess.run(
        [enlarge, "network", stem + ".param", "--input", folder + "/in.npy", "--output", folder + "/out.npy", *more], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{stem}: {run.stderr}")
    return np.load(folder + "/out.npy")[0]


def made_picture(rng, width, height):
    """Slopes, an edge and some noise, in 0..1."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    planes = [0.3 + 0.4 * (a * x / width + (1 - a) * y / height) + 0.2 * (x + c * y > width / 2) for a, c in ((0.2, 1), (0.7, 0.5), (0.5, 2))]
    return (np.stack(planes) + rng.uniform(-0.08, 0.08, (3, height, width))).clip(0, 1).astype(np.float32)


def smallest_budget(enlarge, stem, folder):
    """Of the picture that by_enlarger wrote last, on one thread."""
    run = subprocess.run([enlarge, "network", stem + ".param", "--input", folder + "/in.npy", "--output", folder + "/no.npy", "-j", "1", "--memory", "1"],
                         capture_output=True, text=True)
    return re.search(r"at least (\d+) bytes", run.stderr).group(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--enlarge", default=".build/release/enlarge")
    parser.add_argument("--models", help="folder with NAME.param and NAME.bin")
    parser.add_argument("--count", type=int, default=60, help="how many seeded networks")
    options = parser.parse_args()
    worst, failed = 0.0, False
    with tempfile.TemporaryDirectory() as folder:
        stems = [path[:-len(".param")] for path in sorted(glob.glob((options.models or folder) + "/*.param"))]
        seeded = [networks.write(f"{folder}/seeded-{seed}", seed) for seed in range(options.count)]
        for number, stem in enumerate(stems + seeded):
            rng = np.random.default_rng(number)
            for width, height in ((37, 29), (12, 9)) if stem in stems else (tuple(int(rng.integers(3, 40)) + networks.cut(stem) for _ in "wh"),):
                picture = made_picture(rng, width, height)
                expected, found = by_ncnn(stem, picture), by_enlarger(options.enlarge, stem, picture, folder)
                if expected.shape != found.shape:
                    sys.exit(f"{stem}: {found.shape}, ncnn makes {expected.shape}")
                error, bound = float(np.abs(expected - found).max()), 1e-3 / 255
                if stem in seeded:
                    error, bound = error / float(np.abs(expected).max()), 1e-5
                worst, failed = max(worst, error / bound), failed or not error <= bound
                if stem in stems or not error <= bound:
                    print(f"{os.path.basename(stem)} on {width} x {height}: off by {error:.1e}, at most {bound:.1e}", flush=True)
                same = by_enlarger(options.enlarge, stem, picture, folder, "-j", "1", "--memory", smallest_budget(options.enlarge, stem, folder))
                if not np.array_equal(same, found):
                    print(f"{stem}: the smallest budget gives other bytes")
                    failed = True
    print(json.dumps({"networks": len(stems) + len(seeded), "worst_of_bound": round(float(worst), 3), "failed": failed}))
    sys.exit(failed)


if __name__ == "__main__":
    main()
