#!/usr/bin/env python3
"""Hosts as network namespaces, and the network between them cut: the queue and the store on one, a worker on each of three, the
client on another. While a batch runs, links are cut for longer than the lease and mended again: the cable is pulled, the interface
goes down, or everything is swallowed without a sign.

    test_network.py [--pictures 60] [--seed 8]

Every picture is done once as its client sees it, with the bytes of the shell command; no blob is left; the workers go on by
themselves. Needs to make namespaces, as root or as any user where the system allows that; else it says so and passes.
"""
import argparse
import os
import random
import subprocess
import sys
import threading
import time
import urllib.request

from machines import Site, compare, each_done_once, lines, submit, until, worker_command

LEASE = 5
INSIDE = "ENLARGE_TEST_NETWORK"


class Network(Site):
    """A bridge, where this process is, and hosts on it, each in a namespace that a sleeping process holds."""

    def __init__(self):
        super().__init__("network")
        self.run("ip", "link", "add", "bridge", "type", "bridge")
        self.run("ip", "address", "add", "10.77.0.1/24", "dev", "bridge")
        self.run("ip", "link", "set", "bridge", "up")
        self.addresses = {}

    def run(self, *command):
        subprocess.run(command, check=True)

    def host(self, name):
        own = os.readlink("/proc/self/ns/net")
        process = self.start(name, ["unshare", "--net", "sleep", "infinity"])
        until(lambda: os.readlink("/proc/%d/ns/net" % process.pid) != own, "the host " + name)
        self.addresses[name] = address = "10.77.0.%d" % (len(self.addresses) + 2)
        self.run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
        self.run("ip", "link", "set", name, "master", "bridge", "up")
        for words in ["link set lo up", "address add %s/24 dev eth0" % address, "link set eth0 up"]:
            self.run(*self.on(name), "ip", *words.split())
        return address

    def on(self, host):
        """Begins a command that runs there."""
        return ["nsenter", "--net=/proc/%d/ns/net" % self.processes[host].pid]

    def link(self, host, kind, works):
        if kind == "pulled":
            self.run("ip", "link", "set", host, "up" if works else "down")
        elif kind == "down":
            self.run(*self.on(host), "ip", "link", "set", "eth0", "up" if works else "down")
        else:
            # The bridge drops what goes through a port in that state, and tells nobody.
            self.run("bridge", "link", "set", "dev", host, "state", "forwarding" if works else "disabled")

    KINDS = ["silent", "pulled", "down"]


def cut_links(network, hosts, generator, over, done, delay):
    """One host after the other, while the batch is not over."""
    over.wait(delay)
    for host, kind in zip(generator.sample(hosts, len(hosts)), generator.sample(Network.KINDS, len(hosts))):
        if over.wait(generator.uniform(1, 3)):
            return
        network.link(host, kind, False)
        over.wait(LEASE + 3)
        network.link(host, kind, True)
        done.append((host, kind))


def pictures_made(network, worker):
    """How many; None while the worker cannot be asked, or has no connection to the queue."""
    try:
        text = urllib.request.urlopen("http://%s:9100/metrics" % network.addresses[worker], timeout=5).read().decode()
    except OSError:
        return None
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return float(values.get('enlarge_upscales_total{outcome="done"}', 0)) if float(values["enlarge_worker_connected"]) == 1 else None


def batch(network, flags, count, folder):
    inputs, results = network.pictures(count, folder=folder), network.path(folder + "-out")
    return inputs, results, submit(flags, [inputs, "-s", "2", "-o", results], place=network.on("client"))


def check(network, count, seed):
    generator = random.Random(seed)
    queue = network.host("queue")
    network.start("nats", [*network.on("queue"), "nats-server", "-a", queue, "-js", "-sd", network.path("js")])
    flags = ["--queue", "nats://%s:4222" % queue, "--queue-lease", str(LEASE), "--queue-attempts", "50",
             *network.start_store(queue, network.on("queue"))]
    workers = ["worker%d" % n for n in range(3)]
    for name in workers:
        listen = ["--listen", network.host(name) + ":9100"]
        network.start("enlarge-" + name, [*network.on(name), *worker_command(flags + listen, name)])
    network.host("client")
    # So that transfers are on their way whenever a link is cut, and workers have jobs.
    network.order(slow=1.2)
    over, cuts = threading.Event(), [[], []]
    inputs, results, client = batch(network, flags, count, "in")
    until(lambda: os.path.isdir(results) and os.listdir(results), "the first result")
    threads = [threading.Thread(target=cut_links, args=(network, hosts, random.Random(generator.random()), over, done, delay))
               for hosts, delay, done in zip([workers, ["client", "queue"]], [0, 10], cuts)]
    for thread in threads:
        thread.start()
    try:
        seen, errors = lines(client, 240)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    each_done_once(seen, errors, count)
    assert {host for host, _ in sum(cuts, [])} == {*workers, "client", "queue"}, cuts
    print("  cut: %s" % ", ".join("%s (%s)" % cut for cut in sum(cuts, [])))
    print("  %d were begun more than once" % sum(line["attempts"] > 1 for line in seen))
    network.order(slow=0.5)
    print("  %d pictures as the shell command has them" % compare(inputs, results, network.path("reference")))
    network.no_blob_left()

    # Those that were cut off are the same processes, and do what comes next.
    for name in workers:
        until(lambda: pictures_made(network, name) is not None, name + "'s connection", 30)
    before = {name: pictures_made(network, name) for name in workers}
    inputs, results, client = batch(network, flags, 15, "next")
    seen, errors = lines(client, 120)
    each_done_once(seen, errors, 15)
    for name in workers:
        assert network.processes["enlarge-" + name].poll() is None, name + " has ended"
        more = pictures_made(network, name) - before[name]
        assert more > 0, name + " does not go on"
        print("  %s went on by itself and made %d of the next 15" % (name, more))
    network.no_blob_left()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--seed", type=int, default=8)
    options = parser.parse_args()
    if INSIDE not in os.environ:
        # All of it goes with the namespace that it is in.
        isolate = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        probe = subprocess.run([*isolate, "ip", "link", "add", "bridge", "type", "bridge"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if probe.returncode != 0:
            print("skipped: the network between hosts is not cut, since no network can be made here: %s" % probe.stdout.strip())
            return 0
        return subprocess.run([*isolate, sys.executable, *sys.argv], env={**os.environ, INSIDE: "1"}).returncode
    print("the network between hosts is cut", flush=True)
    began = time.time()
    with Network() as network:
        check(network, options.pictures, options.seed)
    print("  %.0f s" % (time.time() - began))
    return 0


if __name__ == "__main__":
    sys.exit(main())
