#!/usr/bin/env python3
"""Many machines on one: a cluster of three nats-servers, an S3 server, four workers, and a batch of pictures, while workers are
killed, a server of the queue is stopped and started, the store fails and is slow, and the client is killed and begun again. Then large
pictures in parts, from the command and through the service.

    test_scale.py [--pictures 300]

Every picture is done once as its client sees it, its bytes are those of the shell command, what was there when the client was
killed is not made again, and no blob is left.
"""
import argparse
import json
import os
import random
import signal
import subprocess
import threading

from machines import ENLARGE, HERE, MODELS, Service, Site, compare, each_done_once, free_ports, lines, png, submit, until, worker_command


class Cluster(Site):
    def __init__(self):
        super().__init__("scale")
        self.ports, self.routes = free_ports(3), free_ports(3)
        for n in range(3):
            self.start_server(n)
        self.flags = ["--queue", ",".join("nats://%s:%d" % (HERE, p) for p in self.ports), "--queue-replicas", "3", "--queue-lease", "6",
                      "--queue-attempts", "50", *self.start_store()]
        for n in range(4):
            self.start_worker(n)

    def start_server(self, n):
        self.start_queue_server("nats%d" % n, self.ports[n], cluster=[self.routes[n], *self.routes[:n], *self.routes[n + 1:]])

    def start_worker(self, n):
        # A name of its own each time: the entry of one that was killed goes after half a minute.
        return self.start("worker%d" % n, worker_command(self.flags, "w%d-%d" % (n, random.getrandbits(32))))


