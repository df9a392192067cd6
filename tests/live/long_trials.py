"""A server that holds days of two versions' counters, answered by the lab's engine, and looks at it at any age."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.live.conftest import active
from tests.live.trials import written
from tests.sources.faults import FaultServer, Request, json_answer
from triage.clock import ManualClock
from triage.lab.promql.engine import Engine, Matrix, Vector
from triage.lab.promql.store import Store
from triage.live.poller import Poller
from triage.live.snapshot import Snapshot
from triage.notebook.load import load_all
from triage.signals.canary import CanaryState

BORN = 1_795_400_160.0
"""When v2 begins to take a tenth of the requests: a full minute."""
SCRAPE = 15.0
HOUR = 3600.0
DAY = 24 * HOUR
RATIO: dict[str, Any] = {"name": "success", "objective": 99.9, "window": "30d", "required": True,
                         "sli": {"good": 'requests_total{code!~"5.."}', "total": "requests_total"}}


@dataclass(frozen=True, slots=True)
class Bad:
    """Minutes of v2 with ten times too many errors, after it began."""

    start: int = 61
    minutes: int = 90


Column = tuple[dict[str, str], NDArray[np.int64], NDArray[np.float64]]


def counters(until: float, *, before: float = 5 * DAY, born: float = BORN, bad: Bad | None = None,
             kept_from: float = 0.0, model: str = "m") -> Iterator[Column]:
    """Requests to v1, which begins ``before`` seconds earlier than v2 is ``born``; 0.5 % of all fail."""
    rng = np.random.default_rng(1)
    for version, begins, rate in (("v1", born - before, 225.0), ("v2", born, 25.0)):
        times = np.arange(begins, until + 1, SCRAPE)
        share = np.full(len(times), 0.005)
        if version == "v2" and bad is not None:
            minute = (times - born) // 60
            share[(minute >= bad.start) & (minute < bad.start + bad.minutes)] = 0.05
        failed = rng.poisson(rate * share).astype(float)
        kept = times >= kept_from
        for code, grown in (("500", failed), ("200", rng.poisson(rate, len(times)) - failed)):
            yield ({"__name__": "requests_total", "model": model, "model_version": version, "code": code},
                   np.round(times[kept] * 1000).astype(np.int64), np.cumsum(grown)[kept])


def world(until: float, *, before: float = 5 * DAY, bad: Bad | None = None, kept_from: float = 0.0) -> Store:
    """A server that has scraped both versions of m up to ``until``, and holds nothing older than ``kept_from``."""
    store = Store()
    for labels, times, values in counters(until, before=before, bad=bad, kept_from=kept_from):
        store.append(labels, times, values)
    return store


@dataclass
class StoreServer:
    """Speaks as much of Prometheus as a poller asks, about one store."""

    store: Store
    clock: ManualClock
    retention: str = "400d"
    """"" where it does not say, as servers other than Prometheus."""
    refuse: Collection[str] = ()
    """Queries with one of these in it fail."""
    warn: Collection[str] = ()
    """Queries with one of these in it are answered in part."""
    ranges: list[tuple[str, float, float, float]] = field(default_factory=list)
    """Expression, start, end and step of each range query about the trial."""

    async def handle(self, request: Request, writer: Any) -> object:
        if request.path.endswith("/alerts"):
            return await json_answer({"status": "success", "data": {"alerts": []}})(request, writer)
        if request.path.endswith("/runtimeinfo"):
            said = {"storageRetention": self.retention} if self.retention else {}
            return await json_answer({"status": "success", "data": said})(request, writer)
        given = {name: values[0] for name, values in request.fields.items()}
        expression = given["query"]
        if any(text in expression for text in self.refuse):
            return await json_answer({"status": "error", "errorType": "execution", "error": "no"}, 422)(request, writer)
        if "start" in given:
            start, end, step = (float(given[name]) for name in ("start", "end", "step"))
            if "v1|v2" in expression or "(min by (model_version) (timestamp(" in expression:
                self.ranges.append((expression, start, end, step))
            found = Engine(self.store).range(expression, start, end, step).value
        else:
            found = Engine(self.store).instant(expression, self.clock.now()).value
        warnings = ["half of it is missing"] if any(text in expression for text in self.warn) else []
        body = {"status": "success", "data": _data(found), "warnings": warnings}
        return await json_answer(json.loads(json.dumps(body)))(request, writer)


def _data(found: object) -> dict[str, Any]:
    if isinstance(found, Matrix):
        return {"resultType": "matrix", "result": [
            {"metric": dict(labels), "values": [[t, repr(v)] for t, v in zip(times.tolist(), values.tolist(),
                                                                            strict=True)]}
            for labels, times, values in found.series]}
    assert isinstance(found, Vector), found
    return {"resultType": "vector", "result": [{"metric": dict(labels), "value": [found.at, repr(value)]}
                                               for labels, value in found.samples]}


@asynccontextmanager
async def looking(server: StoreServer, folder: Path, *, goes_on: bool = True, describes: str = "v1",
                  also: str = "") -> AsyncIterator[Poller]:
    """A poller of the model, whose notebook describes this version; ``also`` another model with the same notebook."""
    if not (folder / "m").exists():
        written(folder, [RATIO], canary={"max_delta": [{"metric": "success", "absolute": "0.5pt"}]})
    manifest = folder / "m" / "manifest.yaml"
    manifest.write_text(re.sub(r"version: v\d", f"version: {describes}", manifest.read_text(), count=1))
    if also:
        shutil.copytree(folder / "m", folder / also)
        other = folder / also / "manifest.yaml"
        other.write_text(other.read_text().replace("name: m\n", f"name: {also}\n").replace("model: m\n",
                                                                                         f"model: {also}\n"))
    async with FaultServer(server.handle) as served:
        poller = Poller(active(folder, served.url), load_all([folder]), server.clock, goes_on=goes_on)
        poller.watch(["m", also] if also else ["m"])
        try:
            yield poller
        finally:
            await poller.aclose()


async def once(server: StoreServer, folder: Path, describes: str = "v1") -> Snapshot:
    """One look, as a report takes it."""
    async with looking(server, folder, goes_on=False, describes=describes) as poller:
        return await poller.refresh_once()


def judged(snapshot: Snapshot) -> CanaryState:
    """The verdict on v2."""
    reading = snapshot.models[0].canary
    assert reading is not None
    assert reading.state is not None, reading.failure
    return reading.state
