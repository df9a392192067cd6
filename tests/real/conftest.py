"""Real servers for the tests of this folder. A missing one skips, and fails where ``CI`` is ``true``."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from tests.real import rules, servers
from tests.real.servers import Proxies, Server, binary
from tests.real.stage import Stage, staged
from tests.real.tracking import Tracking, lab_tracking, mlflow_tracking

Thing = TypeVar("Thing")
HERE = Path(__file__).parent


@contextmanager
def installed(manager: AbstractContextManager[Thing]) -> Iterator[Thing]:
    """What ``manager`` gives; a server that is not installed skips the test, or fails it where CI is true."""
    with ExitStack() as stack:
        try:
            thing = stack.enter_context(manager)
        except servers.ServerMissing as error:
            if os.environ.get("CI") == "true":
                pytest.fail(f"{error}; CI must have it")
            pytest.skip(reason=str(error))
        yield thing


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.failed and HERE in item.path.parents:  # type: ignore[attr-defined]
        for server in list(servers.RUNNING.values()):
            report.sections.append((f"log of {server.name}", server.log_tail()))  # type: ignore[attr-defined]
    return report


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Everything: the examples with a failing canary, the models of known truth, a month of history, alerts firing."""
    with installed(staged(tmp_path_factory.mktemp("stage"), "failing+known")) as running:
        yield running


@pytest.fixture(scope="session")
def proxies(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxies]:
    """HAProxy in front of the stage's Prometheus."""
    backend = stage.prometheus.url.removeprefix("http://")
    with installed(servers.haproxy(tmp_path_factory.mktemp("haproxy"), backend)) as running:
        yield running


@pytest.fixture
def empty_prometheus(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers without anything to scrape: ``empty_prometheus(prefix=..., flags=...)``."""
    with ExitStack() as stack:
        def start(**options: object) -> Server:
            config = rules.prometheus_config((), "http://127.0.0.1:9") | options.pop("config", {})  # type: ignore[operator]
            folder = tmp_path / f"prometheus-{len(servers.RUNNING)}"
            manager = servers.prometheus(folder, config, **options)  # type: ignore[arg-type]
            return stack.enter_context(installed(manager))
        yield start


@pytest.fixture(scope="session")
def ask(stage: Stage) -> Iterator[Callable[..., list[tuple[dict[str, str], float]]]]:
    """``ask(query)`` at the epoch, ``ask(query, at=None)`` now: (labels, value) of every series, as Prometheus says."""
    with httpx.Client(base_url=stage.prometheus.url, trust_env=False) as client:
        def query(expression: str, at: float | None = 0.0) -> list[tuple[dict[str, str], float]]:
            form = {"query": expression} | ({} if at is None else {"time": str(stage.epoch + at)})
            answer = client.post("/api/v1/query", data=form).raise_for_status().json()["data"]
            if answer["resultType"] == "scalar":
                return [({}, float(answer["result"][1]))]
            return [(item["metric"], float(item["value"][1])) for item in answer["result"]]
        yield query


Promtool = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def promtool() -> Iterator[Promtool]:
    """``promtool(*arguments)``: what it said and how it ended."""
    @contextmanager
    def found() -> Iterator[str]:
        yield binary("promtool")

    with installed(found()) as path:
        yield lambda *arguments: subprocess.run([path, *arguments], capture_output=True, text=True, check=False,
                                                timeout=60)


@pytest.fixture(scope="session", params=["lab", "mlflow"])
def tracking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    """What speaks MLflow's protocol: the lab, then MLflow itself. Tests have one expectation of both."""
    manager = lab_tracking() if request.param == "lab" else mlflow_tracking(tmp_path_factory.mktemp("mlflow"))
    with installed(manager) as running:
        yield running
