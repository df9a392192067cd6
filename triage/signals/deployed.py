"""Which version is stable and which on trial: as the rollout's controller says, else the registry, else the traffic.

Where they contradict each other the first that speaks is followed, and the contradiction is a reason of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from triage.facts.outcome import Failure, FailureKind
from triage.facts.rollouts import Phase, PodsFacts, RolloutFacts, WeightFrom
from triage.facts.scaling import ScalingFacts
from triage.facts.versions import RegisteredModel, TrainingRun
from triage.signals import wording
from triage.signals.burn import MINUTE
from triage.signals.canary_words import UNTOLD, WAITING
from triage.signals.model import Reason, Versions, VersionState
from triage.signals.promise import Promise
from triage.signals.reading import READABLE, Quality, Reading, Urgency, Verdict
from triage.signals.roles import Hints, first_seen
from triage.signals.roles import with_roles as _with_roles
from triage.signals.spellings import registered_as, spelt

if TYPE_CHECKING:
    from triage.notebook.manifest import Manifest

RULE = "rollout"
"""What :class:`~triage.signals.model.Reason` names as the rule."""
SHARE_SECONDS = 5 * MINUTE
"""Shares of the traffic are of so long: a change shows in full only after it."""
_LEAST_SHARE = 0.01
"""Of the requests, from which a version is said to take some although it should not."""
_SPLIT_TOLERANCE = 0.2
"""How far the split may be from what is in force, as a share of that."""
_SIGMAS = 4.0
"""So many standard deviations of a fair split are no chance any more."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """What the registry and the rollout's controller said of one model. None: not asked, or not answered yet.

    A failure stands only where nothing was said before it; else what was said last stands, with its age.
    """

    registered: RegisteredModel | Failure | None = None
    promise: Promise | None = None
    """None also when the notebook's version is not registered."""
    rollout: RolloutFacts | Failure | None = None
    rollout_lasts: float = 15.0
    """Seconds for which a rollout that was read describes the present."""
    pods: PodsFacts | Failure | None = None
    """Its pods; None also while nobody looks at them. Nothing is judged by them but themselves."""
    scaling: ScalingFacts | Failure | None = None
    """What was told of their number."""
    run: TrainingRun | Failure | None = None
    """The training run of the notebook's version; None also when none is named."""
    rollout_awaited: bool = False
    """Whether the controller is asked about the model and has never answered, nor failed to."""

    def rollout_at(self, now: float) -> RolloutFacts | None:
        """The rollout, None when it is not known or too old to speak of the present."""
        found = self.rollout
        return found if isinstance(found, RolloutFacts) and now - found.read_at <= self.rollout_lasts else None


NOTHING_SAID = Deployed()


@dataclass(frozen=True, slots=True)
class Weight:
    """The share of the traffic that the controller gave the version on trial."""

    share: float
    """0 to 1."""
    since: float | None
    """Unix seconds from which it is known to be in force; None when nobody says since when it is."""


def settled(seen: Versions, deployed: Deployed, manifest: Manifest, now: float) -> Versions:
    """``seen`` (from the traffic) with the arms that the controller names, else the registry's aliases.

    Aliases count only while the version under the stable one takes requests: a server that read an alias when it
    started does not follow it. ``known_from`` says whose word it is; while the controller, whose word counts first, has
    not answered yet, it is nobody's (:data:`~triage.signals.canary_words.WAITING`). Where a load balancer gives weights
    to several versions and nobody knows their roles, none has an arm (:data:`~triage.signals.canary_words.UNTOLD`).
    """
    deployed = with_roles(seen, deployed, manifest)
    rollout = deployed.rollout_at(now)
    if rollout is not None and rollout.roles_unknown:
        return Versions(UNTOLD, tuple(replace(item, arm="") for item in seen.items))
    found = _by_rollout(seen, deployed, manifest, now) or _by_registry(seen, deployed, manifest) or seen
    return replace(found, known_from=WAITING) if deployed.rollout_awaited else found


