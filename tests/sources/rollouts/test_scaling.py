"""Why the number of pods changed: what controllers tell as events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.lab.cluster.ground import START, Ground
from tests.sources.rollouts.conftest import lab_client
from triage.clock import ManualClock
from triage.facts.outcome import Failure
from triage.facts.rollouts import RolloutFacts
from triage.facts.scaling import ScalingFacts
from triage.sources.kubernetes import KubernetesClient
from triage.sources.rollouts.scaling import scaling

State = Callable[..., Awaitable[RolloutFacts]]


async def told(client: KubernetesClient, facts: RolloutFacts) -> ScalingFacts:
    found = await scaling(client, facts, ManualClock(START))
    assert isinstance(found, ScalingFacts), found
    return found


async def test_what_a_rollouts_controller_tells_of_its_sets_is_read_with_its_time(
        ground: Ground, state: State, lab_kubernetes: KubernetesClient) -> None:
    ground.with_rollout().deploy("8")
    facts = await state()
    found = await told(lab_kubernetes, facts)
    assert facts.canary is not None
    new = [event for event in found.events if facts.canary.replica_set in event.message]
    assert [event.reason for event in new] == ["ScalingReplicaSet"]
    assert "from 0 to 1" in new[0].message
    assert START - 60 <= new[0].at <= ground.clock.at
    assert new[0].by


async def test_what_is_told_of_other_objects_and_of_other_things_is_left_out(
        ground: Ground, state: State, lab_kubernetes: KubernetesClient) -> None:
    ground.with_deployment().with_rollout()
    names = (await state("deployment")).name
    found = await told(lab_kubernetes, await state())
    assert found.events
    assert all(event.reason == "ScalingReplicaSet" and names not in event.message for event in found.events)
    assert [event.at for event in found.events] == sorted(event.at for event in found.events)


async def test_whoever_may_not_read_events_is_told_what_the_role_needs(
        ground: Ground, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.with_rollout()
    facts = await state()
    async with lab_client(ground, "nobody", monkeypatch) as client:
        found = await scaling(client, facts, ManualClock(START))
    assert isinstance(found, Failure)
