"""Starts `enlarge serve`, talks to it, and makes pictures. Python's own library alone."""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import zlib

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
ENLARGE = os.environ.get("ENLARGE", os.path.join(ROOT, ".build", "release", "enlarge"))
MODELS = os.path.join(ROOT, "models")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        assert self.headers["content-type"] == "application/problem+json", self.headers
        assert self.json["status"] == self.status
        return self.json["code"]


class Service:
    """A service of its own in a folder of its own, unless one is given."""

    def __init__(self, *flags, data=None, environment=None, wrap=()):
        self.folder = None if data else tempfile.mkdtemp(prefix="enlarge-service-")
        self.data = data or os.path.join(self.folder, "data")
        self.log_path = tempfile.mktemp(prefix="enlarge-log-")
        self.flags, self.environment, self.wrap = flags, environment, list(wrap)
        self.start()

    def start(self):
        self.log_file = open(self.log_path, "ab")
        offset = self.log_file.tell()
        command = self.wrap + [ENLARGE, "serve", "--listen", "127.0.0.1:0", "--data", self.data, "--models", MODELS, *self.flags]
        self.process = subprocess.Popen(command, stderr=self.log_file, stdin=subprocess.DEVNULL,
                                        env={**os.environ, **(self.environment or {})})
        for _ in range(600):
            with open(self.log_path, "rb") as log:
                log.seek(offset)
                for line in log:
                    if b'"started"' in line and line.endswith(b"\n"):
                        self.port = json.loads(line)["port"]
                        return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.kill()
        raise RuntimeError("the service does not start: " + self.log)

    @property
    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def request(self, method, path, body=None, headers=None, timeout=120):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, body, headers=None):
        return self.request("POST", path, body, headers)

    def submit(self, path, body, headers=None):
        answer = self.post(path, body, headers)
        assert answer.status == 202, (answer.status, answer.body)
        return answer.json

    def wait(self, job, seconds=60, headers=None):
        """The job once it is finished."""
        end = time.time() + seconds
        while time.time() < end:
            answer = self.get("/v1/jobs/" + job, headers)
            if answer.status == 200 and answer.json["state"] in ("done", "failed", "cancelled"):
                return answer.json
            time.sleep(0.02)
        raise RuntimeError("the job does not end: %s" % answer.body)

    def raw(self, data, seconds=10, close_writing=False):
        """What comes back for these bytes until the server closes or the time is over."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.settimeout(seconds)
            got = b""
            try:
                connection.sendall(data)
                if close_writing:
                    connection.shutdown(socket.SHUT_WR)
                while True:
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    got += piece
            except (socket.timeout, ConnectionError):
                pass
            return got

    def metric(self, name):
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        raise KeyError(name)

    def files(self, folder):
        return sorted(os.listdir(os.path.join(self.data, folder)))

    def resident(self):
        with open("/proc/%d/status" % self.process.pid) as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields["VmRSS"].split()[0]) << 10, int(fields["VmHWM"].split()[0]) << 10

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log_file.close()

    def stop(self, seconds=60):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=seconds)
        self.log_file.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.unlink(self.log_path)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, seed=1, alpha=False, bits=8, noise=40):
    """A smooth picture with some noise."""
    generator = random.Random(seed)
    channels = 4 if alpha else 3
    rows = bytearray()
    tile = [generator.randrange(max(1, noise)) for _ in range(4099)]
    for y in range(height):
        row = bytes((x + y + c * 30 + tile[(y * 31 + x * channels + c) % 4099]) & 255
                    for x in range(width) for c in range(channels)) if width * height < 200000 else None
        if row is None:  # large ones: fast, and no less incompressible
            row = generator.randbytes(width * channels) if noise else bytes(width * channels)
        rows.append(0)
        rows += row if bits == 8 else b"".join(bytes((b, b ^ 85)) for b in row)
    header = struct.pack(">IIBBBBB", width, height, bits, 6 if alpha else 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows), 1)) + chunk(b"IEND", b"")


def form(fields, picture=None, boundary="x-boundary-x"):
    """The body and the header of a multipart/form-data request."""
    parts = ['--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary, k, v) for k, v in fields]
    body = "".join(parts).encode()
    if picture is not None:
        body += ('--%s\r\nContent-Disposition: form-data; name="image"; filename="p.png"\r\nContent-Type: image/png\r\n\r\n'
                 % boundary).encode() + picture + b"\r\n"
    return body + ("--%s--\r\n" % boundary).encode(), {"Content-Type": "multipart/form-data; boundary=" + boundary}


def command(picture, *flags, suffix=".png", output=".png"):
    """What `enlarge` makes of the same picture."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "in" + suffix), os.path.join(folder, "out" + output)
        with open(source, "wb") as file:
            file.write(picture)
        subprocess.run([ENLARGE, source, "-o", target, "--models", MODELS, "-q", *flags], check=True)
        with open(target, "rb") as file:
            return file.read()


def events(service, job, headers=None):
    """All events of a job until its stream ends."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
    connection.request("GET", "/v1/jobs/%s/events" % job, headers=headers or {})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.getheader("Content-Type") == "text/event-stream"
    found = []
    for block in answer.read().decode().split("\n\n"):
        lines = block.split("\n")
        if lines[0] == "event: job":
            found.append(json.loads(lines[1][len("data: "):]))
    connection.close()
    return found
