#!/usr/bin/env python3
"""What goes wrong with many machines, each case with real processes: a clear message, tries again with growing pauses and jitter
where that helps, an end with its status where it does not, and nothing lost.

    test_bad_cases.py [--gone 20] [--jobs 6] [CASE...]

--gone is how many seconds the queue is gone in that case; 600 is the long form. Cases run side by side, most of their time
waiting.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import traceback

from machines import ENLARGE, HERE, MODELS, Site, compare, each_done_once, free_ports, png, s3_credentials, until, worker_command
from operator_requests import Operator

LEASE = 5
INSIDE = "ENLARGE_TEST_MOUNTS"
# A ticket as a later version might write it.
NEWER = json.dumps({"version": 2, "request": {"what": "this version does not know"}}).encode()


class Bench(Site):
    """One server of a queue, a folder as the store, and what a case starts."""

    def __init__(self, name):
        super().__init__(name)
        self.port, self.page = free_ports(2)
        self.address = "nats://%s:%d" % (HERE, self.port)
        self.queue = ["--queue", self.address, "--queue-lease", str(LEASE)]
        os.mkdir(self.path("store"))
        self.store = ["--store", self.path("store")]

    @property
    def flags(self):
        return [*self.queue, *self.store]

    def start_queue(self, jetstream="", server=""):
        self.configure_queue(jetstream, server)
        self.start("nats", ["nats-server", "-c", self.path("nats.conf")])
        until(lambda: "Server is ready" in self.log("nats").rsplit("Starting nats-server", 1)[-1], "the queue")

    def configure_queue(self, jetstream="", server=""):
        self.write("nats.conf", 'listen: "%s:%d"\njetstream { store_dir: "%s"\n%s }\n%s\n' % (HERE, self.port, self.path("js"), jetstream, server))

    def start_worker(self, name="worker", flags=(), calls_itself=None):
        return self.start(name, worker_command([*self.flags, *flags], calls_itself or name))

    def start_service(self):
        self.start("serve", [ENLARGE, "serve", "--listen", "%s:%d" % (HERE, self.page), "--data", self.path("data"), "--models", MODELS, *self.flags])

    def api(self, method, path, body=None):
        """Status, headers and body of the service's answer; status 0 where it does not listen."""
        connection = http.client.HTTPConnection(HERE, self.page, timeout=60)
        try:
            connection.request(method, path, body=body)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except ConnectionError:
            return 0, {}, b""
        finally:
            connection.close()

    def job_of_service(self):
        """A picture through the service, from its submission to its end."""
        picture = png(40, 30, seed=3)
        status, _, body = self.api("POST", "/v1/jobs?scale=2", picture)
        assert status == 202, (status, body)
        job = "/v1/jobs/" + json.loads(body)["id"]
        until(lambda: json.loads(self.api("GET", job)[2])["state"] == "done", "the service's job")
        assert self.api("GET", job + "/result")[2][:4] == b"\x89PNG"
        assert self.api("DELETE", job)[0] == 204

    def waiting(self):
        """Jobs, as `enlarge status` has them."""
        answer = subprocess.run([ENLARGE, "status", "--json", *self.queue], stdout=subprocess.PIPE, check=True).stdout
        return sum(size["waiting"] for size in json.loads(answer)["sizes"])

    def start_client(self, words, name="client"):
        with open(self.path(name + ".out"), "wb") as out:
            return self.start(name, [ENLARGE, "submit", *words, "--wait", "--json", "--models", MODELS, *self.flags], stdout=out)

    def seen(self, name="client"):
        with open(self.path(name + ".out")) as out:
            return [json.loads(line) for line in out.read().splitlines(True) if line.endswith("\n")]

    def end(self, name, status, seconds=90):
        """The process ends by itself with this status. Returns its last words."""
        found = self.processes[name].wait(timeout=seconds)
        assert found == status, "%s: status %d, not %d: %s" % (name, found, status, self.log(name)[-1000:])
        return (self.log(name).strip().splitlines() or [""])[-1]

    def all_done(self, count, inputs, results, seconds=90, login=""):
        """The client has everything, once, with the bytes of the shell command, and nothing is left anywhere."""
        self.end("client", 0, seconds)
        each_done_once(self.seen(), self.log("client"), count)
        compare(inputs, results, self.path("reference"))
        with Operator(HERE, self.port, login) as operator:
            assert operator.messages("enlarge-dead") == 0, "there are dead letters"
            until(lambda: operator.messages("enlarge-work") == 0, "an end of the tickets")
        if self.store[1].startswith("s3:"):
            return self.no_blob_left()
        until(lambda: not self.files_left(), "an empty store", 30)

    def files_left(self):
        return [os.path.join(f, n) for f, _, names in os.walk(self.path("store")) for n in names if n != "ballast"]

    def alive(self, *names):
        for name in names:
            assert self.processes[name].poll() is None, name + " has ended: " + self.log(name)[-1000:]

    def check_pauses(self, name, event):
        """They grow, by twos, and no two processes have the same."""
        for n, told in enumerate(self.events(name, event)):
            nominal, pause = min(0.25 * 2 ** n, 10), told["next_try_seconds"]
            assert 0.5 * nominal <= pause <= 1.5 * nominal and pause != nominal, (n, pause)


