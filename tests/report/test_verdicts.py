"""What ``check`` makes of a model, its version on trial and the candidate that was demanded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui import snapshots, trials
from triage.live.snapshot import Snapshot
from triage.report.verdicts import exit_code, judge
from triage.signals.reading import Verdict

PASS, WARN, FAIL, UNKNOWN = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN
NAME = "fraud-scorer"


def on_trial(state: str, verdict: Verdict = PASS) -> Snapshot:
    return snapshots.with_model(snapshots.ALL[state](), verdict=verdict)


@pytest.mark.parametrize(("state", "says"), [
    ("trial-few", "canary v8 is insufficient: success: 94.57 % of 51"),
    ("trial-both", "canary v8 is inconclusive: latency: "),
    ("trial-unreadable", "canary v8 is error: latency: no bucket lies at the threshold of 500 ms"),
    ("trial-unread", "canary v8: cannot be compared: timeout: no answer within 5 s"),
    ("trial-begun", "canary v8: not compared yet"),
    ("trial-stale", "canary v8: the comparison with v7 is 12 min old: timeout: no answer within 5 s"),
    ("trial-partial", "canary v8: the comparison with v7 is partial: store eu-2 did not answer")])
@pytest.mark.parametrize("verdict", [PASS, WARN])
def test_a_model_that_would_pass_or_warn_is_unknown_while_nothing_is_decided(state: str, says: str,
                                                                            verdict: Verdict) -> None:
    judged = judge(on_trial(state, verdict), NAME)
    assert (judged.verdict, judged.beyond) == (UNKNOWN, True)
    assert judged.reason.startswith(says)
    assert exit_code(judged.verdict) == 3


@pytest.mark.parametrize("verdict", [FAIL, UNKNOWN])
def test_a_model_that_fails_or_is_unknown_stays_so(verdict: Verdict) -> None:
    made = on_trial("trial-few", verdict)
    judged = judge(made, NAME)
    assert (judged.verdict, judged.reason, judged.waits) == (verdict, made.models[0].reasons[0].text, False)


@pytest.mark.parametrize("verdict", [PASS, WARN])
def test_a_canary_that_passes_leaves_the_verdict_to_the_model(verdict: Verdict) -> None:
    assert judge(on_trial("trial-pass", verdict), NAME).verdict is verdict


def test_without_a_version_on_trial_the_verdict_is_the_models() -> None:
    assert judge(snapshots.healthy(), NAME).verdict is PASS


@pytest.mark.parametrize(("state", "waits"), [
    ("trial-few", True), ("trial-begun", True), ("trial-both", False), ("trial-unread", False),
    ("trial-unreadable", False), ("trial-stale", False), ("trial-pass", False), ("healthy", False)])
def test_only_a_canary_with_too_little_traffic_is_waited_for(state: str, *, waits: bool) -> None:
    assert judge(snapshots.ALL[state](), NAME).waits is waits


def test_an_old_verdict_is_not_waited_for() -> None:
    old = replace(trials.few(snapshots.NOW - 720), failure=trials.GONE)
    assert not judge(snapshots.on_trial(old), NAME).waits


@pytest.mark.parametrize(("state", "candidate", "says"), [
    ("trial-pass", "v9", "the version on trial is v8, not v9"),
    ("healthy", "v7", "v7 is not on trial: it is the stable version"),
    ("healthy", "v8", "v8 is not on trial: no version is")])
def test_another_version_on_trial_than_the_candidate_is_unknown(state: str, candidate: str, says: str) -> None:
    judged = judge(snapshots.ALL[state](), NAME, candidate)
    assert (judged.verdict, judged.reason, judged.waits) == (UNKNOWN, says, False)


def test_the_candidate_that_is_on_trial_is_judged_like_any() -> None:
    assert judge(snapshots.ALL["trial-pass"](), NAME, "v8").verdict is PASS


def test_a_model_that_fails_fails_whatever_is_on_trial_and_says_that_too() -> None:
    judged = judge(snapshots.canary_failing(), NAME, "v9")
    assert judged.verdict is FAIL
    assert judged.reason.endswith("; the version on trial is v8, not v9")


def test_fail_on_still_decides() -> None:
    judged = judge(snapshots.ALL["trial-few"](), NAME)
    assert exit_code(judged.verdict, frozenset({"fail"})) == 0
