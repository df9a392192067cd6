"""Where a feature moved: in both arms of a trial, in one of them, or where nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.signals.drifting import COUNTS, NOW, buckets, numeric
from triage.signals.drift import drift_state
from triage.signals.drift_model import Around, DriftState, Seen
from triage.signals.drift_reading import DriftReading, drifting, moved
from triage.signals.drift_reasons import drift_reasons
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.model import Versions, VersionState
from triage.signals.reading import Quality, Reading, Urgency, Verdict

SAME, OTHER = COUNTS, tuple(reversed(COUNTS))
FEW = tuple(count / 1000 for count in OTHER)


def state(counts: Mapping[str, tuple[float, ...]]) -> DriftState:
    seen = {(name, False): Seen(buckets(of), newest_at=NOW - 10) for name, of in counts.items()}
    return drift_state([numeric(name) for name in counts], seen, Around(NOW))


def reading(together: tuple[float, ...], **by_version: tuple[float, ...]) -> DriftReading:
    return DriftReading(state({"amount": together}),
                        tuple((name, state({"amount": counts})) for name, counts in by_version.items()), NOW, 180.0)


def versions(**arms: str) -> Versions:
    share = Reading(0.5, "ratio", Quality.OK)
    return Versions("traffic", tuple(VersionState(name, arm, share, None, None) for name, arm in arms.items()))


TRIAL = versions(v7="stable", v8="canary")
ALONE = versions(v7="stable")


@pytest.mark.parametrize(("stable", "canary", "where"), [
    (OTHER, OTHER, "on v7 and v8 alike: rolling back would not help"),
    (SAME, OTHER, "only on canary v8, not on v7"),
    (OTHER, SAME, "only on stable v7, not on v8"),
    (OTHER, FEW, "on stable v7; v8 cannot be told: insufficient"),
    (SAME, SAME, "")])
def test_it_says_in_which_arms_a_feature_moved(stable: tuple[float, ...], canary: tuple[float, ...],
                                               where: str) -> None:
    [found] = moved(reading(OTHER, v7=stable, v8=canary), TRIAL)
    assert found.where == where


def test_without_a_trial_there_are_no_arms() -> None:
    [found] = moved(reading(OTHER, v7=OTHER, v6=SAME), ALONE)
    assert (found.arms, found.where, found.verdict) == ((), "", DriftVerdict.DRIFT)


def test_what_drifts_in_a_canary_is_not_lost_in_the_traffic_of_stable() -> None:
    [found] = drifting(reading(SAME, v7=SAME, v8=OTHER), TRIAL)
    assert found.worst.verdict is DriftVerdict.DRIFT
    assert found.feature.verdict is DriftVerdict.OK


def test_drift_warns_and_opens_a_ticket_and_never_fails() -> None:
    [reason] = drift_reasons(reading(OTHER, v7=OTHER, v8=OTHER), TRIAL, NOW)
    assert (reason.verdict, reason.urgency, reason.subject) == (Verdict.WARN, Urgency.TICKET, "amount")
    assert reason.text.startswith("amount drifts on v7 and v8 alike: rolling back would not help; PSI ")


def test_no_reason_comes_from_what_is_too_old() -> None:
    assert not list(drift_reasons(reading(OTHER), ALONE, NOW + 181))
    assert list(drift_reasons(reading(OTHER), ALONE, NOW + 179))


def test_no_reason_comes_from_nothing() -> None:
    assert not list(drift_reasons(None, ALONE, NOW))
    assert not list(drift_reasons(DriftReading(None, (), None, 180.0), ALONE, NOW))
    assert not list(drift_reasons(reading(SAME), ALONE, NOW))


def test_many_drifting_features_are_three_reasons_and_a_count() -> None:
    every = DriftReading(state({f"f{i}": OTHER for i in range(20)}), (), NOW, 180.0)
    reasons = list(drift_reasons(every, ALONE, NOW))
    assert len(reasons) == 3
    assert reasons[-1].text.endswith("; 17 more drift")
