"""Two real model servers behind a real HAProxy, scraped by a real Prometheus: the canary is rolled back."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.actions.rollouts.conftest import NOTHING, manifest
from tests.real import servers
from tests.real.conftest import installed
from tests.real.servers import Server, wait_for
from tests.real.traffic import Balancer, Load, balancer, model_server
from triage.actions.plan import Action, Plan
from triage.actions.rollouts.by_kind import Setting, system_of
from triage.actions.rollouts.haproxy import HaproxyBackend
from triage.actions.system import Fate, Progress, Refusal, Wish
from triage.clock import SystemClock
from triage.config import Active, Context
from triage.config_sources import HaproxySocket
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure

NAME = "fraud-scorer"
SPEC: dict[str, Any] = {
    "metrics": {"selector": {"model": NAME}, "version_label": "model_version", "scrape_interval": "1s"},
    "slos": [{"name": "success", "objective": 95, "required": True,
              "sli": {"good": 'requests_total{code="200"}', "total": "requests_total"}}],
    "canary": {"steps": [25, 50], "bake": "5s"},
    "rollback": {"last_known_good": "7"},
    "rollout": {"kind": "haproxy", "name": "fraud", "servers": {"7": ["m7"], "8": ["m8"]}},
}


@dataclass
class Site:
    """Everything that runs."""

    models: dict[str, Server]
    balancer: Balancer
    prometheus: Server
    folder: Path

    def query(self, expression: str) -> float:
        answer = httpx.get(f"{self.prometheus.url}/api/v1/query", params={"query": expression}, trust_env=False).json()
        found = answer["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    def served(self, version: str) -> float:
        """Requests that a version has answered, by its own count."""
        rows = httpx.get(f"{self.models[version].url}/metrics", trust_env=False).text.splitlines()
        return sum(float(row.rpartition(" ")[2]) for row in rows if row.startswith("requests_total"))

    def triage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "triage", *arguments], capture_output=True, text=True, check=False,
                              timeout=120, env=os.environ | {"TRIAGE_CONFIG": str(self.folder / "triage.yaml"),
                                                             "XDG_STATE_HOME": str(self.folder / "state")})


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        models = {version: stack.enter_context(installed(model_server(tmp_path / version, NAME, version)))
                  for version in ("7", "8")}
        front = stack.enter_context(installed(balancer(
            tmp_path / "haproxy", {"m7": (models["7"], 50), "m8": (models["8"], 50)})))
        targets = [server.url.removeprefix("http://") for server in models.values()]
        prometheus = stack.enter_context(installed(servers.prometheus(tmp_path / "prometheus", {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "models", "static_configs": [{"targets": targets}]}]})))
        notebook = tmp_path / "notebooks" / NAME
        notebook.mkdir(parents=True)
        (notebook / "manifest.yaml").write_text(yaml.safe_dump({
            "apiVersion": "triage/v1alpha1", "kind": "ModelNotebook", "spec": SPEC,
            "metadata": {"name": NAME, "version": "8", "owners": [{"name": "ml", "role": "on-call"}]}}))
        config = tmp_path / "triage.yaml"
        config.write_text(yaml.safe_dump({
            "apiVersion": "triage/v1alpha1", "kind": "Config", "notebooks": ["notebooks"], "contexts": {"site": {
                "allow_write": True, "interval": "1s", "prometheus": {"url": prometheus.url},
                "haproxy": {"socket": "haproxy/admin.sock"}}}}))
        config.chmod(0o600)
        (tmp_path / "state").mkdir(mode=0o700)
        yield Site(models, front, prometheus, tmp_path)


def test_a_canary_that_gets_worse_is_rolled_back_and_the_slis_recover(site: Site) -> None:
    with Load(site.balancer.url, pause_seconds=0.1).under_way() as load:
        wait_for(lambda: site.query('sum(increase(requests_total{code="200"}[1m]))') > 10, "traffic", site.prometheus)
        planned = site.triage("act", "rollback", NAME, "--dry-run")
        assert "all traffic" in planned.stdout, planned
        httpx.post(f"{site.models['8'].url}/worse", trust_env=False)
        wait_for(lambda: site.query('sum(increase(requests_total{code="500"}[1m]))') > 50, "errors", site.prometheus)
        assert site.query('sum(rate(requests_total{model_version="8"}[4s]))') > 0
        # Many requests make the few errors small, as time would.
        load.pause_seconds = 0.0005
        done = site.triage("act", "rollback", NAME, "--write", "--confirm", "fraud", "--acknowledge", "known-good",
                           "--acknowledge", "facts", "--reason", "the canary fails", "--format", "json")
        assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-2000:])
        told = json.loads(done.stdout)
        assert "success: burn rate" in json.dumps(told)
        assert "met again" in json.dumps(told)
        wait_for(lambda: site.query('sum(rate(requests_total{model_version="8"}[3s]))') == 0, "quiet canary",
                 site.prometheus)
        assert site.query('sum(rate(requests_total{code="500"}[3s]))') == 0
    journal = site.triage("journal", "verify")
    assert journal.returncode == 0, journal
    assert "no server" not in done.stderr
    again = site.triage("act", "rollback", NAME, "--to", "7", "--write", "--confirm", "fraud")
    assert "has all the traffic already" in again.stdout + again.stderr


def test_with_prometheus_stopped_in_the_middle_the_traffic_moves_and_it_says_what_it_cannot_see(site: Site) -> None:
    with Load(site.balancer.url, pause_seconds=0.1).under_way():
        wait_for(lambda: site.query('sum(increase(requests_total{code="200"}[1m]))') > 10, "traffic", site.prometheus)
        planned = site.triage("act", "rollback", NAME, "--dry-run")
        assert "prometheus does not answer" not in planned.stdout, planned
        site.prometheus.stop()
        planned = site.triage("act", "rollback", NAME, "--dry-run")
        assert planned.returncode == 2, planned
        assert "cannot tell  facts: prometheus does not answer" in planned.stdout
        unread = site.triage("act", "rollback", NAME, "--write", "--confirm", "fraud")
        assert "--acknowledge facts" in unread.stderr
        done = site.triage("act", "rollback", NAME, "--write", "--confirm", "fraud", "--acknowledge", "known-good",
                           "--acknowledge", "facts", "--reason", "the canary fails")
    assert done.returncode == 3, (done.stdout[-3000:], done.stderr[-2000:])
    assert "v7 takes all traffic; " in done.stdout
    assert "success cannot be seen: prometheus does not answer" in done.stdout
    seven, eight = site.served("7"), site.served("8")
    with Load(site.balancer.url, pause_seconds=0.01).under_way():
        wait_for(lambda: site.served("7") > seven + 20, "requests to v7", site.balancer.server)
    assert site.served("8") == eight


@dataclass
class Backend:
    """The system over one HAProxy, without the rest."""

    system: HaproxyBackend
    balancer: Balancer

    async def tell(self, command: str) -> None:
        """Somebody else's command."""
        reader, writer = await asyncio.open_unix_connection(str(self.balancer.socket))
        writer.write(f"{command}\n".encode())
        assert (await reader.read()).strip() == b""
        writer.close()
        await writer.wait_closed()

    async def wish(self, action: Action, to: str = "") -> Plan | Refusal:
        observed = await self.system.observe()
        assert not isinstance(observed, Failure), observed
        return self.system.plan(Wish(action, "tests", to), observed, NOTHING, "ana", 0.0)

    async def do(self, action: Action, to: str = "") -> tuple[Plan, list[Fate], Progress]:
        plan = await self.wish(action, to)
        assert isinstance(plan, Plan), plan
        fates = [(await self.system.send(request, "a1")).fate for request in plan.requests]
        observed = await self.system.observe()
        assert not isinstance(observed, Failure), observed
        return plan, fates, self.system.sighting(plan, observed).progress

    async def weights(self) -> dict[str, int]:
        observed = await self.system.observe()
        assert not isinstance(observed, Failure), observed
        return {name.removeprefix("weight of "): int(str(value)) for name, value in observed.values.items()
                if name.startswith("weight of ")}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    folder = tmp_path_factory.mktemp("models")
    with ExitStack() as stack:
        yield {name: stack.enter_context(model_server(folder / name, NAME, name[1])) for name in ("m7a", "m7b", "m8")}


