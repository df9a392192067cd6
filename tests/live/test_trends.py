"""Charts: an aligned grid, gaps that stay gaps, and ratios that are divided here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.facts.replies import Part, Question
from triage.facts.samples import Series
from triage.live.trends import POINTS, Grid, grid, trend_questions, trends
from triage.notebook.load import Notebook, load_all

Notebooks = Callable[..., Path]
GRID = Grid(100.0, 140.0, 10.0)


@pytest.fixture
def notebook(notebooks: Notebooks) -> Notebook:
    """Its first objective is a ratio (slo-0), its second a latency (slo-1)."""
    return load_all([notebooks(m=2)]).notebooks[0]


def series(version: str, points: dict[float, float], **labels: str) -> Series:
    return Series({"model_version": version, **labels}, tuple(points), tuple(points.values()))


@given(st.floats(60, 30 * 86400), st.floats(1e9, 2e9), st.floats(0.5, 300))
def test_a_grid_is_aligned_to_its_step_and_ends_by_the_present(span: float, end: float, scrape: float) -> None:
    found = grid(span, end, scrape)
    assert found.end % found.step == 0
    assert (found.end - found.start) % found.step == 0
    assert 0 <= end - found.end < found.step
    assert found.step >= scrape
    assert len(found.times) <= POINTS + 1


@given(st.floats(1e9, 2e9), st.floats(0, 29.9))
def test_a_grid_moves_only_when_a_step_is_full(end: float, later: float) -> None:
    first, second = grid(3600.0, end, 15.0), grid(3600.0, end + later, 15.0)
    assert second.start - first.start in (0.0, first.step)


def test_a_missing_step_is_a_gap(notebook: Notebook) -> None:
    good = series("v1", {100.0: 9.0, 110.0: 9.0, 130.0: 8.0, 140.0: 10.0})
    total = series("v1", {100.0: 10.0, 110.0: 10.0, 130.0: 10.0, 140.0: 10.0})
    found = trends(notebook, {Question("slo-0", 0, Part.GOOD): (good,), Question("slo-0", 0, Part.TOTAL): (total,)},
                   GRID)
    [line] = [t for t in found if t.name == "errors" and t.version == "v1"]
    assert line.values == pytest.approx((0.1, 0.1, None, 0.2, 0.0))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0])
def test_what_cannot_be_divided_is_a_gap(notebook: Notebook, value: float) -> None:
    good, total = series("v1", {100.0: 1.0}), series("v1", {100.0: value})
    found = trends(notebook, {Question("slo-0", 0, Part.GOOD): (good,), Question("slo-0", 0, Part.TOTAL): (total,)},
                   GRID)
    assert {t.values for t in found} == {(None,) * 5}


def test_all_versions_together_are_weighted_by_their_traffic(notebook: Notebook) -> None:
    good = (series("v1", {100.0: 9.99}), series("v2", {100.0: 0.95}))
    total = (series("v1", {100.0: 10.0}), series("v2", {100.0: 1.0}))
    found = trends(notebook, {Question("slo-0", 0, Part.GOOD): good, Question("slo-0", 0, Part.TOTAL): total}, GRID)
    values = {t.version: t.values[0] for t in found if t.name == "errors"}
    assert values == pytest.approx({"v1": 0.001, "v2": 0.05, None: 0.06 / 11})


def test_a_version_that_came_later_has_a_gap_before(notebook: Notebook) -> None:
    present = {"v1": (100.0, 110.0), "v2": (110.0,)}
    buckets = tuple(series(v, dict.fromkeys(times, n), le=le) for v, times in present.items()
                    for le, n in (("0.1", 5.0), ("0.5", 9.0), ("+Inf", 10.0)))
    found = trends(notebook, {Question("slo-1", 0, Part.BUCKETS): buckets}, GRID)
    p50 = {t.version: t.values for t in found if t.name == "p50"}
    assert p50["v2"][0] is None
    assert p50["v2"][1] == p50["v1"][1] == pytest.approx(0.1)
    assert p50[None][2:] == (None, None, None)


def test_of_two_names_of_one_metric_the_one_that_goes_on_is_drawn(notebook: Notebook) -> None:
    at = Grid(0.0, 3600.0, 600.0)
    first = notebook.objectives[0]
    renamed = replace(notebook, objectives=(replace(first, candidates=first.candidates * 2), *notebook.objectives[1:]))
    asked = {}
    for index, times in enumerate(((0.0, 600.0, 1200.0), (1800.0, 2400.0, 3000.0, 3600.0))):
        asked[Question("slo-0", index, Part.GOOD)] = (series("v1", dict.fromkeys(times, 9.0)),)
        asked[Question("slo-0", index, Part.TOTAL)] = (series("v1", dict.fromkeys(times, 10.0)),)
    [line] = [t for t in trends(renamed, asked, at) if t.version == "v1"]
    assert line.values == pytest.approx((None, None, None, 0.1, 0.1, 0.1, 0.1))


def test_without_any_series_there_is_no_line(notebook: Notebook) -> None:
    assert trends(notebook, {}, GRID) == ()


def test_the_charts_ask_about_one_duration_and_one_ratio(notebook: Notebook) -> None:
    assert {(q.objective, q.part) for q, _ in trend_questions(notebook, "1m")} == {
        ("slo-1", Part.BUCKETS), ("slo-0", Part.GOOD), ("slo-0", Part.TOTAL)}
