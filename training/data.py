"""Training pictures: MATLAB's imresize, a cache of decoded photographs, and textured patches drawn from it."""
import io
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image


def cubic(x):
    """Keys' cubic kernel with a = -0.5, as MATLAB's imresize uses it."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def resize_matrix(size, new_size, scale=None):
    """[new_size, size] float32: one dimension of imresize(..., 'bicubic'), antialiased when it shrinks, edges repeated.

    `scale` is output / input; by default new_size / size.
    """
    scale = scale or new_size / size
    stretch = min(scale, 1.0)
    centre = (np.arange(new_size) + 0.5) / scale - 0.5
    reach = 2 / stretch
    taps = np.floor(centre - reach)[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)
    weights = cubic((taps - centre[:, None]) * stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    inside = taps.astype(int).clip(0, size - 1)
    matrix = np.zeros((new_size, size))
    np.add.at(matrix, (np.arange(new_size)[:, None], inside), weights)
    return torch.from_numpy(matrix.astype(np.float32))


def imresize(pictures, scale):
    """[..., H, W] of 0..255, resized as MATLAB resizes uint8: rows first, rounded after each dimension."""
    height, width = pictures.shape[-2:]
    rows = resize_matrix(height, int(np.ceil(height * scale)), scale)
    columns = resize_matrix(width, int(np.ceil(width * scale)), scale)
    to_bytes = lambda x: (x + 0.5).floor().clamp(0, 255)  # halves go up, as in MATLAB; torch.round is half to even
    return to_bytes(to_bytes(rows @ pictures) @ columns.T)


def load_rgb(path):
    return np.asarray(Image.open(path).convert("RGB"))


def load_photographs(folder, reductions, cache=None):
    """uint8 [H, W, 3] arrays, every photograph of `folder` box-averaged by each of `reductions`.

    With `cache` (a folder) the decoded pixels are kept there and mapped the next time.
    """
    paths = sorted(p for p in Path(folder).iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise SystemExit(f"no photographs in {folder}")
    wanted = [[p.name, p.stat().st_size, r] for r in reductions for p in paths]
    index, store = (Path(cache) / "index.json", Path(cache) / "pixels.u8") if cache else (None, None)
    if cache and index.exists():
        kept = json.loads(index.read_text())
        if kept["pictures"] == wanted:
            pixels, pictures, start = np.memmap(store, np.uint8, "r"), [], 0
            for height, width in kept["sizes"]:
                pictures.append(pixels[start:start + height * width * 3].reshape(height, width, 3))
                start += height * width * 3
            return pictures
    decoded = {path: Image.open(path).convert("RGB") for path in paths}
    pictures = [np.asarray(decoded[p].reduce(r) if r > 1 else decoded[p]) for r in reductions for p in paths]
    if cache:
        Path(cache).mkdir(parents=True, exist_ok=True)
        with open(store, "wb") as out:
            for picture in pictures:
                out.write(picture.tobytes())
        index.write_text(json.dumps({"pictures": wanted, "sizes": [p.shape[:2] for p in pictures]}))
    return pictures


class Degradation:
    """What happens to pictures before people enlarge them: slight blur, noise, and JPEG at some quality.

    Options: `clean`, the part of pictures that nothing happens to; `blur`, the largest standard deviation in pixels;
    `noise`, the largest in levels; `quality`, [lowest, highest] of JPEG, half of them with halved colour (4:2:0).
    """

    def __init__(self, clean, blur, noise, quality):
        self.clean, self.blur, self.noise, self.quality = clean, blur, noise, quality

    def __call__(self, low, random):
        """[N, 3, H, W] of 0..255, whole levels, in and out."""
        for picture in low:
            if random.random() >= self.clean:
                picture.copy_(self.degraded(picture, random))
        return low

    def degraded(self, picture, random):
        sigma = random.random() * self.blur
        if sigma > 0.2:
            taps = torch.exp(-torch.arange(-3.0, 4.0).square() / (2 * sigma**2))
            taps = (taps / taps.sum()).expand(3, 1, 1, 7)
            padded = torch.nn.functional.pad(picture[None], (3, 3, 3, 3), mode="replicate")
            padded = torch.nn.functional.conv2d(padded, taps, groups=3)
            picture = torch.nn.functional.conv2d(padded, taps.mT, groups=3)[0]
        grain = random.standard_normal(picture.shape, np.float32) * np.float32(random.random() * self.noise)
        pixels = (picture + torch.from_numpy(grain)).round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
        return as_jpeg(pixels, int(random.integers(self.quality[0], self.quality[1] + 1)), int(random.integers(0, 2)) * 2)


def as_jpeg(pixels, quality, subsampling):
    """uint8 [H, W, 3] through JPEG: float32 [3, H, W]. `subsampling`: 0 for 4:4:4, 2 for 4:2:0."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=quality, subsampling=subsampling)
    return torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1).float()


