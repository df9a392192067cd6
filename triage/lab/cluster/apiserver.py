"""The verbs of the API server on stored objects: what is checked, kept, counted and refused before it is stored."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from triage.lab.cluster import refusals, rollout_schema
from triage.lab.cluster.objects import Json, name_of, namespace_of, new_uid, timestamp, uid_of
from triage.lab.cluster.ownership import managed_fields
from triage.lab.cluster.patching import DoesNotApply, Malformed, json_patch, merge
from triage.lab.cluster.refusals import Cause
from triage.lab.cluster.resources import NAMESPACES, REPLICA_SETS, ROLLOUTS, WORKLOADS, Resource
from triage.lab.cluster.scale import as_scale, with_scale
from triage.lab.cluster.storage import Storage
from triage.lab.cluster.strategic import strategic_merge
from triage.lab.cluster.validation import findings

Strategy = Literal["merge", "json", "strategic"]
_SYSTEM_METADATA = ("uid", "creationTimestamp", "generation", "resourceVersion", "managedFields")
_WITH_GENERATION = (*WORKLOADS, REPLICA_SETS)


@dataclass(frozen=True, slots=True)
class Options:
    """What a write's query says."""

    manager: str = "unknown"
    """``fieldManager``: who writes."""
    dry_run: bool = False
    """Check everything, store nothing."""
    strict: bool = False
    """``fieldValidation=Strict``: an unknown field is an error, not a warning."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write answers, and what the server warns of.

    The object is as it is now or, in a dry run, as it would be; of the subresource ``scale`` it is the Scale.
    """

    item: Json
    warnings: tuple[str, ...] = ()


class ApiServer:
    """Writes for people and deployers; ``now`` says the time in epoch seconds. Every method raises :class:`Refusal`."""

    def __init__(self, storage: Storage, now: Callable[[], float]) -> None:
        self._storage = storage
        self._now = now

    def read(self, resource: Resource, namespace: str, name: str, subresource: str = "") -> Json:
        """An object, or its Scale."""
        item = self._storage.get(resource, namespace, name)
        return as_scale(item) if subresource == "scale" else item

    def create(self, resource: Resource, namespace: str, body: Json, options: Options) -> Outcome:
        """Store a new object; ``metadata.generateName`` makes a name."""
        _check_type(resource, body)
        metadata = dict(body.get("metadata") or {})
        given = metadata.get("namespace") or namespace
        if resource.namespaced and namespace and given != namespace:
            raise refusals.bad_request(f"the namespace of the provided object does not match the namespace sent on the "
                                       f"request: {given} is not {namespace}")
        if not metadata.get("name"):
            if not isinstance(metadata.get("generateName"), str):
                raise refusals.invalid(resource, "", [Cause("metadata.name", "Required value: name or generateName is "
                                                            "required", "FieldValueRequired")])
            suffix = new_uid(metadata["generateName"], self._storage.revision)[:5]
            metadata["name"] = f"{metadata['generateName']}{suffix}"
        if metadata.get("resourceVersion"):
            raise refusals.bad_request("resourceVersion should not be set on objects to be created")
        if resource.namespaced:
            metadata["namespace"] = namespace
            if self._storage.find(NAMESPACES, "", namespace) is None:
                raise refusals.not_found(NAMESPACES, namespace)
        at = self._now()
        metadata["uid"] = new_uid(resource.qualified, namespace, metadata["name"], self._storage.revision)
        metadata["creationTimestamp"] = timestamp(at)
        if resource in _WITH_GENERATION:
            metadata["generation"] = 1
        item, warnings = _pruned(resource, body | {"metadata": metadata}, options)
        _check(resource, item, None)
        metadata["managedFields"] = managed_fields(resource, None, item, options.manager, "", at)
        item = item | {"metadata": metadata}
        if self._storage.find(resource, namespace_of(item), name_of(item)) is not None:
            raise refusals.already_exists(resource, name_of(item))
        return Outcome(item if options.dry_run else self._storage.create(resource, item), warnings)

    def update(self, resource: Resource, namespace: str, name: str, subresource: str, body: Json,
               options: Options) -> Outcome:
        """Replace an object (PUT). An old ``resourceVersion`` or another ``uid`` is a conflict."""
        current = self._storage.get(resource, namespace, name)
        proposed = with_scale(current, body) if subresource == "scale" else body
        _check_type(resource, proposed)
        metadata = proposed.get("metadata") or {}
        if metadata.get("uid") not in (None, "", uid_of(current)):
            raise refusals.conflict(resource, name, f"Precondition failed: UID in precondition: {metadata['uid']}, "
                                    f"UID in object meta: {uid_of(current)}")
        if not metadata.get("resourceVersion") and not resource.unconditional_update and not subresource:
            raise refusals.invalid(resource, name, [Cause(
                "metadata.resourceVersion", "Invalid value: 0x0: must be specified for an update")])
        return self._write(resource, current, proposed, subresource, options)

    def patch(self, resource: Resource, namespace: str, name: str, subresource: str, strategy: Strategy, patch: Any,
              options: Options) -> Outcome:
        """Change an object by a patch of the given kind."""
        current = self._storage.get(resource, namespace, name)
        document = as_scale(current) if subresource == "scale" else current
        try:
            patched = _patched(document, strategy, patch)
        except Malformed as error:
            raise refusals.bad_request(f"error decoding patch: {error}") from None
        except DoesNotApply:
            raise refusals.patch_does_not_apply() from None
        if not isinstance(patched, dict):
            raise refusals.bad_request("error decoding patch: the result is no object")
        if subresource == "scale":
            patched = with_scale(current, patched)
        _check_type(resource, patched)
        return self._write(resource, current, patched, subresource, options)

    def delete(self, resource: Resource, namespace: str, name: str, preconditions: Json, options: Options) -> Json:
        """Delete an object and return it. ``preconditions``: ``uid`` and ``resourceVersion`` that it must have."""
        current = self._storage.get(resource, namespace, name)
        for field, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            wanted = preconditions.get(field)
            if wanted is not None and wanted != current["metadata"][field]:
                raise refusals.conflict(resource, name, f"Precondition failed: {word} in precondition: {wanted}, "
                                        f"{word} in object meta: {current['metadata'][field]}")
        return current if options.dry_run else self._storage.remove(resource, namespace, name)

    def _write(self, resource: Resource, current: Json, proposed: Json, subresource: str, options: Options) -> Outcome:
        metadata = proposed.get("metadata") or {}
        name = name_of(current)
        if metadata.get("name") != name:
            raise refusals.bad_request(f"the name of the object ({metadata.get('name')}) does not match the name on "
                                       f"the URL ({name})")
        if (metadata.get("namespace") or "") != namespace_of(current):
            raise refusals.bad_request(f"the namespace of the object ({metadata.get('namespace')}) does not match the "
                                       f"namespace on the request ({namespace_of(current)})")
        version = metadata.get("resourceVersion")
        if version and version != current["metadata"]["resourceVersion"]:
            raise refusals.conflict(resource, name)
        proposed, warnings = _pruned(resource, proposed, options)
        _check(resource, proposed, current)
        item = _with_status_apart(resource, current, proposed, subresource)
        kept = {field: current["metadata"][field] for field in _SYSTEM_METADATA if field in current["metadata"]}
        item = item | {"metadata": {**item["metadata"], **kept}}
        if item == current:
            return Outcome(as_scale(current) if subresource == "scale" else current, warnings)
        if resource in _WITH_GENERATION and item.get("spec") != current.get("spec"):
            item["metadata"]["generation"] = current["metadata"]["generation"] + 1
        item["metadata"]["managedFields"] = managed_fields(resource, current, item, options.manager, subresource,
                                                           self._now())
        stored = item if options.dry_run else self._storage.replace(resource, item)
        return Outcome(as_scale(stored) if subresource == "scale" else stored, warnings)


