"""Answers of every shape: they are understood or refused, and nothing else happens."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.sources.prometheus_answers import OtherShape
from triage.sources.registry.git_tags import FORMAT, models_from_tags, names_tags, parse_refs
from triage.sources.registry.mlflow_answers import parse_head, parse_page, parse_version

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
                    max_leaves=6)
KEYS = ("name", "version", "creation_timestamp", "current_stage", "status", "source", "run_id", "description", "tags",
        "aliases")
ITEM = st.fixed_dictionaries({}, optional={key: JSON | st.just([{"key": "triage.manifest", "value": "\ud800"}])
                                           for key in KEYS})
NAMES = st.from_regex(r"[a-z=#@!0-9]{1,12}", fullmatch=True)


@given(JSON)
def test_pages(document: Any) -> None:
    with contextlib.suppress(OtherShape):
        parse_page(document, "model_versions")


@given(ITEM)
def test_models_and_versions(item: dict[str, Any]) -> None:
    with contextlib.suppress(OtherShape):
        name, version = parse_version(item)
        assert name.isprintable()
        assert all(tag.isprintable() for pair in version.tags.items() for tag in pair)
    with contextlib.suppress(OtherShape):
        assert parse_head(item).name.isprintable()


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_bytes_in_place_of_tags(printed: bytes, dereferenced: bytes) -> None:
    names_tags(printed)
    models_from_tags(parse_refs(printed, dereferenced), 0.0)


@pytest.mark.parametrize(("of", "peeled"), [("tag", "b" * 40), ("commit", "c" * 40)])
def test_the_commit_of_a_tag_of_a_tag_is_known_whichever_git_tells_it(of: str, peeled: str) -> None:
    printed = ("\0".join(("fraud@v1", "tag", of, peeled, "a" * 40, "7", "x")) + "\0").encode()
    dereferenced = f"{'a' * 40} refs/tags/fraud@v1\n{'c' * 40} refs/tags/fraud@v1^{{}}\n".encode()
    assert names_tags(printed) is (of == "tag")
    [ref] = parse_refs(printed, dereferenced)
    assert ref.commit == "c" * 40


@given(st.lists(st.tuples(NAMES, st.sampled_from(("tag", "commit")), st.sampled_from(("a" * 40, "b" * 40)),
                          st.integers(0, 3)), max_size=12))
def test_tags_in_any_order(tags: list[tuple[str, str, str, int]]) -> None:
    printed = "\n".join("\0".join((name, kind, "", "", commit, str(at), "note: x\n")) + "\0"
                        for name, kind, commit, at in tags).encode()
    refs = parse_refs(printed)
    models = models_from_tags(refs, 0.0)
    assert models == models_from_tags(reversed(refs), 0.0) or len({t[0] for t in tags}) < len(tags) or (
        len({(r.made_at, bool(r.stage), r.counter, r.version) for r in refs}) < len(refs))
    for name, model in models.items():
        assert model.name == name
        for version in model.versions:
            assert all(model.aliases[alias] == version.version for alias in version.aliases)


def test_the_format_asks_for_as_many_fields_as_are_read() -> None:
    assert FORMAT.count("%00") == 7
