"""What the manifests of Kubernetes and Compose must agree on."""
import glob
import os
import re

import yaml


def variable_names(text):
    return set(re.findall(r"ENLARGE_([A-Z_]+)", text))


def mebibytes(text):
    number, unit = re.fullmatch(r"(\d+)([MG])i?", text.upper().replace("I", "i")).groups()
    return int(number) * (1024 if unit == "G" else 1)


def check_room(budget, limit):
    assert mebibytes(limit) >= 1.15 * mebibytes(budget) + 60, (limit, budget)


def check_kubernetes(folder, consumers):
    """Returns how many containers and triggers were looked at."""
    documents = [d for path in sorted(glob.glob(os.path.join(folder, "**", "*.yaml"), recursive=True)) for d in yaml.safe_load_all(open(path))]
    for path in glob.glob(os.path.join(folder, "**", "kustomization.yaml"), recursive=True):
        here = os.path.dirname(path)
        listed = yaml.safe_load(open(path))["resources"]
        assert sorted(listed) == sorted(n for n in os.listdir(here) if n.endswith(".yaml") and n != "kustomization.yaml"), path
    named = {(d["kind"], d.get("metadata", {}).get("name")): d for d in documents}
    containers = triggers = 0
    for d in documents:
        pod = d.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            settings = {e["name"]: e.get("value", "") for e in container["env"]}
            for source in container.get("envFrom", []):
                settings.update(named["ConfigMap", source["configMapRef"]["name"]]["data"])
            check_room(settings["ENLARGE_MEMORY"], container["resources"]["limits"]["memory"])
            mounts = [m["mountPath"] for m in container["volumeMounts"]]
            for name, value in settings.items():
                if value.startswith("/"):
                    assert any((value + "/").startswith(m + "/") for m in mounts), "%s: nothing is mounted at %s" % (name, value)
            volumes = {v["name"] for v in pod["volumes"]} | {c["metadata"]["name"] for c in d["spec"].get("volumeClaimTemplates", [])}
            assert {m["name"] for m in container["volumeMounts"]} <= volumes
            assert d["spec"]["selector"]["matchLabels"].items() <= d["spec"]["template"]["metadata"]["labels"].items()
            containers += 1
        if d["kind"] == "ScaledObject":
            target = d["spec"]["scaleTargetRef"]["name"]
            assert "replicas" not in named["Deployment", target]["spec"], target + " is counted by two"
            for trigger in d["spec"]["triggers"]:
                assert trigger["type"] == "nats-jetstream"
                metadata = trigger["metadata"]
                assert (metadata["stream"], str(metadata["consumer"])) in consumers, metadata
                triggers += 1
    assert triggers == len([c for c in consumers if c[0] == "enlarge-work"]), "a class of the queue calls for no worker"
    return containers, triggers


def check_compose(path):
    compose = yaml.safe_load(open(path))
    services = compose["services"]
    assert len([n for n in services if n.startswith("nats-")]) == 3 and services["worker"]["deploy"]["replicas"] == 2
    for name, service in services.items():
        for volume in service["volumes"]:
            assert volume.split(":")[0] in compose["volumes"], (name, volume)
        for secret in service.get("secrets", []):
            assert (secret if isinstance(secret, str) else secret["source"]) in compose["secrets"], (name, secret)
        assert set(service.get("depends_on", [])) <= set(services), name
        settings = service.get("environment", {})
        if "ENLARGE_MEMORY" in settings:
            check_room(settings["ENLARGE_MEMORY"], service["mem_limit"])
            assert settings["ENLARGE_QUEUE"].count("nats-") == 3 and settings["ENLARGE_QUEUE_CREDENTIALS"] == "/run/secrets/queue"
            assert settings["ENLARGE_STORE"] in [v.split(":")[1] for v in service["volumes"]], name
    return len(services)
