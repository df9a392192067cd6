"""When something that failed is asked again, and that the texts say so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.live.conftest import Asked, active
from tests.sources.faults import FaultServer, Handler, answering, cut_short, hang
from triage.clock import ManualClock
from triage.facts.outcome import SourceState
from triage.live.poller import Poller
from triage.live.snapshot import Snapshot
from triage.notebook.load import load_all
from triage.signals.reading import Verdict

Notebooks = Callable[..., Path]
BROKEN = {"error of the server": answering(500, '{"status": "error", "errorType": "internal", "error": "oh"}'),
          "throttled": answering(429, "slow down", "text/plain"),
          "server's own time-out": answering(503, '{"status": "error", "errorType": "timeout", "error": "long"}'),
          "broken off": cut_short}


class Looks:
    """A poller whose refreshes are made one by one, ``interval`` apart."""

    def __init__(self, poller: Poller, prometheus: Asked, clock: ManualClock) -> None:
        self.poller, self.prometheus, self.clock = poller, prometheus, clock
        self.asked_at: list[float] = []
        self.latest: Snapshot | None = None

    async def look(self, until: float, step: float = 5.0) -> Snapshot:
        """Refresh every ``step`` seconds until ``until``; notes when the budget's window was asked for."""
        while True:
            before = self._about_budgets()
            self.latest = await self.poller.refresh_once()
            if self._about_budgets() > before:
                self.asked_at.append(self.clock.monotonic())
            if self.clock.monotonic() >= until:
                return self.latest
            self.clock.advance(step)

    def _about_budgets(self) -> int:
        return sum("[30d]" in e for e in self.prometheus.expressions)


