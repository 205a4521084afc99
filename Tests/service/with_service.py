#!/usr/bin/env python3
"""Runs a command against a service of its own; `{url}` in its words is where it is."""
import subprocess
import sys

from harness import Service

with Service("--memory", "600M") as service:
    url = "http://127.0.0.1:%d" % service.port
    status = subprocess.call([word.replace("{url}", url) for word in sys.argv[1:]])
    lost = service.process.poll() is not None
sys.exit(status or (3 if lost else 0))
