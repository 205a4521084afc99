#!/usr/bin/env python3
"""PyTorch networks with random weights: checkpoint, ONNX, Enlarger. Each equals PyTorch within 1e-4 of its largest value.

    python3 -m venv .venv && .venv/bin/pip install -r Tests/pytorch/requirements.txt
    .venv/bin/python Tests/pytorch/check.py --enlarge .build/release/enlarge
"""
import argparse
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch

import definitions as d

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, "scripts", "checkpoint-to-onnx")


LOADER = importlib.machinery.SourceFileLoader("checkpoint_to_onnx", SCRIPT)
CONVERTER = importlib.util.module_from_spec(importlib.util.spec_from_loader(LOADER.name, LOADER))
LOADER.exec_module(CONVERTER)


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


def convert(*words):
    """The script's status and what it says, in this process: torch takes seconds to load."""
    errors, sys.argv = io.StringIO(), [SCRIPT, *words]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        status = CONVERTER.main()
    return status, errors.getvalue()


def error(enlarge, network, white, onnx, folder):
    """The largest difference over two odd sizes, relative to the largest value."""
    worst = 0.0
    for height, width in ((19, 26), (7, 5)):
        x = torch.rand(1, 3, height, width) * white
        with torch.no_grad():
            expected = network(x).numpy()
        np.save(folder + "/in.npy", x.numpy())
        result = run(enlarge, "network", onnx, "--input", folder + "/in.npy", "--output", folder + "/out.npy")
        if result.returncode:
            raise SystemExit(f"{onnx}: {result.stderr}")
        worst = max(worst, float(np.abs(np.load(folder + "/out.npy") - expected).max() / np.abs(expected).max()))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--enlarge", default=os.path.join(ROOT, ".build/release/enlarge"))
    enlarge = os.path.abspath(parser.parse_args().enlarge)
    torch.manual_seed(3)
    logging.disable(logging.WARNING)  # the exporter misses torchvision, which is not needed
    rrdb = d.RRDBNet()
    wide = d.EDSRPyTorch(2, blocks=1, channels=256, residual_scale=0.1)
    cases = [(f"EDSR-PyTorch x{s}", net, net.state_dict(), 255, []) for s in (2, 3, 4) for net in [d.EDSRPyTorch(s)]]
    cases += [
        ("EDSR-PyTorch wide", wide, wide.state_dict(), 255, []),
        *[("EDSR-PyTorch, 0...1", n, n.state_dict(), 1, ["--residual-scale", "0.3"]) for n in [d.EDSRPyTorch(2, residual_scale=0.3, white=1.0)]],
        *[(f"EDSR BasicSR x{s}", n, {"params": n.state_dict()}, 1, []) for s in (2, 3, 4) for n in [d.EDSRBasicSR(s)]],
        *[("EDSR BasicSR, own mean", n, n.state_dict(), 1, ["--mean", "0.5,0.4,0.3", "--image-range", "1"])
          for n in [d.EDSRBasicSR(2, mean=(0.5, 0.4, 0.3), image_range=1.0)]],
        ("RRDBNet", rrdb, {"params": d.RRDBNet().state_dict(), "params_ema": rrdb.state_dict()}, 1, []),
        ("RRDBNet, 1st names", rrdb, d.renamed(rrdb.state_dict(), 1), 1, []),
        ("RRDBNet, 2nd names", rrdb, d.renamed(rrdb.state_dict(), 2), 1, []),
        ("RRDBNet, DataParallel", rrdb, {"module." + k: v for k, v in rrdb.state_dict().items()}, 1, []),
        *[(f"SRVGGNetCompact x{s}", n, {"params": n.state_dict()}, 1, []) for s in (2, 4) for n in [d.SRVGGNetCompact(s)]],
        *[("SRVGGNetCompact, half", n, {k: v.half() for k, v in n.state_dict().items()}, 1, []) for n in [d.SRVGGNetCompact(3).half().float()]],
    ]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, network, content, white, flags in cases:
            torch.save(content, folder + "/c.pth")
            status, message = convert(folder + "/c.pth", folder + "/n.onnx", *flags)
            if status:
                raise SystemExit(f"{name}: {message}")
            worst = error(enlarge, network.eval(), white, folder + "/n.onnx", folder)
            info = json.loads(run(enlarge, "models", "info", folder + "/n.onnx", "--json").stdout)
            scale, good = info["processing"]["input_scale"], info["processing"]["channels"] == "rgb" and not any("assumed" in n for n in info["notes"])
            good = good and abs(scale - white / 255) < 1e-6 and worst <= 1e-4
            failed += not good
            print(f"{name:24} {worst:.1e}{'' if good else '  WRONG'}", flush=True)

        refused = [
            ("not known", {"layer.weight": torch.zeros(3)}, "not known"), ("folded input", d.RRDBNet(inputs=12).state_dict(), "folded"),
            ("something else", {**rrdb.state_dict(), "extra.weight": torch.zeros(2)}, "extra.weight"),
            ("a tensor missing", {k: v for k, v in rrdb.state_dict().items() if k != "conv_hr.weight"}, "conv_hr.weight"),
            ("not finite", {k: v * float("nan") for k, v in rrdb.state_dict().items()}, "not finite"),
            ("not tensors", {"a": 1}, "more than tensors"), ("no dictionary", [1, 2], "list"), ("code", {"params": {"x": torch.nn.ReLU()}}, "weights alone"),
            ("another activation", {k: v for k, v in d.SRVGGNetCompact(2).state_dict().items() if v.ndim > 1}, "PReLU"),
        ]
        for name, content, text in refused:
            torch.save(content, folder + "/c.pth")
            status, message = convert(folder + "/c.pth", folder + "/none.onnx")
            good = status == 1 and text in message and not os.path.exists(folder + "/none.onnx")
            failed += not good
            if not good:
                print(f"refused: {name}: {message}")
        # As a command.
        made = run(sys.executable, SCRIPT, folder + "/absent.pth", folder + "/none.onnx")
        failed += made.returncode != 1 or "absent.pth" not in made.stderr

        # The recipe of docs/pytorch.md for any other network, with both of PyTorch's exporters.
        network = d.Exported().eval()
        for dynamo in (False, True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                example = torch.rand(1, 3, 24, 32)
                if dynamo:
                    height, width = (torch.export.Dim(n, min=4, max=65536) for n in ("height", "width"))
                    torch.onnx.export(network, (example,), folder + "/e.onnx", dynamo=True, dynamic_shapes=({2: height, 3: width},), verbose=False)
                else:
                    torch.onnx.export(
                        network, (example,), folder + "/e.onnx", dynamo=False, opset_version=17, input_names=["x"], output_names=["y"],
                        dynamic_axes={"x": {2: "h", 3: "w"}, "y": {2: "H", 3: "W"}})
            worst = error(enlarge, network, 1, folder + "/e.onnx", folder)
            failed += worst > 1e-4
            print(f"{'torch.onnx.export, ' + ('dynamo' if dynamo else 'script'):24} {worst:.1e}{'' if worst <= 1e-4 else '  WRONG'}", flush=True)
    print(f"{len(cases) + 2} networks of PyTorch {torch.__version__}, {len(refused) + 1} refused, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