@pytest.fixture
async def looks(notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> AsyncIterator[Looks]:
    folder = notebooks(m=2)
    poller = Poller(active(folder, prometheus.server.url, timeout="300ms"), load_all([folder]), clock)
    poller.watch(["m"])
    yield Looks(poller, prometheus, clock)
    await poller.aclose()


def budgets_fail(prometheus: Asked, how: Handler) -> None:
    prometheus.fake.fail = lambda expression: how if "[30d]" in expression else None


@pytest.mark.parametrize("how", BROKEN.values(), ids=list(BROKEN))
async def test_a_slow_group_that_failed_is_asked_again_after_2_4_8_intervals_up_to_its_pace(
        looks: Looks, prometheus: Asked, how: Handler) -> None:
    budgets_fail(prometheus, how)
    await looks.look(until=320)
    assert looks.asked_at == [0.0, 10.0, 30.0, 70.0, 150.0, 310.0]


async def test_a_query_that_timed_out_is_not_asked_again_by_the_same_refresh(looks: Looks, prometheus: Asked) -> None:
    budgets_fail(prometheus, hang)
    await looks.look(until=10)
    assert looks.asked_at == [0.0, 10.0]
    assert sum("[30d]" in e for e in prometheus.expressions) == 2


async def test_after_a_success_the_next_failure_begins_anew(looks: Looks, prometheus: Asked) -> None:
    budgets_fail(prometheus, BROKEN["error of the server"])
    await looks.look(until=10)
    prometheus.fake.fail = lambda expression: None
    await looks.look(until=30)
    budgets_fail(prometheus, BROKEN["error of the server"])
    await looks.look(until=345)
    assert looks.asked_at == [0.0, 10.0, 30.0, 330.0, 340.0]


@pytest.mark.parametrize(("wanted", "again"), [("120", 120.0), ("3", 10.0), ("86400", 300.0),
                                               ("Wed, 21 Oct 2026 07:28:00 GMT", 10.0)])
async def test_a_server_that_throttles_says_how_long_within_reason(looks: Looks, prometheus: Asked, wanted: str,
                                                                   again: float) -> None:
    budgets_fail(prometheus, answering(429, "slow down", "text/plain", {"Retry-After": wanted}))
    await looks.look(until=again)
    assert looks.asked_at == [0.0, again]


async def test_fast_questions_are_left_alone_as_long_as_a_throttling_server_wants(looks: Looks,
                                                                                 prometheus: Asked) -> None:
    how = answering(429, "slow down", "text/plain", {"Retry-After": "30"})
    prometheus.fake.fail = lambda expression: how if "[5m]" in expression else None
    await looks.look(until=60)
    assert sum("[5m]" in e for e in prometheus.expressions) == 3


async def test_alerts_are_left_alone_as_long_as_a_throttling_server_wants(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    how = answering(429, "slow down", "text/plain", {"Retry-After": "30"})
    prometheus.fake.fail = lambda asked: how if asked == "/api/v1/alerts" else None
    folder = notebooks(m=1)
    async with FaultServer(how) as alertmanager:
        poller = Poller(active(folder, prometheus.server.url, alertmanager.url), load_all([folder]), clock)
        poller.watch(["m"])
        snapshot = await Looks(poller, prometheus, clock).look(until=60)
        await poller.aclose()
        assert (prometheus.paths().count("alerts"), len(alertmanager.requests)) == (3, 3)
    assert [s.state for s in snapshot.sources[:2]] == [SourceState.PARTIAL, SourceState.PARTIAL]


async def test_fast_questions_that_fail_stay_at_their_pace(looks: Looks, prometheus: Asked) -> None:
    prometheus.fake.fail = lambda expression: BROKEN["error of the server"] if "[5m]" in expression else None
    await looks.look(until=20)
    assert sum("[5m]" in e for e in prometheus.expressions) == 5


async def test_the_objective_says_when_it_is_asked_again(looks: Looks, prometheus: Asked) -> None:
    budgets_fail(prometheus, BROKEN["error of the server"])
    snapshot = await looks.look(until=0)
    said = "the budget of 30d is unknown: internal: oh; asked again in "
    assert [s.sentence for s in snapshot.models[0].slos] == [f"{said}10 s"] * 2
    looks.clock.advance(4)
    assert [s.sentence for s in looks.poller.snapshot().models[0].slos] == [f"{said}6 s"] * 2


async def test_what_failed_keeps_the_source_partial_until_it_succeeds(looks: Looks, prometheus: Asked) -> None:
    budgets_fail(prometheus, BROKEN["error of the server"])
    snapshot = await looks.look(until=5)
    assert next(s for s in snapshot.sources if s.name == "prometheus").state is SourceState.PARTIAL
    prometheus.fake.fail = lambda expression: None
    snapshot = await looks.look(until=10)
    assert next(s for s in snapshot.sources if s.name == "prometheus").state is SourceState.OK
    assert snapshot.models[0].verdict is Verdict.PASS


async def test_one_look_promises_no_other(notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    folder = notebooks(m=3)
    prometheus.fake.refuse = lambda expression: "requests_2" in expression
    budgets_fail(prometheus, BROKEN["error of the server"])
    poller = Poller(active(folder, prometheus.server.url), load_all([folder]), clock, goes_on=False)
    poller.watch(["m"])
    [model] = (await poller.refresh_once()).models
    await poller.aclose()
    assert "slo-2: the server refuses its query" in model.notes
    assert not [text for text in (*model.notes, *(s.sentence for s in model.slos)) if "again" in text]


async def test_a_refused_objective_is_asked_once_a_minute_about_its_long_windows_too(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    folder = notebooks(m=3)
    prometheus.fake.refuse = lambda expression: "requests_2" in expression and "[30d]" in expression
    poller = Poller(active(folder, prometheus.server.url), load_all([folder]), clock)
    poller.watch(["m"])
    looks = Looks(poller, prometheus, clock)
    snapshot = await looks.look(until=180)
    await poller.aclose()
    assert looks.asked_at == [0.0, 60.0, 120.0, 180.0]
    assert "slo-2: the server refuses its query; it is asked alone once a minute" in snapshot.models[0].notes
    assert snapshot.models[0].slos[2].sentence.endswith("asked again in 1 m 00 s")


async def test_an_objective_that_fails_among_others_asked_apart_is_asked_again_alone(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    folder = notebooks(m=3)
    prometheus.fake.refuse = lambda expression: "requests_0" in expression and "requests_2" in expression
    prometheus.fake.fail = lambda expression: (BROKEN["error of the server"] if "[30d]" in expression
                                               and "requests_2" in expression and "requests_0" not in expression
                                               else None)
    poller = Poller(active(folder, prometheus.server.url), load_all([folder]), clock)
    poller.watch(["m"])
    looks = Looks(poller, prometheus, clock)
    await looks.look(until=0)
    prometheus.server.requests.clear()
    await looks.look(until=30)
    await poller.aclose()
    about = [e for e in prometheus.expressions if "[30d]" in e]
    assert len(about) == 2
    assert all("requests_2" in e and "requests_0" not in e for e in about)


async def test_charts_that_fail_are_asked_again_more_and_more_rarely(looks: Looks, prometheus: Asked) -> None:
    prometheus.fake.fail = lambda expression: BROKEN["error of the server"] if "(rate(" in expression else None
    snapshot = await looks.look(until=120)
    # After 2, 4 and then every 6 intervals: a chart of an hour moves every 30 s.
    assert prometheus.paths().count("query_range") == 6
    assert "charts cannot be read: internal: oh" in snapshot.models[0].notes


async def test_asking_now_asks_what_failed_and_what_is_fast(looks: Looks, prometheus: Asked) -> None:
    budgets_fail(prometheus, BROKEN["error of the server"])
    await looks.look(until=0)
    prometheus.server.requests.clear()
    looks.poller.refresh_now()
    await looks.look(until=0)
    assert sorted(prometheus.paths()) == ["alerts", "query", "query", "query"]
    assert looks.asked_at == [0.0, 0.0]