# MARK: The queue

def no_queue_at_start(bench, options):
    inputs, results = bench.pictures(8), bench.path("out")
    bench.start_worker()
    bench.start_service()
    bench.start_client([inputs, "-s", "2", "-o", results])
    bench.start("status", [ENLARGE, "status", *bench.queue])
    assert bench.address in bench.end("status", 1)
    for name in ["worker", "serve"]:
        until(lambda: len(bench.events(name, "queue_unavailable")) >= 4, "more tries of the " + name)
        assert all(bench.address in line["message"] for line in bench.events(name, "queue_unavailable"))
        bench.check_pauses(name, "queue_unavailable")
    pauses = [[line["next_try_seconds"] for line in bench.events(name, "queue_unavailable")][:4] for name in ["worker", "serve"]]
    assert pauses[0] != pauses[1], pauses
    assert "enlarge: the queue at %s: " % bench.address in bench.log("client")
    bench.start_queue()
    until(lambda: bench.api("GET", "/readyz")[0] == 200, "the service")
    bench.job_of_service()
    bench.all_done(8, inputs, results)
    bench.alive("worker", "serve")
    return "worker, service and client wait for it, and go on when it comes"


def no_queue_ever(bench, options):
    bench.start_service()
    bench.start_client([bench.pictures(1), "-s", "2", "-o", bench.path("out")])
    assert bench.address in bench.end("serve", 1), bench.log("serve")
    assert bench.address in bench.end("client", 1), bench.log("client")
    assert bench.seen()[-1]["error"]["code"] == "queue_unavailable"
    # A worker ends when it is told to.
    worker = bench.start_worker()
    until(lambda: bench.events("worker", "queue_unavailable"), "a try of the worker")
    worker.send_signal(signal.SIGTERM)
    assert "interrupted" in bench.end("worker", 1, 10)
    return "client and service end after a minute with status 1, a worker when it is told to"


def queue_gone(bench, options):
    inputs, results = bench.pictures(120), bench.path("out")
    bench.start_queue()
    for name in ["worker", "worker2"]:
        bench.start_worker(name)
    bench.start_service()
    until(lambda: bench.api("GET", "/readyz")[0] == 200, "the service")
    bench.start_client([inputs, "-s", "2", "-o", results])
    until(lambda: len(bench.seen()) >= 10, "the first results")
    bench.kill("nats")
    began = time.time()
    until(lambda: bench.api("GET", "/readyz")[0] == 503, "the service's refusal")
    status, headers, body = bench.api("POST", "/v1/jobs?scale=2", png(40, 30))
    assert status == 503 and json.loads(body)["code"] == "not_ready" and headers["Retry-After"], (status, body)
    for name in ["worker", "worker2", "serve", "client"]:
        assert "the queue is not reached any more; it is looked for" in bench.log(name)
    time.sleep(max(0, options.gone - (time.time() - began)))
    bench.alive("worker", "worker2", "serve", "client")
    before = len(bench.seen())
    assert before < 120, "the batch was over before"
    bench.start_queue()
    bench.all_done(120, inputs, results, 120)
    bench.job_of_service()
    bench.alive("worker", "worker2", "serve")
    for name in ["worker", "worker2", "serve", "client"]:
        assert "the queue is reached again" in bench.log(name)
    return "for %d s in the middle of a batch: the other %d of 120 pictures are done when it is back" % (options.gone, 120 - before)


