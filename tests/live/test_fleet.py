"""Many models are asked about together: few requests, and the same figures as when each is asked about alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.live.conftest import NOW, Asked, FakePrometheus, Published, active
from tests.sources.faults import FaultServer, Request, answering, json_answer
from triage.clock import ManualClock
from triage.endpoints import Endpoint
from triage.facts.alerts import Alert, AlertState
from triage.live import fleet_gathering, fleet_plan
from triage.live.asker import ModelFacts
from triage.live.assemble import model_state
from triage.live.fleet import AlertIndex, Fleet, fleet_interval
from triage.live.flights import landing
from triage.live.poller import Poller
from triage.notebook.load import Notebook, load_all
from triage.notebook.resolve import Traffic
from triage.signals.model import ModelState
from triage.signals.reading import Quality, Verdict
from triage.sources.prometheus import PrometheusClient

Notebooks = Callable[..., Path]
_MODELS = re.compile(r'model(=~|=|!=)"([^"]*)"')
FEW = {"one": 3, "two": 3, "three": 3}


@dataclass
class FleetPrometheus(FakePrometheus):
    """Answers for every model that an expression names; each model has other numbers."""

    known: Sequence[str] = ()
    """Values of the label ``model``, where they are asked for."""

    def _samples(self, expression: str) -> Sequence[tuple[Mapping[str, str], float]]:
        found = _MODELS.search(expression)
        if found is None or "__name__" in expression:
            return []
        names = list(self.known) if found[1] == "!=" else found[2].split("|")
        together = "by (model" in expression or ", model)" in expression
        out: list[tuple[Mapping[str, str], float]] = []
        for name in names:
            factor = 1 + sum(map(ord, name)) % 7 / 10
            for labels, value in super()._samples(expression):
                # Times are not scaled, and bad events are not those of others.
                scaled = value if "timestamp(" in expression else round(value * factor)
                if "!~" in expression and name == "two":
                    scaled -= 5_000
                out.append(({**labels, **({"model": name} if together else {})}, scaled))
        return out

    async def handle(self, request: Request, writer: object) -> object:
        if request.path.startswith("/api/v1/label/"):
            return await json_answer({"status": "success", "data": list(self.known)})(request, writer)  # type: ignore[arg-type]
        return await super().handle(request, writer)  # type: ignore[arg-type]


@pytest.fixture
async def prometheus(clock: ManualClock) -> AsyncIterator[Asked]:
    fake = FleetPrometheus(clock)
    fake.held.set()
    async with FaultServer(fake.handle) as server:
        yield Asked(fake, server)


@asynccontextmanager
async def polling(folder: Path, prometheus: Asked, clock: ManualClock, *, fleet: bool = True, names: Sequence[str] = (),
                  published: Published | None = None, goes_on: bool = True) -> AsyncIterator[Poller]:
    poller = Poller(active(folder, prometheus.server.url), load_all([folder]), clock, published, goes_on=goes_on)
    poller.watch(names)
    poller.watch_fleet(wanted=fleet)
    try:
        yield poller
    finally:
        await poller.aclose()


async def states(folder: Path, prometheus: Asked, clock: ManualClock, names: Sequence[str]) -> dict[str, ModelState]:
    async with polling(folder, prometheus, clock, fleet=False, names=names) as poller:
        snapshot = await poller.refresh_once()
        return {model.name: replace(model, trends=()) for model in snapshot.models}


@pytest.mark.parametrize("models", [2, 30])
async def test_models_of_one_template_cost_as_many_requests_as_two(notebooks: Notebooks, prometheus: Asked,
                                                                   clock: ManualClock, models: int) -> None:
    async with polling(notebooks(**{f"m{n}": 3 for n in range(models)}), prometheus, clock) as poller:
        snapshot = await poller.refresh_once()
    # Four paces, the alerts, and the server's retention: a single model costs the charts besides.
    assert sorted(prometheus.paths()) == ["alerts", *["query"] * 4, "status/runtimeinfo"]
    assert snapshot.fleet is not None
    assert len(snapshot.fleet.rows) == models
    assert {row.verdict for row in snapshot.fleet.rows} == {Verdict.PASS}


async def test_another_template_costs_its_own_queries_only_where_it_differs(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    async with polling(notebooks(one=3, two=3, large=4), prometheus, clock) as poller:
        await poller.refresh_once()
    fast = [e for e in prometheus.expressions if "[5m]" in e]
    assert len(fast) == 1
    assert 'duration_3_seconds_bucket{model="large"}' in fast[0]
    assert 'requests_0_total{model=~"large|one|two"}[5m]' in fast[0]


async def test_a_model_among_many_is_judged_as_it_is_alone(notebooks: Notebooks, prometheus: Asked,
                                                           clock: ManualClock) -> None:
    folder = notebooks(**FEW)
    prometheus.fake.trial_since = NOW - 3600
    together = await states(folder, prometheus, clock, tuple(FEW))
    assert set(together) == set(FEW)
    for name in FEW:
        alone = await states(folder, prometheus, clock, [name])
        # Since when something lasts is asked of a model that is looked at alone; no verdict rests on it.
        assert together[name] == replace(alone[name], lasting=())
    assert together["two"].verdict is Verdict.FAIL
    assert together["one"].verdict is not Verdict.FAIL


async def test_a_row_says_what_the_model_alone_says(notebooks: Notebooks, prometheus: Asked,
                                                    clock: ManualClock) -> None:
    folder = notebooks(**FEW)
    async with polling(folder, prometheus, clock) as poller:
        fleet = (await poller.refresh_once()).fleet
    assert fleet is not None
    alone = (await states(folder, prometheus, clock, ["two"]))["two"]
    row = next(row for row in fleet.rows if row.name == "two")
    assert (row.verdict, row.urgency, row.reason) == (alone.verdict, alone.urgency, alone.reasons[0].text)
    budgets = [slo.budget.remaining for slo in alone.slos
               if slo.budget is not None and slo.budget.quality is Quality.OK]
    rates = [burn.rate for slo in alone.slos if (burn := slo.burn(3600.0)) is not None and burn.rate is not None]
    assert (row.health.value, row.burn.value) == (min(budgets), max(rates))
    assert fleet.rows[0] is row
    assert fleet.top[0] is row


async def test_several_models_watched_are_asked_about_together(notebooks: Notebooks, prometheus: Asked,
                                                               clock: ManualClock) -> None:
    async with polling(notebooks(**FEW), prometheus, clock, fleet=False, names=tuple(FEW)) as poller:
        snapshot = await poller.refresh_once()
    assert sorted(prometheus.paths()) == ["alerts", *["query"] * 4, "status/runtimeinfo"]
    assert [model.name for model in snapshot.models] == list(FEW)


async def test_nothing_is_asked_of_the_fleet_while_nobody_looks(notebooks: Notebooks, prometheus: Asked,
                                                                clock: ManualClock) -> None:
    async with polling(notebooks(**FEW), prometheus, clock, fleet=False, names=["one"]) as poller:
        assert (await poller.refresh_once()).fleet is None
        assert not [e for e in prometheus.expressions if "two" in e]
        poller.watch_fleet(wanted=True)
        assert (await poller.refresh_once()).fleet is not None
        poller.watch_fleet(wanted=False)
        prometheus.server.requests.clear()
        clock.advance(600)
        assert (await poller.refresh_once()).fleet is None
    assert not [e for e in prometheus.expressions if "two" in e]


async def test_a_fleet_is_refreshed_at_its_own_pace(notebooks: Notebooks, prometheus: Asked,
                                                    clock: ManualClock) -> None:
    assert fleet_interval(5.0, 6) == 5.0
    assert fleet_interval(5.0, 1000) == 15.0


async def test_a_broken_notebook_is_a_row_that_is_unknown(notebooks: Notebooks, prometheus: Asked,
                                                          clock: ManualClock) -> None:
    folder = notebooks(**FEW)
    (folder / "bad").mkdir()
    (folder / "bad" / "manifest.yaml").write_text("metadata: {name: bad}\n")
    async with polling(folder, prometheus, clock) as poller:
        fleet = (await poller.refresh_once()).fleet
    assert fleet is not None
    [row] = [row for row in fleet.rows if row.is_broken]
    assert (row.name, row.verdict, row.health.value) == ("bad", Verdict.UNKNOWN, None)
    assert row.reason.startswith("its model notebook cannot be used: ")


async def test_a_combined_query_that_is_refused_is_asked_in_halves_and_only_the_bad_part_fails(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    prometheus.fake.refuse = lambda e: "requests_2_total" in e and re.search(r'model=(~"[^"]*|")two\b', e) is not None
    async with polling(notebooks(**FEW), prometheus, clock, fleet=False, names=tuple(FEW)) as poller:
        models = {model.name: model for model in (await poller.refresh_once()).models}
        first = poller.requests_sent
        clock.advance(5)
        await poller.refresh_once()
        second = poller.requests_sent - first
    assert [slo.now.quality for slo in models["two"].slos] == [Quality.OK, Quality.OK, Quality.ERROR]
    assert [slo.now.quality for slo in models["one"].slos] == [Quality.OK] * 3
    assert second < first


async def test_a_query_that_takes_too_long_is_not_sent_again_and_next_time_in_halves(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    def long(expression: str) -> bool:
        return "[5m]" in expression and "one" in expression and "three" in expression

    timed_out = json_answer({"status": "error", "errorType": "timeout", "error": "query timed out"}, 503)
    prometheus.fake.fail = lambda e: timed_out if long(e) else None
    async with polling(notebooks(**FEW), prometheus, clock, fleet=False, names=tuple(FEW)) as poller:
        await poller.refresh_once()
        assert sum(map(long, prometheus.expressions)) == 1
        for _ in range(8):
            clock.advance(60)
            snapshot = await poller.refresh_once()
    assert {slo.now.quality for model in snapshot.models for slo in model.slos} == {Quality.OK}


async def test_a_server_that_is_gone_makes_every_model_unknown(notebooks: Notebooks, prometheus: Asked,
                                                               clock: ManualClock) -> None:
    prometheus.fake.fail = lambda expression: answering(503, "down", "text/plain")
    async with polling(notebooks(**FEW), prometheus, clock) as poller:
        snapshot = await poller.refresh_once()
    assert snapshot.fleet is not None
    assert [row.verdict for row in snapshot.fleet.rows] == [Verdict.UNKNOWN] * 3
    assert next(s for s in snapshot.sources if s.name == "prometheus").state == "down"


async def test_labels_whose_values_are_mostly_ours_are_not_listed(notebooks: Notebooks, prometheus: Asked,
                                                                  clock: ManualClock,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_gathering, "LISTED_FREELY", 3)
    assert isinstance(prometheus.fake, FleetPrometheus)
    prometheus.fake.known = ("one", "two", "three", "of-others")
    async with polling(notebooks(**FEW), prometheus, clock) as poller:
        fleet = (await poller.refresh_once()).fleet
    assert fleet is not None
    assert {row.verdict for row in fleet.rows} == {Verdict.PASS, Verdict.FAIL}
    assert not [e for e in prometheus.expressions if "one" in e and "__name__" not in e]
    assert prometheus.paths().count("label/model/values") <= 4


async def test_labels_of_many_others_are_listed(notebooks: Notebooks, prometheus: Asked, clock: ManualClock,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_gathering, "LISTED_FREELY", 3)
    assert isinstance(prometheus.fake, FleetPrometheus)
    prometheus.fake.known = ("one", "two", "three", *(f"other-{n}" for n in range(20)))
    async with polling(notebooks(**FEW), prometheus, clock) as poller:
        await poller.refresh_once()
    assert [e for e in prometheus.expressions if 'model=~"one|three|two"' in e]
    assert not [e for e in prometheus.expressions if 'model!=""' in e]


async def test_a_query_that_would_be_too_long_is_asked_in_parts(notebooks: Notebooks, prometheus: Asked,
                                                                clock: ManualClock,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_plan.packed, "__defaults__", (1_000,))
    async with polling(notebooks(**{f"model-{n:03d}": 1 for n in range(20)}), prometheus, clock) as poller:
        fleet = (await poller.refresh_once()).fleet
    assert fleet is not None
    assert {row.verdict for row in fleet.rows} == {Verdict.PASS}
    # What joins the expressions is not counted.
    assert max(map(len, prometheus.expressions)) < 2_000


async def test_the_fleet_goes_on_by_itself_beside_the_model_that_is_looked_at(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    published = Published()
    async with polling(notebooks(**FEW), prometheus, clock, names=["one"], published=published) as poller:
        running = asyncio.ensure_future(poller.run())
        try:
            await published.until(lambda: any(s.fleet is not None and s.fleet.is_complete for s in published.snapshots))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    last = published.snapshots[-1]
    assert [model.name for model in last.models] == ["one"]
    assert last.fleet is not None
    assert len(last.fleet.rows) == 3


@pytest.mark.parametrize(("interval", "seconds", "judged_before"), [(15.0, 15.5, 0), (15.0, 23.0, 1), (5.0, 5.5, 1)])
async def test_many_models_are_not_judged_again_before_all_of_a_refresh_has_come_unless_it_takes_long(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock, interval: float, seconds: float,
        judged_before: int) -> None:
    client = PrometheusClient(Endpoint(url=prometheus.server.url), clock)
    judged: list[float] = []
    came = asyncio.Event()

    def landed() -> None:
        fleet.begin_judging()
        came.set()

    def judge(notebook: Notebook, traffic: Sequence[Traffic], facts: ModelFacts) -> ModelState:
        return model_state(notebook, traffic, facts, (), (), None, clock.now())

    fleet = Fleet(load_all([notebooks(**FEW)]).notebooks, client, clock, interval, slots=asyncio.Semaphore(8),
                  landed=landed, judged=lambda: judged.append(clock.monotonic()), judging=lambda: judge)

    async def answered() -> None:
        await landing([fleet.flights, *(asker.flights for asker in fleet.askers)])

    try:
        fleet.begin()
        await answered()
        prometheus.fake.hold = lambda expression: "[6h]" in expression and "[5m]" not in expression
        while True:
            clock.advance(seconds)
            judged.clear()
            came.clear()
            fleet.begin()
            await came.wait()
            if any(asker.flights.tasks() for asker in fleet.askers):
                break
            await answered()
        await landing([fleet.flights])
        assert len(judged) == judged_before
        prometheus.fake.released.set()
        await answered()
        assert len(judged) == judged_before + 1
    finally:
        await fleet.aclose()
        await client.aclose()


def test_alerts_are_looked_up_by_the_labels_of_a_model(notebooks: Notebooks) -> None:
    def alert(model: str) -> Alert:
        return Alert(model, {"alertname": "Slow", "model": model}, {}, AlertState.FIRING, NOW)

    index = AlertIndex([alert("one"), alert("two"), alert("other")])
    loaded = load_all([notebooks(**FEW)]).notebooks
    assert {n.name: [a.fingerprint for a in index.about(n)] for n in loaded} == {
        "one": ["one"], "two": ["two"], "three": []}
