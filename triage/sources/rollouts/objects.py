"""Kubernetes objects into the parts that rollouts of every kind have: versions, images, conditions, owners. Pure.

Objects come as they were sent: what has another type than the API promises counts as missing. Texts are cleaned here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from triage.facts.outcome import Failure, FailureKind
from triage.facts.rollouts import Revision, RolloutCondition, VersionFrom
from triage.sources.decode import parse_time
from triage.sources.kubernetes import MOST_ITEMS, Json, Listed
from triage.text import clean

VERSION_LABEL = "app.kubernetes.io/version"
_CONTAINER_ANNOTATION = "kubectl.kubernetes.io/default-container"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def inner(item: Any, *keys: str) -> Json:
    """The object below ``keys``; {} when there is none."""
    for key in keys:
        item = item.get(key) if isinstance(item, dict) else None
    return item if isinstance(item, dict) else {}


def objects(raw: Any) -> list[Json]:
    """The objects of a list; [] when it is none."""
    return [each for each in raw if isinstance(each, dict)] if isinstance(raw, list) else []


def text(raw: Any, limit: int = 253) -> str:
    """Cleaned text; "" for anything else."""
    return clean(raw, limit=limit) if isinstance(raw, str) else ""


def whole(raw: Any) -> int | None:
    """A whole number, also one written as text; None for anything else."""
    if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) < 19:
        return int(raw)
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None


def count(item: Json, key: str) -> int:
    """A number that the API leaves out when it is 0."""
    return whole(item.get(key)) or 0


def labels_of(item: Json) -> Json:
    return inner(item, "metadata", "labels")


def notes_of(item: Json) -> Json:
    return inner(item, "metadata", "annotations")


def revision(template: Json, version_label: str | None, *, pod_hash: str, replica_set: Json | None = None,
             number_annotation: str = "", counted: bool = True) -> Revision:
    """The version that a pod template serves, and its ReplicaSet's numbers.

    Without a ReplicaSet there are no replicas, or, not ``counted``, nobody knows how many. The version is read from
    ``version_label`` (the manifest's), else from Kubernetes' recommended label, else from the tag of the image.
    """
    image = text(model_container(template).get("image"), 400)
    version, source, key = _version(template, version_label, image)
    found = _DIGEST.search(image)
    digest, none = found[0] if found else "", 0 if counted else None
    name = clean(pod_hash, limit=63)
    if replica_set is None:
        return Revision(version, source, key, name, None, (), image, digest, "", none, none, none, none)
    status, notes = inner(replica_set, "status"), notes_of(replica_set)
    earlier = [whole(each) for each in str(notes.get(f"{number_annotation}-history", "")).split(",")]
    desired = whole(inner(replica_set, "spec").get("replicas"))
    return Revision(
        version, source, key, name, whole(notes.get(number_annotation)),
        tuple(sorted(each for each in earlier if each is not None)), image, digest,
        text(inner(replica_set, "metadata").get("name")), 1 if desired is None else desired, count(status, "replicas"),
        count(status, "readyReplicas"), count(status, "availableReplicas"),
        parse_time(inner(replica_set, "metadata").get("creationTimestamp")))


def _version(template: Json, version_label: str | None, image: str) -> tuple[str, VersionFrom, str]:
    if version_label is not None:
        for place, source in ((labels_of(template), VersionFrom.LABEL), (notes_of(template), VersionFrom.ANNOTATION)):
            if text(place.get(version_label)):
                return text(place[version_label], 100), source, clean(version_label, limit=253)
    if text(labels_of(template).get(VERSION_LABEL)):
        return text(labels_of(template)[VERSION_LABEL], 100), VersionFrom.LABEL, VERSION_LABEL
    tag = image_tag(image)
    return (tag, VersionFrom.IMAGE_TAG, "") if tag else ("", VersionFrom.NONE, "")


def image_tag(image: str) -> str:
    """``8`` of ``registry:5000/team/fraud:8@sha256:...``; "" when there is none."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def model_container(template_or_pod: Json) -> Json:
    """The container that an annotation names as the main one, else the first."""
    containers = objects(inner(template_or_pod, "spec").get("containers"))
    named = notes_of(template_or_pod).get(_CONTAINER_ANNOTATION)
    return next((each for each in containers if each.get("name") == named), containers[0] if containers else {})


def owned(listed: Listed | Failure, uid: str) -> list[Json]:
    """The objects that the one with this UID controls."""
    if isinstance(listed, Failure):
        return []
    return [item for item in listed.items if any(
        owner.get("controller") is True and owner.get("uid") == uid
        for owner in objects(inner(item, "metadata").get("ownerReferences")))]


def missing(listed: Listed | Failure) -> Failure | None:
    """Why not every ReplicaSet is known; None when they are."""
    if isinstance(listed, Failure):
        return listed
    if listed.truncated:
        return Failure(FailureKind.TOO_LARGE, f"there are more than {MOST_ITEMS} ReplicaSets with these labels",
                       "lower revisionHistoryLimit, or use a selector of its own")
    return None


def by_number(revisions: Iterable[Revision]) -> tuple[Revision, ...]:
    """Newest first."""
    return tuple(sorted(revisions, key=lambda each: -(each.number or 0)))


def selector_text(selector: Json) -> str:
    """A ``metav1.LabelSelector`` as the API takes it in a query; "" when it is of a form that is not known."""
    parts = [f"{key}={value}" for key, value in inner(selector, "matchLabels").items() if isinstance(value, str)]
    for each in objects(selector.get("matchExpressions")):
        key, operator, values = each.get("key"), each.get("operator"), each.get("values")
        written = ",".join(str(value) for value in values) if isinstance(values, list) else ""
        match operator:
            case "In" | "NotIn":
                parts.append(f"{key} {operator.lower()} ({written})")
            case "Exists":
                parts.append(f"{key}")
            case "DoesNotExist":
                parts.append(f"!{key}")
            case _:
                return ""
    return ",".join(parts)


def conditions(status: Json) -> tuple[RolloutCondition, ...]:
    """``status.conditions``."""
    return tuple(RolloutCondition(
        text(each.get("type"), 80), text(each.get("status"), 20), text(each.get("reason"), 80),
        text(each.get("message"), 400), parse_time(each.get("lastTransitionTime")))
        for each in objects(status.get("conditions")))


_MANAGERS: Sequence[tuple[str, str]] = (("argocd", "Argo CD"), ("kustomize-controller", "Flux"),
                                        ("helm-controller", "Flux"), ("helm", "Helm"))


def managed_by(item: Json) -> str:
    """Who keeps the object as it is elsewhere written down, and would undo a change by hand; "" when nothing shows it.

    From what Argo CD, Flux and Helm leave in the metadata of what they manage.
    """
    notes, marks = notes_of(item), labels_of(item)
    if "argocd.argoproj.io/tracking-id" in notes or "argocd.argoproj.io/instance" in marks:
        return "Argo CD"
    if "kustomize.toolkit.fluxcd.io/name" in marks or "helm.toolkit.fluxcd.io/name" in marks:
        return "Flux"
    writers = [str(each.get("manager", "")) for each in objects(inner(item, "metadata").get("managedFields"))]
    for start, name in _MANAGERS:
        if any(writer.startswith(start) for writer in writers):
            return name
    return "Helm" if marks.get("app.kubernetes.io/managed-by") == "Helm" else ""
