"""Since when what the manifest rolls back for has held: judged at every past moment, gaps being none of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.live.conftest import Asked, active
from tests.live.trials import NOW, SCRAPE, seen, written
from tests.sources.faults import FaultServer, Request, answering, json_answer
from triage.clock import ManualClock
from triage.endpoints import Endpoint
from triage.facts.replies import Question, Reply
from triage.facts.samples import Sample, Series
from triage.lab.promql.engine import Engine, Matrix
from triage.lab.promql.store import Store
from triage.live.channel import Channel
from triage.live.expressions import questions
from triage.live.flights import Flights, landing
from triage.live.lasting import Broken, LastingAsker, broken_now, lasting, lasting_past, lasting_questions
from triage.live.poller import Poller
from triage.notebook.load import Notebook, load_all
from triage.signals.deployed import Deployed
from triage.signals.lasting import ROLLOUT_RULE, SLO_BREACH, Lasting, held_since
from triage.sources.prometheus import PrometheusClient

SUCCESS = {"name": "success", "sli": {"good": 'requests_total{code="200"}', "total": "requests_total"},
           "objective": 99, "required": True}
HOURS = 4 * 3600
WHEN = {"when": ["rollout_rule", "slo_breach"]}
RULE = Broken(rule=("success",))
BREACH = Broken(breached=(("success", True),))


@dataclass(frozen=True)
class Traffic:
    """Requests of one version by scrape: from when, and how many of them fail from when on."""

    version: str
    born: float
    bad_since: float
    per_scrape: float = 20.0
    gap: tuple[float, float] = (0.0, 0.0)
    """Nothing is scraped between these."""

    def counters(self) -> list[tuple[Mapping[str, str], list[tuple[float, float]]]]:
        good, bad = [], []
        ok = failed = 0.0
        for number in range(round((NOW - self.born) / SCRAPE) + 1):
            at = self.born + number * SCRAPE
            failed += self.per_scrape / 2 if at > self.bad_since else 0.0
            ok += self.per_scrape / 2 if at > self.bad_since else self.per_scrape
            if not self.gap[0] < at < self.gap[1]:
                good.append((at, ok))
                bad.append((at, failed))
        labels = {"__name__": "requests_total", "model": "m", "model_version": self.version}
        return [({**labels, "code": "200"}, good), ({**labels, "code": "500"}, bad)]


def past_of(notebook: Notebook, broken: Broken, *traffic: Traffic, now: float = NOW) -> Lasting:
    """What is found when it is asked of a server that scraped this."""
    store = Store()
    for each in traffic:
        for labels, samples in each.counters():
            store.append(dict(labels), np.array([round(1000 * at) for at, _ in samples], dtype=np.int64),
                         np.array([value for _, value in samples]))
    at = lasting_past(notebook, now)
    series = {}
    for question, expression in lasting_questions(notebook, broken):
        matrix = Engine(store).range(expression, at.start, at.end, at.step).value
        assert isinstance(matrix, Matrix)
        series[question] = tuple(Series(labels, tuple(times.tolist()), tuple(values.tolist()))
                                 for labels, times, values in matrix.series)
    [found] = lasting(notebook, series, at, broken, seen())
    return found


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Notebook]:
    def made(**blocks: Any) -> Notebook:
        folder: Path = tmp_path_factory.mktemp("book")
        return written(folder, [SUCCESS], **{"rollback": WHEN, "canary": {"sustained": "10m"}, **blocks})
    return made


STABLE = Traffic("v1", NOW - HOURS, NOW + 1, 200.0)


def canary(*, bad_for: float = 3600.0, gap: tuple[float, float] = (0.0, 0.0)) -> Traffic:
    return Traffic("v2", NOW - 3600, NOW - bad_for, gap=gap)


def test_the_moments_are_the_same_whenever_one_looks_within_a_step(write: Callable[..., Notebook]) -> None:
    notebook = write()
    first = lasting_past(notebook, NOW)
    assert first == lasting_past(notebook, NOW + 59)
    assert (first.step, first.end) == (60.0, NOW)
    assert first.start <= NOW - 600


def test_a_rule_that_is_broken_all_the_time_has_held_for_longer_than_it_must(write: Callable[..., Notebook]) -> None:
    found = past_of(write(), RULE, STABLE, canary())
    assert (found.trigger, found.read_to) == (ROLLOUT_RULE, NOW)
    assert found.since is not None
    assert found.since <= NOW - 600


def test_a_rule_that_is_broken_since_lately_says_since_when_though_the_trial_is_old(
        write: Callable[..., Notebook]) -> None:
    found = past_of(write(), RULE, STABLE, canary(bad_for=480))
    assert found.since is not None
    # A tenth of the requests must have failed before it burns five times over the hour: it takes some minutes.
    assert NOW - 420 <= found.since < NOW


def test_a_first_look_says_the_same_as_one_that_came_before(write: Callable[..., Notebook]) -> None:
    notebook = write()
    assert past_of(notebook, RULE, STABLE, canary(bad_for=480), now=NOW + 30) == past_of(
        notebook, RULE, STABLE, canary(bad_for=480))


def test_while_the_canary_was_silent_its_rule_did_not_hold(write: Callable[..., Notebook]) -> None:
    found = past_of(write(), RULE, STABLE, canary(gap=(NOW - 400, NOW - 200)))
    assert found.since is not None
    assert found.since >= NOW - 200


def test_a_canary_that_is_silent_now_breaks_nothing(write: Callable[..., Notebook]) -> None:
    assert past_of(write(), RULE, STABLE, canary(gap=(NOW - 180, NOW + 1))).since is None


def test_a_breach_counts_from_when_its_burn_rate_paged(write: Callable[..., Notebook]) -> None:
    worse = Traffic("v1", NOW - HOURS, NOW - 1800, 200.0)
    found = past_of(write(), BREACH, worse, canary())
    assert found.trigger == SLO_BREACH
    assert found.since is not None
    assert found.since <= NOW - 600
    lately = past_of(write(), BREACH, Traffic("v1", NOW - HOURS, NOW - 1300, 200.0), canary(bad_for=0))
    assert lately.since is not None
    assert NOW - 600 < lately.since < NOW - 60


def test_while_nothing_was_scraped_there_was_no_breach(write: Callable[..., Notebook]) -> None:
    gap = (NOW - 420, NOW - 240)
    found = past_of(write(), BREACH, Traffic("v1", NOW - HOURS, NOW - 1800, 200.0, gap), canary(gap=gap))
    assert found.since is not None
    assert found.since >= NOW - 240


def test_only_what_a_burn_rate_needs_is_asked_while_it_pages(write: Callable[..., Notebook]) -> None:
    asked = [question for question, _ in lasting_questions(write(), BREACH)]
    assert max(question.window_seconds for question in asked) == 6 * 3600
    overspent = [question for question, _ in lasting_questions(write(), Broken(breached=(("success", False),)))]
    assert max(question.window_seconds for question in overspent) == 30 * 86400


def test_nothing_known_is_nothing_broken(write: Callable[..., Notebook]) -> None:
    assert broken_now(write(), {}, seen(), NOW) == Broken()


def asked(prometheus: Asked) -> int:
    """How often it was asked what lasted: for the requests of a minute, which nothing else is about."""
    return sum(r.path.endswith("query_range") and "increase(requests_0_total{model=\"m\"}[1d])" in r.fields["query"][0]
               for r in prometheus.server.requests)


async def test_it_is_asked_once_a_step_and_only_while_something_is_broken(
        notebooks: Callable[..., Path], prometheus: Asked, clock: ManualClock) -> None:
    folder = notebooks(m=1)
    prometheus.fake.trial_since = clock.now() - 3600
    poller = Poller(active(folder, prometheus.server.url), load_all([folder]), clock)
    poller.watch(["m"])
    try:
        await poller.refresh_once()
        assert asked(prometheus) == 0
        prometheus.fake.canary_good = 0.9
        poller.world_changed()
        broken = (await poller.refresh_once()).models[0]
        assert asked(prometheus) == 1
        # The server knows no past: that something holds now is all that is known.
        [found] = broken.lasting
        assert (found.trigger, found.since, found.trouble) == (ROLLOUT_RULE, None, "")
        clock.advance(5)
        await poller.refresh_once()
        assert asked(prometheus) == 1
        clock.advance(60)
        await poller.refresh_once()
        assert asked(prometheus) == 2
        prometheus.fake.canary_good = 0.99999
        poller.world_changed()
        assert (await poller.refresh_once()).models[0].lasting == ()
    finally:
        await poller.aclose()


async def test_where_it_cannot_be_asked_the_reason_is_said(
        notebooks: Callable[..., Path], prometheus: Asked, clock: ManualClock) -> None:
    folder = notebooks(m=1)
    prometheus.fake.trial_since = clock.now() - 3600
    prometheus.fake.canary_good = 0.9
    poller = Poller(active(folder, prometheus.server.url), load_all([folder]), clock)
    poller.watch(["m"])
    try:
        await poller.refresh_once()
        clock.advance(60)
        prometheus.fake.fail = lambda expression: (
            answering(503, "overloaded", "text/plain") if "[1m])" in expression and "[1d])" in expression else None)
        [found] = (await poller.refresh_once()).models[0].lasting
        assert (found.since, found.trouble) == (None, "unavailable: overloaded")
    finally:
        await poller.aclose()


FAST = {"name": "fast", "sli": {"good": 'answers_total{speed="fast"}', "total": "answers_total"}, "objective": 99}
LATER = NOW + 25 * 3600
"""What was an hour before the first moment is out of the window of the rule by then."""


@dataclass
class TwoPasts:
    """The first objective is broken for an hour up to NOW, the second for an hour up to LATER; told when released."""

    store: Store = field(default_factory=Store)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        for metric, label, since, until in (("requests_total", "code", NOW - 3600, NOW),
                                            ("answers_total", "speed", LATER - 3600, LATER)):
            good, bad = ("200", "500") if label == "code" else ("fast", "slow")
            for version, each in (("v1", 200.0), ("v2", 20.0)):
                times = np.arange(NOW - HOURS, LATER + 1, SCRAPE)
                if version == "v2":
                    times = times[times >= NOW - 3600]
                fails = np.cumsum((times > since) & (times <= until) & (version == "v2")) * each / 2
                labels = {"__name__": metric, "model": "m", "model_version": version}
                stamps = (times * 1000).round().astype(np.int64)
                self.store.append({**labels, label: bad}, stamps, fails)
                self.store.append({**labels, label: good}, stamps, np.arange(len(times)) * each - fails)

    def matrix(self, expression: str, start: float, end: float, step: float) -> Matrix:
        found = Engine(self.store).range(expression, start, end, step).value
        assert isinstance(found, Matrix)
        return found

    def replies(self, notebook: Notebook, at: float) -> dict[Question, Reply]:
        def samples(expression: str) -> tuple[Sample, ...]:
            found = self.matrix(expression, at, at, 60.0)
            return tuple(Sample(labels, float(values[-1]), at) for labels, _, values in found.series)
        return {each.question: Reply(at, 600.0, samples(each.expression)) for each in questions(notebook)}

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> object:
        await self.released.wait()
        start, end, step = (float(request.fields[name][0]) for name in ("start", "end", "step"))
        found = self.matrix(request.fields["query"][0], start, end, step)
        return await json_answer({"status": "success", "data": {"resultType": "matrix", "result": [
            {"metric": dict(labels), "values": [[float(at), repr(float(value))] for at, value
                                                in zip(times, values, strict=True)]}
            for labels, times, values in found.series]}})(request, writer)


@dataclass
class Asking:
    """An asker, the past that it asks for, and its flights."""

    asker: LastingAsker
    past: TwoPasts
    flights: Flights
    clock: ManualClock
    notebook: Notebook

    def refresh(self, at: float) -> tuple[Lasting, ...]:
        self.clock.advance(at - self.clock.now())
        self.asker.begin(self.past.replies(self.notebook, at), Deployed())
        return self.asker.found

    async def answered(self) -> tuple[Lasting, ...]:
        self.past.released.set()
        await landing([self.flights])
        self.flights.check()
        self.past.released.clear()
        return self.asker.found


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    notebook = written(tmp_path, [SUCCESS, FAST], rollback={"when": ["rollout_rule"]}, canary={"sustained": "10m"},
                       rollout_rule={"burn_rate": 1})
    clock, flights, past = ManualClock(NOW), Flights(), TwoPasts()
    async with FaultServer(past) as server:
        client = PrometheusClient(Endpoint.model_validate({"url": server.url}), clock)
        asker = LastingAsker(notebook, Channel(client, clock, 5.0, asyncio.Semaphore(1), flights))
        yield Asking(asker, past, flights, clock, notebook)
        flights.cancel_all()
        await client.aclose()


async def test_what_breaks_when_another_objective_recovers_does_not_hold_since_that_one_broke(asking: Asking) -> None:
    asking.refresh(NOW)
    [first] = await asking.answered()
    assert first.since is not None
    # The same holds on: since when is known until it is asked again.
    assert asking.refresh(NOW + 5) == (first,)
    assert asking.refresh(LATER) == ()
    [second] = await asking.answered()
    assert second.since is not None
    assert second.since >= LATER - 720


async def test_an_answer_that_comes_after_its_objective_recovered_says_nothing_of_the_next(asking: Asking) -> None:
    asking.refresh(NOW)
    asking.refresh(LATER)
    assert await asking.answered() == ()
    asking.refresh(LATER + 5)
    assert len(await asking.answered()) == 1


@pytest.mark.parametrize(("held", "since"), [
    ((True, True, True), 0.0), ((False, True, True), 1.0), ((True, False, True), 2.0), ((True, True, False), None),
    ((), None)])
def test_it_holds_since_the_last_moment_at_which_it_did_not(held: Sequence[bool], since: float | None) -> None:
    assert held_since([(float(at), each) for at, each in enumerate(held)]) == since
