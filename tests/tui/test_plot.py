"""The chart: gaps, limits, markers, patterns, and every odd series."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.tui.line import Line, Role
from triage.tui.look import ChartMode, Look
from triage.tui.plot import Plot, Series, bounds, draw, sparkline

START = 1_795_440_780.0
MODES: tuple[ChartMode, ...] = ("braille", "block", "ascii")


def plot(*values: float | None, threshold: float | None = None, unit: str = "s", **more: object) -> Plot:
    end = START + 60 * max(1, len(values) - 1)
    made = Series("p95", START, 60, values)
    return Plot((made,), START, end, unit, threshold, **more)  # type: ignore[arg-type]


def text(lines: tuple[Line, ...]) -> str:
    return "\n".join(row.text.rstrip() for row in lines)


def body(made: Plot, width: int = 40, height: int = 6, mode: ChartMode = "braille") -> str:
    rows = draw(made, width, height, Look(mode == "ascii", mode))[:-1]
    gutter = max(row.text.find("s ") for row in rows) + 2
    return "\n".join(row.text[gutter:] for row in rows)


@pytest.mark.parametrize("mode", MODES)
def test_a_gap_stays_a_gap(mode: ChartMode) -> None:
    drawn = body(plot(*[1.0] * 10, *[None] * 10, *[1.0] * 10), mode=mode).replace("\u2800", " ")
    middle = [row.ljust(32)[13:18] for row in drawn.split("\n")]
    assert all(not part.strip() for part in middle)
    assert drawn.strip()


def test_nothing_at_all_is_said_in_words() -> None:
    assert "no data from 13:33 to 13:35" in text(draw(plot(None, None, None), 60, 6, Look()))


@pytest.mark.parametrize("mode", MODES)
def test_a_single_point_is_seen(mode: ChartMode) -> None:
    assert body(plot(None, 1.0, None), mode=mode).strip()


def test_a_constant_is_drawn_above_the_floor() -> None:
    rows = body(plot(*[0.4] * 20)).split("\n")
    assert not rows[-1].strip()
    assert any(row.strip() for row in rows[:-1])


def test_the_threshold_is_a_line_with_its_label() -> None:
    rows = draw(plot(0.1, 0.2, 0.3, threshold=0.5), 60, 6, Look())
    (limit,) = [row.text for row in rows if "500 ms" in row.text]
    assert "┄┄┄" in limit


def test_labels_carry_units() -> None:
    drawn = text(draw(plot(0.0002, 0.0011, unit="ratio", from_zero=True), 60, 6, Look()))
    assert "0.15 %" in drawn
    assert "0 %" in drawn


def test_a_marker_stands_at_its_time_with_its_text() -> None:
    drawn = draw(plot(*[1.0] * 61, markers=((START + 1800, "v8"),)), 68, 6, Look())
    axis = drawn[-1].text
    assert "▲ v8 14:03" in axis
    assert axis.index("▲") == drawn[0].text.index("┊")


def test_a_marker_at_the_right_edge_has_its_text_on_the_left() -> None:
    drawn = draw(plot(*[1.0] * 61, markers=((START + 3600, "v8"),)), 68, 6, Look())
    assert drawn[-1].text.rstrip().endswith("v8 14:33 ▲")


def test_series_differ_without_colour() -> None:
    solid = Series("v7", START, 60, (1.0,) * 61)
    dashed = Series("v8", START, 60, (1.0,) * 61, 1, Role.SECOND)
    drawn = [text(draw(Plot((s,), START, START + 3600, "s"), 60, 5, Look())) for s in (solid, dashed)]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("mode", MODES)
def test_values_outside_the_time_range_are_not_drawn(mode: ChartMode) -> None:
    made = Plot((Series("p95", START - 6000, 60, (9.0,) * 60),), START, START + 3600, "s")
    assert "no data" in text(draw(made, 60, 6, Look(chart=mode)))


VALUES = st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9, allow_nan=False, allow_infinity=False)), max_size=40)


@given(VALUES, st.integers(0, 90), st.integers(0, 20), st.sampled_from(MODES),
       st.one_of(st.none(), st.floats(-1e6, 1e6, allow_nan=False)), st.sampled_from(["s", "ratio"]))
def test_any_series_is_drawn_within_its_size(values: list[float | None], width: int, height: int, mode: ChartMode,
                                             threshold: float | None, unit: str) -> None:
    made = plot(*values, threshold=threshold, unit=unit, markers=((START + 60, "日本 v8"),))
    rows = draw(made, width, height, Look(mode == "ascii", mode))
    assert len(rows) <= height
    assert all(row.width <= width for row in rows)


@given(VALUES, st.integers(0, 60), st.sampled_from(MODES))
def test_any_sparkline_has_at_most_its_width(values: list[float | None], width: int, mode: ChartMode) -> None:
    assert sparkline(plot(*values), width, Look(mode == "ascii", mode)).width <= width


@given(VALUES)
def test_the_axis_holds_everything(values: list[float | None]) -> None:
    made = plot(*values)
    low, high = bounds(made)
    assert low < high
    slack = 1e-6 * (high - low)
    assert all(low - slack <= v <= high + slack for v in values if v is not None)
