#!/usr/bin/env python3
"""Times Enlarger and what one would run instead: the same networks, the same machine, in turns.

    python3 -m venv .venv && .venv/bin/pip install -r Benchmarks/requirements.txt
    swift build -c release --product enlarge
    .venv/bin/python Benchmarks/compare.py --models FOLDER_OF_OPENCV_MODELS

Each engine runs in a process of its own: one pass to warm up, then timed ones. A round is one process of every engine;
rounds follow each other, so that a machine whose clock drifts drifts for all. A ratio is the median over the rounds of
Enlarger's best pass over the other's. Nothing else should use the processor: rounds in which something did can be left
out of the table with --max-load.

Measurements are appended to results.jsonl; the table in results/PROCESSOR.md is made from all of it for the machine at hand,
so a run may be stopped and continued. --fresh forgets what was measured before.
"""
import argparse
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile

import networks

HERE = os.path.dirname(os.path.abspath(__file__))

FP32, BF16 = "Enlarger fp32", "Enlarger bf16"
GENERAL = [FP32, BF16, "ncnn fp32", "ncnn bf16", "OpenVINO fp32", "OpenVINO bf16", "ONNX Runtime", "OpenCV"]
LUMA = [FP32, "OpenCV network", "OpenCV upsample"]

#: name -> (what it is, width, height, timed passes, engines, {engine: (wanted ratio of seconds, compared with)}, wanted MiB)
CASES = {
    "full": (
        "EDSR x3, 32 blocks of 256 channels, 128 x 128", 128, 128, 2, GENERAL,
        {"ncnn fp32": (0.80, FP32), "OpenCV": (0.25, FP32), "ONNX Runtime": (0.33, FP32), "OpenVINO bf16": (0.45, BF16)}, 150),
    "baseline": (
        "EDSR x3, 16 blocks of 64 channels, 256 x 256", 256, 256, 5, GENERAL,
        {"ncnn fp32": (0.55, FP32), "OpenVINO fp32": (0.40, FP32), "OpenVINO bf16": (0.55, BF16)}, 75),
    "FSRCNN_x3": ("FSRCNN x3, 1280 x 720", 1280, 720, 5, LUMA, {"OpenCV network": (0.35, FP32)}, None),
    "ESPCN_x3": ("ESPCN x3, 1280 x 720", 1280, 720, 5, LUMA, {"OpenCV network": (0.35, FP32)}, None),
    "LapSRN_x4": ("LapSRN x4, 320 x 180", 320, 180, 3, LUMA, {"OpenCV network": (0.35, FP32)}, None),
}
EDSR = {"full": (32, 256, 3, 0.1), "baseline": (16, 64, 3, 1.0)}


def processor():
    """The processor's name; where that has no number (virtual machines), with its family and model."""
    with open("/proc/cpuinfo") as file:
        facts = dict(re.findall(r"^([^\t:]+)\t*: (.*)$", file.read(), re.M))
    name = facts.get("model name", platform.machine())
    if not re.search(r"\d", name) and "cpu family" in facts:
        name += f" family {facts['cpu family']} model {facts['model']}"
    return name


def results_path(ending):
    """The file of this processor's results: "AMD EPYC" -> results/amd-epyc + ending."""
    name = re.sub(r"\(.*?\)|[^A-Za-z0-9]+", " ", processor()).lower().split()
    os.makedirs(os.path.join(HERE, "results"), exist_ok=True)
    return os.path.join(HERE, "results", "-".join(name) + ending)


def machine():
    model = processor()
    flags = next((line.split() for line in open("/proc/cpuinfo") if line.startswith("flags")), [])
    features = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    system = next((line.split("=")[1].strip().strip('"') for line in open("/etc/os-release") if line.startswith("PRETTY_NAME")), "Linux")
    return f"{model}, {len(os.sched_getaffinity(0))} processors ({', '.join(features)}), {system}"


