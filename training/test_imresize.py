"""Compares data.imresize with MATLAB's low-resolution pictures: python test_imresize.py --eval FOLDER"""
import argparse
from pathlib import Path

import torch

from data import imresize, load_rgb

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--eval", required=True)
options = parser.parse_args()
for low_path in sorted(Path(options.eval).glob("Set*/x?/*_LR.png")):
    scale = int(low_path.parent.name[1:])
    planes = lambda path: torch.from_numpy(load_rgb(path).copy()).permute(2, 0, 1).float()
    low, high = planes(low_path), planes(str(low_path).replace("_LR", "_HR"))
    high = high[:, :low.shape[1] * scale, :low.shape[2] * scale]
    difference = (imresize(high, 1 / scale) - low).abs()
    print(f"{low_path.parent.parent.name} x{scale} {low_path.stem}: largest {difference.max():.0f}, "
          f"mean {difference.mean():.5f}, differing {(difference > 0).float().mean():.3%}")
    assert difference.max() <= 1, low_path
