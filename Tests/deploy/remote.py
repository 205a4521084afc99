"""A queue as deploy/compose has it, a service and a worker on it."""
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from harness import ENLARGE, MODELS, Service, png

COMPOSE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "compose")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def running(command, **options):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def fetched(url):
    end = time.time() + 30
    while True:
        try:
            return urllib.request.urlopen(url, timeout=5).read()
        except OSError:
            if time.time() > end:
                raise
            time.sleep(0.1)


def remote_metrics():
    """What a service and a worker show, and the names of the queue's consumers."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "secrets"))
        os.mkdir(os.path.join(folder, "store"))
        with open(os.path.join(folder, "secrets", "authorization.conf"), "w") as file:
            file.write('authorization { user: enlarge, password: "a1b2" }\n')
        with open(os.path.join(folder, "queue"), "w") as file:
            file.write("enlarge:a1b2")
        port, monitor, worker_port = free_port(), free_port(), free_port()
        with open(os.path.join(COMPOSE, "nats.conf")) as file:
            text = file.read()
        for old, new in (("4222", port), ("8222", monitor), ("/data", os.path.join(folder, "js"))):
            assert old in text
            text = text.replace(old, str(new))
        with open(os.path.join(folder, "nats.conf"), "w") as file:
            file.write(text)
        flags = ["--queue", "nats://127.0.0.1:%d" % port, "--store", os.path.join(folder, "store")]
        right = [*flags, "--queue-credentials", os.path.join(folder, "queue")]
        with running(["nats-server", "-a", "127.0.0.1", "-c", os.path.join(folder, "nats.conf")], stderr=subprocess.DEVNULL):
            fetched("http://127.0.0.1:%d/healthz" % monitor)
            refused = subprocess.run([ENLARGE, "worker", *flags], stderr=subprocess.PIPE, text=True, timeout=60)
            assert refused.returncode and "Authorization" in refused.stderr, refused
            listen = ["--listen", "127.0.0.1:%d" % worker_port]
            with running([ENLARGE, "worker", *right, *listen, "--models", MODELS], stderr=sys.stderr if "-v" in sys.argv else subprocess.DEVNULL), \
                    Service(*right) as service:
                service.wait(service.submit("/v1/jobs", png(8, 8))["id"])
                shown = service.get("/metrics").body, fetched("http://127.0.0.1:%d/metrics" % worker_port)
                streams = json.loads(fetched("http://127.0.0.1:%d/jsz?consumers=true" % monitor))["account_details"][0]["stream_detail"]
    return shown, {(s["name"], c["name"]) for s in streams for c in s.get("consumer_detail") or []}
