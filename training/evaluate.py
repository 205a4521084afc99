"""PSNR and SSIM on Y (BT.601, 16..235), borders of SCALE pixels left out, output rounded to 8 bits.

    python evaluate.py CHECKPOINT|MODEL.safetensors|bicubic --eval FOLDER [--scale S] [--jpeg QUALITY]

With --jpeg the low-resolution pictures pass through JPEG of that quality first (4:2:0, as cameras and the web have it).
"""
import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from data import as_jpeg, imresize, load_rgb

SETS = ("Set5", "Set14")


def luma(rgb):
    """[..., 3, H, W] of 0..255 -> [..., H, W] of 16..235."""
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64) / 255
    return 16 + torch.einsum("c,...chw->...hw", weights, rgb.double())


def psnr(a, b):
    return float(10 * torch.log10(255**2 / ((a - b) ** 2).mean()))


def ssim(a, b):
    """Wang et al. 2004: 11 x 11 Gaussian window, sigma 1.5, valid positions only."""
    line = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
    window = (line[:, None] * line / line.sum() ** 2)[None, None]
    blur = lambda x: F.conv2d(x[None, None], window)
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean())


@torch.no_grad()
def evaluate(upscale, scale, folder, jpeg=None):
    """Mean PSNR and SSIM of `upscale` ([1, 3, H, W] of 0..255 in and out) over *_HR.png / *_LR.png of `folder`.

    `jpeg`: quality that the low-resolution pictures are compressed with first."""
    results = []
    for high_path in sorted(Path(folder).glob("*_HR.png")):
        planes = lambda pixels: torch.from_numpy(pixels.copy()).permute(2, 0, 1).float()
        small = load_rgb(str(high_path).replace("_HR", "_LR"))
        high, low = planes(load_rgb(high_path)), as_jpeg(small, jpeg, 2) if jpeg else planes(small)
        output = upscale(low[None])[0].clamp(0, 255).round()
        height, width = min(high.shape[1], output.shape[1]), min(high.shape[2], output.shape[2])
        a, b = (luma(x[:, :height, :width])[scale:-scale, scale:-scale] for x in (high, output))
        results.append((psnr(a, b), ssim(a, b)))
    if not results:
        raise SystemExit(f"no *_HR.png in {folder}")
    return tuple(float(x) for x in np.mean(results, axis=0))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="a checkpoint, a native file, or the word bicubic")
    parser.add_argument("--eval", required=True, help="folder with Set5/x2/*_HR.png and so on")
    parser.add_argument("--scale", type=int)
    parser.add_argument("--jpeg", type=int, metavar="QUALITY")
    options = parser.parse_args()
    if options.model == "bicubic":
        scale, upscale = options.scale, lambda pixels: imresize(pixels, options.scale)
    else:
        from export import load
        network = load(options.model)
        scale, upscale = network.scale, network.upscale
    for name in SETS:
        db, similarity = evaluate(upscale, scale, Path(options.eval) / name / f"x{scale}", options.jpeg)
        print(json.dumps({"model": options.model, "scale": scale, "set": name, "jpeg": options.jpeg,
                          "psnr_y": round(db, 3), "ssim_y": round(similarity, 4)}))


if __name__ == "__main__":
    main()
