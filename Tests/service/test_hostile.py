"""Requests that mean no good: refused, logged, nothing leaked, and the service goes on."""
import socket
import struct
import time
import unittest
import zlib

from harness import Service, chunk, form, png

HEAD = b"POST /v1/upscale HTTP/1.1\r\nHost: x\r\n"


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else None


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service("--memory", "200M", "--header-timeout", "2s", "--idle-timeout", "3s", "--request-timeout", "6s", "--max-body", "4M",
                              "--max-connections-per-client", "50")

    @classmethod
    def tearDownClass(cls):
        assert cls.service.stop() == 0
        cls.service.__exit__()

    def tearDown(self):
        """The service lives, holds no memory and no file of it."""
        self.assertEqual(self.service.get("/healthz").status, 200)
        for _ in range(100):
            if not self.service.files("spool"):
                break
            time.sleep(0.05)
        self.assertEqual(self.service.files("spool"), [])
        self.assertLess(self.service.resident()[1], 230 << 20)

    def slow(self, first, drip, seconds):
        """How long the server bears it, and what it says."""
        start = time.time()
        with socket.create_connection(("127.0.0.1", self.service.port)) as connection:
            connection.settimeout(0.2)
            got = b""
            try:
                connection.sendall(first)
                while time.time() - start < seconds:
                    connection.sendall(drip)
                    try:
                        piece = connection.recv(4096)
                        if not piece:
                            break
                        got += piece
                    except socket.timeout:
                        pass
            except ConnectionError:
                pass
        return time.time() - start, got

    def test_slow_headers(self):
        for first in (b"", b"G", b"GET / HTTP/1.1\r\nX-Slow: ", HEAD):
            seconds, _ = self.slow(first, b"a", 10)
            self.assertLess(seconds, 5, first)

    def test_slow_bodies(self):
        seconds, _ = self.slow(HEAD + b"Content-Length: 100000\r\n\r\n", b"a", 20)
        self.assertLess(seconds, 9)
        seconds, _ = self.slow(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", 20)
        self.assertLess(seconds, 9)

    def test_silence(self):
        with socket.create_connection(("127.0.0.1", self.service.port)) as connection:
            connection.settimeout(12)
            self.assertEqual(connection.recv(10), b"")

    def test_a_reader_that_does_not_read(self):
        picture = png(700, 700)
        with socket.create_connection(("127.0.0.1", self.service.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(HEAD.replace(b"upscale", b"upscale?scale=4") + b"Content-Length: %d\r\n\r\n" % len(picture) + picture)
            for _ in range(200):
                if self.service.metric("enlarge_upscales_running") == 0 and not self.service.metric("enlarge_data_bytes"):
                    break
                time.sleep(0.1)
            self.assertEqual(self.service.metric("enlarge_data_bytes"), 0)

    def test_oversized_bodies(self):
        self.assertEqual(status(self.service.raw(HEAD + b"Content-Length: 99999999999\r\n\r\nabc")), 413)
        self.assertEqual(status(self.service.raw(HEAD + b"Content-Length: 5000000\r\n\r\n" + bytes(5000000))), 413)
        chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + bytes(65536) + b"\r\n") * 80 + b"0\r\n\r\n"
        self.assertEqual(status(self.service.raw(chunked)), 413)
        body, headers = form([], bytes(5000000))
        self.assertEqual(self.service.post("/v1/upscale", body, headers).code, "body_too_large")
        body, headers = form([("scale", "2" * 100000)], png(8, 8))
        self.assertEqual(self.service.post("/v1/upscale", body, headers).code, "body_too_large")

    def test_wrong_lengths(self):
        for head, expected in [
            (b"Content-Length: 5\r\nContent-Length: 6\r\n", (400,)), (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", (400,)),
            (b"Content-Length: -5\r\n", (400,)), (b"Content-Length: 0x10\r\n", (400,)), (b"Content-Length: 18446744073709551617\r\n", (400, 413)),
            (b"Content-Length: \r\n", (400, 411)), (b"Transfer-Encoding: gzip\r\n", (400,)), (b"", (411, 422)),
        ]:
            answer = self.service.raw(HEAD + head + b"Connection: close\r\n\r\nhello", 4)
            self.assertIn(status(answer), expected, (head, answer[:200]))
        # Less than was announced, and then the end.
        self.assertIn(status(self.service.raw(HEAD + b"Content-Length: 100\r\n\r\nabc", 4, close_writing=True)), (None, 400))
        self.assertIn(status(self.service.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc", 4)), (None, 400))

    def test_headers(self):
        self.assertIn(status(self.service.raw(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100000 + b"\r\n\r\n", 4)), (431, 400, None))
        self.assertIn(status(self.service.raw(b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 4)), (414, 431, 400, None))
        self.assertIn(status(self.service.raw(b"NONSENSE\r\n\r\n", 4)), (400, None))
        self.assertIn(status(self.service.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 4)), (400, None))
        self.assertIn(status(self.service.raw(b"GET /%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 4)), (400, 404))
        self.assertIn(status(self.service.raw(b"GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 4)), (400, 404))

    def test_header_injection(self):
        for path in ("/v1/jobs?name=a%0d%0aSet-Cookie:%20x=1", "/v1/jobs?name=a%22;%20filename=%22b"):
            job = self.service.submit(path, png(8, 8))["id"]
            self.service.wait(job)
            answer = self.service.get("/v1/jobs/%s/result" % job)
            self.assertNotIn("set-cookie", answer.headers)
            self.assertEqual(answer.headers["content-disposition"].count('"'), 2)
        got = self.service.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n Set-Cookie: b\r\nConnection: close\r\n\r\n", 4)
        self.assertNotIn(b"Set-Cookie", got)

    def test_traversal(self):
        for path in ("/../../etc/passwd", "/assets/../../../etc/passwd", "/assets/..%2f..%2fetc%2fpasswd", "/v1/jobs/..%2fjobs.sqlite/result",
                     "/v1/jobs/" + "A" * 32, "//etc/passwd", "/assets/%2e%2e/jobs.sqlite"):
            got = self.service.raw(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 4)
            self.assertEqual(status(got), 404, path)
        for model in ("..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "lite.safetensors%00", "."):
            self.assertIn(self.service.post("/v1/upscale?model=" + model, png(8, 8)).status, (400, 404), model)

    def test_malformed_forms(self):
        body, headers = form([("scale", "2")], png(8, 8))
        kind = headers["Content-Type"]
        for content, type in [(body[:-20], kind), (body[:200], kind), (b"", kind), (b"nonsense" * 50, kind), (body, "multipart/form-data"),
                              (body, "multipart/form-data; boundary="), (body, "multipart/form-data; boundary=other"),
                              (form([("scale", "2")])[0], kind), (body.replace(b'name="image"', b'name="image2"'), kind),
                              (body.replace(b'name="image"', b"nonsense"), kind), (form([], png(8, 8))[0].replace(b"--x-boundary-x--", b"") + body, kind)]:
            answer = self.service.post("/v1/upscale", content, {"Content-Type": type})
            self.assertIn(answer.status, (400, 422), (content[:80], type, answer.body))

    def test_bombs(self):
        """A few bytes that promise a huge picture are refused by their header."""
        def huge_png(width, height):
            return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(bytes(10 ** 6))) + chunk(b"IEND", b"")

        def huge_tiff(width, height):
            tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 200), (277, 3, 1, 1),
                    (278, 4, 1, height), (279, 4, 1, 100)]
            return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags) + bytes(300)

        gif = b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff" + b"," + struct.pack("<HHHH", 0, 0, 65535, 65535) + b"\0\x02\x02\x44\x01\0;"
        webp = b"VP8 " + struct.pack("<I", 30) + b"\x30\x01\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383) + bytes(20)
        for name, picture in [("png", huge_png(50000, 50000)), ("png", huge_png(2 ** 31 - 1, 2 ** 31 - 1)), ("tiff", huge_tiff(2 ** 20, 2 ** 20)),
                              ("gif", gif), ("webp", b"RIFF" + struct.pack("<I", len(webp) + 4) + b"WEBP" + webp)]:
            start = time.time()
            answer = self.service.post("/v1/upscale", picture)
            self.assertIn(answer.status, (413, 415, 422), (name, answer.body))
            self.assertLess(time.time() - start, 3)
        # Announced as whole, and cut off inside: an error, never half a picture as success.
        whole = png(3000, 2000, noise=0)
        answer = self.service.post("/v1/jobs", whole[:-len(whole) // 2])
        self.assertEqual(answer.status == 202 and self.service.wait(answer.json["id"])["state"] or "failed", "failed")

    def test_many_connections(self):
        sockets = []
        try:
            for _ in range(80):
                sockets.append(socket.create_connection(("127.0.0.1", self.service.port), timeout=5))
        except OSError:
            pass
        time.sleep(0.3)
        self.assertLessEqual(self.service_connections(), 51)
        for connection in sockets:
            connection.close()
        time.sleep(1)

    def service_connections(self):
        import os
        count = 0
        for name in os.listdir("/proc/%d/fd" % self.service.process.pid):
            try:
                count += os.readlink("/proc/%d/fd/%s" % (self.service.process.pid, name)).startswith("socket:")
            except OSError:
                pass
        return count


if __name__ == "__main__":
    unittest.main()
