#!/usr/bin/env python3
"""Many machines on one: a cluster of three nats-servers, an S3 server, four workers, and a batch of pictures, while workers are
killed, a server of the queue is stopped and started, and the store fails and is slow. Then large pictures in parts, from the
command and through the service.

    test_scale.py [--pictures 300] [--huge WIDTHxHEIGHT]

Every picture is done once as its client sees it, its bytes are those of the shell command, and no blob is left.
"""
import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "Tests", "service"))
from harness import ENLARGE, MODELS, Service, png  # noqa: E402


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Cluster:
    """Servers of a queue, a store, workers: in a folder, gone with it."""

    def __init__(self, folder, workers=4):
        self.folder, self.processes, self.workers = folder, {}, {}
        self.ports, self.routes = free_ports(3), free_ports(3)
        for n in range(3):
            self.start_server(n)
        portfile = os.path.join(folder, "s3-port")
        self.processes["s3"] = subprocess.Popen([sys.executable, os.path.join(ROOT, "Tests", "scale", "s3_server.py"), portfile])
        self.until(lambda: os.path.exists(portfile), "the store")
        self.s3 = "http://127.0.0.1:" + open(portfile).read()
        credentials = os.path.join(folder, "credentials")
        with open(credentials, "w") as file:
            file.write("[default]\naws_access_key_id = enlargekey\naws_secret_access_key = enlarge/secret+key\n")
        self.make_bucket()
        self.flags = ["--queue", ",".join("nats://127.0.0.1:%d" % p for p in self.ports), "--queue-replicas", "3", "--queue-lease", "6",
                      "--queue-attempts", "50", "--store", "s3://pictures", "--store-endpoint", self.s3, "--store-credentials", credentials]
        for n in range(workers):
            self.start_worker(n)

    def until(self, condition, what, seconds=60):
        end = time.time() + seconds
        while not condition():
            assert time.time() < end, what + " does not come"
            time.sleep(0.05)

    def log(self, name):
        return open(os.path.join(self.folder, name + ".log"), "ab")

    def start_server(self, n):
        self.processes["nats%d" % n] = subprocess.Popen(
            ["nats-server", "-a", "127.0.0.1", "-p", str(self.ports[n]), "-n", "n%d" % n, "-js", "-sd", os.path.join(self.folder, "js%d" % n),
             "--cluster_name", "enlarge", "--cluster", "nats://127.0.0.1:%d" % self.routes[n],
             "--routes", ",".join("nats://127.0.0.1:%d" % p for p in self.routes)], stderr=self.log("nats%d" % n))

    def make_bucket(self):
        import boto3
        boto3.client("s3", endpoint_url=self.s3, region_name="us-east-1", aws_access_key_id="enlargekey",
                     aws_secret_access_key="enlarge/secret+key").create_bucket(Bucket="pictures")

    def start_worker(self, n):
        # A name of its own each time: the entry of one that was killed goes after half a minute.
        name = "w%d-%d" % (n, random.getrandbits(32))
        self.workers[n] = subprocess.Popen(
            [ENLARGE, "worker", *self.flags, "--name", name, "--memory", "300M", "--threads", "1", "--models", MODELS], stderr=self.log("worker%d" % n))

    def order(self, **what):
        urllib.request.urlopen(urllib.request.Request(self.s3 + "/_order", data=json.dumps(what).encode(), method="POST")).read()

    def state(self):
        return json.loads(urllib.request.urlopen(self.s3 + "/_state").read())

    def stop(self):
        for process in [*self.workers.values(), *self.processes.values()]:
            process.kill()
            process.wait()


