"""Guards about what the decision rests on: fresh facts, and evidence that the version to go back to is good.

The last version is not good for having been the last (Azure Front Door, 29 Oct 2025: the last known good state had
been overwritten by the bad one). It is good when somebody approved it, when it served for long enough at enough
traffic with its objectives met, when it can serve at once, and when it takes the inputs that are sent today. Each is
said; what is missing has to be acknowledged, what speaks against it blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from triage.actions.circumstances import Circumstances
from triage.actions.guards.checking import Found, Guard, Strength, blocked, cannot_tell, ok, warn
from triage.actions.plan import Action, shown_version
from triage.facts.outcome import SourceState
from triage.facts.rollouts import Revision
from triage.facts.versions import ApprovalStatus
from triage.signals.lineage_model import LineageRow
from triage.signals.reading import READABLE, Quality, Verdict
from triage.signals.wording import age, count, percent, share, span

FRESH_SECONDS = 60.0
"""Facts older than this, or than some refreshes, are not what a decision rests on."""
_REFRESHES = 4
_LEAST_EVENTS = 30
"""Of a version, before its share of good events says something."""
_REGISTERED = "READY"
_FAILED = "FAILED_REGISTRATION"


class Weight(StrEnum):
    """What one piece of evidence says."""

    GOOD = "good"
    MISSING = "missing"
    DOUBT = "doubt"
    """It speaks against the version, and the engineer may know better."""
    BAD = "bad"
    """With it, the version must not serve."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece."""

    weight: Weight
    sentence: str


def freshness(circumstances: Circumstances) -> Found:
    """What the screen shows is present."""
    snapshot, model = circumstances.snapshot, circumstances.model
    if snapshot is None or model is None:
        return cannot_tell("nothing has been read about the model yet")
    limit = circumstances.speed * max(FRESH_SECONDS, _REFRESHES * circumstances.policy.interval_seconds)
    down = [source.name for source in snapshot.sources if source.state is SourceState.DOWN]
    if "prometheus" in down:
        return cannot_tell("prometheus does not answer: how the model does now is not known")
    if circumstances.now - snapshot.at > limit:
        return cannot_tell(f"what is shown is {age(circumstances.now - snapshot.at)} old")
    if model.data_at is None:
        return cannot_tell("nothing has been answered about the model yet")
    if circumstances.now - model.data_at > limit:
        return cannot_tell(f"the facts are {age(circumstances.now - model.data_at)} old")
    if model.verdict is Verdict.UNKNOWN:
        return cannot_tell(f"the model's state is not known: {model.reasons[0].text}")
    if down:
        return warn(f"without {', '.join(down)}; all else is {age(circumstances.now - model.data_at)} old")
    return ok(f"facts are {age(circumstances.now - model.data_at)} old")


def known_good(circumstances: Circumstances) -> Found:
    """There is evidence that the version to go back to is good."""
    version = circumstances.plan.after.version
    if not version:
        return cannot_tell("the plan names no version to go back to, so nothing is known of it")
    found = tuple(evidence(circumstances))
    by_weight = {weight: "; ".join(e.sentence for e in found if e.weight is weight) for weight in Weight}
    good = f"{shown_version(version)}: {by_weight[Weight.GOOD] or 'no evidence for it'}"
    if bad := by_weight[Weight.BAD]:
        return blocked(f"{shown_version(version)} is not good: {bad}")
    against = "; ".join(filter(None, (by_weight[Weight.DOUBT], by_weight[Weight.MISSING])))
    if by_weight[Weight.DOUBT]:
        return warn(f"{good}; but {against}", ask=True)
    return cannot_tell(f"{good}; but {against}") if against else ok(good)


def evidence(circumstances: Circumstances) -> Iterator[Evidence]:
    """Everything that is known for and against the version to go back to."""
    row = _row(circumstances)
    yield from _approval(circumstances, row)
    yield _served(circumstances, row)
    yield _objectives(circumstances, row)
    yield _capacity(circumstances, row)
    yield _signature(circumstances, row)


