#!/usr/bin/env python3
"""What the queue costs: one nats-server, a folder as the store, workers that wait instead of computing.

    measure.py [--jobs 2000] [--seconds 0.2] [--rounds 30] [--workers 1,2,4,8,16] [--pictures /dev/shm]

Prints jobs a second of trivial jobs through one broker, then how long `rounds` jobs a worker take for each number of workers;
linear is `rounds` times `seconds`. Times are the client's, from its first job to its last result: it reads each picture's header,
stores the input, follows the job and fetches the result. The machine should be quiet. The queue's files are where temporary files
are; --pictures is where the store and the pictures are, by default there too. On a disk thousands of small files that come and go cost
more than the queue does.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "Tests", "service"))
sys.path.insert(0, os.path.dirname(__file__))
from harness import ENLARGE, MODELS, png  # noqa: E402
from test_scale import free_ports  # noqa: E402


def run(count, workers, seconds, threads, pictures):
    folder, queue = tempfile.mkdtemp(prefix="enlarge-measure-", dir=pictures), tempfile.mkdtemp(prefix="enlarge-measure-")
    port = free_ports(1)[0]
    flags = ["--queue", "nats://127.0.0.1:%d" % port, "--store", os.path.join(folder, "store")]
    os.mkdir(os.path.join(folder, "store"))
    os.mkdir(os.path.join(folder, "in"))
    for n in range(count):
        with open(os.path.join(folder, "in", "p%05d.png" % n), "wb") as file:
            file.write(png(8, 8, seed=n))
    processes = [subprocess.Popen(["nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", queue],
                                  stderr=subprocess.DEVNULL)]
    try:
        for _ in range(workers):
            processes.append(subprocess.Popen([ENLARGE, "worker", *flags, "--simulate", str(seconds), "--threads", str(threads), "--memory", "300M"],
                                              stderr=subprocess.DEVNULL))
        time.sleep(1 + workers * 0.1)
        began = time.monotonic()
        subprocess.run([ENLARGE, "submit", os.path.join(folder, "in"), "-r", "-s", "2", "-o", os.path.join(folder, "out"), "--wait", "-q",
                        "--models", MODELS, *flags], check=True)
        elapsed = time.monotonic() - began
        assert len(os.listdir(os.path.join(folder, "out"))) == count
        return elapsed
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for each in folder, queue:
            shutil.rmtree(each, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--workers", default="1,2,4,8,16")
    parser.add_argument("--pictures")
    options = parser.parse_args()
    print("load %.1f" % os.getloadavg()[0])
    print("%.0f trivial jobs a second" % (options.jobs / run(options.jobs, 1, 0, 8, options.pictures)), flush=True)
    for workers in map(int, options.workers.split(",")):
        elapsed = run(options.rounds * workers, workers, options.seconds, 1, options.pictures)
        ideal = options.rounds * options.seconds
        print("%2d workers: %.2f s, linear %.2f s, %+.0f %%" % (workers, elapsed, ideal, 100 * (elapsed / ideal - 1)), flush=True)


if __name__ == "__main__":
    main()
