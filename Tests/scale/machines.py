"""What the tests of many machines are made of: processes in a folder of their own, servers of a queue and of a store, pictures."""
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "Tests", "service"))
from harness import ENLARGE, MODELS, Service, png  # noqa: E402, F401

HERE = "127.0.0.1"


def free_ports(count):
    """Below those that the system gives to outgoing connections: a client that looks for a server that is away would meet itself."""
    found = []
    while len(found) < count:
        port = random.SystemRandom().randrange(12000, 32000)
        with socket.socket() as s:
            try:
                s.bind((HERE, port))
            except OSError:
                continue
        found.append(port)
    return found


def until(condition, what, seconds=60):
    """What the condition is, once it is something."""
    end = time.time() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.time() < end, what + " does not come"
        time.sleep(0.05)


class Site:
    """Processes, each with a log, in a folder; all are gone at its end."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix="enlarge-%s-" % name)
        self.processes = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in self.processes.values():
            process.kill()
            process.wait()
        if kind:
            for name in self.processes:
                print("--- %s\n%s" % (name, self.log(name)[-2000:]), file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def start(self, name, command, **options):
        """Its errors go to the log of that name, behind what is there."""
        with open(self.path(name + ".log"), "ab") as log:
            self.processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, **options)
        return self.processes[name]

    def start_queue_server(self, name, port, *more, cluster=()):
        """A nats-server with a folder of its own.
        - cluster: ports that the servers of a cluster have for each other, this one's first."""
        if cluster:
            more = ["-n", name, "--cluster_name", "enlarge", "--cluster", "nats://%s:%d" % (HERE, cluster[0]),
                    "--routes", ",".join("nats://%s:%d" % (HERE, p) for p in cluster), *more]
        self.start(name, ["nats-server", "-a", HERE, "-p", str(port), "-js", "-sd", self.path(name + "-js"), *more])

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait()

    def log(self, name):
        with open(self.path(name + ".log"), errors="replace") as log:
            return log.read()

    def events(self, name, event):
        """What a worker or a service has logged of that kind."""
        lines = [json.loads(line) for line in self.log(name).splitlines(True) if line.startswith("{") and line.endswith("}\n")]
        return [line for line in lines if line["event"] == event]

    def pictures(self, count, largest=120, folder="in"):
        """A folder of pictures of all sizes."""
        os.mkdir(self.path(folder))
        generator = random.Random(8)
        for n in range(count):
            with open(self.path(folder, "p%03d.png" % n), "wb") as file:
                file.write(png(generator.randint(8, largest), generator.randint(8, largest), seed=n))
        return self.path(folder)

    def start_store(self, address=HERE, place=()):
        """The S3 server with a bucket.
        - place: begins its command, to run it elsewhere."""
        portfile = self.path("s3-port")
        self.start("s3", [*place, sys.executable, os.path.join(ROOT, "Tests", "scale", "s3_server.py"), portfile, "--address", address])
        until(lambda: os.path.exists(portfile), "the store")
        self.s3 = "http://%s:%s" % (address, open(portfile).read())
        import boto3
        boto3.client("s3", endpoint_url=self.s3, region_name="us-east-1", aws_access_key_id="enlargekey",
                     aws_secret_access_key="enlarge/secret+key").create_bucket(Bucket="pictures")
        credentials = self.write("credentials", s3_credentials())
        return ["--store", "s3://pictures", "--store-endpoint", self.s3, "--store-credentials", credentials]

    def order(self, **what):
        """Of the S3 server: see s3_server.py."""
        urllib.request.urlopen(urllib.request.Request(self.s3 + "/_order", data=json.dumps(what).encode(), method="POST")).read()

    def no_blob_left(self):
        # Workers that were told late of what they had lost take their results away.
        def left():
            state = json.loads(urllib.request.urlopen(self.s3 + "/_state").read())
            return [k for k in state["keys"] if "enlarge-check" not in k] + state["uploads"]
        try:
            until(lambda: not left(), "an empty store", 40)
        except AssertionError:
            raise AssertionError("blobs are left: %s" % left())


def s3_credentials(key="enlargekey", secret="enlarge/secret+key"):
    return "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n" % (key, secret)


def worker_command(flags, name):
    return [ENLARGE, "worker", *flags, "--name", name, "--memory", "300M", "--threads", "1", "--models", MODELS]


def submit(flags, words, place=(), **options):
    """A client that is under way, with a line of JSON for every picture."""
    return subprocess.Popen([*place, ENLARGE, "submit", *words, "--wait", "--json", "--models", MODELS, *flags], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def lines(process, seconds):
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError("the client does not end; it has %d pictures and said: %s" % (len(out.splitlines()), err[-3000:]))
    return [json.loads(line) for line in out.splitlines()], err


def each_done_once(seen, errors, count):
    failed = [line for line in seen if "error" in line]
    assert not failed, (failed[:3], errors[-2000:])
    assert len({line["output"] for line in seen}) == len(seen) == count, (len(seen), errors[-2000:])


def compare(inputs, results, reference):
    """The results are those of the shell command. Returns how many there are."""
    subprocess.run([ENLARGE, inputs, "-s", "2", "-o", reference, "--models", MODELS, "-q"], check=True)
    names = sorted(os.listdir(reference))
    # A client that was killed leaves what it had not finished, under names of its own.
    found = sorted(n for n in os.listdir(results) if n.endswith(".png"))
    assert names == found, set(names) ^ set(found)
    for name in names:
        a, b = (open(os.path.join(f, name), "rb").read() for f in (reference, results))
        assert a == b, name + " has other bytes than the shell command's"
    return len(names)
