"""Numbers, ages and verdicts in words."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from triage.signals import wording
from triage.signals.reading import Quality, Reading, Urgency, Verdict


@pytest.mark.parametrize(("seconds", "text"), [
    (None, "-"), (-3, "0 s"), (0, "0 s"), (3.9, "3 s"), (59, "59 s"), (60, "1 m 00 s"), (252, "4 m 12 s"),
    (599, "9 m 59 s"), (600, "10 min"), (2460, "41 min"), (3599, "59 min"), (3600, "1 h 00 m"), (12_000, "3 h 20 m"),
    (86_399, "23 h 59 m"), (86_400, "1 d 0 h"), (259_199, "2 d 23 h"), (259_200, "3 d"), (9 * 86_400, "9 d"),
])
def test_an_age(seconds: float | None, text: str) -> None:
    assert wording.age(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [
    (45, "45s"), (90, "90s"), (300, "5m"), (1800, "30m"), (3600, "1h"), (5400, "90m"), (21_600, "6h"), (86_400, "24h"),
    (172_800, "2d"), (259_200, "3d"), (2_592_000, "30d"),
])
def test_a_window(seconds: float, text: str) -> None:
    assert wording.window(seconds) == text


@pytest.mark.parametrize(("ratio", "objective", "text"), [
    (1, 99.9, "100 %"), (0, 99.9, "0 %"), (0.9994, 99.9, "99.94 %"), (0.99996, 99.9, ">99.99 %"),
    (0.99999999, 99.9, ">99.99 %"), (0.99999, 99, ">99.9 %"), (0.9999, None, "99.99 %"), (0.00001, 99.9, "<0.01 %"),
    (0.5, 99, "50.0 %"), (0.9995, 99.95, "99.950 %"), (0.34, None, "34.00 %"),
])
def test_a_share_in_percent_has_one_digit_more_than_its_objective(ratio: float, objective: float | None,
                                                                  text: str) -> None:
    assert wording.percent(ratio, objective) == text


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.sampled_from([None, 90.0, 99.0, 99.9, 99.95, 99.999]))
def test_a_share_between_never_reads_as_all_or_nothing(ratio: float, objective: float | None) -> None:
    number = wording.percent(ratio, objective).removesuffix(" %")
    if not number.startswith(("<", ">")):
        assert 0 < float(number) < 100


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
@example(0.005)
def test_a_share_of_traffic_between_never_reads_as_all_or_nothing(ratio: float) -> None:
    assert wording.share(ratio) not in ("0 %", "100 %")


@pytest.mark.parametrize(("ratio", "text"), [(0, "0 %"), (0.001, "<1 %"), (0.9, "90 %"), (0.999, ">99 %"),
                                             (1, "100 %"), (0.994, "99 %"), (0.006, "1 %")])
def test_a_share_of_traffic(ratio: float, text: str) -> None:
    assert wording.share(ratio) == text


@pytest.mark.parametrize(("objective", "text"), [
    (99, "99.0 %"), (99.9, "99.9 %"), (99.95, "99.95 %"), (99.999, "99.999 %"), (100, "100 %"),
])
def test_an_objective(objective: float, text: str) -> None:
    assert wording.objective_text(objective) == text


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (0.0000004, "0.400 µs"), (0.00025, "250 µs"), (0.0052, "5.20 ms"), (0.44, "440 ms"), (1, "1 s"),
    (1.25, "1.25 s"), (599, "599 s"), (600, "10 min"), (7200, "120 min"), (10_800, "3 h"), (11_520, "3.20 h"),
    (93_600, "26 h"), (172_800, "2 d"), (-0.5, "-500 ms"),
])
def test_a_measured_duration(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(("rate", "text"), [
    (None, "-"), (0, "0.0x"), (14.4, "14.4x"), (99.94, "99.9x"), (100, "100x"), (1000, "1,000x"), (-2, "-2.0x"),
])
def test_a_burn_rate(rate: float | None, text: str) -> None:
    assert wording.burn_rate(rate) == text


@pytest.mark.parametrize(("number", "text"), [
    (0, "0"), (1, "1"), (37_800, "37,800"), (0.081, "0.0810"), (1.5, "1.50"), (12.34, "12.3"), (1234.5, "1,234"),
    (-0.5, "-0.500"),
])
def test_significant_digits(number: float, text: str) -> None:
    assert wording.significant(number) == text


@pytest.mark.parametrize(("number", "text"), [(None, "-"), (0.2, "0"), (3.6, "4"), (37_800, "37,800")])
def test_a_number_of_events(number: float | None, text: str) -> None:
    assert wording.count(number) == text


@pytest.mark.parametrize(("number", "unit", "text"), [
    (0.9994, "ratio", "99.94 %"), (0.44, "s", "440 ms"), (14.4, "x", "14.4x"), (12.0, "events", "12"),
    (7.5, "/s", "7.50 /s"), (0, "/s", "0 /s"), (7.5, "rows/s", "7.50 rows/s"), (3, "GiB", "3 GiB"), (3, "", "3"),
    (None, "s", "-"),
])
def test_a_value_with_its_unit(number: float | None, unit: str, text: str) -> None:
    assert wording.value(number, unit, 99.9) == text


def test_a_saturated_value_says_at_least() -> None:
    assert wording.value(1.0, "s", at_least=True) == "≥ 1 s"
    assert wording.reading(Reading(1.0, "s", Quality.OK, at_least=True)) == "≥ 1 s"


@pytest.mark.parametrize("quality", list(Quality))
def test_a_reading_without_a_value_says_why(quality: Quality) -> None:
    assert wording.reading(Reading(None, "ratio", quality)) == wording.QUALITY_WORDS[quality]


def test_every_quality_has_its_own_word() -> None:
    assert len(set(wording.QUALITY_WORDS.values())) == len(Quality) == len(wording.QUALITY_WORDS)


@pytest.mark.parametrize("glyphs", [wording.GLYPHS, wording.ASCII_GLYPHS])
def test_every_verdict_has_its_own_glyph_and_word(glyphs: dict[Verdict, str]) -> None:
    assert len(set(glyphs.values())) == len(Verdict)
    assert all(len(glyph) == 1 for glyph in glyphs.values())
    assert len({wording.word(verdict) for verdict in Verdict}) == len(Verdict)


def test_ascii_glyphs_are_ascii() -> None:
    assert all(glyph.isascii() for glyph in wording.ASCII_GLYPHS.values())


@pytest.mark.parametrize(("verdict", "urgency", "text"), [
    (Verdict.FAIL, Urgency.PAGE, "FAIL, page"), (Verdict.WARN, Urgency.TICKET, "WARN, ticket"),
    (Verdict.PASS, Urgency.NONE, "PASS"), (Verdict.UNKNOWN, Urgency.NONE, "UNKNOWN"),
])
def test_a_headline_names_the_urgency_only_where_there_is_one(verdict: Verdict, urgency: Urgency, text: str) -> None:
    assert wording.headline(verdict, urgency) == text


@pytest.mark.parametrize(("seconds", "text"), [(3, "<1 min"), (59, "<1 min"), (60, "1 min"), (3599, "59 min"),
                                               (3600, "1 h 00 m")])
def test_a_coarse_age_has_no_seconds(seconds: float, text: str) -> None:
    assert wording.coarse_age(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(7, "7 s"), (67, "1 m 00 s"), (259, "4 m 10 s"), (700, "11 min")])
def test_a_stepped_age_changes_every_ten_seconds_from_a_minute(seconds: float, text: str) -> None:
    assert wording.stepped_age(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(900, "15 min"), (3600, "1 h"), (86_400, "24 h"), (172_800, "2 d"),
                                               (2_592_000, "30 d"), (90, "90 s")])
def test_a_time_range(seconds: float, text: str) -> None:
    assert wording.span(seconds) == text


def test_a_time_of_day_has_its_date_only_when_it_is_not_near() -> None:
    at = 1_800_000_000.0
    assert len(wording.clock_time(at)) == len("14:28")
    assert wording.clock_time(at, at + 3600) == wording.clock_time(at)
    assert wording.clock_time(at, at + 86_400).endswith(wording.clock_time(at))
    assert len(wording.clock_time(at, at + 86_400)) > len("14:28")


WRITERS: tuple[Callable[[float], str], ...] = (
    wording.age, wording.window, wording.significant, wording.count, wording.percent, wording.duration,
    wording.burn_rate, wording.coarse_age, wording.stepped_age, wording.span, wording.share)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: str(write.__name__))
@given(number=st.floats(-1e300, 1e300))
def test_every_finite_number_has_a_text(write: Callable[[float], str], number: float) -> None:
    text = write(number)
    assert text
    assert "nan" not in text
    assert "inf" not in text


@given(st.floats(1e-6, 1e12))
def test_a_rounded_number_is_the_number_to_three_digits(number: float) -> None:
    assert float(wording.significant(number).replace(",", "")) == pytest.approx(number, rel=0.006)


@given(st.floats(-1e300, 1e300), st.sampled_from(["ratio", "s", "x", "events", "/s", "GiB"]))
def test_every_reading_has_a_text(number: float, unit: str) -> None:
    assert wording.reading(Reading(number, unit, Quality.OK), 99.9)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_reading_holds_no_number_that_is_none(number: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Reading(number, "s", Quality.OK)


@pytest.mark.parametrize(("value", "text"), [
    (1.5, "1.5"), (-0.5, "-0.5"), (0.546, "0.5"), (2.0, "2"), (0.0, "0"), (0.01, "<0.1"), (-0.01, "0"), (9.94, "9.9"),
    (9.96, "10"), (25_920.4, "25,920"), (-8_813.2, "-8,813")])
def test_allowed_events_are_no_whole_ones(value: float, text: str) -> None:
    assert wording.allowance(value) == text
