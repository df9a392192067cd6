"""Quantities are read as people write them, and slips are refused with an example."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.quantities import (
    MAX_DURATION,
    format_duration,
    parse_bytes,
    parse_duration,
    parse_percent,
    parse_points,
    parse_rate,
    parse_share,
)


@pytest.mark.parametrize(("text", "seconds"), [
    ("500ms", 0.5), ("30s", 30), ("5m", 300), ("5min", 300), ("1h30m", 5400), ("1h 30m", 5400), ("30d", 2_592_000),
    ("2w", 1_209_600), ("1.5h", 5400), ("250us", 0.00025), (" 10s ", 10),
])
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("value", [30, 1.5, None, True, "30", "", "s", "-5s", "0s", "1 month", "5M", "1h30",
                                   "9" * 400 + "d"])
def test_what_is_no_duration_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match="500ms"):
        parse_duration(value)


@pytest.mark.parametrize(("seconds", "text"), [
    (0.5, "500ms"), (5400, "1h30m"), (2_592_000, "30d"), (90_061.5, "1d1h1m1s500ms"), (0.00025, "250us"), (300, "5m"),
])
def test_a_duration_is_written_as_short_as_it_can_be(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=1, max_value=int(MAX_DURATION) * 1000))
def test_whole_milliseconds_survive_writing_and_reading(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize(("value", "percent"), [(99.9, 99.9), ("99.9%", 99.9), (100, 100), ("0.5%", 0.5), (1, 1)])
def test_a_percentage_is_read_as_percent(value: object, percent: float) -> None:
    assert parse_percent(value) == percent


def test_a_fraction_is_not_taken_for_a_percentage() -> None:
    with pytest.raises(ValueError, match=r"(?s)fraction.*99\.9"):
        parse_percent(0.999)


@pytest.mark.parametrize("value", [0, -1, 100.1, "nan", math.nan, math.inf, "many", None, True, []])
def test_what_is_no_percentage_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"99\.9"):
        parse_percent(value)


@pytest.mark.parametrize(("value", "points"), [("0.5pt", 0.5), (0.02, 0.02), ("1 pt", 1.0), (0, 0.0)])
def test_points_keep_their_number(value: object, points: float) -> None:
    assert parse_points(value) == points


@pytest.mark.parametrize("value", ["-1pt", -0.1, "5%", None, True])
def test_what_is_no_difference_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a difference"):
        parse_points(value)


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("100 %", 1.0), ("0.1%", 0.001)])
def test_a_share_is_a_fraction_written_in_percent(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("value", [5, "5", "-5%", "x%", None])
def test_a_share_without_its_sign_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        parse_share(value)


@pytest.mark.parametrize(("text", "size"), [("4Gi", 4 * 2**30), ("512MiB", 512 * 2**20), ("500M", 500_000_000),
                                            ("1.5k", 1500), ("10B", 10)])
def test_a_size_is_counted_as_kubernetes_does(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("value", [4, "4gb", "-1Gi", None, "9" * 400 + "Gi"])
def test_what_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="4Gi"):
        parse_bytes(value)


@pytest.mark.parametrize(("text", "rate"), [("5/s", 5.0), ("300/min", 5.0), ("300/m", 5.0), ("7200 / h", 2.0),
                                            ("86400/d", 1.0)])
def test_a_rate_is_read_per_second(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("value", [5, "5", "5/week", "-5/s", None, "9" * 400 + "/s"])
def test_what_is_no_rate_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="300/min"):
        parse_rate(value)


@given(st.one_of(st.text(max_size=40), st.floats(), st.integers(), st.none(), st.lists(st.integers(), max_size=2)))
def test_nothing_but_a_value_error_ever_comes_out(value: object) -> None:
    for parse in (parse_duration, parse_percent, parse_points, parse_share, parse_bytes, parse_rate):
        number, message = _outcome(parse, value)
        assert math.isfinite(number)
        assert message is None or "\n" in message, "the second line says what to do"


def _outcome(parse: Callable[[object], float], value: object) -> tuple[float, str | None]:
    try:
        return parse(value), None
    except ValueError as error:
        return 0.0, str(error)