def wrong_credentials(bench, options):
    inputs, results = bench.pictures(6), bench.path("out")
    words = [inputs, "-s", "2", "-o", results]
    server = 'authorization { user: "enlarge", password: "%s" }'
    bench.start_queue(server=server % "right")
    bench.queue += ["--queue-credentials", bench.path("user")]
    bench.start_worker()
    assert bench.path("user") + ": No such file" in bench.end("worker", 2, 10)
    bench.write("user", "enlarge:wrong\n")
    bench.start_worker()
    bench.start_service()
    bench.start_client(words)
    bench.start("status", [ENLARGE, "status", *bench.queue])
    for name in ["worker", "serve", "client", "status"]:
        last = bench.end(name, 1, 30)
        assert bench.address in last and "uthoriz" in last, last
    assert bench.seen()[-1]["error"]["code"] == "access_refused"

    # They are changed while all are at it. The worker has a queue of its own, so that the client waits.
    bench.write("user", "enlarge:right\n")
    bench.start_service()
    until(lambda: bench.api("GET", "/readyz")[0] == 200, "the service")
    bench.start_client(words)
    until(lambda: bench.waiting() == 6, "the jobs")
    bench.start_worker("idle", ["--queue-prefix", "idle"])
    until(lambda: bench.events("idle", "started"), "the worker")
    bench.configure_queue(server=server % "changed")
    bench.processes["nats"].send_signal(signal.SIGHUP)
    for name in ["client", "idle", "serve"]:
        last = bench.end(name, 1, 60)
        assert "closed the connection for good: are the credentials still valid?" in last, last
    bench.write("user", "enlarge:changed\n")
    bench.start_worker()
    bench.start_client(words)
    bench.all_done(6, inputs, results, login='"user": "enlarge", "pass": "changed"')
    return "status 1 and the server's words, at the start and when they change; with the right ones the batch goes on"


def full_stream(bench, options):
    inputs, results = bench.pictures(40), bench.path("out")
    bench.start_queue()
    with Operator(HERE, bench.port) as operator:
        operator.api("STREAM.CREATE.enlarge-work", name="enlarge-work", subjects=["enlarge.work.*"], retention="workqueue", discard="new",
                     storage="file", max_msgs=5, max_msg_size=64 << 10, duplicate_window=120 * 10 ** 9)
        bench.start_client([inputs, "-s", "2", "-o", results])
        until(lambda: "maximum messages exceeded; it is tried again" in bench.log("client"), "the client's message")
        assert operator.messages("enlarge-work") == 5
        bench.start_service()
        until(lambda: bench.api("GET", "/readyz")[0] == 200, "the service")
        status, headers, body = bench.api("POST", "/v1/jobs?scale=2", png(40, 30))
        assert status == 429 and json.loads(body)["code"] == "queue_full" and headers["Retry-After"], (status, body)
    bench.start_worker()
    bench.all_done(40, inputs, results)
    # One place is left, which the picture's own job takes: there is none for its parts, and its worker enlarges it as a whole.
    inputs, results = bench.pictures(4, folder="cut"), bench.path("cut-out")
    with Operator(HERE, bench.port) as operator:
        while operator.messages("enlarge-work") < 4:
            operator.publish("enlarge.work.64M", NEWER)
        bench.start_client([inputs, "-s", "2", "-o", results, "--parts", "3"])
        until(bench.seen, "the first picture")
        bench.kill("worker")
        bench.start_worker("another")
        bench.end("client", 0)
        assert operator.messages("enlarge-work") == 4 and operator.messages("enlarge-dead") == 0
    each_done_once(bench.seen(), bench.log("client"), 4)
    compare(inputs, results, bench.path("cut-reference"))
    until(lambda: not bench.files_left(), "an empty store", 30)
    return "5 jobs fit in: 40 pictures, then 4 that are to be cut with no room for parts, are all done; the service answers 429"


