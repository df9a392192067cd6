"""The lab's MLflow and the real one behind one small face, for tests that expect the same of both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import httpx

from tests.lab.serving import serving
from tests.real import servers
from triage.lab.apis.mlflow import app
from triage.lab.clock import LabClock
from triage.lab.registry import Registry, Run

API = "/api/2.0/mlflow"


class AddRun(Protocol):
    """Puts a run into a server and says which id it has there."""

    def __call__(self, run: Run) -> str: ...


@dataclass(frozen=True, slots=True)
class Tracking:
    """A server that speaks MLflow's protocol."""

    url: str
    http: httpx.Client
    add_run: AddRun

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """``GET`` below the API's root."""
        return self.http.get(f"{API}/{path}", params=parameters)

    def post(self, path: str, **body: Any) -> httpx.Response:
        """``POST`` of JSON."""
        return self.http.post(f"{API}/{path}", json=body)

    def patch(self, path: str, **body: Any) -> httpx.Response:
        """``PATCH`` with JSON."""
        return self.http.patch(f"{API}/{path}", json=body)

    def delete(self, path: str, **body: Any) -> httpx.Response:
        """``DELETE`` with a body of JSON, which MLflow reads and few others do."""
        return self.http.request("DELETE", f"{API}/{path}", json=body)

    def add_model(self, **fields: Any) -> str:
        """Register a model with a name that no other test has."""
        name = f"model-{uuid4().hex[:12]}"
        self.post("registered-models/create", name=name, **fields).raise_for_status()
        return name

    def add_version(self, name: str, source: str = "s3://models/fraud", **fields: Any) -> str:
        """Add a version; its number, as text."""
        answer = self.post("model-versions/create", name=name, source=source, **fields).raise_for_status()
        return str(answer.json()["model_version"]["version"])


@contextmanager
def lab_tracking() -> Iterator[Tracking]:
    """The lab's API over an empty registry, on a port of its own."""
    now = time.time()
    registry = Registry(LabClock(now, now))

    def add(run: Run) -> str:
        registry.add_run(run)
        return run.run_id

    with serving(app(registry)) as url, httpx.Client(base_url=url, trust_env=False) as http:
        yield Tracking(url, http, add)


@contextmanager
def mlflow_tracking(folder: Path) -> Iterator[Tracking]:
    """MLflow on an empty database. Raises :class:`tests.real.servers.ServerMissing`."""
    with servers.mlflow(folder) as server, httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
        def add(run: Run) -> str:
            created = http.post(f"{API}/runs/create", json={
                "experiment_id": "0", "run_name": run.name, "start_time": run.started_ms, "tags": _pairs(run.tags)})
            run_id = str(created.raise_for_status().json()["run"]["info"]["run_id"])
            metrics = [{"key": metric.key, "value": metric.value if metric.value == metric.value else "NaN",
                        "timestamp": metric.time_ms, "step": metric.step} for metric in run.metrics]
            http.post(f"{API}/runs/log-batch", json={
                "run_id": run_id, "metrics": metrics, "params": _pairs(run.params)}).raise_for_status()
            if run.inputs:
                http.post(f"{API}/runs/log-inputs", json={"run_id": run_id, "datasets": [
                    {"tags": _pairs({"mlflow.data.context": given.context} if given.context else {}),
                     "dataset": {"name": given.name, "digest": given.digest, "source_type": given.source_type,
                                 "source": given.source}} for given in run.inputs]}).raise_for_status()
            http.post(f"{API}/runs/update", json={
                "run_id": run_id, "status": run.status, "end_time": run.ended_ms}).raise_for_status()
            return run_id

        yield Tracking(server.url, http, add)


def _pairs(texts: Any) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in texts.items()]
