"""Writes a checkpoint as Enlarger's native model file, reads it back, and records a golden input and output.

    python export.py lite-x2.pt ../models/lite-x2.safetensors --eval FOLDER --fixtures ../Tests/Fixtures

The file is a safetensors file: fp16 weights [kh, kw, in, out], fp32 biases, the graph in the metadata.
"""
import argparse
import json
import struct
from pathlib import Path

import numpy as np
import torch

from network import EDSR

DTYPES = {"F16": np.float16, "F32": np.float32}


def graph(options):
    """The native description of an EDSR: nodes in topological order."""
    nodes = [{"name": "input", "op": "input", "channels": 3, "inputs": []}]

    def add(name, *inputs, **more):
        nodes.append({"name": name, "op": "convolution", "inputs": list(inputs),
                      "weights": f"{name}.weight", "bias": f"{name}.bias", **more})
        return name

    last = add("head", "input")
    for index in range(options["blocks"]):
        inner = add(f"block{index}.conv1", last, activation={"kind": "relu"})
        last = add(f"block{index}.conv2", inner, last, residual_scale=options["residual_scale"])
    add("body", last, "head", residual_scale=1.0)
    add("tail", "body")
    nodes.append({"name": "shuffle", "op": "depth_to_space", "block": options["scale"], "order": "channel_first",
                  "inputs": ["tail"]})
    return {"architecture": "edsr",
            "processing": {"channels": "rgb", "mean": [options["mean"]] * 3, "input_scale": options["input_scale"]},
            "nodes": nodes, "outputs": [{"name": f"x{options['scale']}", "node": "shuffle"}]}


def native_name(name):
    """PyTorch's blocks.3.conv1.weight is block3.conv1.weight in the file."""
    return name.replace("blocks.", "block", 1)


def write_native(path, state, options, info):
    tensors = {}
    for name, value in state.items():
        array = value.detach().float().numpy()
        tensors[native_name(name)] = (array.transpose(2, 3, 1, 0).astype("<f2") if array.ndim == 4
                                      else array.astype("<f4"))
    header, blob = {"__metadata__": {"format": "enlarger", "version": "1",
                                     "model": json.dumps(graph(options), separators=(",", ":")),
                                     **{f"info.{key}": text for key, text in info.items()}}}, b""
    # Sizes that are no multiple of 8 go last, so that every offset is one.
    for name, array in sorted(tensors.items(), key=lambda item: item[1].nbytes % 8 != 0):
        if len(blob) % 8:
            raise ValueError(f"{name} would not be aligned to 8 bytes")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds values that fp16 cannot")
        header[name] = {"dtype": "F16" if array.dtype == np.float16 else "F32", "shape": list(array.shape),
                        "data_offsets": [len(blob), len(blob) + array.nbytes]}
        blob += array.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + blob)


def read_native(path):
    """(metadata, {name: array}), every offset checked."""
    data = Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    metadata, blob, tensors, end = header.pop("__metadata__"), data[8 + length:], {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = entry["data_offsets"]
        if first != end or first % 8:
            raise ValueError(f"{name} starts at {first}, expected {end}")
        tensors[name] = np.frombuffer(blob[first:last], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        end = last
    if end != len(blob):
        raise ValueError(f"{len(blob) - end} bytes after the last tensor")
    return metadata, tensors


def load(path):
    """The network of a checkpoint (its averaged weights) or of a native file."""
    if not str(path).endswith(".safetensors"):
        kept = torch.load(path, weights_only=True)
        network = EDSR(**kept["network"])
        network.load_state_dict(kept["ema"])
        return network.eval()
    metadata, tensors = read_native(path)
    model = json.loads(metadata["model"])
    if model["architecture"] != "edsr":
        raise ValueError(f"{path} is no EDSR")
    nodes = {node["name"]: node for node in model["nodes"]}
    blocks = sum(name.endswith(".conv1") for name in nodes)
    network = EDSR(scale=nodes["shuffle"]["block"], blocks=blocks, channels=tensors["head.bias"].size,
                   residual_scale=nodes["block0.conv2"]["residual_scale"] if blocks else 1.0,
                   mean=model["processing"]["mean"][0], input_scale=model["processing"]["input_scale"])
    network.load_state_dict({name: torch.from_numpy(
        tensors[native_name(name)].astype(np.float32).transpose((3, 2, 0, 1) if value.ndim == 4 else (0,)).copy())
        for name, value in network.state_dict().items()})
    return network.eval()


@torch.no_grad()
def write_golden(network, prefix):
    """PREFIX.input.npy and PREFIX.output.npy: the bare network, float32 NCHW, in and out before and after pixels."""
    draw = np.random.default_rng(0)
    y, x = np.mgrid[:24, :20]
    waves = np.stack([np.sin(x / 3 + c) * np.cos(y / (2 + c)) for c in range(3)])
    pixels = np.clip(128 + 80 * waves + draw.normal(0, 20, waves.shape), 0, 255).round()
    bare = torch.from_numpy((pixels[None].astype(np.float32) - network.mean) * np.float32(network.input_scale))
    np.save(f"{prefix}.input.npy", bare.numpy())
    np.save(f"{prefix}.output.npy", network(bare).numpy())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("output")
    parser.add_argument("--eval", help="folder with Set5 and Set14: their figures go into the file")
    parser.add_argument("--fixtures", help="folder for the golden input and output")
    parser.add_argument("--data", default="59 public-domain and CC0 photographs", help="what it was trained on")
    options = parser.parse_args()

    kept = torch.load(options.checkpoint, weights_only=True)
    name, scale = Path(options.output).stem, kept["network"]["scale"]
    info = {"licence": "Apache-2.0",
            "training": f"{kept['step']} steps, {kept['spent'] / 60:.0f} minutes; {options.data}"}
    write_native(options.output, kept["ema"], kept["network"], info)
    network = load(options.output)
    if options.eval:
        from evaluate import SETS, evaluate
        for set_name in SETS:
            db, similarity = evaluate(network.upscale, scale, Path(options.eval) / set_name / f"x{scale}")
            info[f"psnr_{set_name.lower()}"] = f"{db:.2f}"
            info[f"ssim_{set_name.lower()}"] = f"{similarity:.4f}"
        write_native(options.output, kept["ema"], kept["network"], info)
        network = load(options.output)
    for key, value in kept["ema"].items():
        error = float((network.state_dict()[key] - value).abs().max())
        if error > 1e-3 * max(1.0, float(value.abs().max())):
            raise SystemExit(f"{key} differs by {error} after re-reading {options.output}")
    if options.fixtures:
        Path(options.fixtures).mkdir(parents=True, exist_ok=True)
        write_golden(network, Path(options.fixtures) / name)
    print(json.dumps({"model": name, "bytes": Path(options.output).stat().st_size, **info}), flush=True)


if __name__ == "__main__":
    main()
