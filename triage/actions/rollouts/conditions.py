"""What a request to the Kubernetes API rests on: read of the object, checked again by us, and tested by the server.

The server's ``resourceVersion`` is no use for that: controllers write the status every few seconds, and every such
write would be a conflict. So the *meaning* is tested, field by field. Whole templates are not: the server compares
texts byte for byte as it wrote them itself (``<`` as ``\\u003c``), so that a test of a longer text can fail although
nothing changed. The images stand for the template there; our own check before it looks at all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from triage.actions.plan import JsonValue, Precondition, Request
from triage.sources.kubernetes import Json, Resource
from triage.sources.rollouts.objects import inner, objects, text
from triage.text import clean

CONTENT_TYPE = "application/json-patch+json"
OPTIONS = "fieldManager=triage&fieldValidation=Strict"
"""Of every write: who we are in ``managedFields``, and an unknown field is an error."""
DRY_RUN = "&dryRun=All"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something of an object that a request rests on."""

    name: str
    pointers: Callable[[Json], Sequence[str]]
    """JSON pointers of the fields that the server tests."""
    value: Callable[[Json], JsonValue]
    """What they come to, cleaned."""
    sentence: Callable[[JsonValue], str]


def at(item: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) leads to; None when it is not there."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(item, Mapping):
            item = item.get(key)
        elif isinstance(item, list) and key.isdigit() and int(key) < len(item):
            item = item[int(key)]
        else:
            return None
    return item


def _scalar(pointer: str) -> Callable[[Json], JsonValue]:
    def value(item: Json) -> JsonValue:
        found = at(item, pointer)
        return found if found is None or isinstance(found, bool | int | float) else text(found)
    return value


def _flag(pointer: str) -> Callable[[Json], JsonValue]:
    return lambda item: at(item, pointer) is True


def _images(item: Json) -> list[str]:
    containers = objects(inner(item, "spec", "template", "spec").get("containers"))
    return [f"/spec/template/spec/containers/{place}/image" for place in range(len(containers))]


def template_digest(template: Any) -> str:
    """16 hex digits that tell one pod template from another."""
    written = json.dumps(template, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def _pauses(item: Json) -> JsonValue:
    given = objects(inner(item, "status").get("pauseConditions"))
    return ", ".join(f"{text(each.get('reason'), 80)} since {text(each.get('startTime'), 40)}" for each in given)


def _named(name: str, pointer: str, sentence: Callable[[JsonValue], str],
           value: Callable[[Json], JsonValue] | None = None) -> Condition:
    return Condition(name, lambda item: (pointer,), value or _scalar(pointer), sentence)


UID = _named("uid", "/metadata/uid", lambda value: f"it is the same object (uid {value})")
POD_HASH = _named("pod_hash", "/status/currentPodHash", lambda value: f"the version asked for is that of hash {value}")
STABLE_HASH = _named("stable_hash", "/status/stableRS", lambda value: f"the stable version is that of hash {value}")
STEP = _named("step", "/status/currentStepIndex", lambda value: f"the step is {value}")
ABORTED = _named("aborted", "/status/abort", lambda value: "it is aborted" if value else "it is not aborted",
                 _flag("/status/abort"))
PROMOTING = _named("promoting_fully", "/status/promoteFull",
                   lambda value: "a full promotion is under way" if value else "no full promotion is under way",
                   _flag("/status/promoteFull"))
PAUSED = _named("paused", "/spec/paused", lambda value: "it is paused by hand" if value else "it is not paused by hand",
                _flag("/spec/paused"))
WAITING = _named("waiting", "/status/pauseConditions", lambda value: f"it waits: {value}" if value else
                 "it does not wait in a pause", _pauses)
REPLICAS = _named("replicas", "/spec/replicas", lambda value: f"replicas asked for: {1 if value is None else value}")
TEMPLATE = Condition("template", _images, lambda item: template_digest(inner(item, "spec", "template")),
                     lambda value: f"the pod template is the one read (digest {value})")


def values(item: Json, conditions: Iterable[Condition], prefix: str = "") -> dict[str, JsonValue]:
    """What an object says to each condition, by name."""
    return {f"{prefix}{each.name}": each.value(item) for each in conditions}


@dataclass(frozen=True, slots=True)
class Place:
    """An object that requests go to."""

    resource: Resource
    namespace: str
    name: str
    item: Json
    """As it was read."""
    prefix: str = ""
    """Before the names of its conditions, where a plan concerns more than one object."""

    def patch(self, operations: Sequence[Json], conditions: Sequence[Condition], *, sentence: str, effect: str,
              status: bool = False) -> Request:
        """A JSON patch that applies only while ``conditions`` hold; ``status`` sends it to the subresource.

        A write of the status to the object itself would be answered 200 and ignored.
        """
        tests = [{"op": "test", "path": pointer, "value": at(self.item, pointer)}
                 for each in conditions for pointer in each.pointers(self.item)]
        path = self.resource.path(self.namespace, self.name) + ("/status" if status else "") + f"?{OPTIONS}"
        part = "/status" if status else ""
        return Request("PATCH", path, CONTENT_TYPE, written([*tests, *operations]),
                       f"patch {self.resource.plural}{part} {clean(self.name, limit=80)}  {sentence}", effect,
                       tuple(self.expects(each) for each in conditions), path + DRY_RUN)

    def expects(self, condition: Condition) -> Precondition:
        """That ``condition`` says what it says now."""
        value = condition.value(self.item)
        return Precondition(f"{self.prefix}{condition.name}", value, condition.sentence(value))


def written(body: Any) -> str:
    """A body as it is sent: ASCII only, so that it can be shown as it is, and the same for equal content."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def put(path: str, value: Any) -> Json:
    """Set a field, whether it is there or not."""
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: Any) -> Json:
    """Set a field that is there."""
    return {"op": "replace", "path": path, "value": value}


def remove(path: str) -> Json:
    """Take a field away that is there."""
    return {"op": "remove", "path": path}
