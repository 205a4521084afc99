#!/usr/bin/env python3
"""The cost model against measurements: the seconds that `enlarge plan` expects over those that `enlarge bench` takes.

    swift build -c release --product enlarge
    python3 Benchmarks/costs.py --models FOLDER     (with FSRCNN_x3.pb and others; without it those are left out)

One line a network, thread count and instruction set; 1.00 is a perfect guess.
"""
import argparse
import json
import os
import subprocess
import tempfile

import networks

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--enlarge", default=os.path.join(HERE, "..", ".build", "release", "enlarge"))
    parser.add_argument("--models")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--isa", default="avx512,avx2")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        networks.write_graph_def(folder + "/full.pb", 32, 256, 3, 0.1)
        networks.write_graph_def(folder + "/baseline.pb", 16, 64, 3, 1.0)
        cases = [(folder + "/full.pb", "128x128"), (folder + "/baseline.pb", "256x256"), (folder + "/baseline.pb", "1024x1024")]
        cases += [(os.path.join(HERE, "..", "models", f"lite-x{s}.safetensors"), "640x480") for s in (2, 3, 4)]
        if options.models:
            cases += [(os.path.join(options.models, name), size) for name, size in (
                ("FSRCNN_x3.pb", "1280x720"), ("FSRCNN-small_x2.pb", "1280x720"), ("ESPCN_x3.pb", "1280x720"), ("LapSRN_x4.pb", "320x180"))]
        for isa in options.isa.split(","):
            for model, size in cases:
                for threads in options.threads.split(","):
                    def ask(command, *more):
                        words = [options.enlarge, command, "-m", model, "--size", size, "-j", threads, "--json", *more]
                        run = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, "ENLARGE_ISA": isa})
                        return json.loads(run.stdout)
                    expected, taken = ask("plan")["expected_seconds"], ask("bench", "--passes", "3")["best_s"]
                    print(f"{isa:8} {os.path.basename(model):24} {size:10} {threads} threads: expected {expected:7.3f} s, "
                          f"took {taken:7.3f} s, {expected / taken:.2f}", flush=True)


if __name__ == "__main__":
    main()
