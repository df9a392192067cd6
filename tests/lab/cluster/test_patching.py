"""Patches: the examples of their RFCs, and what holds for every document."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.lab.cluster.patching import DoesNotApply, Malformed, json_patch, merge

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b/c", "d~e"])
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3)
                         | st.dictionaries(st.sampled_from(["a", "b/c", "d~e", "f"]), inner, max_size=3), max_leaves=10)


@pytest.mark.parametrize(("target", "patch", "result"), [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
])
def test_merge_patches_give_what_rfc_7396_appendix_a_says(target: Any, patch: Any, result: Any) -> None:
    assert merge(target, patch) == result


@pytest.mark.parametrize(("document", "operations", "result"), [
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"foo": "bar", "baz": "qux"}),
    ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
    ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": "qux"}], {"foo": ["bar", "qux"]}),
    ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    ({"foo": ["a", "b", "c"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["a", "c"]}),
    ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
    ({"foo": ["a", "b"]}, [{"op": "replace", "path": "/foo/1", "value": "c"}], {"foo": ["a", "c"]}),
    ({"foo": ["a", "b"]}, [{"op": "replace", "path": "/foo/0", "value": "c"}], {"foo": ["c", "b"]}),
    ({"foo": {"bar": 1}, "q": {}}, [{"op": "move", "from": "/foo/bar", "path": "/q/r"}], {"foo": {}, "q": {"r": 1}}),
    ({"foo": ["a", "b", "c"]}, [{"op": "move", "from": "/foo/0", "path": "/foo/2"}], {"foo": ["b", "c", "a"]}),
    ({"foo": 1}, [{"op": "copy", "from": "/foo", "path": "/bar"}], {"foo": 1, "bar": 1}),
    ({"a/b": 1, "m~n": 2}, [{"op": "test", "path": "/a~1b", "value": 1}, {"op": "remove", "path": "/m~0n"}],
     {"a/b": 1}),
    ({"foo": 1}, [{"op": "test", "path": "/bar", "value": None}], {"foo": 1}),
    ({"foo": 1}, [{"op": "replace", "path": "", "value": {"bar": 2}}], {"bar": 2}),
])
def test_json_patches_give_what_rfc_6902_says(document: Any, operations: Any, result: Any) -> None:
    assert json_patch(document, operations) == result


@pytest.mark.parametrize("operation", [
    {"op": "test", "path": "/foo", "value": 2},
    {"op": "test", "path": "/truth", "value": 1},
    {"op": "test", "path": "/none/there", "value": None},
    {"op": "remove", "path": "/bar"},
    {"op": "replace", "path": "/bar", "value": 1},
    {"op": "add", "path": "/bar/baz", "value": 1},
    {"op": "add", "path": "/list/3", "value": 1},
    {"op": "add", "path": "/list/01", "value": 1},
    {"op": "add", "path": "/foo/bar", "value": 1},
    {"op": "move", "from": "/deep", "path": "/deep/er"},
])
def test_a_json_patch_that_does_not_fit_is_refused(operation: Any) -> None:
    document = {"foo": 1, "truth": True, "list": [1], "deep": {"er": 1}}
    with pytest.raises(DoesNotApply):
        json_patch(document, [operation])


@pytest.mark.parametrize("operations", [
    {"op": "remove", "path": "/a"}, ["remove"], [{"op": "drop", "path": "/a"}], [{"op": "remove", "path": "a"}],
    [{"op": "remove"}], [{"op": "add", "path": "/a"}], [{"op": "move", "path": "/a"}],
])
def test_what_is_no_json_patch_is_malformed(operations: Any) -> None:
    with pytest.raises(Malformed):
        json_patch({"a": 1}, operations)


@given(DOCUMENTS, DOCUMENTS)
def test_a_merge_patch_twice_is_the_same_as_once(document: Any, patch: Any) -> None:
    once = merge(document, patch)
    assert merge(once, patch) == once


@given(DOCUMENTS, DOCUMENTS)
def test_no_patch_changes_the_document_it_is_given(document: Any, value: Any) -> None:
    before = copy.deepcopy(document)
    merge(document, value)
    json_patch(document, [{"op": "replace", "path": "", "value": value}])
    assert document == before


@given(DOCUMENTS)
def test_every_part_of_a_document_is_found_by_its_pointer_and_equals_itself(document: Any) -> None:
    def parts(value: Any, path: str) -> list[tuple[str, Any]]:
        found = [(path, value)]
        below = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
        for key, item in below:
            found += parts(item, f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}")
        return found

    for path, value in parts(document, ""):
        assert json_patch(document, [{"op": "test", "path": path, "value": value}] if path else []) == document
        if path:
            assert json_patch(document, [{"op": "replace", "path": path, "value": value}]) == document
