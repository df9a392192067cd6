"""Events about the number of pods of a rollout: why it changed. One request."""

from __future__ import annotations

from triage.clock import Clock
from triage.facts.outcome import Failure
from triage.facts.rollouts import RolloutFacts
from triage.facts.scaling import ScalingEvent, ScalingFacts
from triage.sources.decode import parse_time
from triage.sources.kubernetes import EVENTS, Json, KubernetesClient
from triage.sources.rollouts.objects import inner, text

_REASONS = frozenset({"ScalingReplicaSet", "SuccessfulRescale", "FailedRescale", "FailedGetResourceMetric",
                      "FailedComputeMetricsReplicas", "ScaledUp", "ScaledDown"})
"""Of the Deployment and Rollout controllers and of the HorizontalPodAutoscaler, which mostly has the rollout's name."""


async def scaling(client: KubernetesClient, facts: RolloutFacts, clock: Clock) -> ScalingFacts | Failure:
    """What was told of the rollout's size, by whom, and when. Clusters keep events for an hour."""
    listed = await client.read_all(EVENTS, facts.namespace, fields=f"involvedObject.name={facts.name}")
    if isinstance(listed, Failure):
        return listed
    found = [event for event in map(_event, listed.items) if event is not None]
    return ScalingFacts(clock.now(), tuple(sorted(found, key=lambda event: event.at)))


def _event(item: Json) -> ScalingEvent | None:
    at = (parse_time(inner(item, "series").get("lastObservedTime")) or parse_time(item.get("lastTimestamp"))
          or parse_time(item.get("eventTime")) or parse_time(inner(item, "metadata").get("creationTimestamp")))
    reason = item.get("reason")
    if at is None or reason not in _REASONS:
        return None
    by = item.get("reportingComponent") or inner(item, "source").get("component")
    return ScalingEvent(at, text(reason, 80), text(item.get("message"), 300), text(by, 80))
