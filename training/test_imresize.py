"""data.imresize against MATLAB's own low-resolution pictures, which it must give bit for bit.

    python test_imresize.py --eval FOLDER
"""
import argparse
from pathlib import Path

import torch

from data import imresize, load_rgb


def planes(path):
    return torch.from_numpy(load_rgb(path).copy()).permute(2, 0, 1).float()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--eval", required=True, help="folder with Set5/x2/*_HR.png and *_LR.png and so on")
    options = parser.parse_args()
    largest, total, pictures = 0.0, 0.0, 0
    for low_path in sorted(Path(options.eval).glob("*/x?/*_LR.png")):
        scale, low = int(low_path.parent.name[1:]), planes(low_path)
        high = planes(str(low_path).replace("_LR", "_HR"))
        difference = (imresize(high, 1 / scale) - low).abs()
        if difference.max() > 0:
            print(f"{low_path}: largest {difference.max():.0f}, mean {difference.mean():.5f}")
        largest, total, pictures = max(largest, float(difference.max())), total + float(difference.mean()), pictures + 1
    print(f"{pictures} pictures: largest difference {largest:.0f}, mean {total / max(pictures, 1):.5f}")
    raise SystemExit(0 if pictures and largest == 0 else 1)


if __name__ == "__main__":
    main()
