"""What holds of a rollout whatever happens to it, in whatever order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.lab.cluster.ground import STEPS, Ground
from triage.lab.cluster.objects import Json
from triage.lab.cluster.refusals import Refusal
from triage.lab.cluster.resources import REPLICA_SETS
from triage.lab.cluster.templates import version_of

LONG_SECONDS = 3 * 3600.0
STEPS_CHOICES: st.SearchStrategy[tuple[Json, ...]] = st.sampled_from([
    STEPS, (), ({"setWeight": 100}, {"pause": {"duration": 30}}), ({"pause": {}},),
    ({"setWeight": 0}, {"setWeight": 33}, {"pause": {"duration": "5m"}}, {"setWeight": 66})])


class Interference(RuleBasedStateMachine):
    """People, pipelines and failures act on one rollout while time goes by."""

    ground: Ground
    version: int = 7

    @initialize(steps=STEPS_CHOICES, replicas=st.integers(1, 6), routed=st.booleans(), extra=st.fixed_dictionaries(
        {}, optional={"rollbackWindow": st.builds(lambda revisions: {"revisions": revisions}, st.integers(0, 3)),
                      "progressDeadlineSeconds": st.integers(30, 300), "progressDeadlineAbort": st.booleans(),
                      "minReadySeconds": st.integers(0, 20), "revisionHistoryLimit": st.integers(0, 3)}))
    def begin(self, steps: Any, replicas: int, routed: bool, extra: Any) -> None:
        self.ground = Ground().with_rollout(steps=steps, replicas=replicas, routed=routed, **extra)
        self.revision = self.ground.cluster.storage.revision

    @rule(seconds=st.sampled_from([0.0, 1.0, 14.0, 45.0, 700.0, LONG_SECONDS]))
    def time_goes_by(self, seconds: float) -> None:
        self.ground.wait(seconds)

    @rule(broken=st.booleans())
    def somebody_deploys(self, broken: bool) -> None:
        self.version += 1
        if broken:
            self.ground.cluster.break_image(f"fraud:{self.version}")
        self.ground.cluster.deploy("ml", "fraud", str(self.version))
        self.ground.cluster.advance()

    @rule(status=st.sampled_from([{"abort": True}, {"abort": False}, {"promoteFull": True}, {"pauseConditions": None},
                                  {"pauseConditions": None, "controllerPause": False, "currentStepIndex": 1},
                                  {"currentStepIndex": 99}, {"stableRS": "nobody"}]))
    def somebody_writes_the_status(self, status: Any) -> None:
        self.ground.patch_status(**status)

    @rule(spec=st.sampled_from([{"paused": True}, {"paused": False}, {"replicas": 0}, {"replicas": 2},
                                {"replicas": 5}]))
    def somebody_writes_the_spec(self, spec: Any) -> None:
        self.ground.patch({"spec": spec})

    @rule(data=st.data())
    def somebody_undoes(self, data: st.DataObject) -> None:
        revisions = sorted(int(each["metadata"]["annotations"]["rollout.argoproj.io/revision"])
                           for each in self.ground.sets())
        self.ground.undo(data.draw(st.sampled_from(revisions)))

    @precondition(lambda self: bool(self.ground.cluster.pods("ml", "fraud")))
    @rule(data=st.data())
    def a_pod_runs_out_of_memory(self, data: st.DataObject) -> None:
        pod = data.draw(st.sampled_from([pod.name for pod in self.ground.cluster.pods("ml", "fraud")]))
        self.ground.cluster.crash("ml", pod)
        self.ground.cluster.advance()

    @rule()
    def all_images_work_again(self) -> None:
        for version in range(7, self.version + 1):
            self.ground.cluster.mend_image(f"fraud:{version}")
        self.ground.cluster.advance()

    @precondition(lambda self: self.ground.rollout["spec"]["strategy"]["canary"].get("trafficRouting"))
    @rule()
    def an_abort_always_returns_the_traffic_to_the_stable_version(self) -> None:
        self.ground.patch_status(abort=True)
        status = self.ground.status
        stable = [each for each in self.ground.sets()
                  if each["metadata"]["labels"]["rollouts-pod-template-hash"] == status.get("stableRS")]
        if stable and any(pod.ready for pod in self.ground.cluster.pods("ml", "fraud")):
            assert self.ground.split in ({version_of(stable[0]["spec"]["template"]): 100}, {})

    @rule()
    def an_abort_ends_with_all_traffic_at_the_stable_version(self) -> None:
        """Also without traffic routing, where the stable version's pods have to come back first."""
        self.all_images_work_again()
        self.ground.patch_status(abort=True, promoteFull=False)
        self.ground.wait(LONG_SECONDS)
        stable = [each for each in self.ground.sets()
                  if each["metadata"]["labels"]["rollouts-pod-template-hash"] == self.ground.status.get("stableRS")]
        if stable and self.ground.rollout["spec"]["replicas"]:
            assert self.ground.split == {version_of(stable[0]["spec"]["template"]): 100}

    @invariant()
    def weights_stay_between_nothing_and_everything(self) -> None:
        weights = self.ground.status["canary"].get("weights")
        if weights is not None:
            assert 0 <= weights["canary"]["weight"] <= 100
            assert weights["canary"]["weight"] + weights["stable"]["weight"] == 100
        split = self.ground.cluster.split("ml", "fraud")
        assert not split or sum(split.values()) == pytest.approx(100)
        assert all(0 < percent <= 100 + 1e-9 for percent in split.values())

    @invariant()
    def the_controller_has_seen_everything_and_settled(self) -> None:
        status = self.ground.status
        assert status["observedGeneration"] == str(self.ground.rollout["metadata"]["generation"])
        assert status["phase"] in {"Healthy", "Degraded", "Progressing", "Paused"}
        assert 0 <= status.get("currentStepIndex", 0) <= len(self.ground.rollout["spec"]["strategy"]["canary"]["steps"])
        before = self.ground.cluster.storage.revision
        self.ground.cluster.advance()
        assert self.ground.cluster.storage.revision == before

    @invariant()
    def resource_versions_only_grow(self) -> None:
        assert self.ground.cluster.storage.revision >= self.revision
        self.revision = self.ground.cluster.storage.revision

    @invariant()
    def healthy_means_that_the_stable_version_is_the_one_in_the_template_and_serves(self) -> None:
        if self.ground.status["phase"] != "Healthy":
            return
        replicas = self.ground.rollout["spec"]["replicas"]
        assert self.ground.status["stableRS"] == self.ground.status["currentPodHash"]
        assert self.ground.status["availableReplicas"] >= replicas
        if replicas:
            wanted = version_of(self.ground.rollout["spec"]["template"])
            assert self.ground.split == {wanted: 100}

    @invariant()
    def every_pod_belongs_to_a_set_that_wants_it(self) -> None:
        for replica_set in self.ground.cluster.storage.all(REPLICA_SETS, "ml"):
            assert replica_set["status"]["replicas"] == replica_set["spec"]["replicas"]


Interference.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestInterference = Interference.TestCase


def test_a_rollout_that_everything_happens_to_recovers_with_a_working_version() -> None:
    ground = Ground().with_rollout()
    ground.cluster.break_image("fraud:8")
    ground.deploy("8")
    ground.patch_status(abort=True)
    ground.patch_status(promoteFull=True)
    ground.patch({"spec": {"paused": True}})
    ground.wait(LONG_SECONDS)
    assert ground.status["phase"] != "Healthy"
    ground.patch({"spec": {"paused": False}})
    ground.undo(1)
    ground.wait(LONG_SECONDS)
    assert (ground.status["phase"], ground.split) == ("Healthy", {"7": 100})


def test_a_template_of_another_workload_is_refused() -> None:
    ground = Ground().with_rollout()
    template = ground.rollout["spec"]["template"] | {"metadata": {"labels": {"app.kubernetes.io/name": "other"}}}
    with pytest.raises(Refusal, match="does not match template"):
        ground.patch({"spec": {"template": template}})
