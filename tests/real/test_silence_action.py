"""A silence made through the product in a real Alertmanager: amtool shows it, and the alert is silenced by it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.actions.building import ARMED
from tests.actions.rollouts.conftest import manifest
from tests.real import rules
from tests.real.conftest import installed
from tests.real.servers import Server, alertmanager, binary
from triage.actions.circumstances import Policy
from triage.actions.executor import Executor
from triage.actions.history import Outcome
from triage.actions.journal import Journal
from triage.actions.lease_files import FileLeases
from triage.actions.plan import Action
from triage.actions.rollouts.by_kind import Setting
from triage.actions.silence import Silencing
from triage.actions.steps import Confirmation, Prepared, Step
from triage.actions.system import Refusal, Wish
from triage.actions.systems import silencing
from triage.clock import SystemClock
from triage.config import Active, Context
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure
from triage.live.snapshot import Snapshot
from triage.state_dir import StateDir

NAME = "fraud-scorer"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An Alertmanager with an alert of the model, and one of another."""
    with installed(alertmanager(tmp_path_factory.mktemp("alertmanager"), rules.alertmanager_config())) as running:
        alerts = [{"labels": {"alertname": "Slow", "model": model, "model_version": "8"}} for model in (NAME, "chat")]
        httpx.post(f"{running.url}/api/v2/alerts", json=alerts, trust_env=False).raise_for_status()
        yield running


@pytest.fixture
async def executor(server: Server, tmp_path: Path) -> AsyncIterator[Executor]:
    where, clock = Endpoint(url=server.url), SystemClock()
    active = Active("prod", Context(prometheus=where, alertmanager=where), (), None)
    system = silencing(Setting(manifest(alerts={"labels": {"model": NAME}}), active, clock))
    assert isinstance(system, Silencing)
    yield Executor(system, Journal(StateDir(tmp_path / "j"), clock), FileLeases(StateDir(tmp_path / "l"), "host"),
                   clock, Policy(), lambda: ARMED, lambda: None)
    await system.aclose()


async def done(executor: Executor, wish: Wish) -> Step:
    prepared = await executor.prepare(wish)
    assert isinstance(prepared, Prepared), prepared
    steps = [step async for step in executor.carry_out(prepared, Confirmation(NAME))]
    return next(step for step in steps if step.outcome)


def amtool(server: Server, *arguments: str) -> list[dict[str, object]]:
    found = subprocess.run([binary("amtool"), f"--alertmanager.url={server.url}", *arguments, "-o", "json"],
                           capture_output=True, text=True, check=True)
    answer: list[dict[str, object]] = json.loads(found.stdout or "[]")
    return answer


async def test_a_silence_is_shown_by_amtool_made_longer_in_place_and_expired(
        server: Server, executor: Executor) -> None:
    last = await done(executor, Wish(Action.SILENCE, "known", incident="INC-7", parameters={"duration": "30m"}))
    assert last.outcome is Outcome.DONE, last
    silence, = amtool(server, "silence", "query")
    assert silence["comment"] == "known (incident INC-7)"
    assert [alert["labels"]["model"] for alert in amtool(server, "alert", "query")] == ["chat"]  # type: ignore[index]
    longer = Wish(Action.SILENCE, "still known", incident="INC-7",
                  parameters={"matchers": "alertname=Slow,model_version=8"})
    assert (await done(executor, longer)).outcome is Outcome.DONE
    again, = amtool(server, "silence", "query")
    assert again["id"] == silence["id"]
    assert again["endsAt"] != silence["endsAt"]
    assert (await done(executor, Wish(Action.EXPIRE_SILENCE, "mended"))).outcome is Outcome.DONE
    assert amtool(server, "silence", "query") == []
    assert len(amtool(server, "alert", "query")) == 2


async def test_what_the_server_would_take_and_should_not_is_refused_here(executor: Executor) -> None:
    for parameters in ({"matchers": 'model=~".+"'}, {"matchers": f"model={NAME}"}, {"duration": "30d"}):
        assert isinstance(await executor.prepare(Wish(Action.SILENCE, "x", incident="INC-7",
                                                             parameters=parameters)), Refusal)


async def test_an_end_that_has_passed_is_refused_by_the_server(server: Server, executor: Executor) -> None:
    observed = await executor.system.observe()
    assert not isinstance(observed, Failure), observed
    long_ago = time.time() - 7200
    nothing = Snapshot(long_ago, "prod", False, (), (), ())
    plan = executor.system.plan(Wish(Action.SILENCE, "x", incident="INC-7", parameters={"matchers": "alertname=Old"}),
                                observed, nothing, "ana", long_ago)
    assert not isinstance(plan, Refusal)
    assert (await executor.system.send(plan.requests[0], "a1")).code == 400
