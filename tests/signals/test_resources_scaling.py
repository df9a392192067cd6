"""When the number of pods changed and why."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.signals.serving_data import NOW, replicas, revision, rollout
from triage.facts.scaling import ScalingEvent
from triage.signals.resources_scaling import scalings

START = NOW - 3600
OLD, NEW = "fraud-scorer-5d4f6", "fraud-scorer-7c9f8"
VERSIONS = rollout(revision("7", "5d4f6"), revision("8", "7c9f8"))


def event(at: float, message: str) -> ScalingEvent:
    return ScalingEvent(at, "ScalingReplicaSet", message, "rollouts-controller")


def test_a_new_set_beside_the_old_one_is_a_change_with_its_version_and_its_reason() -> None:
    told = event(START + 50, f"Scaled up ReplicaSet {NEW} (revision 12) from 0 to 1")
    [change] = scalings([replicas(OLD, 6, 6, 6, 6), replicas(NEW, None, None, 1, 1)], 30, [told], VERSIONS)
    assert (change.at, change.before, change.after, change.version) == (START + 60, 0, 1, "8")
    assert change.why == told.message


def test_changes_are_told_newest_first_and_without_a_reason_when_nobody_says_why() -> None:
    found = scalings([replicas(OLD, 6, 8, 8, 4)], 30, (), None)
    assert [(c.at - START, c.before, c.after, c.version, c.why) for c in found] == [
        (90, 8, 4, OLD, ""), (30, 6, 8, OLD, "")]


def test_a_set_that_goes_while_another_stays_is_gone() -> None:
    [change] = scalings([replicas(OLD, 6, 6, 6, 6), replicas(NEW, 1, 1, None, None)], 30, (), VERSIONS)
    assert (change.at, change.before, change.after) == (START + 60, 1, 0)


def test_where_no_set_has_a_sample_nothing_is_known_and_no_change_is_told() -> None:
    # The exporter was down for three points: that is no scaling to zero.
    assert scalings([replicas(OLD, 6, 6, None, None, None, 6), replicas(NEW, 1, 1, None, None, None, 1)], 30, (),
                    VERSIONS) == ()


def test_a_set_that_went_and_came_back_changed_twice() -> None:
    found = scalings([replicas(OLD, 6, 6, 6, 6, 6), replicas(NEW, 1, None, None, 2, 2)], 30, (), VERSIONS)
    assert [(c.at - START, c.before, c.after) for c in found] == [(90, 0, 2), (30, 1, 0)]


def test_events_that_explain_no_change_seen_stand_for_themselves() -> None:
    hpa = ScalingEvent(START + 600, "SuccessfulRescale", "New size: 8; reason: cpu resource utilization above target",
                       "horizontal-pod-autoscaler")
    other = event(START + 45, "Scaled up ReplicaSet somebody-else from 0 to 1")
    found = scalings([replicas(OLD, 6, 6, 8)], 30, [other, hpa], VERSIONS)
    assert [(c.before, c.why) for c in found] == [(None, hpa.message), (6, ""), (None, other.message)]


def test_one_event_explains_one_change() -> None:
    told = event(START + 60, f"Scaled up ReplicaSet {OLD} from 6 to 7")
    found = scalings([replicas(OLD, 6, 7, 8)], 30, [told], None)
    assert sorted(c.why for c in found) == ["", told.message]


def test_without_series_and_events_there_is_nothing() -> None:
    assert scalings((), 30, (), None) == ()


@given(st.lists(st.lists(st.one_of(st.none(), st.integers(1, 9)), min_size=8, max_size=8), min_size=1, max_size=4))
def test_the_changes_of_a_set_lead_from_its_first_count_to_its_last(counts: list[list[int | None]]) -> None:
    series = [replicas(f"set-{n}", *each) for n, each in enumerate(counts)]
    found = scalings(series, 30, (), None)
    for n, each in enumerate(counts):
        told = {at for s in series for at in s.times}
        known = [count or 0 for at, count in zip((START + 30.0 * m for m in range(8)), each, strict=True) if at in told]
        own = sorted((c for c in found if c.version == f"set-{n}"), key=lambda c: c.at)
        if not any(known):
            assert not own
            continue
        at = known[0]
        for change in own:
            assert change.before == at
            assert change.after != at
            at = change.after or 0
        assert at == known[-1]
