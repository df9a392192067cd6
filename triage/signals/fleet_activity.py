"""What was done to a model in the last 30 days, as far as its registry, its rollout and its notebook tell when. Pure.

None of them keeps a log. A count that may leave something out is a lower bound, and named as one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from triage.facts.frozen import frozen
from triage.facts.rollouts import Revision, RolloutFacts
from triage.facts.versions import RegisteredModel, RegisteredVersion
from triage.signals.burn import DAY
from triage.signals.lineage import OLD_COPY_SECONDS

if TYPE_CHECKING:
    from triage.notebook.manifest import ApprovalTags, Manifest
    from triage.signals.deployed import Deployed

LOOKED_BACK_SECONDS = 30 * DAY
APPROVALS, DEPLOYS, RETRAINS = "approvals", "deploys", "retrains"


@frozen(frozen=True, slots=True)
class Activity:
    """Counts of the last 30 days; None where nothing says it."""

    approvals: int | None = None
    """Versions whose approval stands and was given in that time; without a registry, the notebook's approvals."""
    approvals_from: str = ""
    """``registry`` or ``notebook``."""
    deploys: int | None = None
    """Templates that the rollout's controller rolled out or went back to, by the numbers it gave them."""
    retrains: int | None = None
    """Training runs that gave a version registered in that time. Runs that gave none are not known here."""
    at_least: frozenset[str] = frozenset()
    """Which of ``approvals``, ``deploys`` and ``retrains`` are lower bounds: there may have been more."""


def activity(manifest: Manifest, said: Deployed, now: float) -> Activity:
    """What is told of the 30 days before ``now``."""
    begin, bounds = now - LOOKED_BACK_SECONDS, set()
    deploys = _deploys(said.rollout, begin) if isinstance(said.rollout, RolloutFacts) else None
    if deploys is not None and not deploys[1]:
        bounds.add(DEPLOYS)
    count = None if deploys is None else deploys[0]
    model, registry = said.registered, manifest.spec.registry
    if not isinstance(model, RegisteredModel) or registry is None:
        return Activity(_written(manifest, begin), "notebook", count, None, frozenset(bounds))
    approved, exact = _approvals(model, registry.approval_tags, begin)
    whole = model.complete and model.fetch_failed_at is None and (
        model.as_of is None or now - model.as_of <= OLD_COPY_SECONDS)
    bounds |= {APPROVALS} if not (exact and whole) else set()
    bounds |= {RETRAINS} if not whole else set()
    runs = {v.run_id for v in model.versions if v.run_id and v.created_at is not None and v.created_at >= begin}
    return Activity(approved, "registry", count, len(runs), frozenset(bounds))


def _approvals(model: RegisteredModel, tags: ApprovalTags, begin: float) -> tuple[int, bool]:
    """(approvals that stand and were certainly given since ``begin``, whether that is all of them).

    Most registries do not keep when a tag was set. A version that was registered since was approved since too; of an
    older one that does not say when, nobody knows.
    """
    found, exact = 0, True
    for version in model.versions:
        if not version.is_approved(tags.status):
            continue
        at = _approved_at(version, tags)
        if at is None and (version.created_at is None or version.created_at < begin):
            exact = False
        elif at is None or at >= begin:
            found += 1
    return found, exact


def _approved_at(version: RegisteredVersion, tags: ApprovalTags) -> float | None:
    told = version.tags.get(tags.at)
    at = None if told is None else _moment(told)
    return at if at is not None else version.tagged_at.get(tags.status)


def _moment(text: str) -> float | None:
    """Unix seconds of a date, a date with time (UTC without a zone), or Unix seconds or milliseconds; else None."""
    try:
        if text.isascii() and text.isdigit() and len(text) in (9, 10, 12, 13):
            return float(text) / (1 if len(text) < 12 else 1000)
        named = datetime.fromisoformat(text)
        return (named if named.tzinfo is not None else named.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _deploys(rollout: RolloutFacts, begin: float) -> tuple[int, bool] | None:
    """(deploys since ``begin``, whether that is all of them); None where the controller keeps no numbers.

    A controller numbers what it rolls out, and gives a template that it goes back to the next number. So everything
    from the first number given since then on counts, whether its ReplicaSet is still kept or not.
    """
    kept = [(each.created_at, _first_number(each), each) for each in rollout.revisions if each.number is not None
            and each.created_at is not None]
    if not kept:
        return None
    newest = max(each.number or 0 for _, _, each in kept)
    since = [first for created, first, _ in kept if created >= begin]
    if not since:
        # What was rolled out before may have been gone back to since: only that it was is kept, not when.
        last = next(each for _, _, each in kept if each.number == newest)
        return 0, not last.earlier_numbers and rollout.incomplete is None
    first = min(since)
    bounded = first == 1 or any(number == first - 1 for created, number, _ in kept if created < begin)
    return newest - first + 1, bounded and rollout.incomplete is None


def _first_number(revision: Revision) -> int:
    """The number that its template had when its ReplicaSet was made."""
    return min((*revision.earlier_numbers, revision.number or 0))


def _written(manifest: Manifest, begin: float) -> int | None:
    """Approvals that the notebook records since ``begin``; None when it records none at all."""
    if not manifest.spec.approvals:
        return None
    return sum(a.status == "approved" and (_moment(a.at) or 0.0) >= begin for a in manifest.spec.approvals)
