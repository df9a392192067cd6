"""How old the features are, from Feast's own metrics, and whether those metrics are still alive.

Feast's freshness gauge is the time since the *end of the last materialised interval*, not since the newest event. Views
that were never materialised have no series. And when the updater fails, it says so only in its debug log and leaves the
gauge at its last value: a number that should grow between updates and does not is a frozen gauge, not a fresh feature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from triage.signals import wording
from triage.signals.proportions import wilson
from triage.signals.reading import Quality, Reading, Verdict

FRESHNESS = "feast_feature_freshness_seconds"
MATERIALIZATIONS = ("feast_materialization_result_total", "feast_materialization_total")
"""The source's name and the documentation's; both are met."""
LOOKUPS = "feast_online_features_status_total"
PRESENT = "PRESENT"
"""Value of LOOKUPS' ``status`` for a feature that was found."""
UPDATE_SECONDS = 30.0
"""How often Feast renews the gauge."""


@dataclass(frozen=True, slots=True)
class ViewSeen:
    """What the metrics say about one feature view."""

    view: str
    freshness_seconds: float | None
    """The gauge; None without a series."""
    sampled_at: float | None = None
    """Unix seconds of its newest sample; None when not known."""
    changes: float | None = None
    """``changes()`` of the gauge over ``changes_window_seconds``; None when it was not asked."""
    changes_window_seconds: float = 300.0
    failures: float | None = None
    """Failed materialisations in ``window_seconds``; None without the counter."""
    runs: float | None = None
    """All materialisations in it."""
    lookups: float | None = None
    """Feature values asked for in it; None without the counter."""
    found: float | None = None
    """Those that were ``PRESENT``."""
    window_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class ViewExpected:
    """What is expected of one feature view."""

    max_staleness_seconds: float
    max_missing: float = 0.05
    """Share of lookups, 0 to 1, that may find nothing."""


@dataclass(frozen=True, slots=True)
class ViewState:
    """One feature view and how it stands."""

    view: str
    freshness: Reading
    """Seconds since the end of the last materialised interval."""
    missing: Reading
    """Share of lookups that found a value."""
    verdict: Verdict
    sentence: str
    notes: tuple[str, ...]


def view_state(seen: ViewSeen, expected: ViewExpected, now: float, scrape_interval: float = 15.0) -> ViewState:
    """The state of one feature view at ``now``."""
    freshness = _freshness(seen, now, scrape_interval)
    limit = expected.max_staleness_seconds
    notes = []
    if seen.failures:
        runs = f" of {wording.count(seen.runs)}" if seen.runs is not None else ""
        notes.append(f"{wording.count(seen.failures)}{runs} materialisations failed in "
                     f"{wording.window(seen.window_seconds)}")
    missing, looked_up = _missing(seen, expected)
    if freshness.quality is not Quality.OK or freshness.value is None:
        verdict, sentence = Verdict.UNKNOWN, freshness.note
    elif freshness.value > limit:
        verdict = Verdict.FAIL
        sentence = f"materialised up to {wording.age(freshness.value)} ago, at most {wording.age(limit)}"
    else:
        verdict = Verdict.WARN if notes else Verdict.PASS
        sentence = f"materialised up to {wording.age(freshness.value)} ago, at most {wording.age(limit)}"
    if looked_up:
        notes.append(looked_up)
        if verdict is not Verdict.FAIL:
            verdict, sentence = Verdict.FAIL, f"{looked_up}; {sentence}"
    return ViewState(seen.view, freshness, missing, verdict, sentence, tuple(notes))


def _freshness(seen: ViewSeen, now: float, scrape_interval: float) -> Reading:
    value, at = seen.freshness_seconds, seen.sampled_at
    if value is None:
        return Reading(None, "s", Quality.NO_DATA, sampled_at=at, note="no freshness series: the view was never "
                       "materialised, or Feast's metrics are off")
    if not math.isfinite(value):
        return Reading(None, "s", Quality.SUSPECT, sampled_at=at, note="the freshness gauge is not a number")
    if at is not None and now - at > max(300.0, 5 * scrape_interval):
        return Reading(value, "s", Quality.STALE, sampled_at=at, note=f"newest sample is {wording.age(now - at)} old")
    frozen = seen.changes is not None and seen.changes <= 0
    if frozen and seen.changes_window_seconds >= 2 * (UPDATE_SECONDS + scrape_interval):
        return Reading(value, "s", Quality.STALE, sampled_at=at,
                       note=f"the gauge is frozen at {wording.age(value)}: no change in "
                       f"{wording.window(seen.changes_window_seconds)}, though it should grow every "
                       f"{UPDATE_SECONDS:g} s; its updater fails silently")
    return Reading(value, "s", Quality.OK, sampled_at=at)


def _missing(seen: ViewSeen, expected: ViewExpected) -> tuple[Reading, str]:
    """(share of lookups that found a value, what is wrong with it or "")."""
    if seen.lookups is None or seen.found is None:
        return Reading(None, "ratio", Quality.NO_DATA, note="lookups are not counted"), ""
    if seen.lookups <= 0:
        return Reading(None, "ratio", Quality.NO_TRAFFIC, 0.0, seen.window_seconds, note="nothing was looked up"), ""
    around = wilson(max(0.0, seen.lookups - seen.found), seen.lookups)
    reading = Reading(1 - around.value, "ratio", Quality.OK, seen.lookups, seen.window_seconds)
    if around.low > expected.max_missing:
        return reading, (f"{wording.percent(around.value)} of {wording.count(seen.lookups)} lookups found no value, at "
                         f"most {wording.percent(expected.max_missing)} expected")
    return reading, ""