def files(folder):
    """What each file is, to see whether it was made anew."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return {n: os.stat(os.path.join(folder, n)).st_ino for n in names if n.endswith(".png")}


def batch_among_failures(cluster, count):
    inputs, results = cluster.pictures(count), cluster.path("out")
    generator = random.Random(8)
    over = threading.Event()

    def trouble():
        step = 0
        while not over.wait(1.2):
            step += 1
            # On a slow machine workers would be killed before they have begun, for ever.
            if step <= 60:
                n = generator.randrange(4)
                cluster.kill("worker%d" % n)
                cluster.start_worker(n)
            if step == 4:
                cluster.processes["nats1"].terminate()
                cluster.processes["nats1"].wait()
            elif step == 8:
                cluster.start_server(1)
            cluster.order(rate=0.2 if step % 3 == 1 else 0.0, slow=0.1 if step % 3 == 2 else 0.0)
        if 4 <= step < 8:
            cluster.start_server(1)
        cluster.order(rate=0.0, slow=0.0)
        print("  %d workers were killed" % min(step, 60))

    thread = threading.Thread(target=trouble)
    thread.start()
    try:
        # The client, too, is cut off, and begun again.
        words = [inputs, "-s", "2", "-o", results, "-r"]
        first = submit(cluster.flags, words)
        until(lambda: len(files(results)) >= count // 15, "the first results", 120)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        there = files(results)
        seen, errors = lines(submit(cluster.flags, words), 240)
    finally:
        over.set()
        thread.join()
    each_done_once(seen, errors, count)
    now = files(results)
    again = [n for n, inode in there.items() if now[n] != inode]
    assert not again, "made a second time: %s" % again
    kept = {os.path.basename(line["output"]) for line in seen if line["was_there"]}
    assert kept == set(there), (kept, set(there))
    print("  %d were done before the client was killed, and not again" % len(kept))
    print("  %d pictures as the shell command has them" % compare(inputs, results, cluster.path("reference")))
    cluster.no_blob_left()


def one_large_picture(cluster):
    inputs, results, reference = (cluster.path(name) for name in ("large", "large-out", "large-reference"))
    os.mkdir(inputs)
    with open(os.path.join(inputs, "large.png"), "wb") as file:
        file.write(png(700, 900))
    seen, errors = lines(submit(cluster.flags, [inputs, "-s", "2", "-f", "tiff", "-o", results, "--parts", "13"]), 300)
    assert len(seen) == 1 and seen[0].get("parts") == 13, (seen, errors)
    peaks = []
    for n in range(4):
        with open("/proc/%d/status" % cluster.processes["worker%d" % n].pid) as status:
            peaks.append(next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM")))
    subprocess.run([ENLARGE, inputs, "-s", "2", "-f", "tiff", "-o", reference, "--models", MODELS, "-q"], check=True)
    name = os.listdir(reference)[0]
    assert subprocess.run(["cmp", os.path.join(reference, name), os.path.join(results, name)]).returncode == 0
    assert max(peaks) < 300 << 20, peaks
    print("  700 x 900 in 13 parts as in one; workers' peaks: %s MiB" % (", ".join(str(p >> 20) for p in peaks)))
    cluster.no_blob_left()


def command(cluster, picture, *flags):
    path = cluster.path("picture.png")
    with open(path, "wb") as file:
        file.write(picture)
    return subprocess.run([ENLARGE, path, *flags, "-o", "-", "--models", MODELS, "-q"], check=True, stdout=subprocess.PIPE).stdout


def until_under_way(cluster, service, job):
    """Its parts are, at least."""
    def is_under_way():
        state = service.get("/v1/jobs/" + job).json
        assert state["state"] in ("queued", "running"), state
        return 0 < state["progress"] < 1
    until(is_under_way, "progress of the parts", 120)


def only_job(service, job):
    """As lists and counts have it."""
    assert [j["id"] for j in service.get("/v1/jobs").json["jobs"]] == [job]
    counts = [l for l in service.get("/metrics").body.decode().splitlines() if l.startswith("enlarge_jobs{")]
    assert sum(float(l.split()[-1]) for l in counts) == 1, counts


def no_job_left(cluster):
    def is_empty():
        out = subprocess.run([ENLARGE, "status", "--json", *cluster.flags[:2]], check=True, stdout=subprocess.PIPE).stdout
        return not json.loads(out.splitlines()[0])["sizes"]
    until(is_empty, "an empty queue", 60)


def parts_through_the_service(cluster):
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
                    cluster.kill("worker%d" % n)
                    cluster.start_worker(n)
            state = service.wait(job, 300)
            assert state["state"] == "done" and state["progress"] == 1, state
            only_job(service, job)
            result = service.get("/v1/jobs/%s/result" % job).body
            assert result == command(cluster, picture, "-s", "2", "-f", format), format
            assert service.request("DELETE", "/v1/jobs/" + job).status == 204
            cluster.no_blob_left()
        print("  a picture in parts as the shell command has it, in spite of a killed service and killed workers; a pyramid too")
        job = service.submit("/v1/jobs?scale=2", picture)["id"]
        until_under_way(cluster, service, job)
        assert service.request("DELETE", "/v1/jobs/" + job).status == 204
        assert service.get("/v1/jobs/" + job).status == 404 and service.get("/v1/jobs").json["jobs"] == []
        no_job_left(cluster)
        cluster.no_blob_left()
        print("  a cancelled one leaves nothing")
        job = service.submit("/v1/jobs?scale=2", picture[:len(picture) * 2 // 3])["id"]
        state = service.wait(job, 300)
        assert state["state"] == "failed" and state["error"]["code"] == "picture_invalid" and state["attempts"] == 1, state
        only_job(service, job)
        no_job_left(cluster)
        cluster.no_blob_left()
        print("  a damaged one fails: " + state["error"]["detail"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=300)
    options = parser.parse_args()
    with Cluster() as cluster:
        print("a batch among failures", flush=True)
        batch_among_failures(cluster, options.pictures)
        print("one large picture", flush=True)
        one_large_picture(cluster)
        print("parts through the service", flush=True)
        parts_through_the_service(cluster)


if __name__ == "__main__":
    main()
