"""Strategic merge patches of pod templates: lists by their keys, and the directives that kubectl sends."""

from __future__ import annotations

from typing import Any

import pytest

from triage.lab.cluster.patching import Malformed
from triage.lab.cluster.strategic import strategic_merge

TWO = {"containers": [{"name": "server", "image": "s:1", "env": [{"name": "A", "value": "1"}]},
                      {"name": "proxy", "image": "p:1"}]}


@pytest.mark.parametrize(("patch", "result"), [
    ({"containers": [{"name": "server", "image": "s:2"}]},
     {"containers": [{"name": "server", "image": "s:2", "env": [{"name": "A", "value": "1"}]},
                     {"name": "proxy", "image": "p:1"}]}),
    ({"containers": [{"name": "server", "env": [{"name": "B", "value": "2"}]}]},
     {"containers": [{"name": "server", "image": "s:1",
                      "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
                     {"name": "proxy", "image": "p:1"}]}),
    ({"containers": [{"name": "proxy", "$patch": "delete"}]}, {"containers": TWO["containers"][:1]}),
    ({"containers": [{"$patch": "replace"}, {"name": "new", "image": "n:1"}]},
     {"containers": [{"name": "new", "image": "n:1"}]}),
    ({"$setElementOrder/containers": [{"name": "proxy"}, {"name": "server"}]},
     {"containers": TWO["containers"][::-1]}),
    ({"containers": None}, {}),
    ({"$patch": "delete"}, {}),
    ({"$patch": "replace", "a": 1}, {"a": 1}),
])
def test_lists_of_containers_are_merged_by_name(patch: Any, result: Any) -> None:
    assert strategic_merge(TWO, patch) == result


def test_a_list_without_a_key_is_replaced_whole() -> None:
    assert strategic_merge({"args": ["a", "b"]}, {"args": ["c"]}) == {"args": ["c"]}


def test_retained_keys_are_all_that_stays() -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    patch = {"type": "Recreate", "$retainKeys": ["type"]}
    assert strategic_merge({"strategy": strategy}, {"strategy": patch}) == {"strategy": {"type": "Recreate"}}


def test_finalizers_are_added_and_taken_out_by_value() -> None:
    added = strategic_merge({"finalizers": ["a"]}, {"finalizers": ["b", "a"]})
    assert added == {"finalizers": ["a", "b"]}
    assert strategic_merge(added, {"$deleteFromPrimitiveList/finalizers": ["a"]}) == {"finalizers": ["b"]}


@pytest.mark.parametrize("patch", [{"$patch": "explode"}, {"containers": [{"image": "no-name:1"}]},
                                   {"containers": ["server"]}])
def test_what_cannot_be_merged_is_malformed(patch: Any) -> None:
    with pytest.raises(Malformed):
        strategic_merge(TWO, patch)
