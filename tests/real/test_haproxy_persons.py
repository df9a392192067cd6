"""Two persons at a real HAProxy, which authenticates nobody: the Kubernetes API of the context says who each is."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.actions import building
from tests.commands import NOWHERE
from tests.lab.cluster.ground import Ground
from tests.lab.serving import serving
from tests.real.conftest import installed
from tests.real.traffic import Balancer, balancer, model_server
from tests.tui import trials
from triage.actions import approvals
from triage.actions.history import Outcome
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared, Step
from triage.actions.system import Observed, Wish
from triage.clock import ManualClock
from triage.config import activate
from triage.desk.actions import ActionDesk, open_desk
from triage.lab.apis.kubernetes import app
from triage.live.once import notebook_of
from triage.overrides import Overrides

NAME, TOKEN = "fraud-scorer", "PERSON_TOKEN"
SPEC: dict[str, Any] = {
    "metrics": {"selector": {"model": NAME}, "version_label": "model_version"},
    "slos": [{"name": "latency", "sli": {"histogram": "request_duration_seconds", "threshold": "500ms"},
              "objective": 99}],
    "canary": {"steps": [25, 50]}, "promote": {"approvals": 1}, "rollback": {"last_known_good": "7"},
    "rollout": {"kind": "haproxy", "name": "fraud", "servers": {"7": ["m7"], "8": ["m8"]}}}
DeskOf = Callable[[str], Awaitable[ActionDesk]]


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Balancer]:
    with ExitStack() as stack:
        models = {name: stack.enter_context(installed(model_server(tmp_path / name, NAME, name[1])))
                  for name in ("m7", "m8")}
        yield stack.enter_context(installed(balancer(tmp_path / "haproxy", {"m7": (models["m7"], 90),
                                                                            "m8": (models["m8"], 10)})))


@pytest.fixture
async def desk_of(front: Balancer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DeskOf]:
    """The desk of whoever has this token of the cluster."""
    at = time.time()
    book, config = tmp_path / "notebooks" / NAME, tmp_path / "triage.yaml"
    book.mkdir(parents=True)
    (book / "manifest.yaml").write_text(json.dumps({
        "apiVersion": "triage/v1alpha1", "kind": "ModelNotebook", "spec": SPEC,
        "metadata": {"name": NAME, "version": "8", "owners": [{"name": "ml", "role": "on-call"}]}}))
    model = building.model(canary=trials.passing(at), slos=(building.slo("latency"),), data_at=at - 1)
    present = replace(building.snapshot(model, at=at), context="site")
    opened: list[ActionDesk] = []
    with serving(app(Ground().cluster)) as cluster:
        config.write_text(json.dumps({
            "apiVersion": "triage/v1alpha1", "kind": "Config", "notebooks": [str(book.parent)], "contexts": {"site": {
                "production": True, "prometheus": {"url": NOWHERE},
                "kubernetes": {"url": cluster, "name": "prod-eu", "bearer_token": {"env": TOKEN}},
                "haproxy": {"socket": str(front.socket), "identity": {"kind": "kubernetes"}}}}}))
        config.chmod(0o600)

        async def make(token: str) -> ActionDesk:
            monkeypatch.setenv(TOKEN, token)
            clock = ManualClock(at)

            async def wait(seconds: float) -> None:
                clock.advance(seconds)
                await asyncio.sleep(0)
            active = activate(Overrides(config=str(config)), {})
            desk = await open_desk(active, notebook_of(active, NAME), clock, lambda: present, write=True,
                                   environ={"TRIAGE_STATE": str(tmp_path / token)})
            for executor in desk.executors.values():
                executor.wait = wait
            opened.append(desk)
            return desk
        yield make
        for desk in opened:
            await desk.aclose()


async def carried_out(desk: ActionDesk, prepared: Prepared) -> Step:
    async with aclosing(desk.carry_out(prepared, Confirmation(prepared.plan.confirmation))) as happening:
        steps = [step async for step in happening]
    return next(step for step in steps if step.outcome is not None)


async def weights(desk: ActionDesk) -> list[int]:
    observed = await next(iter(desk.executors.values())).system.observe()
    assert isinstance(observed, Observed)
    return [int(str(value)) for name, value in observed.values.items() if name.startswith("weight of ")]


async def test_weights_move_when_another_person_carries_it_out_and_not_before(
        desk_of: DeskOf, tmp_path: Path) -> None:
    first = await desk_of("writing")
    asked = await first.prepare(Wish(Action.PROMOTE, "planned step"))
    assert isinstance(asked, Prepared), asked
    assert [each.name for each in asked.stops] == ["persons"], asked.stops
    assert (asked.plan.actor, asked.plan.authenticated_by) == ("operator", "Kubernetes prod-eu")
    await first.share(asked, tmp_path / "promote.json")
    own = await first.prepare_approval(approvals.read(tmp_path / "promote.json"))
    assert isinstance(own, Prepared)
    assert (await carried_out(first, own)).outcome is Outcome.REFUSED
    assert await weights(first) == [90, 10]
    second = await desk_of("second")
    prepared = await second.prepare_approval(approvals.read(tmp_path / "promote.json"))
    assert isinstance(prepared, Prepared), prepared
    assert (prepared.plan.digest, prepared.stops) == (asked.plan.digest, ())
    told = {each.name: each.sentence for each in prepared.checked}
    assert told["persons"].startswith("asked for by operator, approved by approver; ")
    assert told["cool-down"].endswith("by this journal alone: HAProxy records no changes of weights")
    assert (await carried_out(second, prepared)).outcome is Outcome.DONE
    assert await weights(second) == [100, 33]
    [deed] = (await second.history()).deeds
    assert (deed.actor, deed.plan.actor) == ("approver", "operator")