def with_roles(seen: Versions, deployed: Deployed, manifest: Manifest) -> Deployed:
    """``deployed``, its rollout with the roles that a load balancer itself does not know (:mod:`triage.signals.roles`).

    ``seen`` is from the traffic.
    """
    rollout = deployed.rollout
    if not isinstance(rollout, RolloutFacts) or not rollout.splits:
        return deployed
    promised, model = manifest.spec.registry, deployed.registered
    named = model.aliases.get(promised.stable_alias) if promised is not None and isinstance(
        model, RegisteredModel) else None
    served = [v.version for v in seen.items if named is not None and isinstance(model, RegisteredModel)
              and registered_as(v.version, model) == named]
    return replace(deployed, rollout=_with_roles(rollout, Hints(
        manifest.metadata.name, manifest.spec.rollback.last_known_good or "",
        (*((named,) if named is not None else ()), *served), first_seen(seen.items))))


def weight(deployed: Deployed, now: float) -> Weight | None:
    """What the version on trial was given; None when that is not known.

    Only a pause tells since when. Without traffic routing it is the share of the serving pods, which is as near as the
    controller could come.
    """
    rollout = deployed.rollout_at(now)
    if rollout is None or not rollout.observed or rollout.aborted or rollout.canary is None:
        return None
    # A pause by hand has no time of its own, but is a condition.
    times = [at for at in (*(pause.since for pause in rollout.pauses),
                           *(c.since for c in rollout.conditions if (c.type, c.status) == ("Paused", "True")))
             if at is not None] if rollout.paused else []
    percent = _in_force(rollout)
    return None if percent is None else Weight(percent / 100, max(times, default=None))


def step_of(rollout: RolloutFacts) -> tuple[int, int] | None:
    """Which share of the traffic of how many is reached, all of it included; None without a canary or steps."""
    index = rollout.step_index
    if index is None or rollout.canary is None or rollout.aborted:
        return None
    shares = [step.weight for step in rollout.steps if step.weight is not None]
    if not shares:
        return None
    reached = sum(step.weight is not None for step in rollout.steps[:index + 1])
    count = len(shares) + (shares[-1] < 100)
    return (count if index >= len(rollout.steps) else min(reached, count)), count


def stands(rollout: RolloutFacts, now: float) -> str:
    """Where it stands in a few words: ``step 1 of 4, paused``, ``aborted 12 min ago``; "" when it is done and well."""
    if rollout.aborted:
        return "aborted" + (f" {wording.coarse_age(max(0.0, now - rollout.aborted_at))} ago"
                            if rollout.aborted_at is not None else "")
    step = step_of(rollout)
    words = [f"step {step[0]} of {step[1]}"] if step is not None else []
    if rollout.promoting_fully:
        words.append("being promoted fully")
    if rollout.phase is Phase.DEGRADED:
        words.append("degraded")
    elif any(pause.reason == "InconclusiveAnalysisRun" for pause in rollout.pauses):
        words.append("paused, its analysis is inconclusive")
    elif rollout.paused:
        words.append("paused")
    elif rollout.phase is Phase.PROGRESSING and step is None:
        words.append("progressing")
    if not rollout.observed:
        words.append("not seen by its controller yet")
    return ", ".join(words)


def rollout_reasons(seen: Versions, deployed: Deployed, manifest: Manifest, now: float) -> tuple[Reason, ...]:
    """Where the controller's word, the traffic and the manifest contradict each other, and a rollout that is stuck.

    ``seen`` is from the traffic. The traffic is compared only once the rollout has stood still for as long as shares
    are counted over, so that nothing is said while a step is taken.
    """
    return tuple(_reasons(seen, deployed, manifest, now))


