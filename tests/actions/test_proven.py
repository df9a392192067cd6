"""How long a version had enough of the traffic, with how many requests, and whether it met its objectives then."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.live.conftest import active
from tests.live.trials import written
from tests.sources.faults import FaultServer, Request, json_answer
from triage.actions.proven import (
    LOOK_BACK_SECONDS,
    Met,
    Proven,
    ProvenReader,
    proven,
    proven_past,
    proven_questions,
)
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.endpoints import Endpoint
from triage.facts.samples import Series
from triage.lab.promql.engine import Engine, Matrix
from triage.lab.promql.store import Store
from triage.notebook.load import Notebook

HOUR, DAY = 3600.0, 86400.0
NOW = 1_795_400_100.0
SCRAPE = 300.0
SUCCESS = {"name": "success", "sli": {"good": 'requests_total{code="200"}', "total": "requests_total"},
           "objective": 99}
LEVEL = {"name": "queue", "sli": {"gauge": "queue_length", "at_most": 10}, "objective": 99}


@dataclass(frozen=True)
class Served:
    """Requests of one version by scrape, between two ages in seconds; a share of them fails."""

    version: str
    since: float
    until: float = 0.0
    per_scrape: float = 100.0
    failing: float = 0.0
    scrape: float = SCRAPE

    def counters(self) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        ages = np.arange(self.since, self.until - 1, -self.scrape)
        return [({"__name__": "requests_total", "model": "m", "model_version": self.version, "code": code},
                 [(NOW - age, number * self.per_scrape * part) for number, age in enumerate(ages)])
                for code, part in (("200", 1 - self.failing), ("500", self.failing))]


def past_of(notebook: Notebook, *traffic: Served, needed: float = DAY, share: float = 0.5) -> Proven:
    """What is found when a server is asked that scraped this."""
    store = Store()
    for each in traffic:
        for labels, samples in each.counters():
            store.append(labels, np.array([round(1000 * at) for at, _ in samples], dtype=np.int64),
                         np.array([value for _, value in samples]))
    at = proven_past(needed, notebook.manifest.spec.metrics.scrape_interval, NOW)
    series = {}
    for question, expression in proven_questions(notebook, at.step):
        matrix = Engine(store).range(expression, at.start, at.end, at.step).value
        assert isinstance(matrix, Matrix)
        series[question] = tuple(Series(labels, tuple(times.tolist()), tuple(values.tolist()))
                                 for labels, times, values in matrix.series)
    return proven(notebook, series, at, share)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Notebook:
    return written(tmp_path_factory.mktemp("book"), [SUCCESS, LEVEL])


def test_a_version_that_served_until_the_canary_came_has_served_for_so_long(notebook: Notebook) -> None:
    found = past_of(notebook, Served("7", 9 * DAY), Served("8", DAY, per_scrape=10))
    assert found.looked_back_seconds == LOOK_BACK_SECONDS
    assert set(found.versions) == {"7"}
    assert found.versions["7"].seconds == LOOK_BACK_SECONDS
    assert found.versions["7"].requests == pytest.approx(7 * DAY / SCRAPE * 100, rel=0.01)


def test_a_replica_set_that_only_stood_there_has_not_served(notebook: Notebook) -> None:
    assert "7" not in past_of(notebook, Served("7", 9 * DAY, per_scrape=0), Served("8", 9 * DAY)).versions


def test_only_the_time_with_enough_of_the_traffic_counts(notebook: Notebook) -> None:
    traffic = (Served("7", 6 * DAY, 2 * DAY), Served("8", 3 * DAY, per_scrape=101.0))
    assert past_of(notebook, *traffic).versions["7"].seconds == pytest.approx(3 * DAY, abs=4 * HOUR)
    assert past_of(notebook, *traffic, share=0.25).versions["7"].seconds == pytest.approx(4 * DAY, abs=4 * HOUR)


def test_its_objectives_are_counted_while_it_served_and_levels_are_not_of_a_version(notebook: Notebook) -> None:
    [met] = past_of(notebook, Served("7", 5 * DAY, failing=0.02)).versions["7"].objectives
    assert (met.name, met.objective) == ("success", 99.0)
    assert met.good_share == pytest.approx(0.98, abs=1e-6)
    assert met.total == pytest.approx(5 * DAY / SCRAPE * 100, rel=0.02)


def test_requests_without_a_version_are_nobodys(notebook: Notebook) -> None:
    assert set(past_of(notebook, Served("", 5 * DAY)).versions) == {""}


@pytest.mark.parametrize(("came", "went", "counted"), [(480, 240, 180), (780, 360, 420), (2580, 1320, 1260)])
def test_a_version_with_the_most_of_a_stretch_has_not_served_for_all_of_it(
        notebook: Notebook, came: float, went: float, counted: float) -> None:
    """In stretches of five minutes, the first and the last of them in part."""
    found = past_of(notebook, Served("7", 3600, came, scrape=15), Served("8", came, went, scrape=15),
                    Served("9", went, scrape=15), needed=600.0).versions
    assert found["8"].seconds == pytest.approx(counted, abs=40)


@given(st.floats(60, 400 * DAY), st.floats(1, HOUR))
def test_the_past_reaches_back_as_far_as_the_manifest_asks_with_a_bounded_number_of_points(
        needed: float, scrape: float) -> None:
    at = proven_past(needed, scrape, NOW)
    assert at.step >= min(DAY, 4 * scrape)
    assert at.end <= NOW < at.end + at.step
    assert at.count <= 2016
    assert 7 * DAY - at.step <= at.count * at.step <= 30 * DAY
    assert at.count * at.step >= min(needed, 30 * DAY) - at.step


async def test_prometheus_is_asked_once_and_what_it_does_not_say_is_told(notebook: Notebook, tmp_path: Path) -> None:
    answers = [json_answer({"status": "success", "data": {"resultType": "matrix", "result": []}}),
               json_answer({"status": "error", "errorType": "bad_data", "error": "no"}, 400)]
    asked: list[str] = []

    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        asked.append(request.target)
        return await answers[len(asked) - 1](request, writer)
    async with FaultServer(handle) as server:
        reader = ProvenReader(notebook, active(tmp_path, server.url), ManualClock(NOW))
        assert await reader.read(DAY, 0.5) == Proven({}, LOOK_BACK_SECONDS)
        assert asked == ["/api/v1/query_range"]
        assert (await reader.read(DAY, 0.5)).trouble == "prometheus: bad query: no"
        await reader.aclose()


async def test_a_secret_that_cannot_be_had_is_told_and_keeps_nobody_from_planning(
        notebook: Notebook, tmp_path: Path) -> None:
    context = Context(prometheus=Endpoint.model_validate({"url": "http://127.0.0.1:1", "bearer_token": {
        "env": "A_TOKEN_THAT_NOBODY_SET"}}))
    reader = ProvenReader(notebook, Active("test", context, (tmp_path,), None), ManualClock(NOW))
    assert (await reader.read(DAY, 0.5)).trouble.startswith("prometheus: ")
    await reader.aclose()


def test_good_shares_are_of_all_events() -> None:
    assert Met("success", 99.0, 1.0, 4.0).good_share == 0.75
