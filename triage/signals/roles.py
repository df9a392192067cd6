"""Which version behind a load balancer is stable: a balancer has weights and no roles, and the larger weight is no
sign of one.

A version on trial at three quarters of the traffic has more of it than the one it is compared with. So it is asked, in
this order, what the manifest names last known good, what the registry's alias names, who served first by the requests,
and what the balancer's configuration gives all traffic to. The first that speaks is followed; what contradicts it is
said. When none of them speaks, nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from triage.facts.rollouts import Phase, Revision, RolloutFacts, Split, WeightFrom
from triage.signals import wording
from triage.signals.model import VersionState
from triage.signals.spellings import spelt

_APART_SECONDS = 180.0
"""Two versions first seen within so long may have begun in either order."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What others than the balancer know of the roles of one model's versions."""

    model: str
    """As the manifest and the registry name it."""
    last_known_good: str = ""
    """Of the manifest; "" when it names none."""
    aliased: tuple[str, ...] = ()
    """Every spelling of the version under the registry's stable alias; () when none is."""
    first_seen: Mapping[str, float | None] = field(default_factory=dict)
    """Versions that have served, by the requests: Unix seconds of the first, None for before the data looked at."""


def first_seen(items: Iterable[VersionState]) -> Mapping[str, float | None]:
    """When each version that really served did so first; versions that are only named elsewhere are left out."""
    return {v.version: v.first_seen for v in items
            if v.version and (v.first_seen is not None or v.last_seen is not None or (v.share.n or 0.0) > 0)}


def with_roles(found: RolloutFacts, hints: Hints) -> RolloutFacts:
    """``found`` with stable and canary by what ``hints`` know; of a controller that says itself: as it is."""
    taking = [split for split in found.splits if split.weight > 0]
    if len(taking) < 2:
        return found
    said = tuple(_said([split.version for split in taking], found.splits, hints))
    if not said:
        shares = " and ".join(f"{split.version} ({_share(split)})" for split in taking)
        return replace(found, stable=None, canary=None, roles_from="", roles_doubt=f"which of {shares} is stable, and "
                       "which on trial, is not known")
    (stable, source), others = said[0], [split for split in taking if split.version != said[0][0]]
    against = [f"{version} is by {by}" for version, by in said[1:] if version != stable]
    trial = max(others, key=lambda split: split.weight)
    return _degraded(replace(
        found, stable=_revision(found, stable), canary=_revision(found, trial.version), weight_set=trial.percent,
        updated_replicas=(each.available or 0 if (each := _revision(found, trial.version)) is not None else 0),
        weight_from=None if trial.percent is None else WeightFrom.ROUTER, roles_from=source,
        roles_doubt=f"{stable} is stable by {source}, and {' and '.join(against)}" if against else ""))


def _said(taking: Sequence[str], splits: Sequence[Split], hints: Hints) -> Iterable[tuple[str, str]]:
    """(stable version, who says so), the first that counts first."""
    named = spelt(hints.last_known_good, hints.model, taking) if hints.last_known_good else None
    if named is not None:
        yield named, "the manifest's last_known_good"
    aliased = {found for name in hints.aliased if (found := spelt(name, hints.model, taking)) is not None}
    if len(aliased) == 1:
        yield aliased.pop(), "the registry's alias"
    if (first := _first(taking, hints)) is not None:
        yield first, "the requests, which it served first"
    configured = [split.version for split in splits if split.configured > 0]
    # Shares that were written down may be those of a trial: only all or nothing is a role.
    if len(configured) == 1 and configured[0] in taking and not named and not aliased and first is None:
        yield configured[0], "the configured weights, which give it everything"


def _first(taking: Sequence[str], hints: Hints) -> str | None:
    """The one of ``taking`` that served before the others; None when that is not known of all of them."""
    began: dict[str, float] = {}
    for label, at in hints.first_seen.items():
        version = spelt(label, hints.model, taking)
        if version is not None:
            began[version] = min(began.get(version, float("inf")), float("-inf") if at is None else at)
    if set(began) != set(taking):
        return None
    first, second = sorted(taking, key=lambda version: began[version])[:2]
    return first if began[second] - began[first] > _APART_SECONDS else None


def _degraded(found: RolloutFacts) -> RolloutFacts:
    stable = found.stable
    if stable is None or stable.available or found.phase is Phase.DEGRADED:
        return found
    return replace(found, phase=Phase.DEGRADED, message=f"no server of {stable.version} is up")


def _revision(found: RolloutFacts, version: str) -> Revision | None:
    return next((each for each in found.revisions if each.version == version), None)


def _share(split: Split) -> str:
    return "no server up" if split.percent is None else wording.share(split.percent / 100)
