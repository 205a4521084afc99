"""EDSR in PyTorch on the same GPU: python3 peer.py BLOCKS CHANNELS SIDE fp16|fp32 whole|tiled. Prints one JSON object.

The whole picture in channels_last, or tiles of 256 that overlap by 32. Weights are random: they change neither speed nor memory.
"""
import json
import sys
import time

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, channels, scale):
        super().__init__()
        self.a, self.b, self.scale = nn.Conv2d(channels, channels, 3, padding=1), nn.Conv2d(channels, channels, 3, padding=1), scale

    def forward(self, x):
        return x + self.b(torch.relu(self.a(x))) * self.scale


class EDSR(nn.Module):
    def __init__(self, blocks, channels):
        super().__init__()
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(*[Block(channels, 0.1 if channels == 256 else 1) for _ in range(blocks)], nn.Conv2d(channels, channels, 3, padding=1))
        self.tail = nn.Sequential(nn.Conv2d(channels, 27, 3, padding=1), nn.PixelShuffle(3))

    def forward(self, x):
        x = self.head(x)
        return self.tail(x + self.body(x))


def tiled(network, picture, size=256, overlap=32):
    result = torch.empty(1, 3, 3 * picture.shape[2], 3 * picture.shape[3], dtype=picture.dtype)
    starts = lambda length: sorted({min(i, max(0, length - size)) for i in range(0, max(1, length - overlap), size - overlap)})
    for y in starts(picture.shape[2]):
        for x in starts(picture.shape[3]):
            tile = network(picture[:, :, y:y + size, x:x + size]).cpu()
            result[:, :, 3 * y:3 * y + tile.shape[2], 3 * x:3 * x + tile.shape[3]] = tile
    return result


def main(blocks, channels, side, precision, how):
    kind = torch.float16 if precision == "fp16" else torch.float32
    network = EDSR(int(blocks), int(channels)).to("cuda", kind).to(memory_format=torch.channels_last).eval()
    picture = torch.rand(1, 3, int(side), int(side)).to("cuda", kind).to(memory_format=torch.channels_last)
    run = (lambda: tiled(network, picture)) if how == "tiled" else (lambda: network(picture).cpu())
    times = []
    with torch.inference_mode():
        for _ in range(6):
            torch.cuda.synchronize()
            start = time.perf_counter()
            run()
            torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
    free, total = torch.cuda.mem_get_info()
    print(json.dumps({
        "best_s": min(times[1:]), "allocated_bytes": torch.cuda.max_memory_allocated(), "reserved_bytes": torch.cuda.max_memory_reserved(),
        "device_used_bytes": total - free, "gpu": torch.cuda.get_device_name(), "torch": torch.__version__}))


main(*sys.argv[1:])
