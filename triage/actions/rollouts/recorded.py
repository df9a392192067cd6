"""What Kubernetes objects tell of their changes, whoever made them: writers and times in ``managedFields``, their
ReplicaSets, the time of an abort, and the mark that triage leaves. Pure.

``managedFields`` keep the last time of each writer, not every time: what is read here is the least that was changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from triage.actions.history import FLEEING
from triage.actions.plan import shown_version
from triage.actions.rollouts.last_action import LAST_ACTION, last_action
from triage.actions.system import Change, Recorded
from triage.facts.rollouts import Revision, RolloutFacts
from triage.sources.decode import parse_time
from triage.sources.kubernetes import Json
from triage.sources.rollouts.objects import inner, objects, text

CONTROLLERS = frozenset({"kube-controller-manager", "rollouts-controller", "argo-rollouts"})
"""Writers that carry out what others wrote, autoscaling included."""
_SOURCE = "its managedFields and ReplicaSets"


def recorded(items: Sequence[Json], facts: RolloutFacts) -> Recorded:
    """The changes that the objects ``items`` (the workload, and what its template is taken from) and the ReplicaSets in
    ``facts`` tell, newest first; those of no known time last."""
    found = [*_written(items), *_rolled_out(facts), *_aborted(facts), *_went_back(items, facts)]
    return Recorded(tuple(sorted(found, key=lambda each: -(each.at or 0.0))), _SOURCE)


def _written(items: Sequence[Json]) -> Iterator[Change]:
    for item in items:
        for entry in _entries(item):
            writer, part, at = text(entry.get("manager"), 80), text(entry.get("subresource"), 40), _time(entry)
            if writer and writer not in CONTROLLERS and at is not None:
                yield Change(at, f"{writer} wrote {f'its {part}' if part else 'it'} (managedFields)")


def _rolled_out(facts: RolloutFacts) -> Iterator[Change]:
    for each in facts.revisions:
        if each.created_at is not None:
            yield Change(each.created_at, f"{shown_version(each.version)} was first rolled out (its ReplicaSet)")


def _aborted(facts: RolloutFacts) -> Iterator[Change]:
    if facts.aborted and facts.canary is not None:
        version = shown_version(facts.canary.version)
        yield Change(facts.aborted_at, f"{version} was aborted (status.abortedAt), by whom is not recorded", version)


def _went_back(items: Sequence[Json], facts: RolloutFacts) -> Iterator[Change]:
    for item in items:
        mark = last_action(item)
        if mark is not None and mark.action in FLEEING and mark.before:
            entry = next((each for each in _entries(item) if f"f:{LAST_ACTION}" in inner(
                each, "fieldsV1", "f:metadata", "f:annotations")), {})
            yield Change(_time(entry), f"{mark.action} from {mark.before} by {mark.by} (annotation {LAST_ACTION})",
                         mark.before, mark.why or "no reason given")
    wanted, left = facts.wanted, _one_before(facts)
    if wanted is None or left is None or not wanted.earlier_numbers or left.version == wanted.version:
        return
    times = [at for item in items for entry in _entries(item) if not entry.get("subresource") and text(
        entry.get("manager"), 80) not in CONTROLLERS and (at := _time(entry)) is not None]
    version = shown_version(left.version)
    yield Change(max(times, default=None), f"revision {wanted.number} went from {version} back to "
                 f"{shown_version(wanted.version)} of revision {wanted.earlier_numbers[-1]} (ReplicaSets)", version)


def _one_before(facts: RolloutFacts) -> Revision | None:
    """The revision that was wanted before the present one; None when none is known."""
    if facts.wanted is None or facts.wanted.number is None:
        return None
    present = facts.wanted.number
    earlier = [each for each in facts.revisions if each.number is not None and each.number < present]
    return max(earlier, key=lambda each: each.number or 0, default=None)


def _entries(item: Json) -> list[Json]:
    return objects(inner(item, "metadata").get("managedFields"))


def _time(entry: Json) -> float | None:
    return parse_time(entry.get("time"))
