#!/usr/bin/env python3
"""What the queue costs: one nats-server or a cluster of three, a folder as the store, workers that wait instead of computing.

    measure.py [--jobs 2000] [--side 8] [--servers 1] [--s3] [--seconds 0.2] [--rounds 30] [--workers 1,2,4,8,16] [--pictures /dev/shm]

Prints jobs a second of trivial jobs and what each costs: the processor's time of the servers, the worker and the client, and the
messages and bytes that go into and out of the servers. Then how long `rounds` jobs a worker take for each number of workers; linear is
`rounds` times `seconds`. Times are the client's, from its first job to its last result: it reads each picture's header, stores the
input, follows the job and fetches the result. The machine should be quiet. The queue's files are where temporary files are; --pictures
is where the store and the pictures are, by default there too. On a disk thousands of small files that come and go cost more than the
queue does. --side is the pictures' width and height: with large ones the cost of a byte is told, which goes to the store, to the worker,
back to the store and to the client. --s3 (in the virtual environment of scripts/check-scale) has moto's S3 server for a store.
"""
import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
import urllib.request

from machines import ENLARGE, HERE, MODELS, Site, free_ports, png


class Queue:
    """The servers of a queue, at a site."""

    def __init__(self, site, count):
        ports, self.pages, routes = free_ports(count), free_ports(count), free_ports(count)
        for n in range(count):
            cluster = [routes[n], *routes[:n], *routes[n + 1:]] if count > 1 else ()
            site.start_queue_server("nats%d" % n, ports[n], "-m", str(self.pages[n]), cluster=cluster)
        self.processes = list(site.processes.values())
        self.flags = ["--queue", ",".join("nats://%s:%d" % (HERE, p) for p in ports), "--queue-replicas", str(count)]

    def counts(self):
        """Messages and bytes, in and out, of all servers; those between the servers are counted on both sides."""
        total = {}
        for page in self.pages:
            with urllib.request.urlopen("http://%s:%d/varz" % (HERE, page)) as answer:
                found = json.load(answer)
            for key in ("in_msgs", "out_msgs", "in_bytes", "out_bytes"):
                total[key] = total.get(key, 0) + found[key]
        return total


def processor_seconds(processes):
    total = 0
    for process in processes:
        with open("/proc/%d/stat" % process.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def run(count, workers, seconds, threads, options):
    """The client's seconds, and what it all cost."""
    with Site("measure") as site, tempfile.TemporaryDirectory(prefix="enlarge-measure-", dir=options.pictures) as folder:
        inputs, results, store = (os.path.join(folder, name) for name in ("in", "out", "store"))
        os.mkdir(inputs)
        os.mkdir(store)
        for n in range(count):
            with open(os.path.join(inputs, "p%05d.png" % n), "wb") as file:
                file.write(png(options.side, options.side, seed=n))
        queue = Queue(site, options.servers)
        flags = [*queue.flags, *(site.start_store() if options.s3 else ["--store", store])]
        time.sleep(1 if options.servers == 1 else 6)
        computing = [site.start("worker%d" % n, [ENLARGE, "worker", *flags, "--simulate", str(seconds), "--threads", str(threads), "--memory", "300M"])
                     for n in range(workers)]
        time.sleep(1 + workers * 0.1)
        before, used, client = queue.counts(), [processor_seconds(p) for p in (queue.processes, computing)], resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        subprocess.run([ENLARGE, "submit", inputs, "-r", "-s", "2", "-o", results, "--wait", "-q", "--models", MODELS, *flags], check=True)
        elapsed = time.monotonic() - began
        assert len(os.listdir(results)) == count
        after, usage = queue.counts(), resource.getrusage(resource.RUSAGE_CHILDREN)
        costs = {key: (after[key] - before[key]) / count for key in before}
        costs["servers"], costs["worker"] = (1000 * (processor_seconds(p) - u) / count for p, u in zip((queue.processes, computing), used))
        costs["client"] = 1000 * (usage.ru_utime + usage.ru_stime - client.ru_utime - client.ru_stime) / count
        costs["megabytes"] = sum(os.stat(os.path.join(inputs, name)).st_size for name in os.listdir(inputs)) / count / 1e6
        return elapsed, costs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--side", type=int, default=8)
    parser.add_argument("--s3", action="store_true")
    parser.add_argument("--servers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--workers", default="1,2,4,8,16")
    parser.add_argument("--pictures")
    options = parser.parse_args()
    print("load %.1f" % os.getloadavg()[0])
    elapsed, costs = run(options.jobs, 1, 0, 8, options)
    print("%.0f trivial jobs a second, through %d server(s)" % (options.jobs / elapsed, options.servers))
    print("  each: %.2f ms of the servers' processors, %.2f of the worker's, %.2f of the client's; %.0f messages (%.1f kB) in, %.0f (%.1f kB) out" % (
        costs["servers"], costs["worker"], costs["client"], costs["in_msgs"], costs["in_bytes"] / 1000, costs["out_msgs"], costs["out_bytes"] / 1000), flush=True)
    if options.side > 500:
        print("  each has %.1f MB: %.2f ms of the worker's and %.2f of the client's for each of them" % (
            costs["megabytes"], costs["worker"] / costs["megabytes"], costs["client"] / costs["megabytes"]), flush=True)
    for workers in map(int, options.workers.split(",")) if options.workers else ():
        elapsed, _ = run(options.rounds * workers, workers, options.seconds, 1, options)
        ideal = options.rounds * options.seconds
        print("%2d workers: %.2f s, linear %.2f s, %+.0f %%" % (workers, elapsed, ideal, 100 * (elapsed / ideal - 1)), flush=True)


if __name__ == "__main__":
    main()
