#!/usr/bin/env python3
"""How Enlarger's time and memory grow: with the picture, its height, the band, the threads; and how long it takes to start.

    swift build -c release --product enlarge
    .venv/bin/python Benchmarks/scaling.py

Writes results/PROCESSOR-scaling.md, which compare.py appends to results/PROCESSOR.md. Cases take turns for several rounds, as in compare.py; a
ratio is the median over the rounds.
"""
import argparse
import json
import os
import statistics
import struct
import subprocess
import tempfile
import time
import zlib

import compare
import networks

HERE = os.path.dirname(os.path.abspath(__file__))


def bench(options, model, width, height, *more, threads=None):
    command = [options.enlarge, "bench", "-m", model, "--size", f"{width}x{height}", "-j", str(threads or options.threads), "--json", *more]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def in_turns(rounds, cases):
    """{name: [result of each round]} of {name: function}."""
    results = {name: [] for name in cases}
    for _ in range(rounds):
        for name, measure in cases.items():
            results[name].append(measure())
    return results


def ratio(above, below, key="best_s"):
    return statistics.median(a[key] / b[key] for a, b in zip(above, below))


def write_png(path, side):
    """A grey PNG with 3 channels of 8 bits."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + bytes((x * 5 + y * 3) % 256 for x in range(side) for _ in range(3)) for y in range(side))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)))
        f.write(chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b""))


def verdict(found, bar, at_least=False):
    met = found >= bar if at_least else found <= bar
    return f"{'at least' if at_least else 'at most'} {bar:.2f}: {'met' if met else 'missed'}"


def measurements(options, folder):
    baseline, full = os.path.join(folder, "baseline.pb"), os.path.join(folder, "full.pb")
    networks.write_graph_def(baseline, 16, 64, 3, 1.0)
    networks.write_graph_def(full, 32, 256, 3, 0.1)
    rounds = options.rounds

    sizes = in_turns(rounds, {
        "small": lambda: bench(options, baseline, 128, 128, "--passes", "20"),
        "large": lambda: bench(options, baseline, 1024, 1024, "--passes", "1")})
    found = ratio(sizes["large"], sizes["small"]) / 64
    yield "time per pixel, 1024 x 1024 over 128 x 128 (baseline)", f"{found:.2f}", verdict(found, 1.10)

    heights = in_turns(1, {
        "short": lambda: bench(options, baseline, 512, 512, "--passes", "1"),
        "long": lambda: bench(options, baseline, 512, 4096, "--passes", "1")})
    found = ratio(heights["long"], heights["short"], "process_peak_bytes")
    mib = " and ".join(f"{heights[name][0]['process_peak_bytes'] / 2**20:.0f}" for name in ("long", "short"))
    yield f"peak memory, 512 x 4096 over 512 x 512 (baseline; {mib} MiB)", f"{found:.2f}", verdict(found, 1.05)

    for name, model, side, passes in (("baseline", baseline, 256, "7"), ("full", full, 128, "2")):
        whole = str((side + 2 * 70) // 4 * 4)
        bands = in_turns(rounds, {
            "band": lambda: bench(options, model, side, side, "--passes", passes, "--band-rows", "16"),
            "whole": lambda: bench(options, model, side, side, "--passes", passes, "--band-rows", whole)})
        found = ratio(bands["band"], bands["whole"])
        yield f"time in bands of 16 rows over the whole picture at once ({name}, {side} x {side})", f"{found:.2f}", verdict(found, 1.10)

    for name, model, side, passes in (("baseline", baseline, 256, "7"), ("full", full, 128, "2")):
        threads = in_turns(rounds, {
            "one": lambda: bench(options, model, side, side, "--passes", passes, threads=1),
            "two": lambda: bench(options, model, side, side, "--passes", passes, threads=2)})
        found = ratio(threads["one"], threads["two"])
        yield f"speed with two threads over one ({name}, {side} x {side})", f"{found:.3f}", verdict(found, 1.85, at_least=True)

    lite = os.path.join(HERE, "..", "models", "lite-x3.safetensors")
    if os.path.exists(lite):
        picture, output = os.path.join(folder, "in.png"), os.path.join(folder, "out.png")
        write_png(picture, 64)
        times = []
        for _ in range(11):
            start = time.perf_counter()
            subprocess.run([options.enlarge, picture, "-m", lite, "-o", output, "-q"], check=True)
            times.append(time.perf_counter() - start)
        yield "`enlarge` on a 64 x 64 PNG with lite-x3, from start to end of the process", f"{1000 * statistics.median(times[1:]):.0f} ms", ""


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--enlarge", default=os.path.join(HERE, "..", ".build", "release", "enlarge"))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--out", default=compare.results_path("-scaling.md"))
    options = p.parse_args()
    lines = ["## How it grows", "", "| what | measured | wanted |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        for row in measurements(options, folder):
            print(*row, sep="  ", flush=True)
            lines.append("| " + " | ".join(row) + " |")
    with open(options.out, "w") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
