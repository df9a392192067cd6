"""Retrain triggers: evaluated over their whole time, told with who must approve, never acted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.signals.building import SUCCESS, notebook
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.reading import Verdict
from triage.signals.retrain import Moment, Trigger, TriggerState, triggers

NOW = 1_800_000_000.0
STEP = 600.0
HOUR = 3600.0
D, W, OK, GONE = DriftVerdict.DRIFT, DriftVerdict.WATCH, DriftVerdict.OK, DriftVerdict.STALE


def past(*runs: tuple[DriftVerdict | Verdict | None, float]) -> list[Moment]:
    """Verdicts held for so many hours each, the last up to now."""
    total = sum(hours for _, hours in runs)
    found: list[Moment] = []
    at = NOW - total * HOUR
    for verdict, hours in runs:
        for _ in range(round(hours * HOUR / STEP)):
            found.append(Moment(at, verdict))
            at += STEP
    found.append(Moment(NOW, runs[-1][0]))
    return found


def one(rule: str, drift: Mapping[str, Sequence[Moment]] | None = None,
        quality: Mapping[str, Sequence[Moment]] | None = None, approval: str = "required") -> Trigger:
    book = notebook(SUCCESS, more=f"retrain: {{when: [{rule}], approval: {approval}}}")
    [found] = triggers(book.manifest, drift or {}, quality or {}, NOW, STEP)
    return found


CRITICAL = "{drift: critical, sustained: 6h}"


def test_drift_held_for_its_time_asks_for_retraining_and_names_who_approves() -> None:
    found = one(CRITICAL, {name: past((OK, 1), (D, 7)) for name in ("amount", "age", "country")})
    assert found.state is TriggerState.ASKED
    assert found.subjects == ("age", "amount", "country")
    assert found.sentence == "drift critical on 3 features for 6 h: retrain asked, needs approval by on-call team"


def test_before_its_time_it_says_how_far_it_is() -> None:
    found = one(CRITICAL, {"amount": past((OK, 5), (D, 2))})
    assert found.state is TriggerState.BUILDING
    assert found.since == NOW - 2 * HOUR
    assert found.sentence == "drift critical on 1 feature for 2 h 00 m of 6 h"


def test_two_features_that_drift_in_turn_are_not_one_that_drifts_on() -> None:
    found = one(CRITICAL, {"amount": past((D, 4), (OK, 4)), "age": past((OK, 4), (D, 4))})
    assert found.state is TriggerState.BUILDING
    assert found.subjects == ("age",)


def test_one_good_moment_starts_the_time_anew() -> None:
    assert one(CRITICAL, {"amount": past((D, 5), (OK, 1 / 6), (D, 2))}).state is TriggerState.BUILDING


def test_a_gap_in_what_is_known_does_not_end_the_run_but_must_be_small() -> None:
    assert one(CRITICAL, {"amount": past((D, 4), (GONE, 0.5), (D, 3))}).state is TriggerState.ASKED
    assert one(CRITICAL, {"amount": past((D, 3), (None, 3), (D, 1))}).state is TriggerState.BUILDING


def test_what_is_not_known_now_is_neither_quiet_nor_asked() -> None:
    assert one(CRITICAL, {"amount": past((D, 8), (GONE, 1))}).state is TriggerState.UNKNOWN
    assert one(CRITICAL).state is TriggerState.UNKNOWN


def test_no_drift_is_quiet() -> None:
    assert one(CRITICAL, {"amount": past((OK, 8))}).state is TriggerState.QUIET


def test_one_feature_that_is_not_known_leaves_open_whether_it_holds() -> None:
    found = one(CRITICAL, {"amount": past((OK, 8)), "age": past((OK, 7), (GONE, 1))})
    assert found.state is TriggerState.UNKNOWN
    assert found.sentence == "drift critical: 1 of 2 features not known at present, the others are not so"
    # What is known to hold is told all the same.
    assert one(CRITICAL, {"amount": past((D, 8)), "age": past((GONE, 8))}).state is TriggerState.ASKED


def test_a_warning_is_met_by_drift_as_well() -> None:
    moments = {"amount": past((W, 4), (D, 4))}
    assert one("{drift: warning, sustained: 6h}", moments).state is TriggerState.ASKED
    assert one(CRITICAL, moments).state is TriggerState.BUILDING


def test_quality_beyond_its_limit_is_a_trigger_of_its_own() -> None:
    found = one("{quality: recall, sustained: 3d}", quality={"recall": past((Verdict.FAIL, 73))}, approval="none")
    assert found.state is TriggerState.ASKED
    assert found.sentence == "recall beyond its limit for 3 d: retrain asked"
    assert found.approval == ""


def test_quality_that_waits_for_labels_is_unknown() -> None:
    found = one("{quality: recall, sustained: 3d}", quality={"recall": past((Verdict.PENDING, 73))})
    assert found.state is TriggerState.UNKNOWN


def test_a_later_look_says_the_same_about_the_same_facts() -> None:
    moments = {"amount": past((OK, 1), (D, 7))}
    assert one(CRITICAL, moments) == one(CRITICAL, {name: list(reversed(m)) for name, m in moments.items()})


def test_a_manifest_without_triggers_has_none() -> None:
    assert triggers(notebook(SUCCESS).manifest, {}, {}, NOW, STEP) == ()
