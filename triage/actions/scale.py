"""Scaling: another number of replicas, within the bounds that the manifest names."""

from __future__ import annotations

from dataclasses import dataclass, replace

from triage.actions.plan import BlastRadius, JsonValue, Precondition, Verification
from triage.actions.rollouts.conditions import REPLICAS, UID, Place, put
from triage.actions.rollouts.drafting import Draft, Seen, state
from triage.actions.rollouts.gitops import owner_warning
from triage.actions.rollouts.undo import named
from triage.actions.system import Progress, Refusal, Sighting, Wish
from triage.facts.outcome import Failure
from triage.facts.rollouts import RolloutFacts
from triage.sources.kubernetes import KubernetesClient, Resource
from triage.sources.rollouts.objects import inner, text, whole
from triage.text import clean

AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
_AUTOSCALER = "autoscaler"
_START_SECONDS = 600.0
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Bounds:
    """Replicas that the manifest allows."""

    least: int
    most: int

    @property
    def both(self) -> tuple[int, int]:
        return self.least, self.most

    def sentence(self) -> str:
        return f"the manifest allows {self.least} to {self.most}"


async def read_autoscaler(client: KubernetesClient, namespace: str, kind: str, name: str) -> str | Failure:
    """``fraud (2 to 12 replicas)``: the HorizontalPodAutoscaler that sets the replicas of an object; "" for none."""
    listed = await client.read_all(AUTOSCALERS, namespace)
    if isinstance(listed, Failure):
        return listed
    for each in listed.items:
        aim = inner(each, "spec", "scaleTargetRef")
        if (aim.get("kind"), aim.get("name")) == (kind, name):
            spec = inner(each, "spec")
            least = whole(spec.get("minReplicas"))
            return (f"{text(inner(each, 'metadata').get('name'), 80)} ({1 if least is None else least} to "
                    f"{whole(spec.get('maxReplicas'))} replicas)")
    return ""


def autoscaled(seen: Seen) -> dict[str, JsonValue]:
    """Who sets the replicas, as a precondition is compared with it; nothing when that was not asked or not answered."""
    return {_AUTOSCALER: seen.autoscaler} if isinstance(seen.autoscaler, str) else {}


def scaled(wish: Wish, seen: Seen, place: Place, bounds: Bounds | None) -> Draft | Refusal:
    """The plan of ``parameters["replicas"]``, or why there can be none. Pure."""
    facts, now = seen.facts, seen.facts.desired_replicas
    if bounds is None:
        return Refusal("the manifest allows no scaling", "add resources.replicas: {min: 2, max: 12}")
    asked = wish.parameters.get("replicas", "")
    if not (asked.isascii() and asked.isdigit() and len(asked) <= _MOST_DIGITS):
        return Refusal("no number of replicas is named" if not asked else
                       f'"{clean(asked, limit=40)}" is no number of replicas', bounds.sentence())
    wanted = int(asked)
    if not bounds.least <= wanted <= bounds.most:
        return Refusal(f"{wanted} replicas are outside of what is allowed",
                       f"{bounds.sentence()} (resources.replicas)")
    if wanted == now:
        return Refusal(f"it has {now} replicas already", bounds.sentence())
    if isinstance(seen.autoscaler, str) and seen.autoscaler:
        return Refusal(f"the HorizontalPodAutoscaler {seen.autoscaler} sets the replicas and would undo it",
                       "change its bounds where they are written down")
    request = place.patch([put("/spec/replicas", wanted)], (UID, REPLICAS), sentence=f"replicas {now} -> {wanted}",
                          effect=_moving(wanted - now))
    if seen.autoscaler == "":
        request = replace(request, preconditions=(*request.preconditions, Precondition(
            _AUTOSCALER, "", "no HorizontalPodAutoscaler sets the replicas")))
    return Draft(
        (request,),
        state(seen, facts.wanted, f"{wanted} replicas"),
        f"scale to {now}", BlastRadius(0.0, abs(wanted - now), facts.available_replicas,
                                       f"{now} replicas become {wanted}; {facts.available_replicas} serve now"),
        "at once; new replicas serve when they are ready" if wanted > now else "at once",
        Verification(f"{wanted} replicas serve", _START_SECONDS, recovery_seconds=_START_SECONDS),
        f"from {now} to {wanted} replicas", _warnings(seen, facts, wanted), recovers=True)


def _warnings(seen: Seen, facts: RolloutFacts, wanted: int) -> tuple[str, ...]:
    found = owner_warning(facts.managed_by, "the replicas", "change them there as well")
    if isinstance(seen.autoscaler, Failure):
        found += (f"whether a HorizontalPodAutoscaler sets the replicas is not known: {seen.autoscaler.sentence()}",)
    if wanted < facts.desired_replicas:
        found += ("what is left must take all requests: look at the use of the replicas first",)
    if facts.canary is not None:
        found += ("another version is on its way: both versions are scaled",)
    return found


def _moving(more: int) -> str:
    number = abs(more)
    verb = "start" if more > 0 else "stop"
    return f"1 replica {verb}s" if number == 1 else f"{number} replicas {verb}"


def scale_sighting(wanted: int, facts: RolloutFacts) -> Sighting:
    """How far it is from ``wanted`` replicas. While another version is on its way its replicas do not stand for those
    that the stable one still lacks."""
    if facts.desired_replicas != wanted:
        return Sighting(Progress.ELSEWHERE, f"{facts.desired_replicas} replicas are asked for, not {wanted}")
    serving, stable = facts.available_replicas, facts.stable
    if facts.observed and stable is not None and (stable.available or 0) < (stable.desired or 0):
        return Sighting(Progress.UNDER_WAY, f"{stable.available or 0} of {stable.desired} replicas of {named(stable)} "
                                            "serve")
    if not facts.observed or serving < wanted:
        return Sighting(Progress.UNDER_WAY, f"{serving} of {wanted} replicas serve")
    # Replicas that stop still count until they are gone.
    return Sighting(Progress.REACHED, f"{serving} replicas serve")