def _reasons(seen: Versions, deployed: Deployed, manifest: Manifest, now: float) -> Iterator[Reason]:
    if isinstance(deployed.rollout, Failure):
        named = manifest.spec.rollout
        if deployed.rollout.kind is FailureKind.NOT_FOUND and named is not None:
            kind = "Deployment" if named.kind == "deployment" else "Rollout"
            what = f"backend {named.name}" if named.kind == "haproxy" else f"{kind} {named.namespace}/{named.name}"
            yield _reason(manifest, f"there is no {what}, which the manifest names as "
                          "what rolls out its versions")
        return
    rollout = deployed.rollout_at(now)
    if rollout is None:
        return
    if rollout.roles_unknown:
        yield Reason(Verdict.UNKNOWN, Urgency.NONE, RULE, manifest.metadata.name, f"{_name(rollout)}: "
                     f"{rollout.roles_doubt}: set rollback.last_known_good in the manifest")
    elif rollout.roles_doubt:
        yield _reason(manifest, f"{_name(rollout)}: {rollout.roles_doubt}")
    if rollout.phase is Phase.DEGRADED and not rollout.aborted:
        yield _reason(manifest, f"{_name(rollout)} is degraded: {rollout.message or 'its controller does not say why'}")
    if _stands_still(rollout, manifest, now):
        yield from (_reason(manifest, text) for text in _against_traffic(seen, rollout, deployed, manifest))


def _against_traffic(seen: Versions, rollout: RolloutFacts, deployed: Deployed, manifest: Manifest) -> Iterator[str]:
    shares = {v.version: v.share for v in seen.items if v.share.quality in READABLE and v.share.value is not None}
    if rollout.stable is None or not rollout.stable.version or "" in shares or not any(
            (share.value or 0.0) > 0 for share in shares.values()):
        return
    same = _matcher(deployed, manifest)
    stable, trial = rollout.stable.version, rollout.canary.version if rollout.canary is not None else None
    if trial is not None and (not trial or same(trial, stable)):
        # Nothing tells the two apart.
        return
    taken = {name: sum(share.value or 0.0 for version, share in shares.items() if same(version, name))
             for name in (stable, trial) if name is not None}
    most = max(shares, key=lambda version: shares[version].value or 0.0)
    percent = _in_force(rollout)
    if taken[stable] < _LEAST_SHARE and (percent is None or percent < 100):
        yield (f"{_name(rollout)} says that {stable} is stable, but it takes no requests: {most} takes "
               f"{wording.share(shares[most].value or 0.0)}")
    for version, share in shares.items():
        if not same(version, stable) and (trial is None or not same(version, trial)) and (
                share.value or 0.0) >= _LEAST_SHARE:
            yield f"{version} takes {wording.share(share.value or 0.0)}, and {_name(rollout)} knows nothing of it"
    if trial is None or manifest.spec.canary.arm == "shadow":
        return
    if rollout.aborted:
        if taken[trial] >= _LEAST_SHARE:
            yield f"{_name(rollout)} was aborted, but {trial} still takes {wording.share(taken[trial])}"
    elif percent is not None and 0 < percent < 100:
        n = math.fsum(share.n or 0.0 for share in shares.values())
        given, real = percent / 100, taken[trial]
        chance = _SIGMAS * math.sqrt(given * (1 - given) / n) if n > 0 else math.inf
        if abs(real - given) > max(_SPLIT_TOLERANCE * given, chance):
            yield (f"{_name(rollout)} says that {trial} takes {wording.share(given)}, the traffic shows "
                   f"{wording.share(real)} (n {wording.count(n)})")