def full_queue_servers(bench, options):
    inputs, results = bench.pictures(40), bench.path("out")
    # Less than what is set aside for the dead letters elsewhere.
    bench.start_queue("max_file_store: 8MB")
    bench.start_worker()
    until(lambda: bench.events("worker", "started"), "a worker with so small a queue")
    with Operator(HERE, bench.port) as operator:
        operator.api("STREAM.CREATE.junk", name="junk", subjects=["junk"], storage="file")

        def fill():
            while "error" not in operator.publish("junk", bytes(100_000)):
                pass
        fill()
        bench.start_client([inputs, "-s", "2", "-o", results])
        until(lambda: "it is tried again" in bench.log("client"), "the client's message")
        assert "insufficient" in bench.log("client"), bench.log("client")
        operator.api("STREAM.PURGE.junk")
        until(lambda: len(bench.seen()) >= 5, "the first results")
        fill()
        time.sleep(LEASE + 2)
        bench.alive("client", "worker")
        operator.api("STREAM.PURGE.junk")
    bench.all_done(40, inputs, results)
    bench.alive("worker")
    return "client and worker wait for room, for longer than the lease, and all 40 pictures are done"


def lost_ticket(bench, options):
    inputs, results = bench.pictures(3), bench.path("out")
    bench.start_queue()
    bench.start_worker("idler", ["--simulate", "1000"])
    until(lambda: bench.events("idler", "started"), "the worker")
    bench.start_client([inputs, "-s", "2", "-o", results])
    with Operator(HERE, bench.port) as operator:
        until(lambda: operator.messages("enlarge-work") == 3 and bench.waiting() == 0, "the jobs' begin")
        bench.kill("idler")
        operator.api("STREAM.PURGE.enlarge-work")
    bench.start_worker()
    bench.all_done(3, inputs, results)
    assert bench.log("client").count("has lost its ticket, and gets another one") == 3, bench.log("client")
    return "jobs whose tickets the servers have lost with their worker get others from the client, and are done"


# MARK: The store

def wrong_keys(bench, options):
    bench.start_queue()
    bench.store = bench.start_store()
    words = [bench.pictures(3), "-s", "2", "-o", bench.path("out")]
    right = open(bench.path("credentials")).read()
    for text, code in [(s3_credentials(key="nobody"), "InvalidAccessKeyId"), (s3_credentials(secret="another"), "SignatureDoesNotMatch")]:
        bench.write("credentials", text)
        bench.start_worker()
        bench.start_service()
        bench.start_client(words)
        for name in ["worker", "serve", "client"]:
            assert code in bench.end(name, 1, 30), bench.log(name)
        assert bench.seen()[-1]["error"]["code"] == "access_refused"
    bench.write("credentials", right)
    bench.start_worker()
    bench.start_client(words)
    bench.all_done(3, words[0], words[-1])
    return "status 1 and the store's words; with the right ones the same command goes on"


def full_store(bench, options):
    bench.start_queue()
    bench.store = bench.start_store()
    fullness_passes(bench, lambda full: bench.order(full=full), "the store is full")
    return "client and worker wait for room; no attempt is lost, and all 40 pictures are done"


