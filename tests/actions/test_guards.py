"""Each guard by table, and the rule that all are judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.building import (
    ARMED,
    DAY,
    NOW,
    RISKY,
    SAFE,
    TARGET,
    UID,
    circumstances,
    lineage,
    model,
    observed,
    plan,
    proven,
    reading,
    request,
    revision,
    rollout,
    slo,
    snapshot,
)
from triage.actions.circumstances import Circumstances, JournalLook, Policy, policy_of
from triage.actions.freeze import WriteMode
from triage.actions.guards import GUARDS, check
from triage.actions.guards.checking import Checked, Found, Guard, Strength, Verdict, run
from triage.actions.history import Attempt, Deed, History, Outcome
from triage.actions.lease import Busy, Claim, Free, NoLease
from triage.actions.moment import Moment
from triage.actions.plan import PLAN_SECONDS, Action, Precondition, State
from triage.actions.proven import NOT_ASKED, Met, Proven, Service
from triage.actions.signature import Signature
from triage.actions.steps import Confirmation, Prepared, objections, seconds_left
from triage.actions.system import Fate, Granted, Progress, Rehearsal, Wish
from triage.config_actions import ActionSettings, Freeze
from triage.facts.outcome import Failure, FailureKind, SourceState
from triage.facts.rollouts import RolloutFacts, Split, WeightFrom
from triage.facts.versions import ApprovalStatus
from triage.signals.canary import CanaryState, CanaryVerdict
from triage.signals.canary_reading import CanaryReading
from triage.signals.model import Reason, SloState, Versions
from triage.signals.reading import Quality, Urgency
from triage.signals.reading import Verdict as Health

LOST = Failure(FailureKind.CONNECT, "refused")
FREEZE = Freeze(start="2020-01-01T00:00:00Z", end="2099-01-01T00:00:00Z", reason="holiday sale")
ABSOLUTE = {guard.name for guard in GUARDS if guard.strength is Strength.ABSOLUTE}


def found(name: str, of: Circumstances) -> Checked:
    return next(each for each in check(of) if each.name == name)


def deed(action: Action = Action.ROLLBACK, *, before: str = "8", after: str = "7", at: float = NOW - 60,
         fate: Fate | None = Fate.DONE, outcome: Outcome | None = Outcome.DONE, reconciled: Progress | None = None,
         approval: str = "") -> Deed:
    of = plan(action, before=State(before), after=State(after))
    return Deed("a" * 16, of, "ben", at, (Attempt(0, at, fate, ""),), outcome, "", None, reconciled, approval)


def canary(verdict: CanaryVerdict = CanaryVerdict.PASS, *, read_to: float = NOW - 30) -> CanaryReading:
    state = CanaryState(verdict, "within every margin", "7", "8", "canary", "rollout", NOW - 3600, ())
    return CanaryReading("7", "8", state, read_to, 60.0)


def judged(**changes: Any) -> dict[str, Any]:
    """What promoting needs besides."""
    return {"snapshot": snapshot(model(verdict=Health.PASS, canary=canary(), **changes))}


def test_when_all_is_well_a_rollback_needs_nothing_but_its_confirmation() -> None:
    assert [(c.name, c.verdict) for c in check(circumstances()) if c.verdict is not Verdict.OK] == []


def test_when_all_is_well_a_promotion_passes() -> None:
    assert [(c.name, c.sentence) for c in check(circumstances(Action.PROMOTE, **judged()))
            if c.verdict is not Verdict.OK] == []


def test_each_name_is_one_word_of_one_guard() -> None:
    names = [guard.name for guard in GUARDS]
    assert len(names) == len(set(names))
    assert all(" " not in name for name in names)


def test_only_permission_target_lease_and_journal_are_absolute() -> None:
    assert sorted(ABSOLUTE) == ["journal", "lease", "permission", "target"]


STOPPING: list[tuple[str, str, dict[str, Any], str]] = [
    ("write", "read-only", {"mode": WriteMode(False, False, "read-only")}, "read-only"),
    ("write", "killed", {"mode": WriteMode(False, True, "TRIAGE_READONLY is set")}, "TRIAGE_READONLY"),
    ("permission", "forbidden", {"granted": Granted(False, "you may not patch rollouts")}, "may not"),
    ("permission", "not known", {"granted": Granted(None, "not asked")}, "not asked"),
    ("target", "another one", {"target": replace(TARGET, cluster="prod-us")}, "prod-us"),
    ("target", "not readable", {"observed": LOST}, "cannot be read"),
    ("target", "replaced", {"observed": observed(uid="u-2")}, "another object"),
    ("target", "another context on screen", {"snapshot": replace(snapshot(), context="staging")}, "staging"),
    ("unchanged", "moved on", {"observed": observed(step=2)}, "no longer true that the step is 1"),
    ("unchanged", "true is not 1", {"observed": observed(step=True)}, "no longer true"),
    ("dry-run", "refused", {"rehearsals": (Rehearsal(False, "422 invalid"),)}, "422"),
    ("lease", "held", {"lease": Busy(Claim("ben on b", "x", "rollback"), NOW, NOW + 30)}, "held by ben"),
    ("lease", "not known", {"lease": NoLease("disk full")}, "disk full"),
    ("journal", "not writable", {"journal": JournalLook("read-only disk")}, "read-only disk"),
    ("known-good", "rejected", {"snapshot": snapshot(model(lineage=lineage(ApprovalStatus.REJECTED)))}, "rejected"),
    ("known-good", "withdrawn", {"snapshot": snapshot(model(lineage=lineage(ApprovalStatus.WITHDRAWN)))}, "withdrawn"),
    ("known-good", "never registered", {"snapshot": snapshot(model(lineage=lineage(ready="FAILED_REGISTRATION")))},
     "registration failed"),
    ("known-good", "other inputs", {"signature": Signature(False, "does not take today's inputs: country")}, "country"),
    ("toggle", "back to what was left", {"history": History((deed(before="7", after="6"),))}, "leads back"),
]


@pytest.mark.parametrize(("name", "why", "changes", "words"), STOPPING, ids=[f"{n}-{w}" for n, w, _, _ in STOPPING])
def test_a_guard_that_sees_harm_stops_even_a_rollback(name: str, why: str, changes: dict[str, Any],
                                                      words: str) -> None:
    answer = found(name, circumstances(**changes))
    assert answer.stops
    assert words in answer.sentence


ASKING: list[tuple[str, str, dict[str, Any], str]] = [
    ("write", "freeze file not visible", {"mode": WriteMode(True, False, "", "it cannot be looked for")}, "looked for"),
    ("unchanged", "not told", {"plan": plan(requests=(request("p", UID, Precondition("alias", "7", "alias is 7")),))},
     "alias is 7"),
    ("facts", "nothing read", {"snapshot": None}, "nothing has been read"),
    ("facts", "prometheus gone", {"snapshot": snapshot(prometheus=SourceState.DOWN)}, "prometheus does not answer"),
    ("facts", "old picture", {"snapshot": snapshot(at=NOW - 300)}, "5 m 00 s old"),
    ("facts", "old facts", {"snapshot": snapshot(model(data_at=NOW - 300))}, "5 m 00 s old"),
    ("facts", "no facts", {"snapshot": snapshot(model(data_at=None))}, "nothing has been answered"),
    ("facts", "unknown", {"snapshot": snapshot(model(verdict=Health.UNKNOWN, reasons=(
        Reason(Health.UNKNOWN, Urgency.NONE, "unknown", "x", "latency has no data"),)))}, "latency has no data"),
    ("known-good", "no version named", {"plan": plan(after=State(""))}, "names no version"),
    ("known-good", "registry silent", {"snapshot": snapshot(model(lineage=None))}, "the registry cannot be read"),
    ("known-good", "not approved", {"snapshot": snapshot(model(lineage=lineage(ApprovalStatus.NONE)))},
     "nobody approved it"),
    ("known-good", "approval pending", {"snapshot": snapshot(model(lineage=lineage(ApprovalStatus.PENDING)))},
     "its approval is pending"),
    ("known-good", "not long enough", {"proven": proven(3600.0)},
     "of the last 7 d with 50 % or more of the traffic (1,200,000 requests), and not 24 h (weaker"),
    ("known-good", "hardly a request", {"proven": Proven({"7": Service(6 * DAY, 29.0, ())}, 7 * DAY)},
     "(29 requests), of which 30 are needed"),
    ("known-good", "it only stood there", {"proven": proven(version="6")},
     "it never had 50 % or more of the traffic in the last 7 d (weaker: its ReplicaSet is 30 d old, which is no "
     "traffic)"),
    ("known-good", "versions are not told apart", {"proven": proven(version="")}, "the requests carry no version"),
    ("known-good", "the past cannot be seen", {"proven": Proven({}, 0.0, "prometheus: connect: refused")},
     "whether it served cannot be seen: prometheus: connect: refused (weaker: its ReplicaSet is"),
    ("known-good", "objectives not seen", {"snapshot": snapshot(model(slos=())), "proven": replace(proven(), versions={
        "7": Service(6 * DAY, 1e6, ())})}, "whether it meets its objectives is not known"),
    ("known-good", "inputs not known", {
        "signature": Signature(None, "its inputs are not known"),
        "observed": observed(rollout(stable=revision("8", 3), canary=None))}, "its inputs are not known"),
    ("known-good", "nothing to start it from", {
        "observed": observed(rollout(stable=revision("7", 2, available=0), revisions=(revision("7", 2, available=0),))),
        "snapshot": snapshot(model(lineage=None))}, "nothing shows that it can still be loaded"),
    ("gitops", "rollout not read", {"observed": replace(observed(), rollout=None)}, "cannot be read"),
    ("ends", "an end that is not known", {"history": History((deed(fate=Fate.UNKNOWN, outcome=Outcome.UNKNOWN),))},
     "is not known"),
    ("ends", "a crash after an intent", {"history": History((deed(fate=None, outcome=None),))}, "is not known"),
    ("cool-down", "history not read", {"history": History((), "record 3 is not understood")}, "not understood"),
    ("toggle", "history not read", {"history": History((), "record 3 is not understood")}, "not understood"),
    ("dry-run", "not answered", {"plan": plan(requests=(request(dry=True),)),
                                 "rehearsals": (Rehearsal(None, "timeout"),)}, "timeout"),
]


@pytest.mark.parametrize(("name", "why", "changes", "words"), ASKING, ids=[f"{n}-{w}" for n, w, _, _ in ASKING])
def test_what_cannot_be_told_is_acknowledged_for_a_rollback(name: str, why: str, changes: dict[str, Any],
                                                            words: str) -> None:
    answer = found(name, circumstances(**changes))
    assert (answer.verdict, answer.acknowledgement) == (Verdict.CANNOT_TELL, name)
    assert words in answer.sentence
    assert not answer.stops


@pytest.mark.parametrize(("name", "why", "changes", "words"), [
    row for row in ASKING if row[0] not in ("known-good",)], ids=[f"{n}-{w}" for n, w, _, _ in ASKING
                                                                  if n != "known-good"])
def test_the_same_blocks_a_promotion(name: str, why: str, changes: dict[str, Any], words: str) -> None:
    if "plan" in changes:
        changes = {**changes, "plan": replace(changes["plan"], action=Action.PROMOTE)}
    answer = found(name, circumstances(Action.PROMOTE, **changes))
    assert answer.verdict is Verdict.CANNOT_TELL
    assert answer.stops


DOUBTS: list[tuple[str, str, dict[str, Any], str]] = [
    ("known-good", "misses objectives too", {"snapshot": snapshot(model(slos=(slo(good=0.99),)))}, "misses objectives"),
    ("freeze", "announced", {"policy": Policy(freezes=(FREEZE,))}, "holiday sale"),
    ("gitops", "Argo CD", {"observed": observed(rollout(managed_by="Argo CD"))}, "change it in Git as well"),
    ("cool-down", "three in ten minutes", {"history": History((deed(),) * 3)}, "3 actions"),
]


@pytest.mark.parametrize(("name", "why", "changes", "words"), DOUBTS, ids=[f"{n}-{w}" for n, w, _, _ in DOUBTS])
def test_what_speaks_against_a_rollback_is_acknowledged(name: str, why: str, changes: dict[str, Any],
                                                        words: str) -> None:
    answer = found(name, circumstances(**changes))
    assert (answer.verdict, answer.acknowledgement) == (Verdict.WARN, name)
    assert words in answer.sentence


def few(remaining: float) -> SloState:
    """An objective whose budget is of too few events."""
    found = slo()
    assert found.budget is not None
    return replace(found, budget=replace(found.budget, remaining=remaining, quality=Quality.LOW_N))


RISKS: list[tuple[str, str, dict[str, Any], str]] = [
    ("freeze", "announced", {"policy": Policy(freezes=(FREEZE,), approvals=0)}, "holiday sale"),
    ("cool-down", "three in ten minutes", {"history": History((deed(),) * 3)}, "3 actions"),
    ("budget", "spent", judged(slos=(slo(remaining=-0.2),)), "success: -20 %"),
    ("budget", "spent by few events", judged(slos=(few(-99.0),)), "-9,900 %, of too few events to tell"),
    ("budget", "not read", {"snapshot": snapshot(model(slos=(replace(slo(), budget=None),)))}, "success"),
    ("budget", "nothing known", {"snapshot": None}, "nothing is known"),
    ("trial", "failed", {"snapshot": snapshot(model(canary=canary(CanaryVerdict.FAIL)))}, "fail"),
    ("trial", "too few", {"snapshot": snapshot(model(canary=canary(CanaryVerdict.INSUFFICIENT)))}, "insufficient"),
    ("trial", "old", {"snapshot": snapshot(model(canary=canary(read_to=NOW - 3600)))}, "old"),
    ("trial", "not judged", {"snapshot": snapshot(model(canary=None))}, "has not been judged"),
    ("trial", "nothing known", {"snapshot": None}, "nothing is known"),
    ("trial", "rollout rule", judged(reasons=(
        Reason(Health.FAIL, Urgency.PAGE, "rollout rule", "success", "burns 7.2x"),)), "7.2x"),
]


@pytest.mark.parametrize(("name", "why", "changes", "words"), RISKS, ids=[f"{n}-{w}" for n, w, _, _ in RISKS])
@pytest.mark.parametrize("action", [Action.PROMOTE, Action.PROMOTE_FULL, Action.RESUME])
def test_promoting_and_resuming_are_stopped_by(name: str, why: str, changes: dict[str, Any], words: str,
                                               action: Action) -> None:
    answer = found(name, circumstances(action, **changes))
    assert answer.stops
    assert answer.breakable
    assert words in answer.sentence


def test_a_manifest_may_let_a_spent_budget_be_acknowledged() -> None:
    answer = found("budget", circumstances(Action.PROMOTE, policy=Policy(spent_budget="acknowledge"),
                                           **judged(slos=(slo(remaining=-0.2),))))
    assert (answer.stops, answer.acknowledgement) == (False, "budget")


def test_few_events_that_spent_nothing_hold_no_promotion_back() -> None:
    assert found("budget", circumstances(Action.PROMOTE, **judged(slos=(few(0.9),)))).verdict is Verdict.OK


def test_where_nobody_knows_which_version_is_on_trial_none_is_promoted() -> None:
    shared = rollout(kind="Backend", stable=None, canary=None, roles_doubt="which is stable is not known",
                     splits=(Split("7", 25, 100, 25.0), Split("8", 75, 100, 75.0)))
    answer = found("trial", circumstances(Action.PROMOTE, observed=observed(shared), snapshot=snapshot(model())))
    assert (answer.stops, answer.sentence) == (True, "which is stable is not known")


def test_nothing_on_trial_holds_no_promotion_back() -> None:
    answer = found("trial", circumstances(Action.RESUME, observed=observed(rollout(canary=None))))
    assert answer.verdict is Verdict.OK


def test_pausing_asks_for_nothing_but_its_confirmation_when_prometheus_and_registry_are_gone() -> None:
    of = circumstances(Action.PAUSE, snapshot=None, history=History((deed(fate=None, outcome=None),)),
                       signature=Signature(None, ""))
    answers = check(of)
    assert not any(c.stops or c.acknowledgement for c in answers)
    assert objections(of.plan, answers, Confirmation(), PLAN_SECONDS) == ()


def test_a_freeze_lets_a_pause_be_one_confirmation() -> None:
    answer = found("freeze", circumstances(Action.PAUSE, policy=Policy(freezes=(FREEZE,))))
    assert (answer.verdict, answer.acknowledgement) == (Verdict.WARN, "")


def test_the_evidence_is_said_and_not_only_counted() -> None:
    sentence = found("known-good", circumstances()).sentence
    assert sentence == ("v7: the manifest names it last known good; approved by risk; served 6 d of the last 7 d "
                        "with 50 % or more of the traffic (1,200,000 requests); met meanwhile: success 99.96 % of "
                        "1,200,000; 9 of 10 replicas can serve; the controller starts the others before it moves "
                        "their traffic; takes today's 7 inputs")


def test_what_served_long_enough_by_the_journal_is_evidence() -> None:
    past = History((deed(after="7", at=NOW - 3 * DAY), deed(Action.PROMOTE_FULL, before="7", after="8", at=NOW - DAY)))
    of = circumstances(history=past, proven=NOT_ASKED, observed=observed(rollout(stable=revision("8", 3), canary=None)),
                       snapshot=snapshot(model(versions=Versions("traffic", ()))))
    assert "took all traffic for 2 d 0 h by the journal" in found("known-good", of).sentence


def test_what_it_met_now_is_evidence_where_the_past_counts_no_events_of_it() -> None:
    of = circumstances(proven=replace(proven(), versions={"7": Service(6 * DAY, 1e6, ())}))
    assert "meets now: success 99.96 % of 9,000" in found("known-good", of).sentence


@pytest.mark.parametrize(("changes", "words"), [
    ({"proven": proven(good=0.99)}, "it missed objectives while it served: success 99.00 % of 1,200,000"),
    ({"snapshot": snapshot(model(slos=(slo(good=0.9),)))}, "it misses objectives as well: success 90.00 % of 9,000"),
    ({"signature": Signature(True, "takes today's 7 inputs", "6")}, "the notebook registered with it describes v6"),
])
def test_a_version_that_missed_its_objectives_or_has_the_notebook_of_another_is_doubted(
        changes: dict[str, Any], words: str) -> None:
    answer = found("known-good", circumstances(**changes))
    assert (answer.verdict, answer.acknowledgement) == (Verdict.WARN, "known-good")
    assert words in answer.sentence


def routed(available: int, **changes: Any) -> RolloutFacts:
    """A router gives version 7 all but 10 % of the requests."""
    seven = revision("7", 2, available=available)
    return rollout(**{"stable": seven, "revisions": (seven,), "weight_from": WeightFrom.ROUTER, **changes})


@pytest.mark.parametrize(("facts", "asks", "words"), [
    (routed(10), False, "10 replicas can serve, 10 are needed"),
    (routed(8), False, "8 replicas can serve where 10 do now: each takes 1.25x"),
    (routed(1), True, "only 1 replicas can serve where 10 do now: each takes 10x at once"),
    (routed(1, available_replicas=1), False, "1 replicas can serve, 1 are needed"),
    (routed(1, weight_from=WeightFrom.PODS), False, "1 of 10 replicas can serve; the controller starts the others"),
    (routed(1, kind="Backend", canary=None, weight_from=None), True, "only 1 replicas can serve where 10 do now"),
])
def test_replicas_are_compared_with_those_that_serve_now(facts: RolloutFacts, asks: bool, words: str) -> None:
    for action, name in ((Action.ROLLBACK, "known-good"), (Action.ABORT, "capacity")):
        answer = found(name, circumstances(action, observed=observed(facts)))
        assert (bool(answer.acknowledgement), answer.stops) == (asks, False)
        part = words.partition(" replicas")[0]
        assert (words if name == "known-good" else part) in answer.sentence


def test_a_version_without_replicas_is_good_when_its_artifact_is_ready() -> None:
    idle = revision("7", 2, available=0)
    of = circumstances(observed=observed(rollout(stable=idle, revisions=(idle,))))
    assert "its artifact is registered and ready" in found("known-good", of).sentence


def test_servers_that_nobody_starts_have_to_be_up_already() -> None:
    idle = revision("7", 2, available=0)
    of = circumstances(observed=observed(rollout(kind="Backend", stable=idle, revisions=(idle,))))
    answer = found("known-good", of)
    assert (answer.verdict, answer.breakable) == (Verdict.BLOCKED, True)
    assert answer.sentence == "v7 is not good: none of its servers is up, and the load balancer starts none"


def test_a_version_that_serves_now_takes_todays_requests() -> None:
    of = circumstances(signature=Signature(None, "its inputs are not known"))
    assert found("known-good", of).verdict is Verdict.OK
    assert "takes today's requests now" in found("known-good", of).sentence


def test_the_version_of_its_notebook_is_said() -> None:
    of = circumstances(signature=Signature(True, "takes today's 7 inputs", "v7"))
    assert found("known-good", of).sentence.endswith("takes today's 7 inputs; its notebook describes v7")


def test_versions_are_found_however_they_are_spelt() -> None:
    of = circumstances(plan=plan(after=State("v7", 2)))
    assert "approved by risk" in found("known-good", of).sentence
    assert "last known good" in found("known-good", of).sentence


@pytest.mark.parametrize(("facts", "stops", "words"), [
    (rollout(), False, "9 of 10 replicas of v7 can serve"),
    (rollout(stable=revision("7", 2, available=0), revisions=()), True, "go nowhere"),
    (rollout(stable=revision("7", 2, available=None), revisions=()), False, "cannot be read"),
])
@pytest.mark.parametrize("to", ["7", "6"])
def test_a_rollback_that_takes_the_traffic_to_stable_first_needs_somebody_there_too(
        facts: Any, stops: bool, words: str, to: str) -> None:
    of = circumstances(plan=plan(after=State(to, 1 if to == "6" else 2)), observed=observed(facts))
    answer = found("capacity", of)
    assert (answer.stops, answer.breakable) == (stops, True)
    assert words in answer.sentence


@pytest.mark.parametrize("changes", [
    {"canary": None}, {"aborted": True}, {"weight_set": 0.0}, {"strategy": "blueGreen"}, {"kind": "Deployment"}])
def test_a_rollback_that_takes_the_traffic_nowhere_else_first_asks_nothing_of_stable(changes: dict[str, Any]) -> None:
    idle = rollout(**({"stable": revision("7", 2, available=0), "revisions": ()} | changes))
    assert found("capacity", circumstances(observed=observed(idle))).verdict is Verdict.OK


@pytest.mark.parametrize(("facts", "stops", "words"), [
    (rollout(), False, "9 of 10 replicas of v7 can serve"),
    (rollout(stable=revision("7", 2, available=0), revisions=()), True, "go nowhere"),
    (rollout(stable=revision("7", 2, available=None), revisions=()), False, "cannot be read"),
])
def test_an_abort_needs_somebody_to_take_the_traffic(facts: Any, stops: bool, words: str) -> None:
    answer = found("capacity", circumstances(Action.ABORT, observed=observed(facts)))
    assert (answer.stops, answer.breakable) == (stops, True)
    assert words in answer.sentence


def test_gitops_lets_a_change_of_the_status_be_and_owns_nothing_outside_kubernetes() -> None:
    owned = observed(rollout(managed_by="Argo CD"))
    status = plan(Action.ABORT, requests=(request(path="/rollouts/fraud-scorer/status?fieldManager=triage"),))
    assert found("gitops", circumstances(Action.ABORT, plan=status, observed=owned)).verdict is Verdict.OK
    alias = replace(TARGET, system="mlflow")
    assert found("gitops", circumstances(plan=plan(target=alias), target=alias)).verdict is Verdict.OK


def test_a_lease_that_was_abandoned_is_said() -> None:
    answer = found("lease", circumstances(lease=Free(Claim("ben on b", "x", "rollback to v7"))))
    assert (answer.verdict, answer.stops) == (Verdict.WARN, False)


def test_a_journal_that_is_not_anchored_is_said() -> None:
    assert found("journal", circumstances(journal=JournalLook("", "no syslog"))).verdict is Verdict.WARN


def test_sources_besides_prometheus_that_are_silent_are_said() -> None:
    of = snapshot()
    of = replace(of, sources=(of.sources[0], replace(of.sources[1], state=SourceState.DOWN)))
    assert found("facts", circumstances(snapshot=of)).sentence == "without kubernetes; all else is 5 s old"


def test_a_resolved_end_holds_nothing_back() -> None:
    past = History((deed(fate=Fate.UNKNOWN, outcome=Outcome.UNKNOWN, reconciled=Progress.REACHED),))
    assert found("ends", circumstances(history=past)).verdict is Verdict.OK


# The rule. Every guard of a plan may be blind in any combination.

BLIND: dict[str, dict[str, Any]] = {
    "write": {"mode": WriteMode(True, False, "", "the freeze file cannot be looked for")},
    "facts": {"snapshot": None},
    "signature": {"signature": Signature(None, "not known")},
    "rollout": {"observed": replace(observed(), rollout=None)},
    "values": {"observed": replace(observed(), values={"uid": "u-1"})},
    "history": {"history": History((), "cannot be read")},
    "ends": {"history": History((deed(fate=None, outcome=None),))},
    "dry run": {"rehearsals": (Rehearsal(None, "timeout"),)},
    "identity": {"identity": LOST},
    "anchor": {"journal": JournalLook("", "no syslog")},
}


@given(st.sampled_from(SAFE), st.sets(st.sampled_from(sorted(BLIND))))
def test_no_combination_of_blind_guards_stops_the_safe_direction(action: Action, blind: set[str]) -> None:
    changes: dict[str, Any] = {}
    for name in sorted(blind):
        changes.update(BLIND[name])
    of = circumstances(action, **{"plan": plan(action, requests=(request(dry=True),)), **changes})
    answers = check(of)
    assert [c.name for c in answers if c.stops] == []
    words = frozenset(c.acknowledgement for c in answers if c.acknowledgement)
    assert objections(of.plan, answers, Confirmation(of.plan.confirmation, words), PLAN_SECONDS) == ()
    if words:
        assert objections(of.plan, answers, Confirmation(of.plan.confirmation), PLAN_SECONDS)


def _blind(of: Circumstances) -> Found:
    return Found(Verdict.CANNOT_TELL, "cannot be told")


@given(st.sampled_from(list(Action)), st.sets(st.sampled_from([g.name for g in GUARDS])))
def test_the_rule_itself_lets_only_the_four_stop_what_is_safe(action: Action, blind: set[str]) -> None:
    sees: Callable[[Circumstances], Found] = lambda of: Found(Verdict.OK, "")  # noqa: E731
    guards = [Guard(g.name, g.strength, g.actions, _blind if g.name in blind else sees) for g in GUARDS]
    about = {g.name for g in GUARDS if action in g.actions}
    stopped = {c.name for c in run(guards, circumstances(action)) if c.stops}
    assert stopped == (blind & about & ABSOLUTE if action.safe else blind & about)


@pytest.mark.parametrize("action", RISKY)
def test_breaking_glass_never_overrides_write_mode_permission_target_change_lease_and_journal(action: Action) -> None:
    of = circumstances(action)
    confirmation = Confirmation(of.plan.confirmation, break_glass="the building burns")
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        ("write", {"mode": WriteMode(False, False, "read-only")}),
        ("permission", {"granted": Granted(None, "?")}),
        ("target", {"observed": LOST}),
        ("unchanged", {"observed": observed(step=2)}),
        ("dry-run", {"rehearsals": (Rehearsal(False, "refused"),)}),
        ("lease", {"lease": NoLease("?")}),
        ("journal", {"journal": JournalLook("?")}))
    for name, changes in cases:
        answers = check(circumstances(action, **{**judged(), **changes}))
        assert any(o.startswith(name) for o in objections(of.plan, answers, confirmation, PLAN_SECONDS)), name


def test_breaking_glass_overrides_the_others_only_with_a_reason() -> None:
    of = circumstances(Action.PROMOTE, policy=Policy(approvals=1, freezes=(FREEZE,)), **judged())
    answers = check(of)
    assert {c.name for c in answers if c.stops} == {"freeze", "persons"}
    typed = of.plan.confirmation
    assert len(objections(of.plan, answers, Confirmation(typed, break_glass="  "), PLAN_SECONDS)) == 2
    assert objections(of.plan, answers, Confirmation(typed, break_glass="customers cannot pay"), PLAN_SECONDS) == ()


@pytest.mark.parametrize(("confirmation", "words"), [
    (Confirmation(), "fraud-scorer has to be typed"), (Confirmation("fraud"), "has to be typed"),
    (Confirmation("y"), "has to be typed")])
def test_what_is_not_typed_is_not_confirmed(confirmation: Confirmation, words: str) -> None:
    assert words in objections(plan(), (), confirmation, PLAN_SECONDS)[0]


@dataclass
class Pace:
    """A clock that lives ``speed`` times as fast as the machine's, and whose world's time can be set."""

    speed: float = 1.0
    passed: float = 0.0
    put: float = 0.0

    def now(self) -> float:
        return NOW + self.put + self.passed * self.speed

    def monotonic(self) -> float:
        return self.passed * self.speed


@pytest.mark.parametrize(("clock", "left"), [
    (Pace(passed=119), 1), (Pace(passed=121), -1), (Pace(speed=10, passed=119), 1), (Pace(speed=10, passed=121), -1),
    (Pace(passed=50, put=-3600), 70), (Pace(passed=121, put=-3600), -1), (Pace(put=3600), -3480),
], ids=["in time", "too late", "a fast lab in time", "a fast lab too late", "set back", "set back and too late",
        "asleep"])
def test_a_plan_expires_by_the_machines_seconds_whatever_happens_to_the_clock(clock: Pace, left: float) -> None:
    of = circumstances()
    made = Prepared("0" * 16, Wish(Action.ROLLBACK), of.plan, (), (), of, Moment(NOW, 0.0))
    assert seconds_left(made, clock) == left
    typed = Confirmation("fraud-scorer")
    assert objections(of.plan, (), typed, left) == (() if left > 0 else ("the plan has expired: make it again",))


def test_the_policy_is_the_manifests_and_the_configurations() -> None:
    from tests.signals.building import notebook
    manifest = notebook("{name: success, sli: {good: g, total: t}, objective: 99.9}", more=(
        "canary: {steps: [5, 25], bake: 6h}\n"
        "rollback: {last_known_good: \"7\"}\n"
        "promote: {approvals: 2, spent_budget: acknowledge}\n"
        "retrain: {when: [{drift: critical}], approval: none}\n"
        "registry: {kind: mlflow, name: m}\n"
        'freezes: [{start: "2026-12-24T00:00:00Z", end: "2026-12-27T00:00:00Z", reason: quiet days}]')).manifest
    of = policy_of(manifest, ActionSettings(cool_down="5m", cool_down_actions=2), 10.0)  # type: ignore[arg-type]
    assert (of.approvals, of.retrain_approvals, of.last_known_good, of.proven_seconds, of.proven_share) == (
        2, 0, "7", 6 * 3600, 0.25)
    assert (of.spent_budget, of.registered, of.cool_down_seconds, of.cool_down_actions, of.interval_seconds) == (
        "acknowledge", True, 300, 2, 10)
    assert [freeze.reason for freeze in of.freezes] == ["quiet days"]
    assert (of.approvals_for(Action.RESUME), of.approvals_for(Action.ROLLBACK)) == (2, 0)


def test_low_counts_are_no_evidence_of_met_objectives() -> None:
    few = replace(proven(), versions={"7": Service(6 * DAY, 1e6, (Met("success", 99.9, 0.0, 29.0),))})
    of = circumstances(snapshot=snapshot(model(slos=(replace(slo(), now=reading(1.0, Quality.LOW_N)),))), proven=few)
    assert "whether it meets its objectives is not known" in found("known-good", of).sentence


def test_armed_is_said() -> None:
    assert found("write", circumstances(mode=ARMED)).sentence == "--write"