def capacity(circumstances: Circumstances) -> Found:
    """What the traffic goes to can serve now."""
    rollout, plan = circumstances.rollout, circumstances.plan
    if rollout is None:
        return cannot_tell("what could serve cannot be read")
    goal = _revision(circumstances)
    available = None if goal is None else goal.available
    if available is None:
        return cannot_tell(f"how many replicas of {shown_version(plan.after.version)} can serve "
                           "cannot be read")
    if available == 0:
        return blocked("no replica of the stable version can serve: the traffic would go nowhere")
    return ok(f"{available} replicas of {shown_version(plan.after.version)} can serve")


def _names(circumstances: Circumstances, row: LineageRow | None) -> frozenset[str]:
    """Every spelling of the version to go back to."""
    return frozenset(filter(None, (circumstances.plan.after.version, *((row.version, row.served_as) if row else ()))))


def _row(circumstances: Circumstances) -> LineageRow | None:
    model = circumstances.model
    rows = () if model is None or model.lineage is None else model.lineage.rows
    goal = circumstances.plan.after.version
    label = circumstances.spelt(goal, [name for r in rows for name in (r.version, r.served_as) if name])
    return next((r for r in rows if label in (r.version, r.served_as)), None)


def _approval(circumstances: Circumstances, row: LineageRow | None) -> Iterator[Evidence]:
    named = circumstances.policy.last_known_good
    names = _names(circumstances, row)
    if named and circumstances.spelt(named, sorted(names)):
        yield Evidence(Weight.GOOD, "the manifest names it last known good")
    if not circumstances.policy.registered:
        return
    model = circumstances.model
    if row is None or not row.registered:
        read = model is not None and model.lineage is not None and model.lineage.known
        yield Evidence(Weight.MISSING, "it is not among the registry's newest versions" if read
                       else "the registry cannot be read")
        return
    approval = row.approval
    by = f" by {approval.by}" if approval.by else ""
    if row.status == _FAILED:
        yield Evidence(Weight.BAD, "its registration failed")
    if approval.status is ApprovalStatus.APPROVED:
        yield Evidence(Weight.GOOD, f"approved{by}")
    elif approval.status in (ApprovalStatus.REJECTED, ApprovalStatus.WITHDRAWN):
        yield Evidence(Weight.BAD, f"{approval.status}{by}{f': {approval.reason}' if approval.reason else ''}")
    else:
        yield Evidence(Weight.MISSING, "nobody approved it" if approval.status is ApprovalStatus.NONE
                       else f"its approval is {approval.status}")


def _served(circumstances: Circumstances, row: LineageRow | None) -> Evidence:
    """Whether it served for long enough at enough traffic, from whichever source tells."""
    policy, now = circumstances.policy, circumstances.now
    wanted = f"{span(policy.proven_seconds)} at {share(policy.proven_share)}"
    names = _names(circumstances, row)
    for service in (s for name in sorted(names) for s in circumstances.history.served(
            circumstances.plan.target.key, name)):
        lasted = (service.end or now) - service.start
        if lasted >= policy.proven_seconds:
            return Evidence(Weight.GOOD, f"took all traffic for {age(lasted)} by the journal")
    rollout = circumstances.rollout
    stable = None if rollout is None else rollout.stable
    if rollout is not None and stable is not None and stable.version in names and stable.created_at is not None:
        lasted = now - stable.created_at
        taken = 1 - (rollout.weight_set or 0.0) / 100
        if lasted >= policy.proven_seconds and taken >= policy.proven_share:
            return Evidence(Weight.GOOD, f"is the controller's stable version, there for {age(lasted)}, "
                                         f"with {share(taken)} of the traffic")
    model = circumstances.model
    seen = None if model is None else next((v for v in model.versions.items if v.version in names), None)
    if seen is None or circumstances.snapshot is None:
        return Evidence(Weight.MISSING, f"nothing shows that it served {wanted}")
    first = seen.first_seen
    lasted = 86400.0 if first is None else circumstances.snapshot.at - first
    taken = seen.share.value if seen.share.quality in READABLE and seen.share.value is not None else 0.0
    told = f"has served for {'more than ' if first is None else ''}{age(lasted)}, {share(taken)} of the traffic now"
    enough = lasted >= policy.proven_seconds and taken >= policy.proven_share
    return Evidence(Weight.GOOD, told) if enough else Evidence(Weight.MISSING, f"{told}, and not {wanted}")


