"""The JSON of a Kubernetes object: names, labels, owners, conditions and times."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
"""A JSON object. What the storage holds is never changed in place: take a copy, change it, store it."""

_NAMESPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' alphabet for generated names: no vowels, so no words (apimachinery ``util/rand``)."""


def timestamp(at: float) -> str:
    """Epoch seconds as ``metav1.Time`` writes them: UTC, whole seconds, rounded down."""
    return datetime.fromtimestamp(at // 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> float:
    """Epoch seconds of an RFC 3339 time. Raises ValueError."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text}: a time needs its zone, such as 2026-11-02T10:00:00Z")
    return time.timestamp()


def name_of(item: Mapping[str, Any]) -> str:
    return str(item["metadata"]["name"])


def namespace_of(item: Mapping[str, Any]) -> str:
    """Empty for an object of the whole cluster."""
    return str(item["metadata"].get("namespace", ""))


def uid_of(item: Mapping[str, Any]) -> str:
    return str(item["metadata"]["uid"])


def labels_of(item: Mapping[str, Any]) -> dict[str, str]:
    return item.get("metadata", {}).get("labels") or {}


def annotations_of(item: Mapping[str, Any]) -> dict[str, str]:
    return item.get("metadata", {}).get("annotations") or {}


def created_at(item: Mapping[str, Any]) -> float:
    """Epoch seconds, whole."""
    return moment(item["metadata"]["creationTimestamp"])


def controller_of(item: Mapping[str, Any]) -> str | None:
    """UID of the object that controls this one."""
    for owner in item["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return str(owner["uid"])
    return None


def owner_reference(owner: Mapping[str, Any]) -> Json:
    """The entry of ``metadata.ownerReferences`` that names ``owner`` as the controller."""
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": name_of(owner), "uid": uid_of(owner),
            "controller": True, "blockOwnerDeletion": True}


def new_uid(*parts: object) -> str:
    """A UID that is the same in every run with the same ``parts``."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(map(str, parts))))


def scattered(text: str) -> int:
    """A number from 0 to 2**64 - 1 that the text decides, as if drawn at random."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def digest(value: object, length: int = 10) -> str:
    """A short name for the content of ``value`` (any JSON), in the alphabet of generated names."""
    number = scattered(json.dumps(value, sort_keys=True, separators=(",", ":")))
    letters = []
    for _ in range(length):
        number, index = divmod(number, len(_SAFE))
        letters.append(_SAFE[index])
    return "".join(letters)


def condition(item: Mapping[str, Any], kind: str) -> Json | None:
    """The entry of ``status.conditions`` of this type."""
    conditions: list[Json] = (item.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), None)
