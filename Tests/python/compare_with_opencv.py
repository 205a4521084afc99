#!/usr/bin/env python3
"""One script with cv2.dnn_superres and with Enlarger, which differ in an import line: pictures within one level of 255.

    .venv/bin/python Tests/python/compare_with_opencv.py [--models FOLDER] [--pictures FOLDER]

The models are OpenCV's published ones (../shared/models/opencv) and EDSR files written here; the pictures those of
../shared/eval/Set5. Where the folders are absent, EDSR and pictures made here remain.
"""
import argparse
import glob
import os
import subprocess
import sys
import tempfile

import cv2
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.append(os.path.join(ROOT, "Benchmarks"))
import networks  # noqa: E402


def scripts(folder):
    """The script, and the script with its import line changed."""
    with open(os.path.join(HERE, "upscale_with_opencv.py")) as file:
        text = file.read()
    changed = text.replace("from cv2 import dnn_superres\n", "from enlarger import dnn_superres\n")
    assert text.count("\n") == changed.count("\n") and text != changed
    paths = []
    for name, content in (("opencv", text), ("enlarger", changed)):
        paths.append(os.path.join(folder, f"with_{name}.py"))
        with open(paths[-1], "w") as file:
            file.write(content)
    return paths


def made_picture(path, width, height, seed):
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    planes = [127 + 90 * np.sin(x / (5 + c) + seed) * np.cos(y / (7 - c)) for c in range(3)]
    cv2.imwrite(path, np.clip(np.stack(planes, 2) + rng.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8))


def multioutput(model, picture, factors):
    """upsampleMultioutput as its C++ source does it: OpenCV's own Python binding of it returns nothing."""
    cv2.dnn_superres.DnnSuperResImpl_create()  # registers its DepthToSpace
    net = cv2.dnn.readNetFromTensorflow(model)
    planes = cv2.split(cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb).astype(np.float32) * np.float32(1 / 255))
    net.setInput(cv2.dnn.blobFromImage(planes[0]))
    # All outputs, one of which may have two names; told apart by their size.
    outputs = {output.shape[2] // picture.shape[0]: output for output in net.forward(net.getUnconnectedOutLayersNames())}
    for factor in factors:
        rest = [cv2.resize(np.ascontiguousarray(p), None, fx=factor, fy=factor) for p in planes[1:]]
        merged = np.rint(np.clip(cv2.merge([np.ascontiguousarray(outputs[factor][0, 0])] + rest) * np.float32(255), 0, 255)).astype(np.uint8)
        yield cv2.cvtColor(merged, cv2.COLOR_YCrCb2BGR)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    shared = os.path.join(os.path.dirname(ROOT), "shared")
    parser.add_argument("--models", default=os.path.join(shared, "models", "opencv"))
    parser.add_argument("--pictures", default=os.path.join(shared, "eval", "Set5"))
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        cases = []
        for path in sorted(glob.glob(os.path.join(options.models, "*.pb"))):
            name = os.path.basename(path)[:-3]
            cases.append((name, path, name.split("_")[0].split("-")[0].lower(), int(name[-1])))
        if not cases:
            print(f"{options.models} is absent: EDSR alone is compared")
        for scale in (2, 3, 4):
            path = os.path.join(folder, f"EDSR-4x32_x{scale}.pb")
            networks.write_graph_def(path, 4, 32, scale, 0.1)
            cases.append((f"EDSR-4x32_x{scale}", path, "edsr", scale))
        opencv, enlarger = scripts(folder)
        own = os.path.join(folder, "made.png")
        made_picture(own, 83, 61, 1)
        for name, model, algorithm, scale in cases:
            pictures = sorted(glob.glob(os.path.join(options.pictures, f"x{min(scale, 4)}", "*_LR.png"))) + [own]
            pairs = {kind: [(p, os.path.join(folder, f"{kind}-{i}.png")) for i, p in enumerate(pictures)] for kind in ("a", "b")}
            for script, kind in ((opencv, "a"), (enlarger, "b")):
                subprocess.check_call([sys.executable, script, model, algorithm, str(scale), *[w for pair in pairs[kind] for w in pair]])
            worst = differing = total = 0
            for (_, a), (_, b) in zip(pairs["a"], pairs["b"]):
                difference = np.abs(cv2.imread(a).astype(int) - cv2.imread(b))
                worst, differing, total = max(worst, int(difference.max())), differing + int((difference > 0).sum()), total + difference.size
            note = ""
            if algorithm == "lapsrn" and scale > 2:
                factors = [2 ** i for i in range(1, scale.bit_length())]
                for factor, expected in zip(factors, multioutput(model, cv2.imread(pictures[0]), factors)):
                    difference = int(np.abs(cv2.imread(pairs["b"][0][1] + f".{factor}.png").astype(int) - expected).max())
                    note += f", output x{factor} within {difference}"
                    worst = max(worst, difference)
            failed += worst > 1
            print(f"{name:16} within {worst} level, {differing} of {total} samples differ, {len(pictures)} pictures{note}", flush=True)
    print(f"{len(cases)} models compared with OpenCV {cv2.__version__}, {failed} beyond one level")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
