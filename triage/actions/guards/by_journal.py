"""How long a version served by what triage itself brought about: evidence where the requests of that time are not seen.

The journal knows when triage brought a version all the traffic, and nothing of what others did afterwards. So a stretch
of service ends with the first sign of another change, counts until now only while the version is still the stable one,
says nothing where Prometheus has seen who served, and tells nothing of today when it is older than what Prometheus is
asked about.
"""

from __future__ import annotations

from collections.abc import Iterable

from triage.actions.circumstances import Circumstances
from triage.actions.guards.past import by_others, recorded
from triage.actions.history import Service
from triage.actions.proven import LOOK_BACK_SECONDS
from triage.signals.wording import age

_SAME_SECONDS = 30.0
"""What is made so soon after an action was made by it."""


def told(circumstances: Circumstances, names: frozenset[str], needed_seconds: float) -> str:
    """That the version with these ``names`` took all traffic for so long, as a phrase; "" when the journal does not
    show it."""
    key, now, past = circumstances.plan.target.key, circumstances.now, circumstances.proven
    if not past.trouble and set(past.versions) - {""}:
        return ""
    oldest = now - max(LOOK_BACK_SECONDS, past.looked_back_seconds)
    for name in sorted(names):
        for service in circumstances.history.served(key, name):
            end = _end(circumstances, service, names)
            if end is not None and end >= oldest and end - service.start >= needed_seconds:
                until = "" if end >= now else f", until {age(now - end)} ago"
                return f"took all traffic for {age(end - service.start)} by the journal{until}"
    return ""


def _end(circumstances: Circumstances, service: Service, names: frozenset[str]) -> float | None:
    """When it was over at the latest that is sure; None when that is not known."""
    after = service.start + _SAME_SECONDS
    ends = [at for at in _changes(circumstances, names) if at > after]
    if service.end is not None:
        ends.append(service.end)
    elif not ends and not _stands(circumstances, names):
        return None
    return min([*ends, circumstances.now])


def _changes(circumstances: Circumstances, names: frozenset[str]) -> Iterable[float]:
    """When others changed the target, as far as anything tells: another version that was rolled out first, or what the
    system records."""
    rollout = circumstances.rollout
    for revision in () if rollout is None else (*rollout.revisions, *filter(None, (rollout.stable, rollout.canary))):
        if revision.created_at is not None and revision.version not in names:
            yield revision.created_at
    own = [attempt.at for deed in circumstances.history.of(circumstances.plan.target.key) for attempt in deed.attempts]
    for change in by_others(recorded(circumstances), own, 0.0):
        if change.at is not None:
            yield change.at


def _stands(circumstances: Circumstances, names: frozenset[str]) -> bool:
    """Whether the version is the stable one now."""
    rollout, model = circumstances.rollout, circumstances.model
    if rollout is not None:
        return rollout.stable is not None and rollout.stable.version in names
    stable = None if model is None else model.versions.arm("stable")
    return stable is not None and circumstances.spelt(stable.version, sorted(names)) is not None
