"""Where a feature moved: in both arms of a trial, in one of them, or where nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signals.drifting import COUNTS, NOW, buckets, numeric
from triage.signals import drift_words as words
from triage.signals.drift import drift_state
from triage.signals.drift_model import Around, DriftState, Seen
from triage.signals.drift_reading import ArmDrift, DriftReading, Moved, drifting, moved, verdicts
from triage.signals.drift_reasons import drift_reasons
from triage.signals.drift_verdicts import SEVERITY, DriftVerdict
from triage.signals.model import Versions, VersionState
from triage.signals.reading import Quality, Reading, Urgency, Verdict

SAME, OTHER = COUNTS, tuple(reversed(COUNTS))
SLIGHT = (340.0, 950.0, 2300.0, 3800.0, 4700.0, 4200.0, 2500.0, 1050.0, 280.0, 60.0)
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
IDLE = replace(TRIAL, items=(TRIAL.items[0], replace(TRIAL.items[1], share=Reading(0.0, "ratio", Quality.OK))))
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


def test_what_is_only_watched_in_a_canary_is_not_hidden_either() -> None:
    [found] = moved(reading(SAME, v7=SAME, v8=SLIGHT), TRIAL)
    assert (found.verdict, found.where) == (DriftVerdict.WATCH, "only on canary v8, not on v7")
    assert words.verdict(found) == "watch, v8"


def test_a_canary_that_lost_the_series_of_a_feature_is_not_ok() -> None:
    whole = state({"amount": SAME, "age": SAME})
    lost = drift_state([numeric("amount"), numeric("age")], {("amount", False): Seen(buckets(SAME))}, Around(NOW))
    known = DriftReading(whole, (("v7", whole), ("v8", lost)), NOW, 180.0, named=("v7", "v8"))
    age, amount = moved(known, TRIAL)
    assert (age.verdict, age.where) == (DriftVerdict.STALE, "canary v8 cannot be told: stale; all together ok")
    assert (age.worst.sentence, words.verdict(age)) == ("no such series", "stale on v8")
    assert (amount.verdict, amount.where, words.verdict(amount)) == (DriftVerdict.OK, "", "ok")
    assert sorted(verdicts(known, TRIAL)) == [DriftVerdict.OK, DriftVerdict.STALE]


def test_a_canary_of_which_no_series_tells_is_not_ok_while_it_serves() -> None:
    whole, nothing = state({"amount": SAME}), drift_state([numeric("amount")], {}, Around(NOW))
    alone = DriftReading(whole, (), NOW, 180.0, named=("v7",), absent=nothing)
    assert [found.where for found in moved(alone, TRIAL)] == ["canary v8 cannot be told: stale; all together ok"]
    assert verdicts(alone, IDLE) == [DriftVerdict.OK]
    # The series call versions otherwise than the traffic does: nothing is said of either.
    assert verdicts(replace(alone, named=("seven",)), TRIAL) == [DriftVerdict.OK]


def test_too_few_events_of_a_canary_are_told_with_its_name() -> None:
    [found] = moved(reading(SAME, v7=SAME, v8=FEW), TRIAL)
    assert found.where == "canary v8 cannot be told: insufficient; all together ok"
    assert words.verdict(found) == "too few on v8"


def test_what_does_not_say_which_version_it_is_about_has_no_arms() -> None:
    of_arms = state({"age": SAME})
    known = DriftReading(state({"amount": SAME, "age": SAME}), (("v7", of_arms), ("v8", of_arms)), NOW, 180.0)
    assert {found.feature.feature: len(found.arms) for found in moved(known, TRIAL)} == {"amount": 0, "age": 2}
    assert verdicts(known, TRIAL) == [DriftVerdict.OK, DriftVerdict.OK]


def test_where_only_together_it_drifts_no_arm_is_named() -> None:
    [found] = moved(reading(OTHER, v7=SAME, v8=SLIGHT), TRIAL)
    assert (found.worst, words.verdict(found)) == (found.feature, "drift")


SETS = st.lists(st.sampled_from(list(DriftVerdict)), min_size=3, max_size=3)


@given(SETS)
def test_no_arm_stands_worse_than_what_is_told_of_a_feature(each: list[DriftVerdict]) -> None:
    features = [replace(state({"amount": SAME}).features[0], verdict=verdict) for verdict in each]
    found = Moved(features[0], (ArmDrift("stable", "v7", features[1]), ArmDrift("canary", "v8", features[2])))
    assert SEVERITY[found.verdict] == min(SEVERITY[verdict] for verdict in each)
    assert words.verdict(found).startswith(("too few", str(found.verdict)))
    # Whoever stands apart is named.
    assert found.apart is None or found.apart.version in found.where


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
