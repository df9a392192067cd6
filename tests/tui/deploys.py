"""What the registry and a rollout's controller say, for the snapshots of ``snapshots``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from triage.facts.outcome import Failure, FailureKind
from triage.facts.rollouts import Pause, Phase, Revision, RolloutFacts, Step, VersionFrom, WeightFrom
from triage.facts.versions import Approval, ApprovalStatus
from triage.signals.lineage_model import Lineage, LineageFinding, LineageKind, LineageRow
from triage.signals.model import ModelState, Reason, Versions
from triage.signals.promise import Difference, Promise, PromiseState
from triage.signals.reading import Urgency, Verdict

GONE = Failure(FailureKind.CONNECT, "connection refused", "is the cluster up?")
STEPS = tuple(step for weight in (10.0, 25.0, 50.0) for step in (
    Step(f"setWeight {weight:g}", weight), Step("pause until resumed", until_resumed=True)))
UNAPPROVED = "version v8 (canary) takes 10 % of the requests without approval: validation_status is pending"


def revision(version: str, number: int, ready: int) -> Revision:
    return Revision(version, VersionFrom.LABEL, "app.kubernetes.io/version", f"hash-{version}", number, ready=ready,
                    desired=ready)


def rollout(now: float, **changed: Any) -> RolloutFacts:
    return replace(RolloutFacts(
        "Rollout", "ml", "fraud-scorer", now - 3, "uid", "1", now - 90 * 86400, 12, 12, True, Phase.PAUSED,
        "CanaryPauseStep", "canary", 10, 10, 10, 1, revision("v7", 11, 9), revision("v8", 12, 1), weight_asked=10.0,
        weight_set=10.0, weight_from=WeightFrom.ROUTER, steps=STEPS, step_index=1,
        pauses=(Pause("CanaryPauseStep", now - 22 * 60),), managed_by="Argo CD"), **changed)


def registry(now: float, versions: Versions, *, approved: bool) -> Lineage:
    yes = Approval(ApprovalStatus.APPROVED, "model-risk", "approved")
    no = Approval(ApprovalStatus.PENDING, "", "pending")
    shares = {item.version: item for item in versions.items}
    rows = tuple(LineageRow(
        version, version, shares[version].arm, shares[version].share, True, approval, (alias,), "READY", "",
        now - 9 * 86400, f"s3://models/fraud-scorer/{version}", "run", "")
        for version, approval, alias in (("v7", yes, "champion"), ("v8", yes if approved else no, "challenger")))
    finding = LineageFinding(LineageKind.NOT_APPROVED, Verdict.WARN, Urgency.TICKET, UNAPPROVED,
                             "pause or roll back until whoever reviews it has decided", "v8", now - 1320)
    differs = Promise("v8", PromiseState.DIFFERS, "ab" * 32, "cd" * 32,
                      (Difference("spec.slos[latency].objective", "99", "99.5"),))
    promise = Promise("v8", PromiseState.SAME, "ab" * 32, "ab" * 32) if approved else differs
    return Lineage(True, rows, () if approved else (finding,), promise, now - 12, others=6)


def paused(model: ModelState, now: float) -> ModelState:
    """At its first step, and everything is registered and approved."""
    return replace(model, rollout=rollout(now), lineage=registry(now, model.versions, approved=True),
                   versions=replace(model.versions, known_from="rollout"))


def unapproved(model: ModelState, now: float) -> ModelState:
    """The version on trial is not approved, and its manifest is another one."""
    why = Reason(Verdict.WARN, Urgency.TICKET, "registry", "v8", UNAPPROVED)
    return replace(paused(model, now), lineage=registry(now, model.versions, approved=False), verdict=Verdict.WARN,
                   urgency=Urgency.TICKET, urgency_rule="registry", reasons=(why, *model.reasons))


def aborted(model: ModelState, now: float) -> ModelState:
    """The canary was taken back, and only stable is left."""
    facts = rollout(now, aborted=True, aborted_at=now - 12 * 60, phase=Phase.DEGRADED, pauses=(), weight_set=0.0,
                    weight_asked=0.0)
    left = replace(model.versions, known_from="rollout", items=model.versions.items[:1])
    return replace(model, rollout=facts, versions=left)


def unread(model: ModelState, now: float) -> ModelState:
    """Neither can be read."""
    finding = LineageFinding(LineageKind.NOT_KNOWN, Verdict.UNKNOWN, Urgency.NONE, "whether what serves is registered "
                             "and approved is not known: connect: connection refused", GONE.hint)
    return replace(model, rollout=GONE, lineage=Lineage(False, (), (finding,), None, None))


STATES: Mapping[str, Callable[[ModelState, float], ModelState]] = {
    "paused": paused, "unapproved": unapproved, "aborted": aborted, "unread": unread}
