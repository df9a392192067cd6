"""An alias moved in a real MLflow: the procedure, MLflow's own client as a rival, and users that MLflow knows."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.actions.building import ARMED, NOW, reading
from tests.actions.building import model as model_state
from tests.actions.building import snapshot as a_snapshot
from tests.actions.rollouts.conftest import manifest
from tests.real.tracking import Tracking
from triage.actions.alias import Alias
from triage.actions.circumstances import policy_of
from triage.actions.executor import Executor
from triage.actions.history import Outcome
from triage.actions.journal import Journal
from triage.actions.lease_files import FileLeases
from triage.actions.plan import Action, Plan, Request
from triage.actions.rollouts.by_kind import Setting, system_of
from triage.actions.steps import Confirmation, Prepared, Step
from triage.actions.system import Fate, Observed, Progress, Sent, Wish
from triage.clock import ManualClock, SystemClock
from triage.config import Active, Context
from triage.config_actions import ActionSettings
from triage.config_sources import MlflowRegistry
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure
from triage.live.snapshot import Snapshot
from triage.signals.model import Versions, VersionState
from triage.state_dir import StateDir

pytestmark = pytest.mark.parametrize("tracking", ["mlflow"], indirect=True)


def seen(version: str) -> Snapshot:
    """All requests go to one version."""
    found = Versions("traffic", (VersionState(version, "", reading(1.0), None, NOW),))
    return a_snapshot(replace(model_state(), versions=found, slos=()))


class Site:
    """One model in MLflow, its alias on version 2."""

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking
        self.name = tracking.add_model()
        for _ in range(3):
            tracking.add_version(self.name)
        self.move("2")
        self.shown = seen("2")
        promised = manifest("mlflow", "champion", registry={"kind": "mlflow", "name": self.name})
        context = Context(production=True, prometheus=Endpoint(url=tracking.url),
                          registry=MlflowRegistry(kind="mlflow", url=tracking.url))
        made = system_of(Setting(promised, Active("prod", context, (), None), SystemClock(),
                                 snapshot=lambda: self.shown))
        assert isinstance(made, Alias)
        self.system = made
        self.manifest = promised

    def move(self, version: str, alias: str = "champion") -> None:
        self.tracking.post("registered-models/alias", name=self.name, alias=alias,
                           version=version).raise_for_status()

    def model(self) -> dict[str, Any]:
        found: dict[str, Any] = self.tracking.get("registered-models/get", name=self.name).json()["registered_model"]
        return found

    def aliases(self) -> dict[str, str]:
        return {each["alias"]: each["version"] for each in self.model().get("aliases", [])}

    async def plan(self, to: str = "1") -> Plan:
        observed = await self.system.observe()
        assert not isinstance(observed, Failure), observed
        found = self.system.plan(Wish(Action.ROLLBACK, "errors", to), observed, self.shown, "ana", NOW)
        assert isinstance(found, Plan), found
        return found

    async def carried_out(self, folder: Path) -> Step:
        clock = ManualClock()

        async def soon(seconds: float) -> None:
            clock.advance(seconds)

        executor = Executor(
            self.system, Journal(StateDir(folder / "j"), clock), FileLeases(StateDir(folder / "l"), "host"), clock,
            policy_of(self.manifest, ActionSettings(), 5.0), lambda: ARMED, lambda: self.shown, wait=soon)
        prepared = await executor.prepare(Wish(Action.ROLLBACK, "errors", "1"))
        assert isinstance(prepared, Prepared), prepared
        read = frozenset(each.acknowledgement for each in prepared.checked if each.acknowledgement)
        steps = [step async for step in executor.carry_out(prepared, Confirmation(prepared.plan.confirmation, read))]
        return next(step for step in steps if step.outcome)


@pytest.fixture
async def site(tracking: Tracking) -> AsyncIterator[Site]:
    made = Site(tracking)
    yield made
    await made.system.aclose()


async def test_a_rollback_moves_the_alias_and_leaves_its_traces(site: Site, tmp_path: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    send = site.system.send

    async def then_servers_follow(request: Request, action_id: str) -> Sent:
        sent = await send(request, action_id)
        if site.aliases().get("champion") == "1":
            site.shown = seen("1")
        return sent

    monkeypatch.setattr(site.system, "send", then_servers_follow)
    last = await site.carried_out(tmp_path)
    assert last.outcome is Outcome.DONE, last
    assert site.aliases() == {"champion": "1", "previous_champion": "2"}
    tag, = site.model()["tags"]
    assert tag["key"].startswith("triage.rollback.")
    assert json.loads(tag["value"])["from"] == "2"


async def test_an_alias_that_servers_do_not_follow_is_not_called_done(site: Site, tmp_path: Path) -> None:
    last = await site.carried_out(tmp_path)
    assert last.outcome is Outcome.FAILED
    assert "champion names v1; v2 still serves 100% of the requests" in last.sentence
    assert site.aliases()["champion"] == "1"


async def test_a_rival_who_moves_it_before_the_last_request_is_not_overwritten(
        site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    send = site.system.send

    async def with_a_rival(request: Request, action_id: str) -> Sent:
        sent = await send(request, action_id)
        if "previous_champion" in request.body:
            site.move("3")
        return sent

    monkeypatch.setattr(site.system, "send", with_a_rival)
    last = await site.carried_out(tmp_path)
    assert (last.outcome, site.aliases()["champion"]) == (Outcome.FAILED, "3")
    assert "2 of 3 requests done: it has changed since the plan was made" in last.sentence


async def test_a_rival_right_after_it_is_seen(site: Site) -> None:
    plan = await site.plan()
    for request in plan.requests:
        assert (await site.system.send(request, "a1")).fate is Fate.DONE
    site.move("3")
    observed: Observed | Failure = await site.system.observe()
    assert not isinstance(observed, Failure)
    found = site.system.sighting(plan, observed)
    assert (found.progress, found.sentence) == (Progress.ELSEWHERE, "champion names v3: somebody else moved it")


async def test_among_rivals_each_request_is_done_or_refused_and_never_sent_again(site: Site) -> None:
    end = threading.Event()

    def toggle(call: Callable[[str], None]) -> None:
        while not end.is_set():
            for version in ("2", "3"):
                call(version)

    rival = threading.Thread(target=toggle, args=(
        lambda version: site.tracking.post("registered-models/alias", name=site.name, alias="champion",
                                           version=version),), daemon=True)
    plan = await site.plan()
    rival.start()
    try:
        fates = [(await site.system.send(plan.requests[-1], f"a{number}")).fate for number in range(8)]
    finally:
        end.set()
        rival.join(30)
    assert set(fates) <= {Fate.DONE, Fate.REFUSED, Fate.UNKNOWN}
    assert Fate.DONE in fates


async def test_a_version_that_mlflow_does_not_have_is_refused_by_it(site: Site) -> None:
    plan = await site.plan()
    site.tracking.delete("model-versions/delete", name=site.name, version="1").raise_for_status()
    sent = await site.system.send(plan.requests[-1], "a1")
    assert (sent.fate, sent.code) == (Fate.REFUSED, 404)
    assert site.aliases()["champion"] == "2"


async def test_a_server_without_users_authenticates_nobody(site: Site) -> None:
    assert str(await site.system.whoami()).startswith("unverified: ")
    assert (await site.system.granted(Action.ROLLBACK)).allowed


async def test_files_that_cannot_be_read_are_said_before(site: Site) -> None:
    plan = await site.plan()
    assert (await site.system.rehearse(plan.requests[-1])).accepted is None
