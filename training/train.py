"""Trains one network.

    python train.py configs/lite-x2.toml --photos FOLDER --out lite-x2.pt

A configuration has stages, each with its own optimizer; a stage begins with the averaged weights of the one before, kept
in OUT.1, OUT.2, ... A checkpoint is resumed. A stage stops at its steps, or at --minutes, whichever comes first; the
learning rate follows whichever is further along. While --pause-file exists the run sleeps (its minutes go on counting).
"""
import argparse
import contextlib
import json
import os
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from data import Patches, load_photographs
from export import load
from network import EDSR


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config")
    parser.add_argument("--photos", required=True, help="folder of photographs")
    parser.add_argument("--cache", help="folder to keep their decoded pixels in")
    parser.add_argument("--out", required=True, help="checkpoint to write, and to resume from if it exists")
    parser.add_argument("--start", help="checkpoint or native file of another scale or size whose trunk to start from")
    parser.add_argument("--teacher", help="checkpoint or native file to distil from (same scale)")
    parser.add_argument("--steps", type=int, help="of every stage, instead of the configuration's")
    parser.add_argument("--minutes", type=float, help="of every stage")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--save-minutes", type=float, default=2.0)
    parser.add_argument("--pause-file")
    return parser.parse_args()


class Distillation:
    """Losses against a teacher: its output, and its last features through a learned 1x1 convolution."""

    def __init__(self, path, student, output_weight, feature_weight):
        self.teacher = load(path).eval().requires_grad_(False).to(memory_format=torch.channels_last)
        if self.teacher.scale != student.scale:
            raise SystemExit(f"the teacher upscales x{self.teacher.scale}, the student x{student.scale}")
        self.adapter = torch.nn.Conv2d(student.body.out_channels, self.teacher.body.out_channels, 1)
        self.output_weight, self.feature_weight = output_weight, feature_weight

    def loss(self, x, output, features):
        with torch.no_grad():
            wanted = self.teacher.features(x)
            wanted_output = F.pixel_shuffle(self.teacher.tail(wanted), self.teacher.scale)
        loss = self.output_weight * F.l1_loss(output.float(), wanted_output.float())
        return loss + self.feature_weight * F.l1_loss(self.adapter(features).float(), wanted.float())


class Muon:
    """Momentum made orthogonal by five Newton-Schulz steps (Jordan et al. 2024, "Muon").

    For convolutions of one shape [out, in, kh, kw], taken as matrices [out, in * kh * kw]. The root mean square of an
    update is 0.2 of the rate, about that of Adam, so that one rate serves both.
    """

    def __init__(self, weights, momentum=0.95):
        self.weights, self.momentum = weights, momentum
        self.mean = torch.zeros(len(weights), len(weights[0]), weights[0][0].numel())

    @torch.no_grad()
    def step(self, rate):
        gradients = torch.stack([weight.grad.flatten(1) for weight in self.weights])
        self.mean.lerp_(gradients, 1 - self.momentum)
        x = gradients.lerp(self.mean, self.momentum)
        x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-12)
        for _ in range(5):
            square = x @ x.mT
            x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
        x *= 0.2 * max(x.shape[1:]) ** 0.5 * rate
        for weight, update in zip(self.weights, x):
            weight.sub_(update.view_as(weight))


