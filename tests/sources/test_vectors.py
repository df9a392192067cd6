"""Vectors read from their bytes are what the reader of all answers makes of them, whatever came before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.facts.samples import Answer
from triage.sources.prometheus_answers import OtherShape, open_envelope, parse_answer
from triage.sources.prometheus_vectors import KnownLabels, read_vector

NOW = 1_795_400_000.0
TEXT = st.one_of(st.sampled_from(("", "v1", "a\x1bb", 'q"x', '","value":[1,"2"]', 'a\\', "\\\"value", "ü", "},{")),
                 st.text(max_size=6))
LABELS = st.dictionaries(TEXT, TEXT, max_size=3)
VALUE = st.sampled_from(("1", "0.5", "1e-9", "NaN", "+Inf", "-Inf", "9995", "one", "", "1\n"))
TIME = st.sampled_from((1795400000.123, 1795400000, 1795399985.5, 1e300, -3.0))
ELEMENT = st.one_of(
    st.builds(lambda metric, at, value: {"metric": metric, "value": [at, value]}, LABELS, TIME, VALUE),
    st.sampled_from(({"metric": {"a": "b"}, "histogram": [NOW, {"count": "1", "sum": "2"}]},
                     {"metric": {"a": 1}, "value": [NOW, "1"]}, {"metric": {"a": {"value": [1, "2"]}}},
                     {"metric": {'"value': [1, "2"]}, "value": [NOW, "1"]}, {"value": [NOW, "1"]}, {}, 7,
                     {"metric": {}, "value": [NOW, "1"], "value2": [NOW, "3"]})))


def spelt(result: Any, more: dict[str, Any]) -> bytes:
    """A document as Prometheus writes it."""
    whole = {"status": "success", "data": {"resultType": "vector", "result": result}, **more}
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def by_the_whole(body: bytes) -> Any:
    try:
        return parse_answer(open_envelope(json.loads(body), str), NOW, None, is_range=False)
    except OtherShape:
        return None


@given(st.lists(st.tuples(st.lists(ELEMENT, max_size=5),
                          st.sampled_from(({}, {"warnings": ["a store is missing"]}, {"infos": ["x"]}))),
                min_size=1, max_size=4))
def test_a_vector_is_what_the_reader_of_all_makes_of_it_or_left_to_that_one(turns: Any) -> None:
    known = KnownLabels()
    for result, more in turns:
        body = spelt(result, more)
        # And once more with other values, as it nearly always comes.
        for now in (body, body.replace(b'"1"', b'"2.5"').replace(b"1795400000.123", b"1795400015.5")):
            found = read_vector(now, known, None, str)
            assert found is None or repr(found) == repr(by_the_whole(now))


@given(st.lists(st.binary(max_size=8), max_size=4))
def test_bytes_of_any_kind_between_two_values_are_not_taken_for_labels(pieces: list[bytes]) -> None:
    element = b'{"metric":{"a":"b"},"value":[1795400000.1,"1"]}'
    body = spelt([], {}).replace(b"[]", b"[" + element + b"".join(piece + element for piece in pieces) + b"]")
    found = read_vector(body, KnownLabels(), None, str)
    try:
        whole = by_the_whole(body)
    except ValueError:
        whole = None
    assert found is None or repr(found) == repr(whole)


def test_labels_that_are_spelt_as_before_are_the_very_same_objects_wherever_they_stand() -> None:
    known = KnownLabels()
    rows = [{"metric": {"model": name}, "value": [NOW + 0.5, "1"]} for name in ("a", "b")]
    first = read_vector(spelt(rows, {}), known, None, str)
    more = [{"metric": {"model": "new"}, "value": [NOW + 15.5, "2"]}, *rows[::-1]]
    again = read_vector(spelt(more, {}), known, None, str)
    assert isinstance(first, Answer)
    assert isinstance(again, Answer)
    assert again.samples[1].labels is first.samples[1].labels
    assert again.samples[2].labels is first.samples[0].labels
    assert [(s.labels["model"], s.value, s.at) for s in again.samples] == [
        ("new", 2.0, NOW + 15.5), ("b", 1.0, NOW + 0.5), ("a", 1.0, NOW + 0.5)]


@pytest.mark.parametrize("other", [
    b'{"metric":{"a":"b"}},"value":[1795400000.5,"1"]]}}', b'{"metric":{"a":"b","value":[1795400000.5,"1"]}}]}}',
    b'{"metric":{"a":"b"}\0}]}}', b'{"metric":{"a":"b"},"value":[1795400000.5,"1"]}],"more":["x"]}}'])
def test_an_answer_that_is_another_beside_its_values_is_not_taken_for_the_last_one(other: bytes) -> None:
    known = KnownLabels()
    body = spelt([{"metric": {"a": "b"}, "value": [NOW + 0.5, "1"]}], {})
    assert read_vector(body, known, None, str) is not None
    opened = body[:body.index(b'{"metric"')]
    found = read_vector(opened + other, known, None, str)
    try:
        whole = by_the_whole(opened + other)
    except ValueError:
        whole = None
    assert found is None or repr(found) == repr(whole)


def test_labels_that_are_gone_are_forgotten() -> None:
    known = KnownLabels()
    read_vector(spelt([{"metric": {"model": n}, "value": [NOW, "1"]} for n in ("a", "b")], {}), known, None, str)
    read_vector(spelt([{"metric": {"model": "b"}, "value": [NOW, "1"]}], {}), known, None, str)
    assert [dict(labels) for labels in known.by_spelling.values()] == [{"model": "b"}]


@pytest.mark.parametrize(("body", "seen"), [
    (spelt([{"metric": {"a": "b"}, "value": [1795400000, "1"]}], {}), True),
    (spelt([{"metric": {"a": "b"}, "value": [1795400000.25, "NaN"]}], {"warnings": ["partial"]}), True),
    (spelt([{"metric": {"a": "b"}, "value": [1795400000.25, "one"]}], {}), False),
    (spelt([{"metric": {"a": "b"}, "value": [1795400000.25, "1"]}], {}).replace(b":", b": "), False),
    (spelt([], {}), False),
    (b'{"status":"error","errorType":"bad_data","error":"x"}', False)])
def test_what_is_spelt_otherwise_is_left_to_the_reader_of_all(body: bytes, *, seen: bool) -> None:
    assert (read_vector(body, KnownLabels(), None, str) is not None) is seen
