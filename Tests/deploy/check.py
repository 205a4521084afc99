#!/usr/bin/python3
"""The files under deploy/: rules by promtool, metrics against a running service, manifests against each other."""
import json
import os
import re
import subprocess
import sys

import yaml

root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(root, "Tests", "service"))
from harness import Service, png  # noqa: E402
from manifests import check_compose, check_kubernetes, variable_names  # noqa: E402
from remote import remote_metrics  # noqa: E402

os.chdir(os.path.join(root, "deploy"))
subprocess.run(["promtool", "check", "rules", "prometheus/alerts.yml"], check=True)
subprocess.run(["promtool", "test", "rules", "alerts_test.yml"], check=True, cwd="prometheus")
subprocess.run(["promtool", "check", "config", "prometheus/prometheus.yml"], check=True)

with Service() as service:
    service.wait(service.submit("/v1/jobs", png(8, 8))["id"])
    service.get("/v1/nothing")
    texts = [service.get("/metrics").body]
shown, consumers = remote_metrics()
served = set()
for text in [*texts, *shown]:
    subprocess.run(["promtool", "check", "metrics"], input=text, check=True)
    served |= set(re.findall(r"^# TYPE (\w+)", text.decode(), re.M))

dashboard = json.load(open("grafana/enlarge.json"))
expressions = [t["expr"] for p in dashboard["panels"] for t in p["targets"]]
expressions += [r["expr"] for g in yaml.safe_load(open("prometheus/alerts.yml"))["groups"] for r in g["rules"]]
named = {re.sub(r"_(bucket|sum|count)$", "", n) for e in expressions for n in re.findall(r"\b((?:enlarge|process)_\w+)", e)}
assert named <= served, "nobody serves %s" % sorted(named - served)
new = {n for n in served if n.startswith(("enlarge_queue_", "enlarge_worker_"))}
assert new <= named, "the dashboard lacks %s" % sorted(new - named)
print("%d metrics named, all of them served (%d are)" % (len(named), len(served)))

unit = open("enlarge.service").read()
budget, limit = (int(re.search(name + r"=(\d+)M", unit)[1]) for name in ("ENLARGE_MEMORY", "MemoryMax"))
assert limit >= 1.15 * budget + 60, (limit, budget)
print("Kubernetes: %d containers, %d triggers" % check_kubernetes("kubernetes", consumers))
print("Compose: %d services" % check_compose("compose/compose.yaml"))
pattern = r"--([a-z-]+)"
known = {n for page in ("service", "scale") for n in re.findall(pattern, open("../docs/%s.md" % page).read())}
files = ["enlarge.service", "Dockerfile", "kubernetes/enlarge.yaml", "compose/compose.yaml", "compose/nats.conf"]
files += [os.path.join("kubernetes/many", name) for name in os.listdir("kubernetes/many")]
for path in files:
    for variable in variable_names(open(path).read()):
        assert not variable or variable.lower().replace("_", "-") in known, (path, variable)
print("the manifests name known settings, and leave room beside the budget")