Make = Callable[..., Backend]


@pytest.fixture
def make(models: dict[str, Server], tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:
        def made(weights: dict[str, int], *, tcp: bool = False, good: str | None = "7", **options: Any) -> Backend:
            front = stack.enter_context(installed(balancer(
                tmp_path / "haproxy", {name: (models[name], weight) for name, weight in weights.items()}, **options)))
            where = HaproxySocket(address=front.address) if tcp else HaproxySocket(socket=str(front.socket))
            context = Context(prometheus=Endpoint(url="http://127.0.0.1:1"), haproxy=where)
            servers = {"7": ["m7a", "m7b"], "8": ["m8"]}
            spec = SPEC | {"rollback": {"last_known_good": good},
                           "rollout": {"kind": "haproxy", "name": "fraud", "servers": servers}}
            system = system_of(Setting(manifest(**spec), Active("site", context, (), None), SystemClock()))
            assert isinstance(system, HaproxyBackend)
            return Backend(system, front)
        yield made


async def test_the_weights_are_read_as_a_rollout(make: Make) -> None:
    backend = make({"m7a": 90, "m7b": 90, "m8": 20})
    observed = await backend.system.observe()
    assert not isinstance(observed, Failure)
    facts = observed.rollout
    assert facts is not None
    assert facts.stable is not None
    assert facts.canary is not None
    assert (facts.stable.version, facts.stable.available, facts.canary.version, facts.weight_set) == (
        "7", 2, "8", 10.0)


@pytest.mark.parametrize("action", [Action.ABORT, Action.ROLLBACK])
async def test_a_version_on_trial_with_most_of_the_traffic_is_never_given_the_rest(make: Make, action: Action) -> None:
    backend = make({"m7a": 10, "m7b": 10, "m8": 60})
    plan, fates, progress = await backend.do(action)
    assert (plan.before.version, plan.after.version) == ("8", "7")
    assert (fates, progress) == ([Fate.DONE], Progress.REACHED)
    assert await backend.weights() == {"m7a": 10, "m7b": 10, "m8": 0}


async def test_where_nobody_knows_which_is_on_trial_a_version_has_to_be_named(make: Make) -> None:
    backend = make({"m7a": 10, "m7b": 10, "m8": 60}, good=None)
    for action in (Action.ABORT, Action.ROLLBACK, Action.PROMOTE, Action.PROMOTE_FULL):
        found = await backend.wish(action)
        assert isinstance(found, Refusal)
        assert "which of 7 (25 %) and 8 (75 %) is stable" in found.message
    assert (await backend.do(Action.ROLLBACK, "7"))[2] is Progress.REACHED
    assert (await backend.weights())["m8"] == 0


async def test_a_version_that_the_configuration_gives_nothing_takes_everything(make: Make) -> None:
    backend = make({"m7a": 90, "m7b": 90, "m8": 0}, good=None)
    assert (await backend.do(Action.PROMOTE))[2] is Progress.REACHED
    plan, fates, progress = await backend.do(Action.PROMOTE_FULL)
    assert (plan.after.version, fates[0], progress) == ("8", Fate.DONE, Progress.REACHED)
    assert await backend.weights() == {"m7a": 0, "m7b": 0, "m8": 67}
    await backend.do(Action.ROLLBACK, "7")
    plan, _, progress = await backend.do(Action.PROMOTE_FULL)
    assert (progress, await backend.weights()) == (Progress.REACHED, {"m7a": 0, "m7b": 0, "m8": 100})


async def test_a_rollback_and_a_promotion_set_weights_and_are_seen(make: Make) -> None:
    backend = make({"m7a": 90, "m7b": 90, "m8": 20})
    plan, fates, progress = await backend.do(Action.ABORT)
    assert (fates, progress, plan.persistent) == ([Fate.DONE], Progress.REACHED, False)
    assert await backend.weights() == {"m7a": 90, "m7b": 90, "m8": 0}
    plan, _, progress = await backend.do(Action.PROMOTE)
    assert (progress, plan.after.text) == (Progress.REACHED, "v8 takes 25.1 % of the requests")
    await backend.do(Action.PROMOTE)
    assert await backend.weights() == {"m7a": 50, "m7b": 50, "m8": 100}
    plan, fates, progress = await backend.do(Action.PROMOTE_FULL)
    assert (progress, plan.after.version) == (Progress.REACHED, "8")
    assert await backend.weights() == {"m7a": 0, "m7b": 0, "m8": 100}
    plan, _, progress = await backend.do(Action.ROLLBACK, "v7")
    assert [request.path for request in plan.requests] == [
        "set weight fraud/m7a 100%", "set weight fraud/m7b 100%", "set weight fraud/m8 0%"]
    assert (progress, await backend.weights()) == (Progress.REACHED, {"m7a": 90, "m7b": 90, "m8": 0})
    assert isinstance(await backend.wish(Action.ROLLBACK, "7"), Refusal)


async def test_the_runtime_api_over_tcp_is_the_same(make: Make) -> None:
    backend = make({"m7a": 90, "m7b": 90, "m8": 20}, tcp=True)
    assert (await backend.do(Action.ROLLBACK, "7"))[2] is Progress.REACHED


async def test_a_static_algorithm_refuses_what_is_not_all_or_nothing(make: Make) -> None:
    backend = make({"m7a": 1, "m7b": 1, "m8": 1}, balance="source")
    await backend.do(Action.ABORT)
    plan = await backend.wish(Action.PROMOTE)
    assert isinstance(plan, Plan)
    assert "only 0% and 100%" in plan.warnings[1]
    sent = await backend.system.send(plan.requests[0], "a1")
    assert sent.fate is Fate.REFUSED
    assert "static LB algorithm" in sent.message


async def test_a_socket_that_may_only_look_says_so_before_anything_is_tried(make: Make) -> None:
    backend = make({"m7a": 90, "m7b": 90, "m8": 20}, level="operator")
    granted = await backend.system.granted(Action.ROLLBACK)
    assert granted.allowed is False
    assert "operator" in granted.sentence
    plan = await backend.wish(Action.ABORT)
    assert isinstance(plan, Plan)
    assert (await backend.system.send(plan.requests[0], "a1")).fate is Fate.REFUSED
    assert (await backend.weights())["m8"] == 20


@pytest.mark.parametrize("weight", [0, 90])
async def test_a_version_whose_servers_are_out_of_service_is_not_gone_back_to(make: Make, weight: int) -> None:
    backend = make({"m7a": weight, "m7b": weight, "m8": 100})
    for name in ("m7a", "m7b"):
        await backend.tell(f"set server fraud/{name} state maint")
    found = await backend.wish(Action.ROLLBACK, "7")
    assert isinstance(found, Refusal)
    assert "no server of v7 is up" in found.message


async def test_an_haproxy_that_is_gone_is_told_from_a_command_without_an_answer(make: Make) -> None:
    backend = make({"m7a": 90, "m7b": 90, "m8": 20})
    plan = await backend.wish(Action.ABORT)
    assert isinstance(plan, Plan)
    backend.balancer.server.stop()
    assert (await backend.system.send(plan.requests[0], "a1")).fate is Fate.NOT_SENT
    assert isinstance(await backend.system.observe(), Failure)