def submit(cluster, words, **options):
    command = [ENLARGE, "submit", *words, "--wait", "--json", "--models", MODELS, *cluster.flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def lines(process, seconds):
    out, err = process.communicate(timeout=seconds)
    return [json.loads(line) for line in out.splitlines()], err


def compare(inputs, results, reference):
    subprocess.run([ENLARGE, inputs, "-s", "2", "-o", reference, "--models", MODELS, "-q"], check=True)
    names = sorted(os.listdir(reference))
    assert names == sorted(os.listdir(results)), set(names) ^ set(os.listdir(results))
    for name in names:
        a, b = (open(os.path.join(f, name), "rb").read() for f in (reference, results))
        assert a == b, name + " has other bytes than the shell command's"
    return len(names)


def no_blob_left(cluster):
    # Workers that were told late of what they had lost take their results away.
    def is_clean():
        state = cluster.state()
        return not [k for k in state["keys"] if "enlarge-check" not in k] and not state["uploads"]
    try:
        cluster.until(is_clean, "an empty store", 40)
    except AssertionError:
        raise AssertionError("blobs are left: %s" % cluster.state())


def batch_among_failures(cluster, folder, count):
    inputs, results = os.path.join(folder, "in"), os.path.join(folder, "out")
    os.mkdir(inputs)
    generator = random.Random(8)
    for n in range(count):
        with open(os.path.join(inputs, "p%03d.png" % n), "wb") as file:
            file.write(png(generator.randint(8, 120), generator.randint(8, 120), seed=n))
    over = threading.Event()

    def trouble():
        kills, step = 0, 0
        while not over.wait(1.2):
            step += 1
            n = generator.randrange(4)
            cluster.workers[n].send_signal(signal.SIGKILL)
            cluster.workers[n].wait()
            cluster.start_worker(n)
            kills += 1
            if step == 4:
                cluster.processes["nats1"].terminate()
                cluster.processes["nats1"].wait()
            elif step == 8:
                cluster.start_server(1)
            cluster.order(rate=0.2 if step % 3 == 1 else 0.0, slow=0.1 if step % 3 == 2 else 0.0)
        cluster.order(rate=0.0, slow=0.0)
        print("  %d workers were killed" % kills)

    thread = threading.Thread(target=trouble)
    thread.start()
    try:
        # The client, too, is cut off, and begun again.
        first = submit(cluster, [inputs, "-s", "2", "-o", results, "-r"])
        time.sleep(4)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        seen, errors = lines(submit(cluster, [inputs, "-s", "2", "-o", results, "-r"]), 240)
    finally:
        over.set()
        thread.join()
    failed = [l for l in seen if "error" in l]
    assert not failed, (failed[:3], errors[-2000:])
    assert len({l["output"] for l in seen}) == len(seen) == count, len(seen)
    print("  %d were done before the client was killed" % sum(l["was_there"] for l in seen))
    print("  %d pictures as the shell command has them" % compare(inputs, results, os.path.join(folder, "reference")))
    no_blob_left(cluster)


def one_large_picture(cluster, folder, size):
    width, height = (int(n) for n in size.split("x"))
    inputs, results = os.path.join(folder, "large"), os.path.join(folder, "large-out")
    os.mkdir(inputs)
    with open(os.path.join(inputs, "large.png"), "wb") as file:
        file.write(png(width, height))
    seen, errors = lines(submit(cluster, [inputs, "-s", "2", "-f", "tiff", "-o", results, "--parts", "13"]), 3600)
    assert len(seen) == 1 and seen[0].get("parts") == 13, (seen, errors)
    peaks = []
    for worker in cluster.workers.values():
        with open("/proc/%d/status" % worker.pid) as status:
            peaks.append(next(int(l.split()[1]) << 10 for l in status if l.startswith("VmHWM")))
    reference = os.path.join(folder, "large-reference")
    subprocess.run([ENLARGE, inputs, "-s", "2", "-f", "tiff", "-o", reference, "--models", MODELS, "-q"], check=True)
    name = os.listdir(reference)[0]
    assert subprocess.run(["cmp", os.path.join(reference, name), os.path.join(results, name)]).returncode == 0
    assert max(peaks) < 1.15 * (300 << 20) + (60 << 20), peaks
    print("  %s in 13 parts as in one; workers' peaks: %s MiB" % (size, ", ".join(str(p >> 20) for p in peaks)))
    no_blob_left(cluster)


def command(folder, picture, *flags):
    path = os.path.join(folder, "picture.png")
    with open(path, "wb") as file:
        file.write(picture)
    return subprocess.run([ENLARGE, path, *flags, "-o", "-", "--models", MODELS, "-q"], check=True, stdout=subprocess.PIPE).stdout


def until_under_way(cluster, service, job):
    """Its parts are, at least."""
    def is_under_way():
        state = service.get("/v1/jobs/" + job).json
        assert state["state"] in ("queued", "running"), state
        return 0 < state["progress"] < 1
    cluster.until(is_under_way, "progress of the parts", 120)


def only_job(service, job):
    """As lists and counts have it."""
    assert [j["id"] for j in service.get("/v1/jobs").json["jobs"]] == [job]
    counts = [l for l in service.get("/metrics").body.decode().splitlines() if l.startswith("enlarge_jobs{")]
    assert sum(float(l.split()[-1]) for l in counts) == 1, counts


def no_job_left(cluster):
    def is_empty():
        out = subprocess.run([ENLARGE, "status", "--json", *cluster.flags[:2]], check=True, stdout=subprocess.PIPE).stdout
        return not json.loads(out.splitlines()[0])["sizes"]
    cluster.until(is_empty, "an empty queue", 60)


def parts_through_the_service(cluster, folder):
    picture = png(1600, 1800, seed=3)
    with Service(*cluster.flags, "--cut-pixels", "960000") as service:
        for format in ("png", "szi"):
            job = service.submit("/v1/jobs?scale=2&format=" + format, picture)["id"]
            if format == "png":
                service.kill()
                service.start()
            until_under_way(cluster, service, job)
            only_job(service, job)
            if format == "png":
                for n in range(4):
                    cluster.workers[n].send_signal(signal.SIGKILL)
                    cluster.workers[n].wait()
                    cluster.start_worker(n)
            state = service.wait(job, 300)
            assert state["state"] == "done" and state["progress"] == 1, state
            only_job(service, job)
            result = service.get("/v1/jobs/%s/result" % job).body
            assert result == command(folder, picture, "-s", "2", "-f", format), format
            assert service.request("DELETE", "/v1/jobs/" + job).status == 204
            no_blob_left(cluster)
        print("  a picture in parts as the shell command has it, in spite of a killed service and killed workers; a pyramid too")
        job = service.submit("/v1/jobs?scale=2", picture)["id"]
        until_under_way(cluster, service, job)
        assert service.request("DELETE", "/v1/jobs/" + job).status == 204
        assert service.get("/v1/jobs/" + job).status == 404 and service.get("/v1/jobs").json["jobs"] == []
        no_job_left(cluster)
        no_blob_left(cluster)
        print("  a cancelled one leaves nothing")
        job = service.submit("/v1/jobs?scale=2", picture[:len(picture) * 2 // 3])["id"]
        state = service.wait(job, 300)
        assert state["state"] == "failed" and state["error"]["code"] == "picture_invalid" and state["attempts"] == 1, state
        only_job(service, job)
        no_job_left(cluster)
        no_blob_left(cluster)
        print("  a damaged one fails: " + state["error"]["detail"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--huge", default="700x900")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="enlarge-scale-")
    cluster = None
    try:
        cluster = Cluster(folder)
        print("a batch among failures", flush=True)
        batch_among_failures(cluster, folder, options.pictures)
        print("one large picture", flush=True)
        one_large_picture(cluster, folder, options.huge)
        print("parts through the service", flush=True)
        parts_through_the_service(cluster, folder)
    except BaseException:
        for n in range(4):
            with open(os.path.join(folder, "worker%d.log" % n), errors="replace") as log:
                print(log.read()[-1500:], file=sys.stderr)
        raise
    finally:
        if cluster:
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
