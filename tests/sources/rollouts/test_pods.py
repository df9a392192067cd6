"""What one list of pods says of a rollout."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from tests.lab.cluster.ground import READY_SECONDS, START, Ground
from triage.clock import ManualClock
from triage.facts.outcome import Failure
from triage.facts.rollouts import PodsFacts, RolloutFacts
from triage.sources.kubernetes import KubernetesClient
from triage.sources.rollouts.pods import pods

State = Callable[..., Awaitable[RolloutFacts]]
PodsOf = Callable[[RolloutFacts], Awaitable[PodsFacts]]


async def test_every_pod_is_told_with_the_version_it_runs(ground: Ground, state: State, pods_of: PodsOf) -> None:
    ground.with_rollout().deploy("8")
    facts = await state()
    found = await pods_of(facts)
    assert facts.stable is not None
    assert facts.canary is not None
    assert sorted(pod.pod_hash for pod in found.pods) == sorted(
        [facts.canary.pod_hash, *[facts.stable.pod_hash] * 5])
    assert all(pod.ready and pod.ready_since and pod.phase == "Running" and not pod.waiting for pod in found.pods)
    assert (found.read_at, found.truncated) == (START, False)


async def test_a_pod_killed_for_want_of_memory_is_told(ground: Ground, state: State, pods_of: PodsOf) -> None:
    ground.with_rollout()
    ground.cluster.crash("ml", ground.cluster.pods("ml", "fraud")[0].name)
    ground.wait(2 * READY_SECONDS)
    killed = [pod for pod in (await pods_of(await state())).pods if pod.oom_killed]
    [pod] = killed
    assert (pod.restarts, pod.last_end, pod.ready) == (1, "OOMKilled", True)
    assert pod.last_end_at is not None


async def test_what_keeps_a_pod_from_serving_is_told(ground: Ground, state: State, pods_of: PodsOf) -> None:
    ground.with_rollout()
    ground.cluster.break_image("fraud:8")
    ground.deploy("8")
    waiting = [pod for pod in (await pods_of(await state())).pods if not pod.ready]
    assert [pod.waiting for pod in waiting] == ["ImagePullBackOff"]


async def test_pods_of_others_with_the_same_labels_do_not_count(ground: Ground, state: State, pods_of: PodsOf) -> None:
    ground.with_deployment().with_rollout()
    facts = await state("deployment")
    # Selectors of two workloads may overlap by mistake: who owns a pod decides.
    found = await pods_of(replace(facts, selector="app.kubernetes.io/name in (chat,fraud)"))
    assert len(found.pods) == 4


async def test_a_selector_that_cannot_be_written_out_asks_for_nothing(
        ground: Ground, state: State, lab_kubernetes: KubernetesClient) -> None:
    ground.with_rollout()
    facts = await state()
    sent = lab_kubernetes.requests_sent
    found = await pods(lab_kubernetes, replace(facts, selector=""), ManualClock(START))
    assert isinstance(found, Failure)
    assert lab_kubernetes.requests_sent == sent