def _stands_still(rollout: RolloutFacts, manifest: Manifest, now: float) -> bool:
    """Whether nothing has been changed for as long as shares are counted over."""
    if not rollout.observed or rollout.promoting_fully or rollout.phase in (Phase.PROGRESSING, Phase.UNKNOWN):
        return False
    times = [*(pause.since for pause in rollout.pauses), rollout.aborted_at, *(c.since for c in rollout.conditions),
             *(r.created_at for r in (rollout.stable, rollout.canary) if r is not None)]
    changed = max((at for at in times if at is not None), default=None)
    # HAProxy does not say when its weights were set: its word cannot be compared with requests of the last minutes.
    return changed is not None and now - changed > SHARE_SECONDS + MINUTE + 2 * manifest.spec.metrics.scrape_interval


def _in_force(rollout: RolloutFacts) -> float | None:
    """Percent for the version on trial."""
    if rollout.weight_from is WeightFrom.PODS or rollout.weight_asked is None:
        return rollout.weight_set
    return rollout.weight_asked


def _name(rollout: RolloutFacts) -> str:
    return f"{rollout.kind} {rollout.namespace}/{rollout.name}"


def _reason(manifest: Manifest, text: str) -> Reason:
    return Reason(Verdict.WARN, Urgency.TICKET, RULE, manifest.metadata.name, text)


def _matcher(deployed: Deployed, manifest: Manifest) -> Callable[[str, str], bool]:
    """Whether two spellings are of one version."""
    model = manifest.metadata.name
    known = deployed.registered if isinstance(deployed.registered, RegisteredModel) else None

    def same(one: str, other: str) -> bool:
        if spelt(one, model, (other,)) is not None or spelt(other, model, (one,)) is not None:
            return True
        name = registered_as(one, known) if known is not None else None
        return name is not None and known is not None and name == registered_as(other, known)
    return same


def _by_rollout(seen: Versions, deployed: Deployed, manifest: Manifest, now: float) -> Versions | None:
    rollout = deployed.rollout_at(now)
    if rollout is None or rollout.stable is None or not rollout.stable.version:
        return None
    same = _matcher(deployed, manifest)
    stable = rollout.stable.version
    trial = rollout.canary.version if rollout.canary is not None and not rollout.aborted else None
    untold = any(not v.version for v in seen.items)
    if untold or (trial is not None and (not trial or same(trial, stable))):
        # The series, or the two templates, do not say which is which.
        return None
    items = [replace(v, arm="stable" if same(v.version, stable)
                     else manifest.spec.canary.arm if trial is not None and same(v.version, trial) else "")
             for v in seen.items]
    for name, arm in ((stable, "stable"), (trial, manifest.spec.canary.arm)):
        if name is not None and not any(v.arm == arm for v in items):
            items.append(_unseen(name, arm, seen))
    return Versions("rollout", tuple(items))


def _unseen(version: str, arm: str, seen: Versions) -> VersionState:
    """A version that the controller names and no series do."""
    quality = next((v.share.quality for v in seen.items if v.share.quality is not Quality.OK), Quality.NO_DATA)
    return VersionState(version, arm, Reading(None, "ratio", quality, window_seconds=SHARE_SECONDS,
                                              note="no series of it"), None, None)


def _by_registry(seen: Versions, deployed: Deployed, manifest: Manifest) -> Versions | None:
    promised, model = manifest.spec.registry, deployed.registered
    if promised is None or promised.kind == "none" or not isinstance(model, RegisteredModel):
        return None
    taking = {v.version: registered_as(v.version, model) for v in seen.items if v.version and (v.share.value or 0) > 0}
    named = model.aliases.get(promised.stable_alias)
    stable = next((version for version, name in taking.items() if name is not None and name == named), None)
    if stable is None:
        return None
    tried = model.aliases.get(promised.canary_alias)
    others = [version for version in taking if version != stable]
    trial = next((version for version in others if tried is not None and taking[version] == tried), None)
    if trial is None:
        # No alias says it: as the traffic does.
        trial = next((v.version for v in seen.items if v.arm and v.version in others), None)
    return Versions("registry", tuple(
        replace(v, arm="stable" if v.version == stable else manifest.spec.canary.arm if v.version == trial else "")
        for v in seen.items))
