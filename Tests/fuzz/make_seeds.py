#!/usr/bin/env python3
"""Seeds of every format for the fuzzer, each a few kilobytes.

    swift build -c release --product enlarge && BUILD_ONLY=1 scripts/fuzz
    .venv/bin/pip install -r Tests/onnx/requirements.txt
    .venv/bin/python Tests/fuzz/make_seeds.py FOLDER

FOLDER/FORMAT/* come from the Swift writers of Tests/TestSupport, and from the seeded networks of Tests/onnx and Tests/ncnn.
"""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path += [os.path.join(ROOT, "Tests", "onnx"), os.path.join(ROOT, "Tests", "ncnn")]
import make_networks  # noqa: E402
import networks  # noqa: E402

LARGEST = 12_000  # bytes


def save(folder, name, data):
    if len(data) <= LARGEST:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    subprocess.check_call([os.path.join(ROOT, ".build/fuzz/release/fuzz-models"), "seeds", folder])
    onnx = {
        "edsr": make_networks.edsr(blocks=1, width=4), "edsr-bn": make_networks.edsr(4, blocks=1, width=4, batch_norm=True),
        "edsr-spelled": make_networks.edsr(2, "script", 12, blocks=1, width=4, spelled="dynamic"),
        "edsr-fixed": make_networks.edsr(2, "script", 17, blocks=1, width=4, size=(7, 5), spelled="fixed"),
        "metadata": make_networks.edsr(blocks=1, width=4, metadata={"enlarger.channels": "bgr", "enlarger.range": "255", "enlarger.mean": "1,2,3"}),
        "resizes": make_networks.resizes(), "old": make_networks.old(), "last": make_networks.channels_last(),
    }
    onnx.update({f"random-{i}": make_networks.random_graph(i) for i in range(300)})
    for name, model in onnx.items():
        save(os.path.join(folder, "onnx"), name, model.SerializeToString())
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(150):
            stem = networks.write(os.path.join(scratch, "n"), seed, widths=(3, 5))
            with open(stem + ".param", "rb") as text, open(stem + ".bin", "rb") as weights:
                save(os.path.join(folder, "ncnn"), f"seeded-{seed}", text.read() + b"\0" + weights.read())
        for name in sorted(os.listdir(os.path.join(folder, "onnx")))[::4]:
            native = os.path.join(scratch, "native.safetensors")
            subprocess.check_call([os.path.join(ROOT, ".build/release/enlarge"), "models", "convert", os.path.join(folder, "onnx", name), native, "-q"])
            with open(native, "rb") as file:
                save(os.path.join(folder, "safetensors"), "from-" + name, file.read())


if __name__ == "__main__":
    main()
