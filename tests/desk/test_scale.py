"""Scaling, from the wish to the pods of the lab: within the manifest's bounds, and done when all of them serve."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.commands import run
from tests.desk.whole import Whole, carried_out, ended, planned, whole
from triage.actions.history import Outcome
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Stage
from triage.actions.system import Progress, Refusal, Wish
from triage.lab.cluster.resources import AUTOSCALERS, ROLLOUTS

MODEL = "image-moderation"
PATCHED = "PATCH /kubernetes/apis/argoproj.io/v1alpha1/namespaces/vision/rollouts/image-moderation"



@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with whole("canary-latency", tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
async def lab(world: Whole) -> AsyncIterator[Whole]:
    """Three replicas serve, however many the test before left."""
    somebody_scales(world, 3)
    world.lab.later(120)
    world.ear.changes.clear()
    yield world
    await world.leave()


def somebody_scales(lab: Whole, replicas: int) -> None:
    lab.patch(f"vision/{MODEL}", {"spec": {"replicas": replicas}}, "scale")


def to(replicas: object) -> Wish:
    return Wish(Action.SCALE, "the queue grows", parameters={"replicas": str(replicas)})


def pods(lab: Whole) -> int:
    return sum(pod.ready for pod in lab.lab.world.cluster.pods("vision", MODEL))


@pytest.mark.parametrize(("replicas", "moved"), [(5, "2 replicas start"), (2, "1 replica stops")])
async def test_it_is_rehearsed_sent_once_obeyed_and_done_when_all_of_them_serve(
        lab: Whole, replicas: int, moved: str) -> None:
    desk = await lab.desk(MODEL)
    prepared = await planned(desk, to(replicas))
    assert prepared.stops == ()
    [rehearsal], [request] = prepared.rehearsals, prepared.plan.requests
    assert (rehearsal.accepted, f"spec.replicas: 3 -> {replicas}" in rehearsal.diff) == (True, True)
    assert (request.effect, prepared.plan.confirmation, lab.ear.changes) == (moved, MODEL, [])
    steps = await carried_out(desk, prepared)
    assert ended(steps) == (Outcome.DONE, f"{replicas} replicas serve")
    assert (lab.ear.changes, pods(lab)) == ([PATCHED], replicas)
    looks = [step.progress for step in steps if step.stage is Stage.VERIFYING]
    # New pods take their time to start, and it is not done before.
    assert looks[-1] is Progress.REACHED
    assert (Progress.UNDER_WAY in looks) == (replicas > 3)
    [deed, *_] = reversed((await desk.history()).deeds)
    assert (deed.plan.digest, deed.outcome) == (prepared.plan.digest, Outcome.DONE)


@pytest.mark.parametrize("replicas", [1, 7, 10**9, "six", ""])
async def test_what_is_out_of_the_manifests_bounds_is_refused_before_anything_is_sent(lab: Whole,
                                                                                     replicas: object) -> None:
    found = await (await lab.desk(MODEL)).prepare(to(replicas))
    assert isinstance(found, Refusal)
    assert "the manifest allows 2 to 6" in found.hint
    assert lab.ear.changes == []


async def test_with_a_canary_on_its_way_it_is_not_done_before_both_versions_have_their_replicas(lab: Whole) -> None:
    desk = await lab.desk("fraud-scorer", spec={"resources": {"replicas": {"min": 2, "max": 12}}})
    replicas = lab.lab.world.cluster.storage.get(ROLLOUTS, "ml", "fraud-scorer")["spec"]["replicas"]
    prepared = await planned(desk, to(replicas + 1))
    assert "another version is on its way: both versions are scaled" in prepared.plan.warnings
    seen = []
    async with aclosing(desk.carry_out(prepared, Confirmation(prepared.plan.confirmation))) as steps:
        async for step in steps:
            if step.stage is Stage.VERIFYING:
                seen.append((step.progress, step.sentence))
            if step.progress is Progress.REACHED:
                break
    # The canary's replica makes up the number at once, and does not count for the one that is missing.
    assert seen[0] == (Progress.UNDER_WAY, f"{replicas} of {replicas + 1} replicas of v7 serve")
    assert seen[-1][0] is Progress.REACHED


async def test_somebody_who_scales_meanwhile_is_found_out_and_not_overwritten(lab: Whole) -> None:
    desk = await lab.desk(MODEL)
    prepared = await planned(desk, to(5))
    somebody_scales(lab, 4)
    outcome, sentence = ended(await carried_out(desk, prepared))
    assert outcome is Outcome.REFUSED
    assert "no longer true that replicas asked for: 3 (replicas is 4)" in sentence
    assert lab.ear.changes == []


async def test_an_autoscaler_of_the_cluster_is_named_and_nothing_is_sent(lab: Whole) -> None:
    desk = await lab.desk(MODEL)
    cluster = lab.lab.world.cluster
    cluster.add({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                 "metadata": {"name": "by-queue", "namespace": "vision"},
                 "spec": {"minReplicas": 3, "maxReplicas": 12, "scaleTargetRef": {
                     "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": MODEL}}})
    lab.lab.later(1)
    try:
        found = await desk.prepare(to(5))
        [offer] = [each for each in await desk.possible() if each.action is Action.SCALE]
    finally:
        cluster.storage.remove(AUTOSCALERS, "vision", "by-queue")
    assert isinstance(found, Refusal)
    assert found.message == ("the HorizontalPodAutoscaler by-queue (3 to 12 replicas) sets the replicas and would undo "
                             "it")
    assert (offer.is_possible, lab.ear.changes) == (False, [])


async def test_without_fresh_facts_nothing_is_scaled(lab: Whole) -> None:
    lab.silence("prometheus")
    try:
        desk = await lab.desk(MODEL)
        prepared = await planned(desk, to(5))
        outcome, sentence = ended(await carried_out(desk, prepared))
    finally:
        lab.hear("prometheus")
    assert (outcome, lab.ear.changes) == (Outcome.REFUSED, [])
    assert "facts: prometheus does not answer" in sentence


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The configuration of ``triage lab serve --write``."""
    monkeypatch.setenv("TRIAGE_STATE", str(tmp_path / "state"))
    with subprocess.Popen([sys.executable, "-m", "triage", "lab", "serve", "--write", "--scenario", "healthy"],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as serving:
        assert serving.stdout is not None
        try:
            yield [serving.stdout.readline().strip() for _ in range(2)][1]
        finally:
            serving.terminate()


def test_on_the_command_line_it_is_planned_and_refused_and_done(served: str) -> None:
    def act(replicas: int, *words: str) -> tuple[int, str, str]:
        done = run("act", "scale", MODEL, "--set", f"replicas={replicas}", *words, "--config", served)
        return done.exit_code, done.stdout, done.stderr
    code, _, err = act(7, "--write", "--confirm", MODEL)
    assert (code, "7 replicas are outside of what is allowed" in err) == (2, True)
    code, out, err = act(2)
    assert (code, "spec.replicas: 3 -> 2" in out, "nothing was changed" in err) == (0, True, True)
    code, _, err = act(2, "--write")
    assert (code, f"--confirm {MODEL}" in err) == (64, True)
    code, out, err = act(2, "--write", "--confirm", MODEL)
    assert (code, out.splitlines()[0]) == (0, f"✔ done  scale {MODEL}: 2 replicas serve"), err
    code, _, err = act(2, "--write", "--confirm", MODEL)
    assert (code, "it has 2 replicas already" in err) == (2, True)
