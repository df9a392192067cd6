"""Drift scores computed elsewhere: their direction, and their age."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.signals.building import SUCCESS, notebook
from tests.signals.drifting import AROUND, NOW, of_one
from triage.errors import TriageError
from triage.facts.samples import Sample
from triage.signals.drift_model import FeatureDrift, Kind, Seen, Watched, watched
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.reading import Quality

DAY = 86400.0


def gauge(*values: float, low: bool = False, warning: float | None = None, critical: float | None = None,
          **seen: Any) -> FeatureDrift:
    limits = (0.05, 0.01) if low else (0.1, 0.25)
    watched = Watched("amount", Kind.GAUGE, warning=limits[0] if warning is None else warning,
                      critical=limits[1] if critical is None else critical, low_is_drift=low)
    return of_one(watched, Seen(tuple(Sample({}, v, NOW) for v in values), **{"newest_at": NOW - 10, **seen}))


@pytest.mark.parametrize(("value", "verdict"), [
    (0.3, DriftVerdict.DRIFT), (0.25, DriftVerdict.DRIFT), (0.2, DriftVerdict.WATCH), (0.1, DriftVerdict.WATCH),
    (0.09, DriftVerdict.OK)])
def test_a_distance_is_drift_from_its_limit_on(value: float, verdict: DriftVerdict) -> None:
    assert gauge(value).verdict is verdict


@pytest.mark.parametrize(("value", "verdict"), [
    (0.0, DriftVerdict.DRIFT), (0.009, DriftVerdict.DRIFT), (0.01, DriftVerdict.WATCH), (0.05, DriftVerdict.OK),
    (0.9, DriftVerdict.OK)])
def test_a_p_value_is_drift_under_its_limit(value: float, verdict: DriftVerdict) -> None:
    assert gauge(value, low=True).verdict is verdict


def test_a_p_value_of_nothing_is_weighed_but_not_infinitely() -> None:
    found = gauge(0.0, low=True)
    assert math.isfinite(found.consequence)
    assert found.consequence > gauge(0.009, low=True).consequence


def test_of_several_series_the_worst_counts() -> None:
    assert gauge(0.02, 0.4).score == 0.4
    assert gauge(0.02, 0.4, low=True).score == 0.02


def test_it_says_that_n_is_not_known() -> None:
    found = gauge(0.2)
    assert found.n_current is None
    assert found.method == "gauge"
    assert found.notes == ("computed elsewhere: n, window and test are not exported",)


@pytest.mark.parametrize(("value", "low"), [(3.0, True), (-0.1, True), (math.nan, False), (math.inf, True)])
def test_what_is_no_score_is_not_judged(value: float, low: bool) -> None:
    found = gauge(value, low=low)
    assert found.verdict is DriftVerdict.NOT_COMPARABLE


def test_limits_that_read_the_wrong_way_are_refused() -> None:
    found = gauge(0.2, low=True, warning=0.1, critical=0.25)
    assert found.verdict is DriftVerdict.NOT_COMPARABLE
    assert "wrong way" in found.sentence


def test_a_pushed_score_never_expires_on_its_own_so_its_push_is_dated() -> None:
    assert gauge(0.02, pushed_at=NOW - 3600).verdict is DriftVerdict.OK
    found = gauge(0.02, pushed_at=NOW - 3 * DAY)
    assert found.verdict is DriftVerdict.STALE
    assert found.sentence == "pushed 3 d ago, and not since"
    assert found.age_seconds(NOW) == 3 * DAY


def test_a_score_that_does_not_change_for_a_day_is_not_renewed() -> None:
    assert gauge(0.02, changes=0.0, changes_window_seconds=DAY).verdict is DriftVerdict.STALE
    assert gauge(0.02, changes=0.0, changes_window_seconds=3600.0).verdict is DriftVerdict.OK
    assert gauge(0.02, changes=1.0, changes_window_seconds=DAY).verdict is DriftVerdict.OK


def test_samples_that_stopped_are_stale() -> None:
    assert gauge(0.02, newest_at=NOW - 1000).verdict is DriftVerdict.STALE
    assert of_one(Watched("a", Kind.GAUGE), Seen()).sentence == "no such series"


def test_partial_answers_cannot_be_ok() -> None:
    assert gauge(0.02, trouble=(Quality.PARTIAL, "a store is missing")).verdict is DriftVerdict.STALE
    assert gauge(0.4, trouble=(Quality.PARTIAL, "a store is missing")).verdict is DriftVerdict.DRIFT
    assert gauge(0.4, trouble=(Quality.WAITING, "asked, not answered yet")).verdict is DriftVerdict.STALE
    assert AROUND.stale_after == 300


def test_a_manifest_with_p_values_must_say_which_ones_are_small() -> None:
    # The defaults, 0.1 and 0.25, are those of distances.
    gauge_of = "drift: {features: [{name: a, gauge: g, direction: low-is-drift}]}"
    with pytest.raises(TriageError, match="critical p-value above its warning one"):
        notebook(SUCCESS, more=gauge_of)
    book = notebook(SUCCESS, more=gauge_of.replace("low-is-drift", "low-is-drift, warning: 0.05, critical: 0.01"))
    assert book.manifest.spec.drift is not None
    [item] = watched(book.manifest.spec.drift)
    assert item.low_is_drift
    assert item.kind is Kind.GAUGE
