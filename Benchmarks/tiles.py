#!/usr/bin/env python3
"""What tiles cost: the same picture streamed, and in overlapping tiles blended with linear weights.

    swift build -c release --product enlarge
    .venv/bin/python Benchmarks/tiles.py PICTURE MODEL...

Prints a table: seconds, planned memory, and how far each tiled result is from the streamed one, which is that of the whole
picture: the largest difference in levels, the part of samples that differ at all, and PSNR.
"""
import argparse
import json
import os
import subprocess
import tempfile

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("picture")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--enlarge", default=os.path.join(HERE, "..", ".build", "release", "enlarge"))
    parser.add_argument("--tiles", default="256:32,256:16,128:16,128:8", help="SIZE:OVERLAP, ...")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ways = [None] + [tuple(map(int, text.split(":"))) for text in options.tiles.split(",")]
    print("| model | | s | planned MiB | largest difference | samples that differ | PSNR to the exact one |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models:
            results, seconds = {}, {way: [] for way in ways}
            for _ in range(options.rounds):
                for way in ways:
                    output = f"{folder}/{way and way[0]}-{way and way[1]}.png"
                    more = ["--tile", str(way[0]), "--overlap", str(way[1])] if way else []
                    run = subprocess.run([options.enlarge, options.picture, "-m", model, "-o", output, "--json", *more],
                                         capture_output=True, text=True, check=True)
                    found = json.loads(run.stdout)
                    seconds[way].append(found["seconds"])
                    results[way] = (np.asarray(Image.open(output)).astype(np.int16), found["planned_bytes"])
            exact = results[None][0]
            for way in ways:
                picture, planned = results[way]
                difference = np.abs(picture - exact)
                error = float((difference.astype(np.float64) ** 2).mean())
                psnr = f"{10 * np.log10(255**2 / error):.1f} dB" if error else ""
                what = f"tiles of {way[0]}, overlap {way[1]}" if way else "streamed"
                print(f"| {os.path.basename(model).split('.')[0]} | {what} | {min(seconds[way]):.2f} | {planned / 2**20:.1f} | {difference.max() if way else ''} "
                      f"| {f'{100 * (difference > 0).mean():.1f} %' if way else ''} | {psnr} |", flush=True)


if __name__ == "__main__":
    main()