def _with_status_apart(resource: Resource, current: Json, proposed: Json, subresource: str) -> Json:
    """A write to ``/status`` changes nothing else, and any other write leaves the status as it is."""
    if subresource == "status":
        return {**current, "status": proposed.get("status") or {}}
    if "status" not in resource.subresources:
        return proposed
    item = {key: value for key, value in proposed.items() if key != "status"}
    return {**item, "status": current["status"]} if "status" in current else item


def _patched(document: Json, strategy: Strategy, patch: Any) -> Any:
    if strategy == "json":
        return json_patch(document, patch)
    if not isinstance(patch, dict):
        raise Malformed("a merge patch is an object")
    return merge(document, patch) if strategy == "merge" else strategic_merge(document, patch)


def _check_type(resource: Resource, item: Json) -> None:
    found, wanted = (item.get("apiVersion"), item.get("kind")), (resource.api_version, resource.kind)
    if found != wanted:
        raise refusals.bad_request(f"the object provided is {found[1]} in version {found[0]}, not {wanted[1]} in "
                                   f"version {wanted[0]}")
    if not isinstance(item.get("metadata", {}), dict):
        raise refusals.bad_request("metadata must be an object")


def _pruned(resource: Resource, item: Json, options: Options) -> tuple[Json, tuple[str, ...]]:
    item = copy.deepcopy(item)
    if resource is not ROLLOUTS:
        return item, ()
    item, unknown = rollout_schema.prune(item)
    messages = [f'unknown field "{field}"' for field in unknown]
    if messages and options.strict:
        text = json.dumps(item["metadata"].get("name", ""))
        raise refusals.invalid(resource, item["metadata"].get("name", ""), [Cause(
            "patch", f"Invalid value: {text}: strict decoding error: {', '.join(messages)}")])
    return item, tuple(messages)


def _check(resource: Resource, item: Json, before: Json | None) -> None:
    causes = findings(resource, item, before)
    if causes:
        raise refusals.invalid(resource, item["metadata"]["name"], causes)


