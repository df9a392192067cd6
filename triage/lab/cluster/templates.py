"""Pod templates: their version, their hash, and how long their pods take to start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triage.lab.cluster.objects import Json, digest

APP_LABEL = "app.kubernetes.io/name"
VERSION_LABEL = "app.kubernetes.io/version"
"""Kubernetes' recommended label; here the version of the model that the pods serve."""
DEPLOYMENT_HASH_LABEL = "pod-template-hash"
ROLLOUT_HASH_LABEL = "rollouts-pod-template-hash"
DEFAULT_START_SECONDS = 15.0


def version_of(template: Mapping[str, Any]) -> str:
    """The version that the template's pods serve; empty when it names none."""
    return str(((template.get("metadata") or {}).get("labels") or {}).get(VERSION_LABEL, ""))


def template_hash(template: Mapping[str, Any]) -> str:
    """The same for templates that mean the same pods, whoever wrote them out.

    Typed clients add empty fields (``resources: {}``) and the label of the ReplicaSet that they took a template from.
    """
    return digest(_without_empty(without_hash(template)))


def without_hash(template: Mapping[str, Any]) -> Json:
    """The template without the labels that controllers add."""
    metadata = dict(template.get("metadata") or {})
    labels = metadata.get("labels") or {}
    metadata["labels"] = {key: value for key, value in labels.items()
                          if key not in (DEPLOYMENT_HASH_LABEL, ROLLOUT_HASH_LABEL)}
    return {**template, "metadata": metadata}


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, {}, [])}
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    return value


def images(template: Mapping[str, Any]) -> list[str]:
    """Images of the containers, in their order."""
    return [str(container.get("image", "")) for container in template["spec"]["containers"]]


def start_seconds(template: Mapping[str, Any]) -> float:
    """Time from a pod's creation to readiness: the longest ``readinessProbe.initialDelaySeconds``, or a default."""
    probes = [container.get("readinessProbe") or {} for container in template["spec"]["containers"]]
    delays = [float(probe["initialDelaySeconds"]) for probe in probes if "initialDelaySeconds" in probe]
    return max(delays, default=DEFAULT_START_SECONDS)


def with_version(template: Mapping[str, Any], version: str, image: str = "") -> Json:
    """The template of another version. Without ``image`` the first container keeps its repository and takes the tag."""
    labels = (template.get("metadata") or {}).get("labels") or {}
    first, *others = template["spec"]["containers"]
    repository = first["image"].rpartition(":")[0] or first["image"]
    container = {**first, "image": image or f"{repository}:{version}"}
    return {**template, "metadata": {**(template.get("metadata") or {}), "labels": {**labels, VERSION_LABEL: version}},
            "spec": {**template["spec"], "containers": [container, *others]}}
