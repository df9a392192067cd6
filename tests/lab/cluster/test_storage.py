"""Resource versions and the log of changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.lab.cluster.refusals import Refusal
from triage.lab.cluster.resources import LEASES, PODS, Resource
from triage.lab.cluster.storage import Storage


def thing(name: str, value: int = 0) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ml"}, "spec": {"value": value}}


WRITES = st.lists(st.tuples(st.sampled_from([LEASES, PODS]), st.sampled_from(["a", "b"]), st.integers(0, 2),
                            st.booleans()), max_size=30)


def write(storage: Storage, resource: Resource, name: str, value: int, delete: bool) -> None:
    """Whatever fits: create, replace or remove."""
    if storage.find(resource, "ml", name) is None:
        storage.create(resource, thing(name, value))
    elif delete:
        storage.remove(resource, "ml", name)
    else:
        storage.replace(resource, thing(name, value))


def everything(storage: Storage) -> dict[tuple[str, str], Any]:
    return {(resource.plural, item["metadata"]["name"]): item for resource in (LEASES, PODS)
            for item in storage.all(resource)}


@given(WRITES)
def test_every_change_has_a_higher_resource_version_than_the_one_before(writes: list[Any]) -> None:
    storage = Storage()
    for entry in writes:
        write(storage, *entry)
    revisions = [change.revision for change in storage.since(1)]
    assert revisions == sorted(set(revisions))
    assert all(int(change.item["metadata"]["resourceVersion"]) == change.revision for change in storage.since(1))


@given(WRITES, st.integers(0, 40))
def test_the_log_from_any_point_leads_to_what_is_stored(writes: list[Any], point: int) -> None:
    storage = Storage()
    for entry in writes[:point]:
        write(storage, *entry)
    seen, began = everything(storage), storage.revision
    for entry in writes[point:]:
        write(storage, *entry)
    for change in storage.since(began):
        key = (change.resource.plural, change.item["metadata"]["name"])
        assert (change.kind == "ADDED") == (key not in seen)
        if change.kind == "DELETED":
            del seen[key]
        else:
            seen[key] = change.item
    assert seen == everything(storage)


def test_a_write_that_changes_nothing_leaves_no_trace() -> None:
    storage = Storage()
    first = storage.create(LEASES, thing("a"))
    assert storage.replace(LEASES, thing("a")) == first
    assert storage.revision == int(first["metadata"]["resourceVersion"])


def test_a_beginning_that_is_forgotten_is_410_expired() -> None:
    storage = Storage(history=3)
    for value in range(6):
        write(storage, LEASES, "a", value, delete=False)
    with pytest.raises(Refusal) as caught:
        storage.since(storage.revision - 4)
    assert (caught.value.code, caught.value.reason) == (410, "Expired")
    assert len(storage.since(storage.revision - 3)) == 3


def test_what_exists_is_not_created_again_and_what_does_not_is_not_found() -> None:
    storage = Storage()
    storage.create(LEASES, thing("a"))
    with pytest.raises(Refusal, match=r'leases.coordination.k8s.io "a" already exists'):
        storage.create(LEASES, thing("a"))
    with pytest.raises(Refusal, match='pods "a" not found'):
        storage.get(PODS, "ml", "a")
