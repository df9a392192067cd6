"""What the registry and the rollout's controller said, in the words that screens and reports share."""

from __future__ import annotations

from triage.facts.rollouts import Pause, RolloutFacts
from triage.facts.versions import Approval, ApprovalStatus
from triage.signals import wording
from triage.signals.deployed import stands
from triage.signals.lineage_model import Lineage, LineageRow
from triage.signals.promise import Promise, PromiseState

SAID_BY = {"rollout": "the rollout controller", "registry": "the registry's aliases", "traffic": "the traffic"}
"""Whose word says which version is stable and which on trial."""
_PROMISES = {
    PromiseState.SAME: "is the one registered with version {}", PromiseState.LAYOUT: "promises what the one registered "
    "with version {} does, in other words", PromiseState.DIFFERS: "differs from the one registered with version {}",
    PromiseState.ALTERED: "the one registered with version {} was changed after its digest was taken",
    PromiseState.NOT_RECORDED: "none is registered with version {}",
    PromiseState.UNREADABLE: "the one registered with version {} cannot be read"}


def approval(found: Approval) -> str:
    """``approved by model-risk``, ``pending``, ``no approval``."""
    if found.status is ApprovalStatus.NONE:
        return "no approval"
    if found.status is ApprovalStatus.UNCLEAR:
        return f"approval unclear: {found.word}"
    by = f" by {found.by}" if found.by else ""
    return f"{found.status}{by}" + (f": {found.reason}" if found.reason else "")


def registered(row: LineageRow) -> str:
    """One version: ``champion, approved by model-risk``."""
    if not row.registered:
        return "not registered"
    words = [*row.aliases, approval(row.approval)]
    return ", ".join(words if row.status in ("READY", "") else [*words, row.status])


def promise(found: Promise | None) -> str:
    """How the manifest stands to the registered one; "" where that was not compared."""
    return _PROMISES[found.state].format(found.version) if found is not None else ""


def summary(found: Lineage) -> str:
    """One line: whether everything that serves is registered and approved."""
    if not found.known:
        return "not read"
    if found.findings:
        return f"{len(found.findings)} finding{'' if len(found.findings) == 1 else 's'}"
    serving = [row for row in found.rows if row.share is not None and (row.share.value or 0.0) > 0]
    return "nothing serves" if not serving else "what serves is registered and approved"


def whereabouts(facts: RolloutFacts, now: float) -> str:
    """``Rollout ml/fraud-scorer: step 1 of 4, paused``."""
    return f"{facts.kind} {facts.namespace}/{facts.name}: {stands(facts, now) or str(facts.phase).lower()}"


def weights(facts: RolloutFacts) -> str:
    """``10 % asked, 10 % in force by the router``; "" without a version on trial."""
    words = []
    if facts.weight_asked is not None:
        words.append(f"{wording.share(facts.weight_asked / 100)} asked")
    if facts.weight_set is not None:
        by = f" by the {facts.weight_from}" if facts.weight_from is not None else ""
        words.append(f"{wording.share(facts.weight_set / 100)} in force{by}")
    return ", ".join(words) if facts.canary is not None else ""


def pause(found: Pause, now: float) -> str:
    """``CanaryPauseStep for 41 min, until somebody resumes it``."""
    long = f" for {wording.coarse_age(max(0.0, now - found.since))}" if found.since is not None else ""
    until = (f"goes on at {wording.clock_time(found.until, now)}" if found.until is not None
             else "until somebody resumes it")
    return f"{found.reason or 'paused'}{long}, {until}"