def _objectives(circumstances: Circumstances, row: LineageRow | None) -> Evidence:
    """Whether its own requests met the objectives, in the window that each is shown for."""
    model, names = circumstances.model, _names(circumstances, row)
    met: list[str] = []
    missed: list[str] = []
    for slo in () if model is None else model.slos:
        counted = next((v for v in slo.by_version if v.version in names), None)
        if counted is None or slo.objective is None or counted.value is None or counted.total < _LEAST_EVENTS or (
                slo.now.quality not in READABLE or slo.now.quality is Quality.LOW_N):
            continue
        told = f"{slo.name} {percent(counted.value, slo.objective)} of {count(counted.total)}"
        (met if counted.value * 100 >= slo.objective else missed).append(told)
    if missed:
        return Evidence(Weight.DOUBT, f"it misses objectives as well: {', '.join(missed)}")
    return Evidence(Weight.GOOD, ", ".join(met)) if met else Evidence(
        Weight.MISSING, "whether it meets its objectives is not known")


def _capacity(circumstances: Circumstances, row: LineageRow | None) -> Evidence:
    goal = _revision(circumstances)
    if goal is not None and goal.available:
        return Evidence(Weight.GOOD, f"{goal.available} replicas can serve")
    if row is not None and row.registered and row.status == _REGISTERED:
        return Evidence(Weight.GOOD, "no replica serves it yet; its artifact is registered and ready")
    if goal is not None and goal.number is not None:
        return Evidence(Weight.MISSING, "no replica serves it yet, and nothing shows that it can still be loaded")
    return Evidence(Weight.MISSING, "whether it can be loaded is not known")


def _signature(circumstances: Circumstances, row: LineageRow | None) -> Evidence:
    found, rollout = circumstances.signature, circumstances.rollout
    stable = None if rollout is None else rollout.stable
    if found.fits is None and rollout is not None and stable is not None and stable.available and (
            stable.version in _names(circumstances, row) and (rollout.weight_set or 0.0) < 100):
        return Evidence(Weight.GOOD, "takes today's requests now")
    weight = {True: Weight.GOOD, False: Weight.BAD, None: Weight.MISSING}[found.fits]
    return Evidence(weight, found.sentence)


def _revision(circumstances: Circumstances) -> Revision | None:
    """The revision that the plan goes to, by its number, else by its version."""
    rollout, after = circumstances.rollout, circumstances.plan.after
    if rollout is None:
        return None
    found = (*rollout.revisions, *filter(None, (rollout.stable, rollout.canary)))
    if after.revision is not None:
        return next((r for r in found if after.revision in (r.number, *r.earlier_numbers)), None)
    return next((r for r in found if r.version == after.version and after.version), None)


GUARDS = (
    Guard("facts", Strength.BREAKABLE,
          frozenset({Action.ROLLBACK, Action.ABORT, Action.RESUME, Action.PROMOTE, Action.PROMOTE_FULL, Action.RETRY,
                     Action.SCALE, Action.RETRAIN}), freshness),
    Guard("known-good", Strength.BREAKABLE, frozenset({Action.ROLLBACK}), known_good),
    Guard("capacity", Strength.BREAKABLE, frozenset({Action.ABORT}), capacity),
)