class Trainer:
    """One stage."""

    def __init__(self, config, stage, options):
        self.config, self.options = {**config["training"], **stage}, options
        torch.set_num_threads(options.threads)
        torch.manual_seed(self.config["seed"])
        self.network = EDSR(**{**config["network"], "blocks": stage.get("blocks", config["network"]["blocks"])})
        if options.start:
            other = load(options.start)
            self.network.start_from(other.state_dict(), other.scale)
        self.network.to(memory_format=torch.channels_last)
        weights = config.get("distillation", {"output": 1.0, "features": 0.1})
        self.distillation = options.teacher and Distillation(
            options.teacher, self.network, weights["output"], weights["features"])
        learned = list(self.network.parameters())
        if self.distillation:
            learned += self.distillation.adapter.parameters()
        trunk = [w for name, w in self.network.named_parameters() if w.ndim == 4 and name.split(".")[0] in ("blocks", "body")]
        self.muon = Muon(trunk) if self.config["optimizer"] == "muon" else None
        rest = [w for w in learned if not self.muon or not any(w is t for t in trunk)]
        self.learned, self.optimizer = learned, torch.optim.Adam(rest, lr=0.0, betas=(0.9, 0.99))
        self.ema = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.step, self.spent, self.resumes = 0, 0.0, 0
        if Path(options.out).exists():
            self.resume()
        data = config["data"]
        self.patches = Patches(load_photographs(options.photos, data["reductions"], options.cache),
                               config["network"]["scale"], data["patch"], texture=data["texture"],
                               degradation=config.get("degradation"), seed=[self.config["seed"], self.resumes])
        self.validation = self.patches.validation()
        self.bf16 = options.precision == "bf16" or (options.precision == "auto" and self.bf16_is_faster())

    def resume(self):
        kept = torch.load(self.options.out, weights_only=True)
        self.network.load_state_dict(kept["network_state"])
        self.optimizer.load_state_dict(kept["optimizer"])
        if self.distillation and kept["adapter"]:
            self.distillation.adapter.load_state_dict(kept["adapter"])
        if self.muon:
            self.muon.mean = kept["muon"]
        self.ema, self.step, self.spent, self.resumes = kept["ema"], kept["step"], kept["spent"], kept["resumes"] + 1

    def save(self, spent):
        adapter = self.distillation.adapter.state_dict() if self.distillation else None
        kept = {"network": self.network.options, "network_state": self.network.state_dict(), "ema": self.ema,
                "optimizer": self.optimizer.state_dict(), "muon": self.muon and self.muon.mean, "adapter": adapter, "step": self.step, "spent": spent,
                "resumes": self.resumes}
        torch.save(kept, self.options.out + ".new")
        os.replace(self.options.out + ".new", self.options.out)

    def precision(self, bf16):
        return torch.autocast("cpu", dtype=torch.bfloat16) if bf16 else contextlib.nullcontext()

    def loss(self, low, high, squared, bf16):
        """On the network's own scale, where 1 is 127.5 levels."""
        network = self.network
        x = ((low - network.mean) * network.input_scale).contiguous(memory_format=torch.channels_last)
        target = (high - network.mean) * network.input_scale
        with self.precision(bf16):
            features = network.features(x)
            output = F.pixel_shuffle(network.tail(features), network.scale)
            extra = self.distillation.loss(x, output, features) if self.distillation else 0.0
        # 20: in this range of errors both losses then have gradients of like size.
        plain = 20 * F.mse_loss(output.float(), target) if squared else F.l1_loss(output.float(), target)
        return plain + extra

    def bf16_is_faster(self):
        low, high = self.patches.batch(self.config["batch"])
        seconds = {}
        for _ in range(4):
            for bf16 in (False, True):
                start = time.perf_counter()
                self.loss(low, high, False, bf16).backward()
                seconds[bf16] = min(seconds.get(bf16, 1e9), time.perf_counter() - start)
        self.network.zero_grad(set_to_none=True)
        self.log(seconds_fp32=round(seconds[False], 4), seconds_bf16=round(seconds[True], 4))
        return seconds[True] < 0.8 * seconds[False]  # bf16 must pay for its rounding

    def log(self, **values):
        print(json.dumps(values), flush=True)

    @torch.no_grad()
    def validate(self):
        """PSNR over RGB of the averaged weights on the held-out corners."""
        network = EDSR(**self.network.options)
        network.load_state_dict(self.ema)
        low, high = self.validation
        error = (network.upscale(low).clamp(0, 255).round() - high).square().mean(dim=(1, 2, 3))
        return round(float((10 * torch.log10(255**2 / error)).mean()), 3)

    def rate(self, progress):
        c = self.config
        cosine = c["final_rate"] + (c["rate"] - c["final_rate"]) * 0.5 * (1 + np.cos(np.pi * min(progress, 1.0)))
        return float(cosine) * min(1.0, (self.step + 1) / c["warm_up"])

    def run(self):
        c, options = self.config, self.options
        steps, start = options.steps or c["steps"], time.monotonic() - self.spent
        saved, average = time.monotonic(), None
        self.log(name=Path(options.out).stem, parameters=sum(p.numel() for p in self.network.parameters()),
                 places=len(self.patches.places), bf16=self.bf16, step=self.step, validation=self.validate())
        while True:
            while options.pause_file and os.path.exists(options.pause_file):
                time.sleep(1)
            spent = time.monotonic() - start
            progress = max(self.step / steps, spent / 60 / options.minutes if options.minutes else 0.0)
            if progress >= 1:
                break
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate(progress)
            low, high = self.patches.batch(c["batch"])
            loss = self.loss(low, high, progress >= c["l2_from"], self.bf16)
            self.network.zero_grad(set_to_none=True)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.learned, c["clip"])
            self.optimizer.step()
            if self.muon:
                self.muon.step(self.rate(progress))
            self.step += 1
            decay = min(c["ema"], (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                for name, value in self.network.state_dict().items():
                    self.ema[name].lerp_(value, 1 - decay)
            average = loss.item() if average is None else 0.99 * average + 0.01 * loss.item()
            if time.monotonic() - saved > 60 * options.save_minutes:
                saved = time.monotonic()
                self.save(spent)
                self.log(minutes=round(spent / 60, 1), step=self.step, loss=round(average, 5),
                         validation=self.validate())
        self.save(time.monotonic() - start)
        self.log(done=True, step=self.step, minutes=round((time.monotonic() - start) / 60, 1),
                 validation=self.validate())


if __name__ == "__main__":
    options = arguments()
    with open(options.config, "rb") as file:
        config = tomllib.load(file)
    last = options.out
    for number, stage in enumerate(config["stage"], 1):
        options.out = f"{last}.{number}" if number < len(config["stage"]) else last
        Trainer(config, stage, options).run()
        options.start = options.out
