"""kill -9, full disks, damaged databases."""
import http.client
import os
import random
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
import unittest

from harness import ENLARGE, Service, command, png


class Crash(unittest.TestCase):
    def test_kill_9_at_random_moments(self):
        """What was accepted ends once, with the right bytes, whatever happens between."""
        generator = random.Random(int(os.environ.get("SEED", "7")))
        pictures = [png(generator.randrange(20, 260), generator.randrange(20, 260), seed=i) for i in range(8)]
        expected = [command(p, "-s", "2") for p in pictures]
        accepted, kills = {}, 0
        with Service() as s:
            while len(accepted) < 60 or kills < 25:
                for _ in range(generator.randrange(1, 5)):
                    which = generator.randrange(len(pictures))
                    # A few are broken: they must end failed, once.
                    body = pictures[which] if generator.random() < 0.85 else pictures[which][:-40]
                    answer = s.post("/v1/jobs?scale=2", body)
                    if answer.status == 202:
                        accepted[answer.json["id"]] = which if body is pictures[which] else None
                time.sleep(generator.random() ** 2 * 0.25)
                s.kill()
                kills += 1
                s.start()
            for job, which in accepted.items():
                ended = s.wait(job, 120)
                # Three interrupted attempts are the end of a job as well, with its reason.
                if ended["state"] == "failed" and ended["error"]["code"] == "interrupted":
                    self.assertEqual(ended["attempts"], 3)
                    continue
                if which is None:
                    self.assertEqual((ended["state"], ended["error"]["code"]), ("failed", "picture_invalid"), job)
                    continue
                self.assertEqual(s.get("/v1/jobs/%s/result" % job).body, expected[which])
            listed = s.get("/v1/jobs?limit=500").json["jobs"]
            self.assertEqual(sorted(j["id"] for j in listed), sorted(accepted))
            done = [j["id"] for j in listed if j["state"] == "done"]
            self.assertGreater(len(done), len(accepted) // 2)
            # Nothing is left that no job needs.
            self.assertEqual((s.files("results"), s.files("inputs"), s.files("spool")), (sorted(done), [], []))
            print("\n%d kills, %d jobs accepted, %d done" % (kills, len(accepted), len(done)))

    def test_one_service_at_a_time(self):
        with Service() as s:
            result = subprocess.run([ENLARGE, "serve", "--listen", "127.0.0.1:0", "--data", s.data], capture_output=True, text=True, timeout=20)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("in use by another process", result.stderr)

    def test_a_damaged_database_is_refused_and_left_as_it_is(self):
        with Service() as s:
            for i in range(30):
                s.submit("/v1/jobs?name=" + "n" * 150, png(8, 8, seed=i))
            s.stop()
            path = os.path.join(s.data, "jobs.sqlite")
            good = open(path, "rb").read()
            for name, bad in [("noise", good[:5000] + random.Random(1).randbytes(9000) + good[14000:]), ("short", good[:5000]), ("empty", b""),
                              ("text", b"not a database at all\n" * 400)]:
                with open(path, "wb") as file:
                    file.write(bad)
                result = subprocess.run([ENLARGE, "serve", "--listen", "127.0.0.1:0", "--data", s.data], capture_output=True, text=True, timeout=20)
                self.assertNotEqual(result.returncode, 0, name)
                self.assertRegex(result.stderr, r"jobs\.sqlite.*(damaged|not a database)", name)
                self.assertEqual(open(path, "rb").read(), bad, name)
            with open(path, "wb") as file:
                file.write(good)
            s.start()
            self.assertEqual(len(s.get("/v1/jobs").json["jobs"]), 30)


class Disk(unittest.TestCase):
    def test_the_limit_on_the_disk(self):
        with Service("--max-disk", "2M") as s:
            big = png(900, 700)  # incompressible
            self.assertEqual(s.post("/v1/jobs", big).code if len(big) > 2 << 20 else "disk_full", "disk_full")
            # The answer has begun when the room ends: it is cut off, and not taken for whole.
            with self.assertRaises(http.client.IncompleteRead):
                s.post("/v1/upscale?scale=3", png(500, 500))
            # TIFF is sent when it is complete.
            self.assertEqual(s.post("/v1/upscale?scale=3&format=tiff", png(500, 500)).code, "disk_full")

    def test_the_limit_frees_itself(self):
        with Service("--max-disk", "3M") as s:
            for _ in range(30):
                job = s.submit("/v1/jobs?scale=2", png(250, 250))["id"]
                s.wait(job)
                self.assertEqual(s.request("DELETE", "/v1/jobs/" + job).status, 204)
            self.assertEqual(s.metric("enlarge_data_bytes"), 0)

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small disk needs root")
    def test_a_full_disk(self):
        folder = tempfile.mkdtemp()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]).returncode:
            self.skipTest("no tmpfs can be mounted")
        try:
            with Service(data=os.path.join(folder, "data")) as s:
                jobs, refused = [], 0
                for i in range(120):
                    answer = s.post("/v1/jobs?scale=3", png(400, 400, seed=i))
                    if answer.status == 202:
                        jobs.append(answer.json["id"])
                    else:
                        self.assertEqual((answer.status, answer.code), (507, "disk_full"))
                        refused += 1
                self.assertGreater(refused, 0)
                ends = {s.wait(job, 90)["state"] for job in jobs}
                self.assertLessEqual(ends, {"done", "failed"})
                for job in s.get("/v1/jobs?limit=500").json["jobs"]:
                    if job["state"] == "failed":
                        self.assertEqual(job["error"]["code"], "disk_full")
                # Room again: it goes on.
                for job in jobs:
                    self.assertEqual(s.request("DELETE", "/v1/jobs/" + job).status, 204)
                self.assertEqual(s.wait(s.submit("/v1/jobs?scale=2", png(100, 100))["id"])["state"], "done")
                self.assertEqual(s.get("/readyz").status, 200)
        finally:
            subprocess.run(["umount", "-l", folder])
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    unittest.main()