def measure(engine, case, stem, options):
    _, width, height, passes, *_ = CASES[case]
    if engine.startswith("Enlarger"):
        command = [options.enlarge, "bench", "-m", stem + ".pb", "--size", f"{width}x{height}", "-j", str(options.threads),
                   "--passes", str(passes), "--precision", engine.split()[1], "--json"]
    else:
        command = [sys.executable, os.path.join(HERE, "peer.py"), engine, stem, str(width), str(height), str(passes), str(options.threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        print(f"{engine}: failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}", file=sys.stderr)
        return None
    found = json.loads(lines[-1])
    if engine.startswith("Enlarger"):
        return {"best": found["best_s"], "median": found["median_s"], "mib": found["process_peak_bytes"] / 2**20,
                "planned": found["planned_bytes"] / 2**20}
    return {"best": min(found["seconds"]), "median": statistics.median(found["seconds"]), "mib": found["peak_mib"]}


def round_of(case, stem, options, number):
    engines = [e for e in CASES[case][4] if not options.engines or e in options.engines.split(",")]
    load = os.getloadavg()[0]
    for engine in engines[number % len(engines):] + engines[:number % len(engines)]:
        result = measure(engine, case, stem, options)
        if result is None:
            continue
        record = {"machine": machine(), "threads": options.threads, "date": datetime.date.today().isoformat(), "case": case,
                  "round": options.stamp + number, "load": round(load, 2), "engine": engine, **result}
        with open(options.data, "a") as data:
            data.write(json.dumps(record) + "\n")
        print(f"{case:10} {engine:16} best {result['best']:8.3f} s  median {result['median']:8.3f} s  peak {result['mib']:6.0f} MiB", flush=True)


def rounds_of(records, engine):
    return {r["round"]: r for r in records if r["engine"] == engine}


def ratio(records, ours, theirs):
    a, b = rounds_of(records, ours), rounds_of(records, theirs)
    shared = [a[k]["best"] / b[k]["best"] for k in a if k in b]
    return statistics.median(shared) if shared else None


def table(case, records):
    title, _, _, _, engines, bars, wanted_mib = CASES[case]
    ours = [e for e in (FP32, BF16) if e in engines]
    count = len({r["round"] for r in records})
    lines = [f"## {title}", "", f"{count} round{'s' if count != 1 else ''}.", "",
             "| engine | best s | median s | peak MiB | " + " | ".join(f"{e} takes" for e in ours) + " | wanted |",
             "|---|---|---|---|" + "---|" * (len(ours) + 1)]
    for engine in engines:
        mine = [r for r in records if r["engine"] == engine]
        if not mine:
            continue
        best, median = min(r["best"] for r in mine), statistics.median(r["median"] for r in mine)
        cells = [engine, f"{best:.3f}", f"{median:.3f}", f"{max(r['mib'] for r in mine):.0f}"]
        for e in ours:
            times = None if engine in ours else ratio(records, e, engine)
            cells.append(f"{times:.2f} of its time" if times else "")
        note = ""
        if engine in bars:
            bar, with_ = bars[engine]
            found = ratio(records, with_, engine)
            note = f"{with_} at most {bar:.2f}: " + ("not measured" if found is None else "met" if found <= bar else f"missed ({found:.2f})")
        elif engine == FP32 and wanted_mib:
            note = f"at most {wanted_mib} MiB: " + ("met" if max(r["mib"] for r in mine) <= wanted_mib else "missed")
        lines.append("| " + " | ".join(cells + [note]) + " |")
    return lines + [""]


def write_results(options):
    here, records = machine(), []
    with open(options.data) as data:
        for line in data:
            record = json.loads(line)
            if record["machine"] == here and record["threads"] == options.threads:
                if options.max_load is None or record["load"] <= options.max_load:
                    records.append(record)
    versions = ", ".join(line.strip().replace("==", " ") for line in open(os.path.join(HERE, "requirements.txt")) if "==" in line)
    dates = sorted({r["date"] for r in records})
    lines = [
        "# Measurements", "",
        "Made by `Benchmarks/compare.py`; what is measured and how is in its first lines. Ratios are of the best seconds of",
        "the same round. Peak is the resident memory of the whole process (VmHWM), the Python of the peers included.", "",
        f"Machine: {here}. {options.threads} threads. {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}.", "",
        f"Peers: {versions}.", "",
        "Enlarger and `OpenCV network` run the bare network on float planes: luma alone for FSRCNN, ESPCN and LapSRN, all outputs",
        "of LapSRN for OpenCV. `OpenCV upsample` is all of dnn_superres, with the colours and the conversions.", ""]
    for case in CASES:
        of_case = [r for r in records if r["case"] == case]
        if of_case:
            lines += table(case, of_case)
    scaling = results_path("-scaling.md")
    if os.path.exists(scaling):
        lines += open(scaling).read().splitlines()
    with open(options.out, "w") as out:
        out.write("\n".join(lines).rstrip() + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--enlarge", default=os.path.join(HERE, "..", ".build", "release", "enlarge"))
    p.add_argument("--models", help="folder with FSRCNN_x3.pb, ESPCN_x3.pb and LapSRN_x4.pb; without it these are left out")
    p.add_argument("--cases", default=",".join(CASES))
    p.add_argument("--engines", help="only these, comma-separated")
    p.add_argument("--rounds", type=int, default=3, help="0: only write the table")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--max-load", type=float, help="leave out rounds that began at a higher load average")
    p.add_argument("--data", default=os.path.join(HERE, "results.jsonl"))
    p.add_argument("--out", default=results_path(".md"))
    p.add_argument("--fresh", action="store_true")
    options = p.parse_args()
    if options.fresh and os.path.exists(options.data):
        os.remove(options.data)
    options.stamp = int(datetime.datetime.now().timestamp())
    with tempfile.TemporaryDirectory() as folder:
        for case in options.cases.split(",") if options.rounds else []:
            if case in EDSR:
                stem = os.path.join(folder, case)
                networks.write_onnx(stem + ".onnx", *EDSR[case])
                networks.write_ncnn(stem, *EDSR[case])
                networks.write_graph_def(stem + ".pb", *EDSR[case])
            elif options.models:
                stem = os.path.join(options.models, case)
            else:
                continue
            for number in range(options.rounds):
                round_of(case, stem, options, number)
    write_results(options)


if __name__ == "__main__":
    main()
