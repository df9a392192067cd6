"""Rollouts and Deployments of models as a delivery pipeline would write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from triage.lab.cluster.objects import Json
from triage.lab.cluster.templates import APP_LABEL, VERSION_LABEL


def rollout(namespace: str, name: str, version: str, *, image: str, replicas: int, steps: Sequence[Mapping[str, Any]],
            start_seconds: int = 15, routed: bool = True, extra: Mapping[str, Any] | None = None) -> Json:
    """A Rollout with a canary of these ``steps``. ``image`` has its tag; ``extra`` is merged into its ``spec``.

    ``routed`` sets the weights at a mesh (``<name>-stable`` and ``<name>-canary`` are its services); without it the
    numbers of pods are the weights.
    """
    canary: Json = {"steps": [dict(step) for step in steps]}
    if routed:
        canary |= {"canaryService": f"{name}-canary", "stableService": f"{name}-stable",
                   "trafficRouting": {"istio": {"virtualService": {"name": name, "routes": ["primary"]}}}}
    labels = {APP_LABEL: name}
    spec = _spec(labels, version, image, replicas, start_seconds) | {"strategy": {"canary": canary}} | dict(extra or {})
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec}


def deployment(namespace: str, name: str, version: str, *, image: str, replicas: int, start_seconds: int = 15,
               application: str = "", extra: Mapping[str, Any] | None = None) -> Json:
    """A Deployment that replaces its pods gradually. ``extra`` is merged into its ``spec``.

    Several Deployments may be versions of one ``application``.
    """
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    labels = {APP_LABEL: application or name} | ({"app.kubernetes.io/instance": name} if application else {})
    spec = _spec(labels, version, image, replicas, start_seconds) | {"strategy": rolling} | dict(extra or {})
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec}


def _spec(labels: Json, version: str, image: str, replicas: int, start_seconds: int) -> Json:
    probe = {"httpGet": {"path": "/v2/health/ready", "port": 8080}, "initialDelaySeconds": start_seconds}
    container = {"name": "server", "image": image, "ports": [{"containerPort": 8080, "name": "http"}],
                 "readinessProbe": probe}
    template = {"metadata": {"labels": {**labels, VERSION_LABEL: version}}, "spec": {"containers": [container]}}
    return {"replicas": replicas, "revisionHistoryLimit": 10, "selector": {"matchLabels": labels}, "template": template}
