"""Objects by kind and name, one resource version for every change, and the log of changes that watches read."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from triage.lab.cluster import refusals
from triage.lab.cluster.objects import Json, name_of, namespace_of
from triage.lab.cluster.resources import Resource

Kind = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log."""

    revision: int
    kind: Kind
    resource: Resource
    item: Json
    """The object after the change; of a deleted one its last state, with the revision of the deletion."""
    before: Json | None
    """The object before the change, None of a new one."""


class Storage:
    """What etcd is to a cluster. ``history`` changes are remembered for watches; older ones are answered 410."""

    def __init__(self, history: int = 4096) -> None:
        self._items: dict[Resource, dict[tuple[str, str], Json]] = {}
        self._log: deque[Change] = deque(maxlen=history)
        self._revision = 1
        self._listeners: list[Callable[[Change], None]] = []

    @property
    def revision(self) -> int:
        """Resource version of the latest change. It only grows, and all kinds share it."""
        return self._revision

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Call ``listener`` right after every change."""
        self._listeners.append(listener)

    def find(self, resource: Resource, namespace: str, name: str) -> Json | None:
        return self._items.get(resource, {}).get((namespace, name))

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """Raises a 404 :class:`Refusal`."""
        item = self.find(resource, namespace, name)
        if item is None:
            raise refusals.not_found(resource, name)
        return item

    def all(self, resource: Resource, namespace: str = "") -> list[Json]:
        """All objects of a kind in order of namespace and name; an empty ``namespace`` means every one."""
        items = self._items.get(resource, {})
        return [items[key] for key in sorted(items) if not namespace or key[0] == namespace]

    def create(self, resource: Resource, item: Json) -> Json:
        """Store a new object and return it with its resource version. Raises a 409 :class:`Refusal` when it exists."""
        if self.find(resource, namespace_of(item), name_of(item)) is not None:
            raise refusals.already_exists(resource, name_of(item))
        return self._commit("ADDED", resource, item, None)

    def replace(self, resource: Resource, item: Json) -> Json:
        """Store the new state of an object; without a difference nothing happens. Raises a 404 :class:`Refusal`."""
        before = self.get(resource, namespace_of(item), name_of(item))
        version = before["metadata"]["resourceVersion"]
        if item | {"metadata": item["metadata"] | {"resourceVersion": version}} == before:
            return before
        return self._commit("MODIFIED", resource, item, before)

    def remove(self, resource: Resource, namespace: str, name: str) -> Json:
        """Forget an object and return its last state. Raises a 404 :class:`Refusal`."""
        before = self.get(resource, namespace, name)
        return self._commit("DELETED", resource, before, before)

    def _commit(self, kind: Kind, resource: Resource, item: Json, before: Json | None) -> Json:
        self._revision += 1
        item = item | {"metadata": item["metadata"] | {"resourceVersion": str(self._revision)}}
        items = self._items.setdefault(resource, {})
        key = (namespace_of(item), name_of(item))
        if kind == "DELETED":
            del items[key]
        else:
            items[key] = item
        change = Change(self._revision, kind, resource, item, before)
        self._log.append(change)
        for listener in self._listeners:
            listener(change)
        return item

    def since(self, revision: int) -> list[Change]:
        """Changes after ``revision``, oldest first. Raises a 410 :class:`Refusal` when some are forgotten."""
        if not self._log or revision >= self._revision:
            return []
        oldest = self._log[0].revision
        if revision < oldest - 1:
            raise refusals.expired(revision, oldest - 1)
        return list(itertools.islice(self._log, max(revision + 1 - oldest, 0), None))
