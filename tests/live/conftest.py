"""Servers in the test's own loop that speak just enough of Prometheus and Alertmanager, and notebooks to ask about."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sources.faults import FaultServer, Handler, Request, answering, json_answer
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.endpoints import Endpoint
from triage.live.snapshot import Snapshot

_PART = re.compile(r', "triage_question", "(\d+)", "", ""\)(?: or )?')
NOW = 1_795_400_100.0
"""Between two points of the grid of an hour."""


def parts(expression: str) -> list[tuple[str, str]]:
    """(address, expression) of every question in a combined query."""
    pieces = _PART.split(expression)
    return [(address, text.removeprefix("label_replace("))
            for text, address in zip(pieces[0::2], pieces[1::2], strict=False)]


@dataclass
class FakePrometheus:
    """Answers every question about a thousand requests, one of them bad, unless told otherwise."""

    clock: ManualClock
    refuse: Callable[[str], bool] = lambda expression: False
    refusal: int = 422
    fail: Callable[[str], Handler | None] = lambda expression: None
    """How a query (or the path of the alerts) is answered instead, where it is not None."""
    hold: Callable[[str], bool] = lambda expression: False
    """Queries that are answered only after ``released``."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    down: bool = False
    held: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing is answered while it is clear."""
    retention: str = "400d"
    trial_since: float | None = None
    """Unix seconds at which v2 began to take a tenth of the requests; None: there is only v1."""
    canary_good: float = 0.99999
    """Share of the requests to v2 that are good."""
    alerts: list[dict[str, Any]] = field(default_factory=list)
    answered: int = 0

    async def handle(self, request: Request, writer: asyncio.StreamWriter) -> object:
        await self.held.wait()
        self.answered += 1
        if self.down:
            return await answering(503, "down", "text/plain")(request, writer)
        if request.path == "/api/v1/alerts":
            fault = self.fail(request.path)
            if fault is not None:
                return await fault(request, writer)
            return await json_answer(_success({"alerts": self.alerts}))(request, writer)
        if request.path == "/api/v1/status/runtimeinfo":
            return await json_answer(_success({"storageRetention": self.retention}))(request, writer)
        expression = request.fields["query"][0]
        if self.hold(expression):
            await self.released.wait()
        fault = self.fail(expression)
        if fault is not None:
            return await fault(request, writer)
        if self.refuse(expression):
            body = {"status": "error", "errorType": "execution", "error": "too complicated"}
            return await json_answer(body, self.refusal)(request, writer)
        if request.path == "/api/v1/query_range":
            return await json_answer(_success({"resultType": "matrix", "result": []}))(request, writer)
        result = [{"metric": {"triage_question": address} | dict(labels), "value": [self.clock.now(), repr(value)]}
                  for address, text in parts(expression) for labels, value in self._samples(text)]
        return await json_answer(_success({"resultType": "vector", "result": result}))(request, writer)

    def _samples(self, expression: str) -> Sequence[tuple[Mapping[str, str], float]]:
        if "min_over_time(timestamp(" in expression and self.trial_since is not None:
            return [({"model_version": "v1"}, self.clock.now() - 90_000),
                    ({"model_version": "v2"}, self.trial_since)]
        if "timestamp(" in expression:
            return [({"model_version": "v1"}, self.clock.now() - 2)]
        if "__name__" in expression:
            return []
        if "_bucket" in expression:
            return [({"model_version": "v1", "le": le}, n) for le, n in (("0.5", 99_990.0), ("+Inf", 100_000.0))]
        taking = {"v1": 1.0} if self.trial_since is None else {"v1": 0.9, "v2": 0.1}
        good = {"v1": 0.99999, "v2": self.canary_good}
        return [({"model_version": version}, share * 100_000.0 * (good[version] if "!~" in expression else 1.0))
                for version, share in taking.items()]


def _success(content: Any) -> dict[str, Any]:
    return {"status": "success", "data": content}


@dataclass
class Asked:
    """A fake server with what reached it."""

    fake: FakePrometheus
    server: FaultServer

    @property
    def expressions(self) -> list[str]:
        return [r.fields["query"][0] for r in self.server.requests if "query" in r.fields]

    def paths(self) -> list[str]:
        return [r.path.removeprefix("/api/v1/") for r in self.server.requests]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def prometheus(clock: ManualClock) -> AsyncIterator[Asked]:
    fake = FakePrometheus(clock)
    fake.held.set()
    async with FaultServer(fake.handle) as server:
        yield Asked(fake, server)


@pytest.fixture
def notebooks(tmp_path: Path) -> Callable[..., Path]:
    """Writes notebooks: ``notebooks(small=1, large=40)`` makes one with one objective and one with forty."""
    def write(**models: int) -> Path:
        for name, count in models.items():
            home = tmp_path / "notebooks" / name
            home.mkdir(parents=True)
            slos = [{"name": f"slo-{i}", "objective": 99.9, "window": "30d", "required": True,
                     "sli": {"good": f'requests_{i}_total{{code!~"5.."}}', "total": f"requests_{i}_total"}
                     if i % 2 == 0 else {"histogram": f"duration_{i}_seconds", "threshold": "500ms"}}
                    for i in range(count)]
            manifest = {"apiVersion": "triage/v1alpha1", "kind": "ModelNotebook",
                        "metadata": {"name": name, "version": "v1", "owners": [{"name": "t", "role": "on-call"}]},
                        "spec": {"metrics": {"selector": {"model": name}, "scrape_interval": "15s"}, "slos": slos}}
            (home / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
            (home / "notebook.ipynb").write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4,
                                                            "nbformat_minor": 5}))
        return tmp_path / "notebooks"
    return write


def active(folder: Path, prometheus_url: str, alertmanager_url: str | None = None, *,
           interval: float = 5.0, timeout: str = "5s", concurrency: int = 32) -> Active:
    """A context; ``interval`` may be shorter than the configuration allows."""
    context = Context(prometheus=Endpoint.model_validate({"url": prometheus_url, "timeout": timeout,
                                                          "concurrency": concurrency}),
                      alertmanager=Endpoint(url=alertmanager_url) if alertmanager_url is not None else None)
    return Active("test", context.model_copy(update={"interval": interval}), (folder,), None)


@dataclass
class Published:
    """Snapshots as they come."""

    snapshots: list[Snapshot] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)
        self.changed.set()

    async def until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        """Wait until ``condition`` holds after something was published."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()
