"""What is read of a Rollout that the lab's controller moves, over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.lab.cluster.ground import READY_SECONDS, START, Ground
from triage.facts.outcome import FailureKind
from triage.facts.rollouts import Pause, Phase, RolloutFacts, VersionFrom, WeightFrom
from triage.lab.cluster.access import Access, Rule, User
from triage.sources.kubernetes import KubernetesClient

State = Callable[..., Awaitable[RolloutFacts]]


def versions(facts: RolloutFacts) -> tuple[str | None, str | None]:
    return (facts.stable.version if facts.stable else None, facts.canary.version if facts.canary else None)


async def test_a_rollout_that_is_done_has_a_stable_version_and_no_canary(ground: Ground, state: State) -> None:
    ground.with_rollout()
    facts = await state()
    assert (facts.kind, facts.namespace, facts.name, facts.read_at) == ("Rollout", "ml", "fraud", START)
    assert (versions(facts), facts.phase, facts.message) == (("7", None), Phase.HEALTHY, "")
    assert (facts.weight_asked, facts.weight_set, facts.weight_from, facts.step_index) == (None, None, None, 4)
    assert facts.stable is facts.wanted
    assert facts.stable is not None
    assert (facts.stable.number, facts.stable.desired, facts.stable.ready, facts.stable.available) == (1, 5, 5, 5)


async def test_mid_canary_both_versions_their_weights_and_the_step_are_known(ground: Ground, state: State) -> None:
    ground.with_rollout().deploy("8")
    facts = await state()
    assert versions(facts) == ("7", "8")
    assert (facts.weight_asked, facts.weight_set, facts.weight_from) == (10.0, 10.0, WeightFrom.ROUTER)
    assert [step.text for step in facts.steps] == ["setWeight 10", "pause 10m", "setWeight 50", "pause until resumed"]
    assert (facts.step_index, facts.steps[1].pause_seconds, facts.steps[3].until_resumed) == (1, 600.0, True)
    assert facts.stable is not None
    assert facts.canary is not None
    assert (facts.stable.desired, facts.canary.desired, facts.canary.image) == (5, 1, "fraud:8")
    assert facts.stable.pod_hash == ground.status["stableRS"]
    assert facts.canary.pod_hash == ground.status["currentPodHash"]
    assert [each.number for each in facts.revisions] == [2, 1]


async def test_a_state_costs_two_requests(ground: Ground, state: State, lab_kubernetes: KubernetesClient) -> None:
    ground.with_rollout().deploy("8")
    await state()
    assert lab_kubernetes.requests_sent == 2


async def test_a_pause_with_a_duration_says_when_it_goes_on(ground: Ground, state: State) -> None:
    ground.with_rollout().deploy("8")
    facts = await state()
    [pause] = facts.pauses
    assert pause.reason == facts.message == "CanaryPauseStep"
    assert pause.since is not None
    assert pause.until == pause.since + 600
    assert facts.phase is Phase.PAUSED


async def test_a_pause_without_a_duration_waits_for_a_person(ground: Ground, state: State) -> None:
    ground.with_rollout().deploy("8")
    ground.wait(600 + READY_SECONDS)
    facts = await state()
    assert (facts.step_index, facts.weight_asked, facts.weight_set) == (3, 50.0, 50.0)
    assert facts.pauses[0].until is None


async def test_a_manual_pause_is_told_apart(ground: Ground, state: State) -> None:
    ground.with_rollout().deploy("8")
    ground.patch({"spec": {"paused": True}})
    facts = await state()
    assert facts.pauses[0] == Pause("manual")
    assert (facts.phase, facts.message) == (Phase.PAUSED, "manually paused")


async def test_an_abort_is_no_rollback_the_bad_version_stays_wanted(ground: Ground, state: State) -> None:
    ground.with_rollout().deploy("8")
    ground.patch_status(abort=True)
    ground.wait(1)
    facts = await state()
    assert facts.aborted
    assert facts.aborted_at is not None
    assert versions(facts) == ("7", "8")
    assert (facts.weight_asked, facts.weight_set, facts.phase) == (0.0, 0.0, Phase.DEGRADED)
    assert facts.message.startswith("RolloutAborted: ")
    assert facts.wanted is facts.canary


async def test_a_canary_that_never_becomes_ready_is_degraded_after_its_deadline(ground: Ground, state: State) -> None:
    ground.with_rollout()
    ground.cluster.break_image("fraud:8")
    ground.deploy("8")
    ground.wait(700)
    facts = await state()
    assert facts.phase is Phase.DEGRADED
    assert facts.message.startswith("ProgressDeadlineExceeded: ")
    assert facts.canary is not None
    assert (facts.canary.desired, facts.canary.ready, facts.weight_set) == (1, 0, 0.0)
    assert facts.weight_asked == 10.0


async def test_a_version_gone_back_to_keeps_its_earlier_numbers(ground: Ground, state: State) -> None:
    ground.with_rollout().deploy("8")
    ground.undo(1)
    ground.wait(READY_SECONDS)
    facts = await state()
    assert versions(facts) == ("7", None)
    assert facts.stable is not None
    assert (facts.stable.number, facts.stable.earlier_numbers) == (3, (1,))


async def test_without_traffic_routing_the_pods_are_the_weight(ground: Ground, state: State) -> None:
    ground.with_rollout(routed=False, replicas=5, steps=({"setWeight": 20}, {"pause": {}})).deploy("8")
    ground.wait(60)
    facts = await state()
    assert (facts.weight_asked, facts.weight_set, facts.weight_from) == (20.0, 20.0, WeightFrom.PODS)


async def test_who_may_not_list_replica_sets_still_reads_where_it_stands(ground: Ground, state: State) -> None:
    ground.with_rollout().deploy("8")
    ground.cluster.access = Access({"reading": User("few", (Rule(("argoproj.io",), ("rollouts",), ("get",)),))})
    facts = await state()
    assert facts.incomplete is not None
    assert (facts.incomplete.kind, facts.phase, facts.weight_set) == (FailureKind.FORBIDDEN, Phase.PAUSED, 10.0)
    assert "list replicasets.apps in ml" in facts.incomplete.hint
    assert versions(facts) == ("", "8")


async def test_a_specification_that_the_controller_has_not_seen_is_not_believed(
        ground: Ground, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.with_rollout()
    # A controller that is down: time does not reach it.
    monkeypatch.setattr(ground.cluster, "advance", lambda now=None: None)
    ground.patch({"spec": {"paused": True}})
    facts = await state()
    assert (facts.observed, facts.lag, facts.phase) == (False, 1, Phase.PROGRESSING)
    assert facts.message == "waiting for rollout spec update to be observed"


async def test_a_pause_taken_away_is_unpausing_until_the_controller_sees_it(
        ground: Ground, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.with_rollout().deploy("8")
    monkeypatch.setattr(ground.cluster, "advance", lambda now=None: None)
    ground.patch_status(pauseConditions=None)
    facts = await state()
    assert (facts.phase, facts.message) == (Phase.PROGRESSING, "waiting for rollout to unpause")


async def test_the_manifest_may_name_where_the_version_stands(ground: Ground, state: State) -> None:
    ground.with_rollout()
    ground.patch({"spec": {"template": {"metadata": {"annotations": {"model/version": "fraud-8"}}}}})
    ground.wait(READY_SECONDS)
    facts = await state(version_label="model/version")
    assert facts.canary is not None
    assert (facts.canary.version, facts.canary.version_from, facts.canary.version_key) == (
        "fraud-8", VersionFrom.ANNOTATION, "model/version")
    assert facts.stable is not None
    assert (facts.stable.version, facts.stable.version_key) == ("7", "app.kubernetes.io/version")


async def test_whoever_keeps_it_as_written_elsewhere_is_named(ground: Ground, state: State) -> None:
    ground.with_rollout()
    assert (await state()).managed_by == ""
    ground.patch({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "apps:argoproj.io/Rollout:ml/fraud"}}})
    assert (await state()).managed_by == "Argo CD"
