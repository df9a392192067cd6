"""Guards about what the decision rests on: fresh facts, and evidence that the version to go back to is good.

The last version is not good for having been the last (Azure Front Door, 29 Oct 2025: the last known good state had
been overwritten by the bad one). It is good when somebody approved it, when it served for long enough at enough
traffic with its objectives met, when it can serve at once, and when it takes the inputs that are sent today. Each is
said; what is missing has to be acknowledged, what speaks against it blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from triage.actions.circumstances import Circumstances
from triage.actions.guards import by_journal
from triage.actions.guards.checking import Found, Guard, Strength, blocked, cannot_tell, ok, warn
from triage.actions.plan import Action, shown_version
from triage.actions.proven import Met, Service
from triage.facts.outcome import SourceState
from triage.facts.rollouts import Revision, RolloutFacts, WeightFrom
from triage.facts.versions import ApprovalStatus
from triage.signals.lineage_model import LineageRow
from triage.signals.reading import READABLE, Quality, Verdict
from triage.signals.wording import age, count, percent, share, span

FRESH_SECONDS = 60.0
"""Facts older than this, or than some refreshes, are not what a decision rests on."""
_REFRESHES = 4
_LEAST_EVENTS = 30
"""Of a version, before its share of good events says something."""
_MOST_GROWTH = 1.5
"""How much more a replica may have to take at once: autoscalers are mostly told to keep about a third free."""
_STARTS_NOTHING = "Backend"
"""Kind of rollouts whose servers somebody else starts."""
_ABORTED_FIRST = "Rollout"
"""Kind of rollouts that take the traffic off the version on its way before they start another."""
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
    kind: str = ""
    """What it is, without its numbers; "" for good."""


def freshness(circumstances: Circumstances) -> Found:
    """What the screen shows is present."""
    snapshot, model = circumstances.snapshot, circumstances.model
    if snapshot is None or model is None:
        return cannot_tell("nothing has been read about the model yet", "nothing read")
    limit = circumstances.speed * max(FRESH_SECONDS, _REFRESHES * circumstances.policy.interval_seconds)
    down = [source.name for source in snapshot.sources if source.state is SourceState.DOWN]
    if "prometheus" in down:
        return cannot_tell("prometheus does not answer: how the model does now is not known", "prometheus")
    if circumstances.now - snapshot.at > limit:
        return cannot_tell(f"what is shown is {age(circumstances.now - snapshot.at)} old", "old")
    if model.data_at is None:
        return cannot_tell("nothing has been answered about the model yet", "nothing read")
    if circumstances.now - model.data_at > limit:
        return cannot_tell(f"the facts are {age(circumstances.now - model.data_at)} old", "old")
    if model.verdict is Verdict.UNKNOWN:
        return cannot_tell(f"the model's state is not known: {model.reasons[0].text}", "state not known")
    if down:
        return warn(f"without {', '.join(down)}; all else is {age(circumstances.now - model.data_at)} old")
    return ok(f"facts are {age(circumstances.now - model.data_at)} old")


def known_good(circumstances: Circumstances) -> Found:
    """There is evidence that the version to go back to is good."""
    version = circumstances.plan.after.version
    if not version:
        return cannot_tell("the plan names no version to go back to, so nothing is known of it", "no version")
    found = tuple(evidence(circumstances))
    by_weight = {weight: "; ".join(e.sentence for e in found if e.weight is weight) for weight in Weight}
    kinds = tuple(e.kind for e in found if e.weight is not Weight.GOOD)
    good = f"{shown_version(version)}: {by_weight[Weight.GOOD] or 'no evidence for it'}"
    if bad := by_weight[Weight.BAD]:
        return blocked(f"{shown_version(version)} is not good: {bad}", *kinds)
    against = "; ".join(filter(None, (by_weight[Weight.DOUBT], by_weight[Weight.MISSING])))
    if by_weight[Weight.DOUBT]:
        return warn(f"{good}; but {against}", *kinds, ask=True)
    return cannot_tell(f"{good}; but {against}", *kinds) if against else ok(good)


def evidence(circumstances: Circumstances) -> Iterator[Evidence]:
    """Everything that is known for and against the version to go back to."""
    row = _row(circumstances)
    yield from _approval(circumstances, row)
    yield _served(circumstances, row)
    yield _objectives(circumstances, row)
    yield _capacity(circumstances, row)
    yield _signature(circumstances, row)
    yield from _described(circumstances, row)


def capacity(circumstances: Circumstances) -> Found:
    """What the traffic goes to at once can serve now: of a rollback, the stable version that it is taken off to."""
    rollout, plan = circumstances.rollout, circumstances.plan
    if rollout is None:
        return cannot_tell("what could serve cannot be read", "not read")
    back = plan.action is Action.ROLLBACK
    if back and not _goes_to_stable(rollout):
        return ok("no traffic goes to another version first")
    goal = rollout.stable if back else _revision(circumstances)
    version = shown_version(plan.after.version if goal is None else goal.version)
    available = None if goal is None else goal.available
    if available is None:
        return cannot_tell(f"how many replicas of {version} can serve cannot be read", "not counted")
    if available == 0:
        return blocked("no replica of the stable version can serve: the traffic would go nowhere")
    needed = _needed(rollout)
    if available >= needed:
        return ok(f"{available} replicas of {version} can serve, {needed} are needed")
    if goal is None or not _moves_at_once(goal, rollout):
        return ok(f"{available} of {needed} replicas of {version} can serve; the traffic moves as the others start")
    told = f"{available} replicas of {version} can serve where {needed} do now: each takes {needed / available:.3g}x"
    return ok(told) if needed <= _MOST_GROWTH * available else warn(f"only {told} at once", "few replicas", ask=True)


def _goes_to_stable(rollout: RolloutFacts) -> bool:
    """Whether a rollback gives the traffic of a version on its way to stable first: a canary's controller does, when
    it is aborted as when its template is another."""
    return (rollout.kind == _ABORTED_FIRST and rollout.strategy == "canary" and not rollout.aborted
            and rollout.canary is not None and rollout.stable is not None and rollout.weight_set != 0)


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
                       else "the registry cannot be read", "not registered" if read else "registry not read")
        return
    approval = row.approval
    by = f" by {approval.by}" if approval.by else ""
    if row.status == _FAILED:
        yield Evidence(Weight.BAD, "its registration failed", "registration failed")
    if approval.status is ApprovalStatus.APPROVED:
        yield Evidence(Weight.GOOD, f"approved{by}")
    elif approval.status in (ApprovalStatus.REJECTED, ApprovalStatus.WITHDRAWN):
        yield Evidence(Weight.BAD, f"{approval.status}{by}{f': {approval.reason}' if approval.reason else ''}",
                       str(approval.status))
    else:
        yield Evidence(Weight.MISSING, "nobody approved it" if approval.status is ApprovalStatus.NONE
                       else f"its approval is {approval.status}", f"approval {approval.status}")


def _service(circumstances: Circumstances, row: LineageRow | None) -> Service | None:
    """What the past days say of the version; None when they say nothing."""
    names = _names(circumstances, row)
    found = circumstances.proven.versions
    label = next((spelt for name in sorted(names) if (spelt := circumstances.spelt(name, list(found))) is not None), "")
    return found.get(label) if label else None


def _served(circumstances: Circumstances, row: LineageRow | None) -> Evidence:
    """Whether it served for long enough at enough traffic: by its requests, else by what triage itself brought about.

    How old a ReplicaSet is says how long the version could have served, and nothing of whether it did.
    """
    policy, past = circumstances.policy, circumstances.proven
    enough = f"{share(policy.proven_share)} or more of the traffic"
    service = _service(circumstances, row)
    looked = age(past.looked_back_seconds)
    if service is not None and service.seconds >= policy.proven_seconds and service.requests >= _LEAST_EVENTS:
        return Evidence(Weight.GOOD, f"served {age(service.seconds)} of the last {looked} with {enough} "
                                     f"({count(service.requests)} requests)")
    if told := by_journal.told(circumstances, _names(circumstances, row), policy.proven_seconds):
        return Evidence(Weight.GOOD, told)
    kind = "never served enough"
    if past.trouble:
        kind = "past not seen"
        told = f"whether it served cannot be seen: {past.trouble}"
    elif service is not None:
        lacks = (f"and not {span(policy.proven_seconds)}" if service.seconds < policy.proven_seconds
                 else f"of which {_LEAST_EVENTS} are needed")
        told = (f"served {age(service.seconds)} of the last {looked} with {enough} ({count(service.requests)} "
                f"requests), {lacks}")
    elif set(past.versions) == {""}:
        kind = "past not seen"
        told = "whether it served cannot be seen: the requests carry no version"
    else:
        told = f"it never had {enough} in the last {looked}"
    return Evidence(Weight.MISSING, told + _could_have(circumstances, row), kind)


def _could_have(circumstances: Circumstances, row: LineageRow | None) -> str:
    """Since when the version is there, which is weaker; "" when that is not known."""
    goal = _revision(circumstances)
    created = None if goal is None else goal.created_at
    if created is None:
        return ""
    return f" (weaker: its ReplicaSet is {age(circumstances.now - created)} old, which is no traffic)"


def _objectives(circumstances: Circumstances, row: LineageRow | None) -> Evidence:
    """Whether its own requests met the objectives while it served, and do so in the window that each is shown for."""
    service = _service(circumstances, row)
    past = [each for each in (() if service is None else service.objectives) if each.total >= _LEAST_EVENTS]
    then_met, then_missed = _sorted(past)
    now_met, now_missed = _sorted(_present(circumstances, row))
    wrong = [f"it misses objectives as well: {', '.join(now_missed)}"] if now_missed else []
    if then_missed:
        wrong.append(f"it missed objectives while it served: {', '.join(then_missed)}")
    if wrong:
        return Evidence(Weight.DOUBT, "; ".join(wrong), "misses objectives")
    if then_met:
        return Evidence(Weight.GOOD, f"met meanwhile: {', '.join(then_met)}")
    if now_met:
        return Evidence(Weight.GOOD, f"meets now: {', '.join(now_met)}")
    return Evidence(Weight.MISSING, "whether it meets its objectives is not known", "objectives not known")


def _sorted(counted: Iterable[Met]) -> tuple[list[str], list[str]]:
    """(objectives that were met, objectives that were missed), in words."""
    met: list[str] = []
    missed: list[str] = []
    for each in counted:
        told = f"{each.name} {percent(each.good_share, each.objective)} of {count(each.total)}"
        (met if each.good_share * 100 >= each.objective else missed).append(told)
    return met, missed


def _present(circumstances: Circumstances, row: LineageRow | None) -> Iterator[Met]:
    """What the newest snapshot counts of the version, where there is enough of it."""
    model, names = circumstances.model, _names(circumstances, row)
    for slo in () if model is None else model.slos:
        counted = next((v for v in slo.by_version if v.version in names), None)
        if counted is None or slo.objective is None or counted.bad is None or counted.total < _LEAST_EVENTS or (
                slo.now.quality not in READABLE or slo.now.quality is Quality.LOW_N):
            continue
        yield Met(slo.name, slo.objective, counted.bad, counted.total)


def _capacity(circumstances: Circumstances, row: LineageRow | None) -> Evidence:
    """Whether what the traffic goes to can take it: at once where a router moves it, else as the controller starts
    it."""
    goal, rollout = _revision(circumstances), circumstances.rollout
    if goal is not None and goal.available and rollout is not None:
        needed = _needed(rollout)
        if goal.available >= needed:
            return Evidence(Weight.GOOD, f"{goal.available} replicas can serve, {needed} are needed")
        if _moves_at_once(goal, rollout):
            told = (f"{goal.available} replicas can serve where {needed} do now: each takes "
                    f"{needed / goal.available:.3g}x")
            return Evidence(Weight.GOOD, told) if needed <= _MOST_GROWTH * goal.available else Evidence(
                Weight.DOUBT, f"only {told} at once", "few replicas")
        return Evidence(Weight.GOOD, f"{goal.available} of {needed} replicas can serve; the controller starts the "
                                     "others before it moves their traffic")
    if goal is not None and goal.available == 0 and rollout is not None and rollout.kind == _STARTS_NOTHING:
        return Evidence(Weight.BAD, "none of its servers is up, and the load balancer starts none", "no server up")
    if row is not None and row.registered and row.status == _REGISTERED:
        return Evidence(Weight.GOOD, "no replica serves it yet; its artifact is registered and ready")
    if goal is not None and goal.number is not None:
        return Evidence(Weight.MISSING, "no replica serves it yet, and nothing shows that it can still be loaded",
                        "not started")
    return Evidence(Weight.MISSING, "whether it can be loaded is not known", "not started")


def _needed(rollout: RolloutFacts) -> int:
    """Replicas that take all traffic: as many as serve it now, and never more than are wanted."""
    return max(1, min(rollout.desired_replicas, rollout.available_replicas or rollout.desired_replicas))


def _moves_at_once(goal: Revision, rollout: RolloutFacts) -> bool:
    """Whether traffic comes to ``goal`` before more of its replicas are started: a router takes it off a canary, and a
    load balancer starts none. Where every pod takes its share, the traffic follows the pods."""
    stable = rollout.stable
    return rollout.kind == _STARTS_NOTHING or (
        rollout.canary is not None and stable is not None and goal.pod_hash == stable.pod_hash
        and rollout.weight_from is WeightFrom.ROUTER)


def _signature(circumstances: Circumstances, row: LineageRow | None) -> Evidence:
    found, rollout = circumstances.signature, circumstances.rollout
    stable = None if rollout is None else rollout.stable
    if found.fits is None and rollout is not None and stable is not None and stable.available and (
            stable.version in _names(circumstances, row) and (rollout.weight_set or 0.0) < 100):
        return Evidence(Weight.GOOD, "takes today's requests now")
    weight = {True: Weight.GOOD, False: Weight.BAD, None: Weight.MISSING}[found.fits]
    return Evidence(weight, found.sentence, "inputs")


def _described(circumstances: Circumstances, row: LineageRow | None) -> Iterator[Evidence]:
    """Whether the notebook that was registered with the version is the version's own."""
    version = circumstances.signature.described
    if not version:
        return
    if circumstances.spelt(version, sorted(_names(circumstances, row))) is not None:
        yield Evidence(Weight.GOOD, f"its notebook describes {shown_version(version)}")
    else:
        yield Evidence(Weight.DOUBT, f"the notebook registered with it describes {shown_version(version)}",
                       "describes another")


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
    Guard("capacity", Strength.BREAKABLE, frozenset({Action.ABORT, Action.ROLLBACK}), capacity),
)
