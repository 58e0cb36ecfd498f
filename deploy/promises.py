#!/usr/bin/env python3
"""Holds rendered manifests to what no schema says:

    promises.py MANIFESTS.yaml

Every pod runs as a user of its own on a root that it cannot write to, without privileges. A tagates that is given no
volume has its PostgreSQL from a Secret that must be there, and nothing to fall back to. A pod that computes on a GPU
has one, and the node pool for it.
"""
import sys

import yaml


def broken(pod):
    """The promises that a pod does not keep."""
    of_pod = pod.get("securityContext", {})
    if not (of_pod.get("runAsNonRoot") and of_pod.get("runAsUser")):
        yield "runs as root"
    if pod.get("automountServiceAccountToken", True):
        yield "has a token of the cluster"
    for container in pod["containers"]:
        context = container.get("securityContext", {})
        if not context.get("readOnlyRootFilesystem"):
            yield "can write to its root"
        if context.get("allowPrivilegeEscalation", True) or context.get("capabilities") != {"drop": ["ALL"]}:
            yield "has privileges"
        if not container.get("resources", {}).get("requests"):
            yield "requests no resources"
        if container["name"] == "tagates":
            yield from broken_by_tagates(pod, container)


def broken_by_tagates(pod, container):
    """Those of the service itself."""
    arguments = container["args"]
    urls = [it["valueFrom"]["secretKeyRef"] for it in container.get("env") or [] if it["name"] == "TAGATES_DATABASE_URL"]
    is_single = "--data-dir=/data" in arguments
    if is_single != ("/data" in [it["mountPath"] for it in container.get("volumeMounts", [])]):
        yield "has a data directory without a volume, or a volume without need"
    if is_single == bool(urls):
        yield "has neither a database nor a data directory, or both"
    if any(url.get("optional", False) for url in urls):
        yield "starts without the Secret of its database"
    n_gpus = container["resources"].get("limits", {}).get("nvidia.com/gpu", 0)
    if any(it.startswith("--device=cuda") for it in arguments) != (n_gpus == 1):
        yield "has no GPU to compute on, or one that it does not use"
    if n_gpus and not (pod.get("nodeSelector") and pod.get("tolerations")):
        yield "is not sent to the nodes that have GPUs"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        manifests = list(yaml.safe_load_all(file))
    is_kept = True
    for manifest in manifests:
        pod = manifest.get("spec", {}).get("template", {}).get("spec")
        for what in broken(pod) if pod else ():
            is_kept = False
            print(f"broken promise: {manifest['kind']} {manifest['metadata']['name']} {what}", file=sys.stderr)
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
