"""Feature freshness from Feast's metrics, with its frozen gauge."""

from __future__ import annotations

from typing import Any

import pytest

from triage.signals.feature_freshness import ViewExpected, ViewSeen, ViewState, view_state
from triage.signals.reading import Quality, Verdict

NOW = 1_800_000_000.0
TWO_HOURS = ViewExpected(7200.0)


def state(freshness: float | None = 1500.0, **seen: Any) -> ViewState:
    return view_state(ViewSeen("user_stats", freshness, **{"sampled_at": NOW - 10, "changes": 10.0, **seen}), TWO_HOURS,
                      NOW)


def test_a_view_within_its_staleness_passes_and_says_what_is_measured() -> None:
    found = state()
    assert found.verdict is Verdict.PASS
    assert found.sentence == "materialised up to 25 min ago, at most 2 h 00 m"


def test_an_old_view_fails() -> None:
    assert state(8000.0).verdict is Verdict.FAIL


def test_a_frozen_gauge_is_not_fresh() -> None:
    # The updater swallows its exceptions and leaves the last value, which looks fine for ever.
    found = state(30.0, changes=0.0)
    assert found.verdict is Verdict.UNKNOWN
    assert found.freshness.quality is Quality.STALE
    assert "frozen at 30 s: no change in 5m" in found.sentence


def test_a_window_shorter_than_two_updates_proves_no_freezing() -> None:
    assert state(30.0, changes=0.0, changes_window_seconds=60.0).verdict is Verdict.PASS


def test_a_view_without_a_series_was_never_materialised() -> None:
    found = state(None)
    assert found.verdict is Verdict.UNKNOWN
    assert "never materialised" in found.sentence


@pytest.mark.parametrize(("freshness", "seen"), [(float("nan"), {}), (30.0, {"sampled_at": NOW - 900})])
def test_what_is_no_number_or_too_old_is_unknown(freshness: float, seen: dict[str, Any]) -> None:
    assert state(freshness, **seen).verdict is Verdict.UNKNOWN


def test_failed_materialisations_warn_before_the_view_is_old() -> None:
    found = state(failures=2.0, runs=4.0)
    assert found.verdict is Verdict.WARN
    assert found.notes == ("2 of 4 materialisations failed in 1h",)


def test_lookups_that_find_nothing_fail_however_fresh_the_view_is() -> None:
    found = state(lookups=10_000.0, found=8_000.0)
    assert found.verdict is Verdict.FAIL
    assert found.sentence.startswith("20.00 % of 10,000 lookups found no value, at most 5.00 % expected")
    assert found.missing.value == pytest.approx(0.8)
    assert found.missing.n == 10_000


def test_a_few_lookups_without_a_value_are_chance() -> None:
    assert state(lookups=20.0, found=18.0).verdict is Verdict.PASS


def test_no_lookups_are_no_traffic() -> None:
    assert state(lookups=0.0, found=0.0).missing.quality is Quality.NO_TRAFFIC