def full_disk(bench, options):
    if INSIDE not in os.environ:
        return "skipped: no file system can be mounted here"
    bench.start_queue()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", bench.path("store")], check=True)
    ballast = bench.path("store", "ballast")

    def fill(full):
        if not full:
            return os.unlink(ballast)
        with open(ballast, "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
    try:
        fullness_passes(bench, fill, "No space left on device")
    finally:
        subprocess.run(["umount", "--lazy", bench.path("store")], check=True)
    return "client and worker wait for room on the disk; no attempt is lost, and all 40 pictures are done"


def fullness_passes(bench, fill, reason):
    """The store is full when the client and the worker begin, and again when results are on their way."""
    inputs, results = bench.pictures(40), bench.path("out")
    fill(True)
    bench.start_worker()
    bench.start_client([inputs, "-s", "2", "-o", results])
    until(lambda: bench.events("worker", "started"), "the worker")
    until(lambda: "it is tried again" in bench.log("client"), "the client's message")
    assert reason in bench.log("client") and bench.events("worker", "store_full"), bench.log("client")
    fill(False)
    until(lambda: len(bench.seen()) >= 5, "the first results")
    fill(True)
    # What the client fetches makes room.
    until(lambda: fill(True) or any("job" in line for line in bench.events("worker", "store_full")), "a result without room")
    fill(False)
    bench.all_done(40, inputs, results)
    assert all(line["attempts"] == 1 for line in bench.seen()), bench.seen()
    bench.alive("worker")


# MARK: Workers

def older_worker(bench, options):
    inputs, results = bench.pictures(6), bench.path("out")
    bench.start_queue()
    bench.start_worker()
    until(lambda: bench.events("worker", "started"), "the worker")
    with Operator(HERE, bench.port) as operator:
        assert operator.publish("enlarge.work.64M", NEWER)["seq"] == 1
        until(lambda: bench.events("worker", "queue"), "the worker's message")
        message = bench.events("worker", "queue")[0]["message"]
        assert "version 2 is left to newer" in message and "knows version 1" in message, message
        bench.start_client([inputs, "-s", "2", "-o", results])
        bench.end("client", 0)
        each_done_once(bench.seen(), bench.log("client"), 6)
        compare(inputs, results, bench.path("reference"))
        assert operator.messages("enlarge-work") == 1 and operator.messages("enlarge-dead") == 0
        bench.processes["worker"].send_signal(signal.SIGTERM)
        bench.end("worker", 0, 30)
        # A newer one comes.
        body = json.dumps({"batch": 1, "expires": 40 * 10 ** 9}).encode()
        assert operator.request("$JS.API.CONSUMER.MSG.NEXT.enlarge-work.64M", body, 45) == NEWER
    return "a job of a newer version is left to newer workers, with a line in the log; others go on"


def name_is_taken(bench, options):
    inputs, results = bench.pictures(6), bench.path("out")
    bench.start_queue()
    bench.start_worker("worker", calls_itself="same")
    until(lambda: bench.events("worker", "started"), "the worker")
    bench.start_worker("second", calls_itself="same")
    last = bench.end("second", 2, 60)
    assert "a worker called same already: process %d on " % bench.processes["worker"].pid in last and "--name" in last, last
    bench.alive("worker")
    bench.start_client([inputs, "-s", "2", "-o", results])
    bench.all_done(6, inputs, results)
    return "the second ends with status 2 and says who has the name; the first goes on"


def name_of_silent_worker(bench, options):
    inputs, results = bench.pictures(6), bench.path("out")
    bench.start_queue()
    silent = bench.start_worker("worker", calls_itself="same")
    until(lambda: bench.events("worker", "started"), "the worker")
    silent.send_signal(signal.SIGSTOP)
    bench.start_client([inputs, "-s", "2", "-o", results])
    bench.start_worker("second", calls_itself="same")
    until(lambda: bench.events("second", "started"), "the second worker")
    silent.send_signal(signal.SIGCONT)
    assert "another worker has taken the name same" in bench.end("worker", 2, 30)
    bench.all_done(6, inputs, results)
    bench.alive("second")
    return "the second takes the name; the first ends with status 2 when it is back, and no job is lost"


CASES = [no_queue_ever, wrong_credentials, name_is_taken, name_of_silent_worker, queue_gone, older_worker, full_queue_servers, full_store, full_disk,
         full_stream, lost_ticket, no_queue_at_start, wrong_keys]


def run(case, options):
    began = time.time()
    with Bench(case.__name__.replace("_", "-")) as bench:
        told = case(bench, options)
    print("  %s: %s (%.0f s)" % (case.__name__.replace("_", " "), told, time.time() - began), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gone", type=float, default=20)
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    options = parser.parse_args()
    if INSIDE not in os.environ:
        # Mounts are this process's own, and go with it.
        isolate = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        if subprocess.run([*isolate, "mount", "-t", "tmpfs", "none", "/mnt"], stderr=subprocess.DEVNULL).returncode == 0:
            return subprocess.run([*isolate, sys.executable, *sys.argv], env={**os.environ, INSIDE: "1"}).returncode
    print("bad cases", flush=True)
    chosen = [case for case in CASES if not options.cases or case.__name__ in options.cases]
    failed = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for case, future in [(case, pool.submit(run, case, options)) for case in chosen]:
            if future.exception():
                failed.append(case.__name__)
                traceback.print_exception(future.exception())
    for name in failed:
        print("FAILED: " + name, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
