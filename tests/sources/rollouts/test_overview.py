"""Many rollouts looked over at once: the lab's, and lists that are not whole."""

from __future__ import annotations

from tests.lab.cluster.ground import START, Ground
from tests.sources.faults import FaultServer, answering, json_answer
from triage.clock import ManualClock
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure, FailureKind
from triage.facts.rollouts import Phase, RolloutFacts
from triage.notebook.manifest import Rollout
from triage.sources.kubernetes import KubernetesClient
from triage.sources.rollouts.controller import UNASKED_SETS, controller_for, overview


def named(kind: str, name: str, namespace: str = "ml") -> Rollout:
    return Rollout.model_validate({"kind": kind, "namespace": namespace, "name": name})


async def test_a_request_per_kind_and_namespace_tells_of_all(ground: Ground, lab_kubernetes: KubernetesClient) -> None:
    ground.with_rollout().with_deployment().deploy("8")
    rollouts = [named("argo", "fraud"), named("argo", "churn"), named("deployment", "chat"), named("kserve", "loan")]
    found = await overview(rollouts, lab_kubernetes, ManualClock(START))
    assert lab_kubernetes.requests_sent == 2
    assert set(found) == {("argo", "ml", "fraud"), ("argo", "ml", "churn"), ("deployment", "ml", "chat")}
    fraud, churn, chat = found["argo", "ml", "fraud"], found["argo", "ml", "churn"], found["deployment", "ml", "chat"]
    assert isinstance(fraud, RolloutFacts)
    assert isinstance(chat, RolloutFacts)
    assert isinstance(churn, Failure)
    assert (fraud.phase, fraud.step_index, fraud.weight_set) == (Phase.PAUSED, 1, 10.0)
    assert fraud.canary is not None
    assert (fraud.canary.version, fraud.canary.ready, fraud.incomplete) == ("8", None, UNASKED_SETS)
    assert chat.stable is not None
    assert (chat.phase, chat.stable.version, chat.available_replicas) == (Phase.HEALTHY, "1", 4)
    assert churn.kind is FailureKind.NOT_FOUND


async def test_what_a_cut_list_leaves_out_is_not_called_missing() -> None:
    listed = {"kind": "RolloutList", "metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a"}}]}
    async with FaultServer(json_answer(listed)) as server:
        client = KubernetesClient(Endpoint(url=server.url), ManualClock(START))
        found = await overview([named("argo", "z")], client, ManualClock(START))
        await client.aclose()
    failure = found["argo", "ml", "z"]
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.TOO_LARGE


async def test_a_namespace_that_cannot_be_listed_fails_for_its_models() -> None:
    async with FaultServer(answering(403, "no")) as server:
        client = KubernetesClient(Endpoint(url=server.url), ManualClock(START))
        found = await overview([named("argo", "a"), named("argo", "b")], client, ManualClock(START))
        await client.aclose()
    assert [each.kind for each in found.values() if isinstance(each, Failure)] == [FailureKind.FORBIDDEN] * 2
    assert len(server.requests) == 1


def test_kinds_that_are_not_read_have_no_controller() -> None:
    client = KubernetesClient(Endpoint(url="http://127.0.0.1:1"), ManualClock(START))
    assert controller_for(named("kserve", "loan"), client, ManualClock(START)) is None
