#!/usr/bin/env python3
"""Checks Enlarger on a GPU and measures it: `./run` in the folder that scripts/gpu-check makes. Python alone is needed.

First whether results are right: every network in fp32 and fp16 against the processor, with the kernel that multiplies matrices
before those without, and the same bytes for every budget. Then seconds and bytes, beside PyTorch where Python has it.
"""
import argparse
import array
import json
import os
import random
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = HERE + "/bin/enlarge"
# Largest difference to the processor, in parts of the largest value.
BOUNDS = {"fp32": 1e-4, "fp16": 2e-2}
MIB = 1 << 20


def run(arguments, matrices=True):
    environment = dict(os.environ, ENLARGE_MODELS=HERE + "/models")
    if not matrices:
        environment["ENLARGE_VULKAN_MATRICES"] = "0"
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, env=environment)


def last_object(result):
    """The JSON object that a command printed; RuntimeError with its error where it failed."""
    if result.returncode:
        raise RuntimeError(result.stderr.strip().splitlines()[-1] if result.stderr.strip() else f"status {result.returncode}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def write_npy(path, shape, values):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + array.array("f", values).tobytes())


def read_npy(path):
    with open(path, "rb") as file:
        data = file.read()
    return array.array("f", data[10 + int.from_bytes(data[8:10], "little"):])


class Networks:
    """`enlarge network` on one device, in a folder of its own."""

    def __init__(self, folder, device):
        self.folder, self.device = folder, device

    def result(self, model, device, precision, memory=None, matrices=True):
        """Output values, or the bytes that would be needed where `memory` is too small."""
        target = self.folder + "/out.npy"
        words = ["network", model, "--input", self.folder + "/in.npy", "--output", target, "--device", device, "--precision", precision]
        done = run(words + (["--memory", str(memory)] if memory else []), matrices)
        if done.returncode == 3:
            return int(re.search(r"needs at least (\d+) bytes", done.stderr).group(1))
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return read_npy(target)

    def check(self, model, precisions, sizes):
        """Rows of the report for one model."""
        for height, width in sizes:
            generator = random.Random(height)
            channels = 1
            write_npy(self.folder + "/in.npy", (1, 1, height, width), [generator.random() for _ in range(height * width)])
            try:
                expected = self.result(model, "cpu", "fp32")
            except RuntimeError as error:
                if "1 x 3 x" not in str(error):
                    raise
                channels = 3
                write_npy(self.folder + "/in.npy", (1, 3, height, width), [generator.random() for _ in range(3 * height * width)])
                expected = self.result(model, "cpu", "fp32")
            largest = max(max(map(abs, expected)), 1e-30)
            for precision in precisions:
                for matrices in [True, False] if precision == "fp16" else [False]:
                    row = {"network": os.path.basename(model), "size": f"{width}x{height}", "channels": channels, "precision": precision, "matrices": matrices}
                    try:
                        values = self.result(model, self.device, precision, matrices=matrices)
                        row["error"] = max(abs(a - b) for a, b in zip(values, expected)) / largest
                        least = self.result(model, self.device, precision, 1, matrices)
                        budgets = [least, least * 5 // 4, least * 2]
                        same = all(self.result(model, self.device, precision, b, matrices) == values for b in budgets)
                        row["same_bytes"] = same
                        row["good"] = len(values) == len(expected) and row["error"] <= BOUNDS[precision] and same
                    except (RuntimeError, AttributeError, TypeError) as error:
                        row["good"], row["failure"] = False, str(error)
                    yield row


def measure(model, device, precision, side, runs, passes):
    name = os.path.splitext(os.path.basename(model))[0]
    row = {"engine": "Enlarger", "network": name, "side": side, "precision": precision, "runs": runs}
    try:
        done = last_object(run(["bench", "-m", model, "--size", f"{side}x{side}", "--device", device, "--precision", precision,
                                "--runs", str(runs), "--passes", str(passes), "--json"]))
        plan = last_object(run(["plan", "-m", model, "--size", f"{side}x{side}", "--device", device, "--precision", precision, "--memory", "8G", "--json"]))
        # The plan of one run with pixels; what was allocated for all runs; what the driver's library says the process took.
        row.update(best_s=done["best_s"], planned_bytes=plan["planned_bytes"], runs_in_8_gib=plan.get("concurrent_runs"), allocated_bytes=done["device_bytes"])
        if "device_process_bytes" in done:
            row["measured_bytes"] = done["device_process_bytes"] - done["device_context_bytes"]
            row["context_bytes"] = done["device_context_bytes"]
    except (RuntimeError, KeyError) as error:
        row["failure"] = str(error)
    return row


def peer(blocks, channels, side, precision, how):
    row = {"engine": f"PyTorch, {how}", "network": f"EDSR-{blocks}x{channels}_x3", "side": side, "precision": precision, "runs": 1}
    done = subprocess.run([sys.executable, HERE + "/peer.py", str(blocks), str(channels), str(side), precision, how], capture_output=True, text=True)
    if done.returncode:
        row["failure"] = (done.stderr.strip().splitlines() or ["failed"])[-1]
    else:
        row.update(json.loads(done.stdout))
        row["measured_bytes"] = row["device_used_bytes"]
    return row


def has_torch():
    """Whether Python has PyTorch with a GPU; its libraries are not ours."""
    test = "import torch, sys; sys.exit(0 if torch.cuda.is_available() else 1)"
    return subprocess.run([sys.executable, "-c", test], capture_output=True).returncode == 0


def quality(folder, device, precisions):
    """PSNR of lite-x3 on a folder of *_HR.png and *_LR.png pairs, on the processor and on the device."""
    words = ["evaluate", "-m", "lite-x3", "-s", "3", folder, "--json"]
    rows = [("cpu", "fp32"), *((device, precision) for precision in precisions)]
    return [{"device": d, "precision": p, "psnr_y": last_object(run([*words, "--device", d, "--precision", p]))["psnr_y"]} for d, p in rows]


def mebibytes(row, key):
    return f"{row[key] / MIB:.1f}" if row.get(key) is not None else "-"


def table(rows):
    lines = ["| engine | network | picture | precision | runs | best s | planned MiB | allocated MiB | measured MiB | runs in 8 GiB |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        best = row["failure"] if "failure" in row else f"{row['best_s']:.4g}"
        lines.append(f"| {row['engine']} | {row['network']} | {row['side']} x {row['side']} | {row['precision']} | {row['runs']} | {best} | "
                     f"{mebibytes(row, 'planned_bytes')} | {mebibytes(row, 'allocated_bytes')} | {mebibytes(row, 'measured_bytes')} | {row.get('runs_in_8_gib') or '-'} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="vulkan:0")
    parser.add_argument("--json", default="results.json", help="where the results go (results.json)")
    parser.add_argument("--smoke", action="store_true", help="small sizes: whether it works, not how fast")
    parser.add_argument("--eval", metavar="FOLDER", help="*_HR.png and *_LR.png pairs, such as Set5 at x3: PSNR in each precision")
    arguments = parser.parse_args()
    devices = [json.loads(line) for line in run(["devices", "--json"]).stdout.splitlines()]
    device = next((d for d in devices if d["device"] == arguments.device), None)
    if device is None or not device["precisions"]:
        sys.exit(f"gpu-check: {arguments.device} cannot be used: {(device or {}).get('unusable') or run(['devices']).stderr.strip()}")
    print(f"{device['device']}: {device['name']} ({device['driver']}), {', '.join(device['precisions'])}")
    precisions, files = sorted(device["precisions"]), sorted(os.listdir(HERE + "/networks"))
    checks, sizes = [], [(13, 18)] if arguments.smoke else [(19, 26), (7, 9), (33, 61)]
    with tempfile.TemporaryDirectory() as folder:
        networks = Networks(folder, arguments.device)
        for file in files:
            # The full EDSR is measured below; the processor would take long over it here.
            rows = list(networks.check(f"{HERE}/networks/{file}", precisions, sizes[:1] if file.endswith(".pb") else sizes))
            checks += rows
            for row in (r for r in rows if not r["good"]):
                print(f"WRONG {row['network']} {row['size']} {row['precision']}{', matrices' if row['matrices'] else ''}: {row.get('failure') or row}")
    for precision in precisions:
        errors = [r["error"] for r in checks if r["precision"] == precision and "error" in r]
        print(f"{precision}: {len(errors)} results against the processor, within {max(errors, default=float('nan')):.1e}")
    wrong = sum(not r["good"] for r in checks)
    print(f"{len(checks)} checks, {wrong} wrong")

    measured, side, passes = [], 32 if arguments.smoke else 500, 1 if arguments.smoke else 5
    for file in (f for f in files if f.startswith("EDSR")):
        blocks, channels = re.match(r"EDSR-(\d+)x(\d+)_", file).groups()
        for precision in precisions:
            for runs in [1, 3] if arguments.smoke else [1, 4, 16]:
                measured.append(measure(f"{HERE}/networks/{file}", arguments.device, precision, side, runs, passes))
            if has_torch():
                measured += [peer(blocks, channels, side, precision, how) for how in ("whole", "tiled")]
    print(table(measured))
    if not has_torch():
        print("PyTorch with a GPU is not there: nothing to compare with")
    judged = quality(arguments.eval, arguments.device, precisions) if arguments.eval else []
    for row in judged:
        print(f"{row['device']} {row['precision']}: {row['psnr_y']:.4f} dB")
    with open(arguments.json, "w") as file:
        json.dump({"device": device, "checks": checks, "measured": measured, "quality": judged}, file, indent=1)
    print(f"written: {os.path.abspath(arguments.json)}")
    return 1 if wrong or any("failure" in r for r in measured if r["engine"] == "Enlarger") else 0


sys.exit(main())