class Patches:
    """Random (low, high) pairs of patches, textured places preferred, and a validation set that training never sees.

    The bottom right `held_out` x `held_out` corner of every picture is kept for validation.
    """

    margin = 4  # low-resolution pixels cut off each side, so that the resize never meets a patch's edge

    def __init__(self, pictures, scale, patch, held_out=192, texture=0.5, degradation=None, seed=0):
        self.scale, self.patch, self.held_out = scale, patch, held_out
        self.random = np.random.default_rng(seed)
        self.degradation = degradation and Degradation(**degradation)
        self.side = (patch + 2 * self.margin) * scale
        self.pictures = [p for p in pictures if min(p.shape[:2]) >= self.side + held_out]
        places, scores = [], []
        stride = self.stride = max(self.side // 2, 32)
        for index, picture in enumerate(self.pictures):
            green = picture[::2, ::2, 1].astype(np.int16)
            slope = np.abs(np.diff(green, axis=0))[:, :-1] + np.abs(np.diff(green, axis=1))[:-1]
            total = np.pad(slope.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))
            height, width = picture.shape[:2]
            y, x = np.meshgrid(np.arange(0, height - self.side - stride, stride),
                               np.arange(0, width - self.side - stride, stride), indexing="ij")
            y, x = y.ravel(), x.ravel()
            free = (y + self.side + stride <= height - held_out) | (x + self.side + stride <= width - held_out)
            y, x = y[free], x[free]
            half = self.side // 2
            top, left = y // 2, x // 2
            bottom, right = np.minimum(top + half, len(total) - 1), np.minimum(left + half, total.shape[1] - 1)
            score = (total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]) / half**2
            places.append(np.stack([np.full_like(y, index), y, x], axis=1))
            scores.append(score)
        self.places = np.concatenate(places)
        scores = np.concatenate(scores)
        keep = scores > 1.5  # flat sky teaches nothing
        self.places = self.places[keep]
        weights = np.minimum(scores[keep], 30.0) ** texture
        self.cumulative = np.cumsum(weights / weights.sum())

    def degrade(self, high, random):
        """[N, 3, S, S] uint8 -> (low, high), float32 of 0..255, margins cut off."""
        high = torch.from_numpy(high).float()
        low = imresize(high, 1 / self.scale)
        if self.degradation:
            low = self.degradation(low, random)
        cut = self.margin
        high = high[..., cut * self.scale:-cut * self.scale, cut * self.scale:-cut * self.scale]
        return low[..., cut:-cut, cut:-cut].contiguous(), high.contiguous()

    def batch(self, count):
        side, draw = self.side, self.random
        high = np.empty((count, 3, side, side), np.uint8)
        chosen = np.searchsorted(self.cumulative, draw.random(count)).clip(max=len(self.places) - 1)
        shifts, turns = draw.integers(0, self.stride, (count, 2)), draw.integers(0, 8, count)
        for n, ((index, y, x), (down, right), turn) in enumerate(zip(self.places[chosen], shifts, turns)):
            crop = self.pictures[index][y + down:y + down + side, x + right:x + right + side].transpose(2, 0, 1)
            crop = crop[:, ::-1] if turn & 1 else crop
            crop = crop[:, :, ::-1] if turn & 2 else crop
            high[n] = crop.transpose(0, 2, 1) if turn & 4 else crop
        return self.degrade(high, self.random)

    def validation(self, count=24):
        """The `count` most textured held-out corners, as one (low, high) batch."""
        side = self.held_out // self.scale * self.scale
        corners = np.stack([p[-side:, -side:].transpose(2, 0, 1) for p in self.pictures])
        busy = np.abs(np.diff(corners[:, 1].astype(np.int16), axis=1)).mean(axis=(1, 2))
        return self.degrade(corners[np.argsort(-busy)[:count]], np.random.default_rng(0))
