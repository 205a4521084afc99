#!/usr/bin/env python3
"""200 connections with pictures of 64 x 64 to 4000 x 3000, for two minutes, against a service with a 600 MiB budget.

    load.py [--seconds 120] [--connections 200] [--memory 600M] [--max-waiting 256]

Shows resident memory against the budget, every status that came, and the throughput against `enlarge` run in the shell on
the same pictures, one after the other. Exit status 0 when memory stays below budget + 15 %, nothing but 200, 413 and
429 comes, and the throughput is at least 90 % of the shell's. Also: `wrk -t2 -c90 -d10 --latency URL/healthz`.
"""
import argparse
import asyncio
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib

from harness import ENLARGE, MODELS, Service, chunk

# Width, height, and how often it comes among a hundred.
MIX = [(64, 64, 32), (128, 96, 20), (256, 256, 15), (500, 400, 12), (800, 600, 9), (1280, 720, 6), (1920, 1080, 5), (4000, 3000, 1)]


def picture(width, height):
    """Smooth with some noise, quickly made."""
    generator = random.Random(width)
    line = bytes((x // 3 + generator.randrange(12)) & 255 for x in range(3 * (width + 997)))
    rows = b"".join(b"\0" + line[3 * (y * 7 % 997):3 * (y * 7 % 997 + width)] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b"")


def shell_seconds(pictures, threads):
    """Seconds for each picture in one `enlarge` process on a folder of several of each; the best of two runs."""
    best = {}
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(folder + "/in")
        for index, data in enumerate(pictures):
            for copy in range(1 if len(data) > 5 << 20 else 4):
                with open("%s/in/%02d-%d.png" % (folder, index, copy), "wb") as file:
                    file.write(data)
        for _ in range(2):
            result = subprocess.run([ENLARGE, folder + "/in", "-o", folder + "/out", "-s", "2", "--models", MODELS, "--memory", "600M", "--json"],
                                    capture_output=True, text=True, check=True)
            found = {}
            for line in result.stdout.splitlines():
                entry = json.loads(line)
                if "seconds" in entry:
                    found.setdefault(int(os.path.basename(entry["input"])[:2]), []).append(entry["seconds"])
            for index, values in found.items():
                best[index] = min(best.get(index, 1e9), sum(values) / len(values))
    return [best[i] for i in range(len(pictures))]


async def client(port, pictures, seed, end, statuses, done):
    generator = random.Random(seed)
    weights = [w for _, _, w in MIX]
    while time.time() < end:
        index = generator.choices(range(len(MIX)), weights)[0]
        body = pictures[index]
        status = None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
            writer.write(b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await writer.drain()
            line = await reader.readline()
            status = int(line.split()[1])
            tail = b""
            while True:
                piece = await reader.read(1 << 20)
                if not piece:
                    break
                tail = (tail + piece[-200:])[-200:]
            if status == 200 and b"IEND" not in tail:
                status = "cut off"
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError, IndexError) as error:
            status = type(error).__name__
        statuses[status] = statuses.get(status, 0) + 1
        if status == 200:
            done[index] += 1
        else:
            await asyncio.sleep(0.2)


async def watch(service, end, samples):
    while time.time() < end:
        samples.append(service.resident()[0])
        await asyncio.sleep(0.05)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--memory", default="600M")
    parser.add_argument("--max-waiting", default="256")
    options = parser.parse_args()
    budget = int(options.memory[:-1]) << 20
    pictures = [picture(w, h) for w, h, _ in MIX]
    shell = shell_seconds(pictures, 2)
    with Service("--memory", options.memory, "--max-waiting", options.max_waiting, "--max-connections-per-client", "1000") as service:
        statuses, done, samples = {}, [0] * len(MIX), []
        start = time.time()
        end = start + options.seconds
        clients = [client(service.port, pictures, i, end, statuses, done) for i in range(options.connections)]
        cpu = time.process_time()
        await asyncio.gather(watch(service, end, samples), *clients)
        seconds, cpu = time.time() - start, time.process_time() - cpu
        peak = service.resident()[1]
    work = sum(n * s for n, s in zip(done, shell))
    print("%.0f s, %d connections, budget %d MiB" % (seconds, options.connections, budget >> 20))
    for (width, height, _), n, s in zip(MIX, done, shell):
        print("  %4d x %-4d  %6d done   %8.4f s each in the shell" % (width, height, n, s))
    print("statuses: %s" % statuses)
    print("resident: peak %.0f MiB (%.2f of the budget), median %.0f MiB" % (peak / 2 ** 20, peak / budget, sorted(samples)[len(samples) // 2] / 2 ** 20))
    print("throughput: %.2f of the shell's (%.1f s of its work in %.1f s; this script took %.1f s of processor time)" % (work / seconds, work, seconds, cpu))
    fine = peak <= budget * 1.15 and set(statuses) <= {200, 413, 429} and work / seconds >= 0.9
    print("as it should be" if fine else "NOT as it should be")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
