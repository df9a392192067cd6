"""``Draft``: the part of a plan that a system of rollouts decides, and the words that all of them share."""

from __future__ import annotations

from dataclasses import dataclass, field

from triage.actions.plan import BlastRadius, Request, State, Verification
from triage.actions.rollouts.images import NOTHING_REPORTED, Reported
from triage.actions.rollouts.undo import named
from triage.actions.system import Observed
from triage.facts.outcome import Failure
from triage.facts.rollouts import Revision, RolloutFacts
from triage.signals.deployed import step_of
from triage.sources.kubernetes import Json
from triage.sources.rollouts.objects import inner, whole

SETTLE_SECONDS = 600.0
"""After the goal is reached: how long the readings may take to recover. Their shortest window is five minutes."""
STATUS_SECONDS = 60.0
"""Until a controller that is well has acted on a change of one field."""


@dataclass(frozen=True, slots=True)
class Seen(Observed):
    """A workload of Kubernetes, read just now, with the objects themselves: their texts are not cleaned."""

    item: Json = field(default_factory=dict)
    sets: tuple[Json, ...] = ()
    """Its ReplicaSets."""
    source: Json | Failure | None = None
    """The object that the pod template is taken from (``spec.workloadRef``); None when it is its own."""
    images: Reported = NOTHING_REPORTED
    """Which image the ready pods of each revision run."""
    autoscaler: str | Failure | None = None
    """Name and bounds of the HorizontalPodAutoscaler that sets its replicas; "" for none, None when nobody asked."""

    @property
    def facts(self) -> RolloutFacts:
        """What it says. Raises ValueError for what was not made by a workload."""
        if self.rollout is None:
            raise ValueError("a workload was observed without its rollout")
        return self.rollout


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan but for who asks, why and when."""

    requests: tuple[Request, ...]
    after: State
    inverse: str
    blast_radius: BlastRadius
    path: str
    verification: Verification
    sentence: str
    """What it does, for a menu: ``all traffic to v7; v8 stays in the specification``."""
    warnings: tuple[str, ...] = ()
    recovers: bool = False
    """Whether the objectives that fail now, or cannot be seen, have to be met after it."""


def percent(value: float | None) -> str:
    """``10 %``; ``? %`` when it is not known."""
    return "? %" if value is None else f"{value:.3g} %"


def duration(seconds: float) -> str:
    """``about 40 min``, ``about 3 h``."""
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.3g} h"


def standing(facts: RolloutFacts) -> str:
    """Where it stands in a few words: ``v8 has 10 %, step 1 of 4, paused (CanaryPauseStep)``."""
    parts = []
    if facts.canary is not None:
        share = "no traffic" if facts.weight_set == 0 else percent(facts.weight_set)
        parts.append(f"{named(facts.canary)} has {share}")
        if step := step_of(facts):
            parts.append(f"step {step[0]} of {step[1]}")
    else:
        parts.append(f"{named(facts.stable)} has all traffic")
    if facts.aborted:
        parts.append("aborted")
    if facts.paused:
        parts.append(f"paused ({', '.join(pause.reason for pause in facts.pauses)})")
    if not facts.observed:
        parts.append("the controller has not seen the specification yet")
    return ", ".join(parts)


def state(seen: Seen, revision: Revision | None, text: str) -> State:
    """The state in which ``revision`` of what was ``seen`` is what counts."""
    if revision is None:
        return State("", text=text)
    image = seen.images.of(revision)
    return State(revision.version, revision.number, image.digest, text, image.source)


def replicas_of(revision: Revision | None) -> int | None:
    """Replicas that serve now."""
    return None if revision is None else revision.available if revision.available is not None else revision.ready


def ready(revision: Revision | None) -> str:
    """``1 of 5 replicas of v8 are ready``."""
    if revision is None or revision.ready is None:
        return "how many replicas are ready is not known"
    return f"{revision.ready} of {revision.desired or 0} replicas of {named(revision)} are ready"


def deadline_seconds(item: Json) -> float:
    """How long the controller lets new replicas take (``progressDeadlineSeconds``, 600 when it is not said)."""
    said = whole(inner(item, "spec").get("progressDeadlineSeconds"))
    return float(said or 600)
