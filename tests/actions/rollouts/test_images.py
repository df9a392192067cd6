"""Which image a plan names: what the template pins, else what the ready pods run, else why nobody knows."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from tests.actions.rollouts.conftest import Stage
from tests.lab.cluster.ground import Ground
from triage.actions.plan import Action
from triage.actions.rollouts.images import REPORTED_SECONDS, Reported, reported
from triage.clock import ManualClock
from triage.facts.outcome import Failure, FailureKind
from triage.facts.rollouts import PodFacts, PodsFacts, Revision, VersionFrom
from triage.lab.cluster.access import Access, Rule, User
from triage.report.actions import image, standing

ONE, OTHER = (f"sha256:{digit * 64}" for digit in "ab")
SEVEN = Revision("7", VersionFrom.LABEL, "version", "h7", 7, (), "fraud:7", replica_set="fraud-h7", current=2, ready=2)


def pod(digest: str = ONE, *, ready: bool = True, phase: str = "Running", of: str = "h7") -> PodFacts:
    return PodFacts("p", of, phase, ready, None, None, 0, image_digest=digest)


def told(*found: PodFacts, truncated: bool = False) -> Reported:
    return reported(PodsFacts(0.0, found, truncated))


def digest_of(image: str) -> str:
    """What the lab's nodes pull for a tag."""
    return f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"


class TestOfOneRevision:
    def test_ready_pods_tell_what_a_tag_stands_for(self) -> None:
        found = told(pod(), pod(), pod(OTHER, of="h8")).of(SEVEN)
        assert (found.digest, found.source) == (ONE, "what the ready pods of revision 7 run")

    def test_a_pinned_digest_needs_no_pod(self) -> None:
        found = told().of(replace(SEVEN, image_digest=OTHER))
        assert (found.digest, found.source) == (OTHER, "pinned by the pod template")

    def test_pods_that_run_different_images_under_one_tag_are_no_digest(self) -> None:
        found = told(pod(), pod(OTHER)).of(SEVEN)
        assert found.digest == ""
        assert found.source == ("digest unknown: the ready pods of revision 7 run different images: "
                                "sha256:aaaaaaaaaaaa and sha256:bbbbbbbbbbbb")

    @pytest.mark.parametrize("which", [pod(ready=False), pod(phase="Terminating")])
    def test_pods_that_do_not_serve_do_not_count(self, which: PodFacts) -> None:
        found = told(which).of(SEVEN)
        assert (found.digest, found.source) == ("", "digest unknown: no pod of revision 7 is ready")

    def test_a_revision_without_pods_has_none(self) -> None:
        found = told().of(replace(SEVEN, current=0, ready=0))
        assert (found.digest, found.source) == ("", "digest unknown: no pod of revision 7 runs")

    def test_a_node_that_does_not_tell_is_said(self) -> None:
        assert told(pod("")).of(SEVEN).source == (
            "digest unknown: the nodes do not tell which image the pods of revision 7 run")

    def test_of_more_pods_than_were_read_nothing_is_said_that_was_not_seen(self) -> None:
        assert told(pod(of="h8"), truncated=True).of(SEVEN).source == "digest unknown: only the first 1 pods were read"

    def test_why_pods_cannot_be_read_is_told_without_what_changes_by_the_second(self) -> None:
        waiting = reported(Failure(FailureKind.CIRCUIT_OPEN, "failed just now, asked again in 3 s"))
        assert waiting.of(SEVEN).source == "digest unknown: the pods cannot be read (waiting)"


class TestOfAPlan:
    async def test_both_ends_name_what_their_pods_run(self, argo: Stage) -> None:
        plan = await argo.plan(Action.ROLLBACK)
        assert plan.before.image_digest == digest_of("fraud:8")
        assert plan.after.image_digest == digest_of("fraud:7")
        assert plan.after.image_source == "what the ready pods of revision 1 run"
        assert f"revision 1, {plan.after.image_digest[:19]}, all traffic to v7" in standing(plan.after)
        assert image(plan.after) == f"{plan.after.image_digest}: what the ready pods of revision 1 run"
        assert any(text.endswith(f"which need not be {plan.after.image_digest[:19]}") for text in plan.warnings)

    async def test_a_version_that_is_scaled_to_nothing_has_no_digest_and_that_is_said(self, argo: Stage) -> None:
        await argo.do(Action.PROMOTE_FULL)
        argo.ground.wait(3600)
        assert argo.ground.pods("7") == 0
        plan = await argo.plan(Action.ROLLBACK, "7")
        assert (plan.after.image_digest, plan.after.image_source) == (
            "", "digest unknown: no pod of revision 1 runs")
        assert "v7, revision 1, digest unknown, all traffic to v7" in standing(plan.after)

    async def test_of_a_deployment_as_well(self, chat: Stage) -> None:
        plan = await chat.plan(Action.ROLLBACK, "1")
        assert plan.before.image_digest == digest_of("chat:2")
        assert plan.after.image_source == "digest unknown: no pod of revision 1 runs"

    async def test_whoever_may_not_list_pods_plans_without_it(self, argo: Stage) -> None:
        role = (Rule(("argoproj.io", "apps"), ("*",), ("get", "list", "patch")),)
        argo.ground.cluster.access = Access({"writing": User("narrow", role)})
        plan = await argo.plan(Action.ABORT)
        assert (plan.after.image_digest, plan.after.image_source) == ("", "digest unknown: you may not list pods")

    async def test_pods_that_changed_in_number_are_asked_again_and_others_only_after_a_while(self, argo: Stage) -> None:
        clock = argo.system._clock
        assert isinstance(clock, ManualClock)

        async def asked() -> int:
            before = argo.client.requests_sent
            await argo.system.observe()
            return argo.client.requests_sent - before
        assert [await asked(), await asked()] == [3, 2]
        clock.advance(REPORTED_SECONDS)
        assert [await asked(), await asked()] == [3, 2]
        argo.ground.wait(600)
        argo.ground.wait(13)
        assert [await asked(), await asked()] == [3, 2]


async def test_pinned_images_are_known_without_asking_for_a_pod(make_stage: Any) -> None:
    pinned = f"fraud:7@{ONE}"
    ground = Ground().with_rollout()
    ground.patch([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": pinned}],
                 strategy="json")
    ground.patch_status(promoteFull=True)
    ground.wait(3600)
    stage = make_stage(ground)
    plan = await stage.plan(Action.PAUSE)
    assert (plan.before.image_digest, plan.before.image_source) == (ONE, "pinned by the pod template")
    assert stage.client.requests_sent == 2
    await stage.client.aclose()
