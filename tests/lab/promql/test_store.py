"""The store: columns in, columns out, whatever the way in."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.lab.promql.matching import Matcher
from triage.lab.promql.store import STALE_MARKER, Store, is_stale

M = {"__name__": "m"}
EVERYTHING = (Matcher("__name__", "=~", ".+"),)


def times(*milliseconds: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(milliseconds, dtype=np.int64)


def numbers(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


def held(store: Store, labels: dict[str, str] = M) -> list[tuple[int, float]]:
    """All samples of one series."""
    for column in store.select([Matcher(name, "=", value) for name, value in labels.items()], -10**15, 10**15):
        if column.labels == labels:
            return list(zip(column.times.tolist(), column.values.tolist(), strict=True))
    return []


def test_both_ends_of_a_selection_belong_to_it() -> None:
    store = Store()
    store.append(M, times(1, 2, 3, 4), numbers(1, 2, 3, 4))
    (column,) = store.select(EVERYTHING, 2, 3)
    assert column.times.tolist() == [2, 3]
    assert column.values.tolist() == [2.0, 3.0]


def test_a_series_without_a_sample_in_the_span_is_not_selected() -> None:
    store = Store()
    store.append(M, times(1, 9), numbers(1, 2))
    assert store.select(EVERYTHING, 2, 8) == []


def test_a_label_with_an_empty_value_is_no_label() -> None:
    store = Store()
    store.append_point({"__name__": "m", "a": ""}, 1, 1.0)
    assert held(store) == [(1, 1.0)]
    assert store.label_names(EVERYTHING, 0, 9) == ["__name__"]


@given(st.lists(st.sampled_from(["append", "point", "row", "read"]), max_size=40))
def test_every_way_in_gives_the_same_column(ways: Sequence[str]) -> None:
    store, at = Store(), 0
    expected: list[tuple[int, float]] = []
    handle = store.handle(M)
    for way in ways:
        at += 1
        if way == "read":
            assert held(store) == expected
        elif way == "append":
            store.append(M, times(at, at + 1), numbers(at, at + 1))
            expected += [(at, float(at)), (at + 1, at + 1.0)]
            at += 1
        elif way == "point":
            store.append_point(M, at, at)
            expected.append((at, float(at)))
        else:
            store.append_row([handle], at, numbers(at))
            expected.append((at, float(at)))
    assert held(store) == expected


def test_rows_of_different_jobs_may_alternate_and_overlap() -> None:
    store = Store()
    a, b, c = (store.handle({"__name__": name}) for name in "abc")
    store.append_row([a, b], 1, numbers(1, 2))
    store.append_row([c], 1, numbers(3))
    store.append_row([a, b], 2, numbers(4, 5))
    store.append_row([b, c], 3, numbers(6, 7))
    assert held(store, {"__name__": "a"}) == [(1, 1.0), (2, 4.0)]
    assert held(store, {"__name__": "b"}) == [(1, 2.0), (2, 5.0), (3, 6.0)]
    assert held(store, {"__name__": "c"}) == [(1, 3.0), (3, 7.0)]


def test_a_row_is_copied_so_that_its_array_can_be_used_again() -> None:
    store = Store()
    handle, row = store.handle(M), numbers(1)
    store.append_row([handle], 1, row)
    row[0] = 2.0
    store.append_row([handle], 2, row)
    assert held(store) == [(1, 1.0), (2, 2.0)]


@pytest.mark.parametrize("late", [1, 2])
def test_samples_must_ascend_whatever_the_way_in(late: int) -> None:
    store = Store()
    handle = store.handle(M)
    store.append(M, times(1, 2), numbers(1, 2))
    with pytest.raises(ValueError, match="samples must ascend"):
        store.append(M, times(late), numbers(0))
    with pytest.raises(ValueError, match="samples must ascend"):
        store.append_point(M, late, 0)
    with pytest.raises(ValueError, match="samples must ascend"):
        store.append_row([handle], late, numbers(0))
    assert held(store) == [(1, 1.0), (2, 2.0)]


def test_rows_must_ascend_among_themselves() -> None:
    store = Store()
    handle = store.handle(M)
    store.append_row([handle], 5, numbers(1))
    with pytest.raises(ValueError, match="rows must ascend"):
        store.append_row([handle], 5, numbers(2))


def test_an_unordered_column_is_refused_as_a_whole() -> None:
    store = Store()
    with pytest.raises(ValueError, match="strictly ascending"):
        store.append(M, times(1, 1), numbers(1, 2))
    assert held(store) == []


def test_the_past_can_be_put_before_what_is_there() -> None:
    store = Store()
    store.append(M, times(10), numbers(10))
    store.prepend(M, times(1, 2), numbers(1, 2))
    store.append_point(M, 11, 11)
    assert held(store) == [(1, 1.0), (2, 2.0), (10, 10.0), (11, 11.0)]


def test_the_past_must_end_before_the_series_begins() -> None:
    store = Store()
    store.append(M, times(10), numbers(10))
    with pytest.raises(ValueError, match="prepend only what lies before"):
        store.prepend(M, times(9, 10), numbers(1, 2))


def test_what_was_selected_does_not_change_when_the_series_grows() -> None:
    store = Store()
    store.append(M, times(1), numbers(1))
    (before,) = store.select(EVERYTHING, 0, 10**6)
    store.append(M, np.arange(2, 1000, dtype=np.int64), np.arange(2.0, 1000.0))
    store.prepend(M, times(0), numbers(0))
    assert (before.times.tolist(), before.values.tolist()) == ([1], [1.0])


def test_samples_beyond_the_retention_are_forgotten() -> None:
    store = Store(retention_seconds=1.0)
    store.append(M, times(1000, 2000, 3000), numbers(1, 2, 3))
    store.prune(3000)
    assert held(store) == [(2000, 2.0), (3000, 3.0)]


def test_a_series_that_was_forgotten_can_come_back_by_its_handle() -> None:
    store = Store(retention_seconds=1.0)
    handle = store.handle(M)
    store.append_row([handle], 1000, numbers(1))
    store.prune(100_000)
    assert store.series(EVERYTHING, 0, 10**6) == []
    store.append_row([handle], 100_000, numbers(2))
    assert held(store) == [(100_000, 2.0)]


def test_without_a_retention_nothing_is_forgotten() -> None:
    store = Store()
    store.append_point(M, 1, 1)
    store.prune(10**15)
    assert held(store) == [(1, 1.0)]


def test_a_staleness_marker_keeps_its_bits_and_an_ordinary_nan_is_none() -> None:
    store = Store()
    handle = store.handle(M)
    store.append_point(M, 1, float("nan"))
    store.mark_stale(M, 2)
    store.append(M, times(3), STALE_MARKER)
    store.append_row([handle], 4, STALE_MARKER)
    (column,) = store.select(EVERYTHING, 0, 9)
    assert is_stale(column.values).tolist() == [False, True, True, True]


def test_a_series_that_never_was_cannot_end() -> None:
    store = Store()
    store.mark_stale(M, 1)
    assert store.series(EVERYTHING, 0, 9) == []


labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", "y", "xy"]))
matchers = st.builds(Matcher, st.sampled_from("abc"), st.sampled_from(["=", "!=", "=~", "!~"]),
                     st.sampled_from(["", "x", "y", "x|y", ".*", ".+", "x.*"]))


@given(st.lists(labels, max_size=8), st.lists(matchers, max_size=4))
def test_the_index_finds_what_testing_every_series_finds(sets: list[dict[str, str]], asked: list[Matcher]) -> None:
    store = Store()
    for number in sorted({store.handle({"__name__": "m", **own}) for own in sets}):
        store.append_row([number], 1, numbers(1))
    found = store.series(asked, 0, 9)
    expected = [own for own in store.series((), 0, 9) if all(m.matches(own.get(m.name, "")) for m in asked)]
    assert found == expected


def test_names_and_values_are_those_of_the_series_that_pass_within_the_span() -> None:
    store = Store()
    store.append_point({"__name__": "m", "a": "x"}, 1, 1)
    store.append_point({"__name__": "m", "b": "y"}, 5, 1)
    assert store.label_names(EVERYTHING, 0, 9) == ["__name__", "a", "b"]
    assert store.label_names(EVERYTHING, 4, 9) == ["__name__", "b"]
    assert store.label_values("a", EVERYTHING, 0, 9) == ["x"]
    assert store.label_values("a", [Matcher("b", "=", "y")], 0, 9) == []


def test_series_come_in_order_of_their_labels() -> None:
    store = Store()
    for name in ("b", "a", "c"):
        store.append_point({"__name__": name}, 1, 1)
    assert [column.labels["__name__"] for column in store.select(EVERYTHING, 0, 9)] == ["a", "b", "c"]


def test_what_a_metric_is_can_be_asked_by_its_name() -> None:
    store = Store()
    store.describe("m", "counter", "Requests.", "seconds")
    assert store.metadata()["m"].kind == "counter"
    assert store.metadata()["m"].help_text == "Requests."
    assert store.metadata()["m"].unit == "seconds"


def test_readers_see_whole_columns_while_writers_add_to_both_ends() -> None:
    store, last = Store(), 2000
    handle = store.handle(M)
    store.append_point(M, 1000, 1000)

    def write() -> None:
        for step in range(1, 1000):
            store.append_row([handle], 1000 + step, numbers(1000 + step))
            store.prepend(M, times(1000 - step), numbers(1000 - step))

    writer = Thread(target=write)
    writer.start()
    seen = 0
    while writer.is_alive() or seen < last - 1:
        (column,) = store.select(EVERYTHING, 0, last)
        assert column.times.tolist() == column.values.tolist()
        assert np.all(np.diff(column.times) == 1)
        seen = len(column.times)
    writer.join()
