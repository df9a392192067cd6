"""Numbers and times as Go writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.lab.wire.numbers import exponent_text, plain_text, sample_text, template_text
from triage.lab.wire.times import format_duration, milliseconds, nanoseconds, parse_duration, parse_time


@pytest.mark.parametrize(("value", "expected"), [
    (1.5, "1.5"), (1.0, "1"), (0.0, "0"), (-0.0, "-0"), (-3.0, "-3"), (0.1 + 0.2, "0.30000000000000004"),
    (1e-5, "0.00001"), (1e-6, "0.000001"), (1e-7, "1e-07"), (1.25e-9, "1.25e-09"), (1e16, "10000000000000000"),
    (1.5e20, "150000000000000000000"), (1e21, "1e+21"), (1.5e300, "1.5e+300"), (float("nan"), "NaN"),
    (float("inf"), "+Inf"), (float("-inf"), "-Inf")])
def test_a_sample_is_written_as_prometheus_writes_it(value: float, expected: str) -> None:
    assert sample_text(value) == expected


@pytest.mark.parametrize(("value", "expected"), [
    (1.0, "1"), (-0.0, "-0"), (1e21, "1" + 21 * "0"), (1e-7, "0.0000001"), (2.5e22, "25000000000000000000000"),
    (float("nan"), "NaN"), (float("inf"), "+Inf")])
def test_a_scalar_is_written_without_an_exponent(value: float, expected: str) -> None:
    assert plain_text(value) == expected


@given(st.floats())
def test_no_digit_of_a_number_is_lost(value: float) -> None:
    for text in (sample_text(value), plain_text(value), exponent_text(value), template_text(value)):
        assert float(text) == value or value != value


@pytest.mark.parametrize(("text", "seconds"), [
    ("0", 0), ("0s", 0), ("5m", 300), ("1h30m", 5400), ("1d", 86400), ("2w", 1_209_600), ("1y", 31_536_000),
    ("1m1s250ms", 61.25)])
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 m", "m5", "1s1m", "-5m", "1.5h", "5M"])
def test_what_prometheus_does_not_take_for_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a valid duration string"):
        parse_duration(text)


@pytest.mark.parametrize(("seconds", "expected"), [
    (0, "0s"), (15, "15s"), (90, "1m30s"), (5400, "1h30m"), (86400, "1d"), (90000, "1d1h"), (604800, "1w"),
    (30 * 86400, "30d"), (365 * 86400, "1y"), (400 * 86400, "400d"), (0.5, "500ms")])
def test_a_duration_is_written_as_prometheus_writes_it(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected


@given(st.integers(min_value=0, max_value=10**12))
def test_a_duration_survives_being_written(ms: int) -> None:
    assert parse_duration(format_duration(ms / 1000)) == ms / 1000


@pytest.mark.parametrize(("text", "seconds"), [
    ("2026-11-23T13:09:54Z", 1795439394.0), ("2026-11-23T13:09:54.892751841Z", 1795439394.892751),
    ("2026-11-23T14:09:54.5+01:00", 1795439394.5), ("2026-11-23t13:09:54z", 1795439394.0)])
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert parse_time(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("text", ["", "now", "2026-11-23", "2026-11-23T13:09:54", "2026-13-23T13:09:54Z", "1795439394"])
def test_a_time_without_zone_or_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_time(text)


def test_times_are_written_with_their_digits() -> None:
    assert milliseconds(1795439394.2996) == "2026-11-23T13:09:54.300Z"
    assert milliseconds(1795439393.9999) == "2026-11-23T13:09:54.000Z"
    assert nanoseconds(1795439394.25) == "2026-11-23T13:09:54.25Z"
    assert nanoseconds(1795439394.0) == "2026-11-23T13:09:54Z"
