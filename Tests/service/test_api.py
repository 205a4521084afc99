"""What docs/service.md promises, from outside."""
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import unittest

from harness import ENLARGE, MODELS, Service, command, events, form, png


class API(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service("--memory", "600M")

    @classmethod
    def tearDownClass(cls):
        status = cls.service.stop()
        assert status == 0, status
        cls.service.__exit__()

    def test_the_picture_is_the_command_s(self):
        for size, options, extra in [((40, 30), {}, {}), ((333, 201), {}, {}), ((64, 64), {"alpha": True}, {}), ((50, 41), {"bits": 16}, {}),
                                     ((61, 47), {}, {"augment": "true"})]:
            picture = png(*size, **options)
            for scale in (2, 3):
                query = "&".join(["scale=%d" % scale] + ["%s=%s" % item for item in extra.items()])
                answer = self.service.post("/v1/upscale?" + query, picture)
                self.assertEqual(answer.status, 200, answer.body[:300])
                flags = ["-s", str(scale)] + (["-x"] if extra else [])
                self.assertEqual(answer.body, command(picture, *flags), (size, scale))
                self.assertEqual(answer.headers["x-enlarge-model"], "lite-x%d" % scale)
                self.assertEqual(answer.headers["x-enlarge-width"], str(size[0] * scale))
                self.assertEqual(answer.headers["x-content-type-options"], "nosniff")

    def test_formats(self):
        picture = png(48, 36)
        for name, start in [("png", b"\x89PNG"), ("jpg", b"\xff\xd8"), ("webp", b"RIFF"), ("tiff", b"II"), ("avif", b"\0\0\0"),
                            ("szi", b"PK\x03\x04")]:
            answer = self.service.post("/v1/upscale?format=" + name, picture)
            self.assertEqual((answer.status, answer.body[:len(start)]), (200, start), name)

    def test_a_form_s_fields_go_before_the_query(self):
        picture = png(32, 32)
        body, headers = form([("scale", "3"), ("model", "photo")], picture)
        answer = self.service.post("/v1/upscale?scale=2", body, headers)
        self.assertEqual((answer.status, answer.headers["x-enlarge-model"]), (200, "photo-x3"))

    def test_large_answers_are_chunked_with_a_trailer(self):
        got = self.service.raw(b"POST /v1/upscale HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(png(500, 400)) + png(500, 400), 60)
        self.assertIn(b"\r\nTransfer-Encoding: chunked\r\n", got)
        self.assertRegex(got[-60:], rb"0\r\nX-Enlarge-Seconds: [0-9.]+\r\n\r\n$")
        old = self.service.raw(b"POST /v1/upscale HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(png(500, 400)) + png(500, 400), 60)
        self.assertNotIn(b"Transfer-Encoding", old)
        self.assertEqual(old.split(b"\r\n\r\n", 1)[1], command(png(500, 400)))

    def test_jobs(self):
        picture = png(320, 240)
        job = self.service.submit("/v1/jobs?scale=3&name=holiday%20%E5%9B%BE.png", picture)
        self.assertEqual((job["width"], job["height"], job["name"]), (960, 720, "holiday 图.png"))
        followed = events(self.service, job["id"])
        self.assertEqual(followed[-1]["state"], "done")
        self.assertEqual([e["progress"] for e in followed], sorted(e["progress"] for e in followed))
        expected = command(picture, "-s", "3")
        path = "/v1/jobs/%s/result" % job["id"]
        result = self.service.get(path)
        self.assertEqual((result.status, result.body), (200, expected))
        self.assertEqual(result.headers["content-disposition"], 
                         'attachment; filename="holiday __x3.png"; filename*=UTF-8\'\'holiday%20%E5%9B%BE_x3.png')
        part = self.service.get(path, {"Range": "bytes=100-199"})
        self.assertEqual((part.status, part.body, part.headers["content-range"]), (206, expected[100:200], "bytes 100-199/%d" % len(expected)))
        self.assertEqual(self.service.get(path, {"Range": "bytes=-5"}).body, expected[-5:])
        self.assertEqual(self.service.get(path, {"Range": "bytes=%d-" % len(expected)}).code, "bad_range")
        head = self.service.request("HEAD", path)
        self.assertEqual((head.status, head.body, head.headers["content-length"]), (200, b"", str(len(expected))))
        self.assertEqual(self.service.request("DELETE", "/v1/jobs/" + job["id"]).status, 204)
        for tail in ("", "/events", "/result"):
            self.assertEqual(self.service.get("/v1/jobs/" + job["id"] + tail).code, "job_not_found")
        self.assertNotIn(job["id"], self.service.files("results") + self.service.files("inputs"))

    def test_the_list_has_pages(self):
        ids = [self.service.submit("/v1/jobs", png(8, 8))["id"] for _ in range(5)]
        first = self.service.get("/v1/jobs?limit=2").json
        self.assertEqual([j["id"] for j in first["jobs"]], ids[:2:-1])
        second = self.service.get("/v1/jobs?limit=2&after=" + first["next"]).json
        self.assertEqual([j["id"] for j in second["jobs"]], ids[2:0:-1])
        for id in ids:
            self.service.wait(id)
            self.service.request("DELETE", "/v1/jobs/" + id)

    def test_a_running_job_is_cancelled(self):
        job = self.service.submit("/v1/jobs?scale=2&augment=true", png(1500, 1200))["id"]
        while self.service.get("/v1/jobs/" + job).json["state"] == "queued":
            time.sleep(0.01)
        self.assertEqual(self.service.get("/v1/jobs/%s/result" % job).code, "not_done")
        self.assertEqual(self.service.request("DELETE", "/v1/jobs/" + job).status, 204)
        for _ in range(200):
            if not self.service.files("inputs") and self.service.metric("enlarge_upscales_running") == 0:
                break
            time.sleep(0.05)
        self.assertEqual((self.service.files("inputs"), [f for f in self.service.files("results") if job in f]), ([], []))

    def test_a_client_that_leaves_frees_its_place(self):
        import socket
        picture = png(1500, 1200)
        before = self.service.metric('enlarge_upscales_total{outcome="cancelled"}')
        connection = socket.create_connection(("127.0.0.1", self.service.port))
        connection.sendall(b"POST /v1/upscale?augment=true HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(picture) + picture)
        while self.service.metric("enlarge_upscales_running") == 0:
            time.sleep(0.02)
        connection.close()
        for _ in range(200):
            if self.service.metric("enlarge_upscales_running") == 0:
                break
            time.sleep(0.05)
        self.assertEqual(self.service.metric('enlarge_upscales_total{outcome="cancelled"}'), before + 1)
        self.assertEqual(self.service.files("spool"), [])

    def test_errors(self):
        s, small = self.service, png(8, 8)
        zero = "0" * 32
        for answer, status, code in [
            (s.get("/nothing"), 404, "not_found"), (s.get("/v1/jobs/../../etc/passwd"), 404, "not_found"),
            (s.get("/v1/jobs/" + zero), 404, "job_not_found"), (s.get("/v1/jobs/..%2f..%2fetc"), 404, "not_found"),
            (s.get("/v1/upscale"), 405, "method_not_allowed"), (s.request("PUT", "/healthz"), 405, "method_not_allowed"),
            (s.post("/v1/upscale?scale=5", small), 400, "bad_parameter"), (s.post("/v1/upscale?sacle=2", small), 400, "bad_parameter"),
            (s.post("/v1/upscale?scale=2&scale=3", small), 400, "bad_parameter"), (s.post("/v1/upscale?model=none", small), 404, "model_not_found"),
            (s.post("/v1/upscale?model=../lite", small), 400, "bad_parameter"), (s.post("/v1/upscale", b"hello"), 422, "picture_invalid"),
            (s.post("/v1/upscale", small[:60]), 422, "picture_invalid"), (s.post("/v1/upscale", b""), 422, "picture_invalid"),
            (s.post("/v1/upscale?scale=8", small), 404, "model_not_found"), (s.get("/v1/plan?width=10"), 400, "bad_parameter"),
            (s.get("/v1/plan?width=10000&height=10000"), 413, "picture_too_large"), (s.get("/v1/jobs?after=" + zero), 404, "job_not_found"),
        ]:
            self.assertEqual((answer.status, answer.code), (status, code))
        self.assertEqual(s.request("PUT", "/v1/jobs").headers["allow"], "GET, HEAD, POST")
        self.assertEqual(self.service.files("spool"), [])

    def test_facts(self):
        names = [m["name"] for m in self.service.get("/v1/models").json["models"]]
        self.assertIn("lite-x3", names)
        plan = self.service.get("/v1/plan?width=640&height=480&scale=3").json
        shell = subprocess.run([ENLARGE, "plan", "-m", "lite", "-s", "3", "--size", "640x480", "--memory", "600M", "--json", "--models", MODELS], capture_output=True, check=True)
        shell = json.loads(shell.stdout)
        del shell["expected_seconds"]
        for key in "planned_bytes", "minimum_bytes":
            plan[key] -= plan["codec_bytes"]
        self.assertEqual({key: plan[key] for key in shell}, shell)
        self.assertEqual(self.service.get("/v1/devices").json["devices"][0]["kind"], "cpu")
        self.assertEqual(self.service.get("/openapi.json").json["openapi"][:3], "3.1")
        self.assertEqual(self.service.get("/readyz").status, 200)
        page = self.service.get("/")
        self.assertIn("default-src 'none'", page.headers["content-security-policy"])

    def test_request_identifiers(self):
        self.assertEqual(self.service.get("/healthz", {"X-Request-Id": "abc-1"}).headers["x-request-id"], "abc-1")
        self.assertRegex(self.service.get("/healthz", {"X-Request-Id": "a b"}).headers["x-request-id"], "^[0-9a-f]{16}$")


class Configured(unittest.TestCase):
    def test_tokens(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("# who may\nann:aaaaaaaaaaaaaaaa\nbob:bbbbbbbbbbbbbbbb\n")
            file.flush()
            with Service("--tokens", file.name) as s:
                ann, bob = ({"Authorization": "Bearer " + c * 16} for c in "ab")
                for path in ("/v1/jobs", "/v1/models", "/v1/plan?width=1&height=1", "/v1/jobs/" + "0" * 32):
                    self.assertEqual(s.get(path).code, "unauthorized")
                self.assertEqual(s.get("/v1/jobs", {"Authorization": "Bearer " + "a" * 15}).code, "unauthorized")
                self.assertEqual(s.get("/healthz").status, 200)
                job = s.submit("/v1/jobs", png(8, 8), ann)["id"]
                s.wait(job, headers=ann)
                for method, tail in [("GET", ""), ("GET", "/result"), ("GET", "/events"), ("DELETE", "")]:
                    self.assertEqual(s.request(method, "/v1/jobs/" + job + tail, headers=bob).code, "job_not_found")
                self.assertEqual(s.get("/v1/jobs", bob).json["jobs"], [])
                self.assertEqual(s.get("/v1/jobs/%s/result" % job, ann).status, 200)
                self.assertNotIn("aaaaaaaaaaaaaaaa", s.log)

    def test_limits(self):
        with Service("--max-pixels", "1000", "--max-output-pixels", "3000", "--max-body", "64K", "--formats", "jpg,png", "--memory", "8M",
                     environment={"ENLARGE_MAX_JOBS": "1"}) as s:
            self.assertEqual(s.post("/v1/upscale", png(40, 40)).code, "picture_too_large")
            self.assertEqual(s.post("/v1/upscale?scale=2", png(30, 30)).code, "picture_too_large")
            self.assertEqual(s.post("/v1/upscale", bytes(65 << 10)).code, "body_too_large")
            self.assertEqual(s.post("/v1/upscale", b"GIF89a" + bytes(40)).code, "picture_unsupported")

    def test_what_can_never_fit_says_what_it_needs(self):
        with Service("--memory", "1M") as s:
            answer = s.post("/v1/upscale", png(300, 300))
            self.assertEqual((answer.status, answer.code), (413, "does_not_fit"))
            self.assertGreater(answer.json["needed_bytes"], answer.json["budget_bytes"])
            self.assertEqual(s.get("/v1/plan?width=300&height=300").json["fits"], False)

    def test_cors(self):
        with Service("--cors-origin", "https://example.org") as s:
            origin = {"Origin": "https://example.org"}
            self.assertEqual(s.get("/v1/models", origin).headers["access-control-allow-origin"], "https://example.org")
            self.assertNotIn("access-control-allow-origin", s.get("/v1/models", {"Origin": "https://other.org"}).headers)
            self.assertEqual(s.request("OPTIONS", "/v1/jobs", headers=origin).status, 204)
        with Service() as s:
            self.assertNotIn("access-control-allow-origin", s.get("/v1/models", origin).headers)

    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
            with Service("--tls-certificate", certificate, "--tls-key", key) as s:
                import http.client
                connection = http.client.HTTPSConnection("127.0.0.1", s.port, context=ssl.create_default_context(cafile=certificate))
                picture = png(300, 200)
                connection.request("POST", "/v1/upscale?scale=3", picture)
                self.assertEqual(connection.getresponse().read(), command(picture, "-s", "3"))
                connection.close()

    def test_results_expire(self):
        with Service("--keep", "1s") as s:
            job = s.submit("/v1/jobs", png(8, 8))["id"]
            s.wait(job)
            for _ in range(200):
                if s.get("/v1/jobs/" + job).status == 404:
                    break
                time.sleep(0.1)
            self.assertEqual((s.get("/v1/jobs/" + job).code, s.files("results")), ("job_not_found", []))
            self.assertEqual(s.metric("enlarge_data_bytes"), 0)

    def test_sigterm_finishes_or_requeues(self):
        picture = png(1200, 900)
        with Service("--grace", "1s") as s:
            jobs = [s.submit("/v1/jobs?augment=true", picture)["id"] for _ in range(3)]
            while s.get("/v1/jobs/" + jobs[0]).json["state"] == "queued":
                time.sleep(0.01)
            self.assertEqual(s.stop(), 0)
            s.start()
            for job in jobs:
                self.assertEqual(s.wait(job, 120)["state"], "done")
                self.assertEqual(s.get("/v1/jobs/" + job).json["attempts"], 1)

    def test_a_full_queue_is_429(self):
        import threading
        with Service("--max-waiting", "2", "--threads", "1") as s:
            picture, answers = png(500, 500), []
            threads = [threading.Thread(target=lambda: answers.append(s.post("/v1/upscale", picture))) for _ in range(16)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            statuses = sorted(a.status for a in answers)
            self.assertEqual(set(statuses), {200, 429})
            for a in answers:
                if a.status == 429:
                    self.assertGreaterEqual(int(a.headers["retry-after"]), 1)
                    self.assertEqual(a.code, "queue_full")

    @unittest.skipUnless(shutil.which("cc") or shutil.which("clang"), "a stand-in for NVML needs a C compiler")
    def test_gpus(self):
        """Where there is NVML: here a stand-in for it."""
        source = """
            int nvmlInit_v2(void) { return 0; }
            int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
            int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = (void *)(long)(i + 1); return 0; }
            int nvmlDeviceGetName(void *d, char *name, unsigned n) { name[0] = 'A' + (int)(long)d; name[1] = 0; return 0; }
            int nvmlDeviceGetMemoryInfo(void *d, unsigned long long *m) { m[0] = 8000; m[1] = 5000; m[2] = 3000; return 0; }
            int nvmlDeviceGetUtilizationRates(void *d, unsigned *u) { u[0] = 25; return (long)d == 2 ? 3 : 0; }
        """
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([shutil.which("cc") or "clang", "-shared", "-fPIC", "-x", "c", "-", "-o", folder + "/libnvidia-ml.so.1"],
                           input=source.encode(), check=True)
            with Service(environment={"LD_LIBRARY_PATH": folder + ":" + os.environ.get("LD_LIBRARY_PATH", "")}) as s:
                self.assertEqual(s.metric('enlarge_gpu_memory_used_bytes{gpu="0",name="B"}'), 3000)
                self.assertEqual(s.metric('enlarge_gpu_memory_total_bytes{gpu="1",name="C"}'), 8000)
                self.assertEqual(s.metric('enlarge_gpu_utilization_ratio{gpu="0",name="B"}'), 0.25)
                with self.assertRaises(KeyError):
                    s.metric('enlarge_gpu_utilization_ratio{gpu="1",name="C"}')

    def test_wrong_flags(self):
        for flags, words in [(["--max-pixels", "many"], "--max-pixels many"), (["--listen", "8080"], "--listen 8080"), (["--nonsense"], "--nonsense"),
                             (["--tokens", "/none"], "/none"), (["--tls-key", "x"], "--tls-certificate"), (["--listen", "192.0.2.1:80"], "192.0.2.1")]:
            with tempfile.TemporaryDirectory() as folder:
                result = subprocess.run([ENLARGE, "serve", "--data", folder + "/d", *flags], capture_output=True, text=True, timeout=20)
                self.assertIn(result.returncode, (1, 2), (flags, result))
                self.assertIn(words, result.stderr)


if __name__ == "__main__":
    unittest.main()
