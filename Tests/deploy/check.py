#!/usr/bin/python3
"""The files under deploy/: rules by promtool, metrics against a running service, manifests against each other."""
import glob
import json
import os
import re
import subprocess
import sys

import yaml

root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(root, "Tests", "service"))
from harness import Service, png  # noqa: E402

os.chdir(os.path.join(root, "deploy"))
subprocess.run(["promtool", "check", "rules", "prometheus/alerts.yml"], check=True)
subprocess.run(["promtool", "test", "rules", "alerts_test.yml"], check=True, cwd="prometheus")
subprocess.run(["promtool", "check", "config", "prometheus/prometheus.yml"], check=True)

with Service() as service:
    service.wait(service.submit("/v1/jobs", png(8, 8))["id"])
    service.get("/v1/nothing")
    text = service.get("/metrics").body
subprocess.run(["promtool", "check", "metrics"], input=text, check=True)
served = set(re.findall(r"^# TYPE (\w+)", text.decode(), re.M))

dashboard = json.load(open("grafana/enlarge.json"))
expressions = [t["expr"] for p in dashboard["panels"] for t in p["targets"]]
expressions += [r["expr"] for g in yaml.safe_load(open("prometheus/alerts.yml"))["groups"] for r in g["rules"]]
named = {re.sub(r"_(bucket|sum|count)$", "", n) for e in expressions for n in re.findall(r"\b((?:enlarge|process)_\w+)", e)}
assert named <= served, "nobody serves %s" % sorted(named - served)
print("%d metrics named, all of them served (%d are)" % (len(named), len(served)))

for path in glob.glob("kubernetes/*.yaml"):
    documents = list(yaml.safe_load_all(open(path)))
    assert all(d["kind"] for d in documents), path
    for d in documents:
        for container in d.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            settings = {e["name"]: e["value"] for e in container["env"]}
            budget, limit = int(settings["ENLARGE_MEMORY"][:-1]), int(container["resources"]["limits"]["memory"][:-2])
            assert limit >= 1.15 * budget + 60, (limit, budget)
unit = open("enlarge.service").read()
budget, limit = (int(re.search(name + r"=(\d+)M", unit)[1]) for name in ("ENLARGE_MEMORY", "MemoryMax"))
assert limit >= 1.15 * budget + 60, (limit, budget)
known = set(re.findall(r"`--([a-z-]+)`", open("../docs/service.md").read()))
files = unit + open("Dockerfile").read() + open("kubernetes/enlarge.yaml").read()
for variable in set(re.findall(r"ENLARGE_([A-Z_]+)", files)):
    assert variable.lower().replace("_", "-") in known, variable
print("the manifests name known settings, and leave room beside the budget")
