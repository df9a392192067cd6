"""What a refresh of a thousand models costs on our side: requests, processor time, and the rows of the screen."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.bench.conftest import Figure
from tests.live.conftest import active
from triage.clock import ManualClock
from triage.live.poller import Poller
from triage.notebook.load import load_all

pytestmark = pytest.mark.bench
_FEATURES = ("amount", "age", "balance")


def manifest(name: str) -> dict[str, object]:
    """A model with three objectives, three watched features and a registry's worth of nothing."""
    reference = {"edges": [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10], "counts": [100] * 11}
    return {"apiVersion": "triage/v1alpha1", "kind": "ModelNotebook",
            "metadata": {"name": name, "version": "v1", "owners": [{"name": "team", "role": "on-call"}]},
            "spec": {"metrics": {"selector": {"model": name}},
                     "slos": [{"name": "latency", "objective": 99, "required": True,
                               "sli": {"histogram": "request_duration_seconds", "threshold": "500ms"}},
                              {"name": "success", "objective": 99.9, "required": True,
                               "sli": {"good": 'requests_total{code!~"5.."}', "total": "requests_total"}},
                              {"name": "schema", "objective": 100,
                               "sli": {"bad": 'violations_total{code=~"5.."}', "total": "requests_total"}}],
                     "drift": {"features": [{"name": feature, "histogram": "feature_value", "reference": reference}
                                            for feature in _FEATURES]}}}


@pytest.fixture
def server() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.fleet_server", "1000"], stdout=subprocess.PIPE,
                               text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("models", [10, 1000])
async def test_a_refresh_of_many_models(tmp_path: Path, server: str, figure: Figure, models: int) -> None:
    for number in range(models):
        home = tmp_path / f"model-{number:04d}"
        home.mkdir()
        (home / "manifest.yaml").write_text(yaml.safe_dump(manifest(home.name)))
    began = time.process_time()
    loaded = load_all([tmp_path])
    figure(f"{models} notebooks read", f"{time.process_time() - began:.2f} s of CPU")
    clock = ManualClock(time.time())
    poller = Poller(active(tmp_path, server, timeout="60s"), loaded, clock)
    poller.watch(())
    poller.watch_fleet(wanted=True)
    try:
        async def refreshed(seconds: float) -> tuple[float, float, int]:
            """Seconds of CPU, seconds, requests."""
            clock.advance(seconds)
            before, cpu, wall = poller.requests_sent, time.process_time(), time.monotonic()
            # As a screen that stays open: a single look asks about trials once more.
            snapshot = await poller.refresh_once(patience_seconds=60.0)
            assert snapshot.fleet is not None
            assert len(snapshot.fleet.rows) == models
            # Whichever values the labels have is asked at most once for each.
            assert poller.requests_sent - before <= 16
            return time.process_time() - cpu, time.monotonic() - wall, poller.requests_sent - before

        def said(what: str, seconds: tuple[float, float, int]) -> None:
            figure(f"{models} models, {what}", "{:.2f} s of CPU, {:.2f} s, {} requests".format(*seconds))

        said("first refresh", await refreshed(0.0))
        for _ in range(4):
            await refreshed(15.0)
        usual: dict[int, list[tuple[float, float, int]]] = {}
        # All that is asked seldom has its turn within five minutes.
        for _ in range(20):
            found = await refreshed(15.0)
            usual.setdefault(found[2], []).append(found)
        for requests, every in sorted(usual.items()):
            said(f"cheapest of {len(every)} usual refreshes with {requests} requests", min(every))
            said(f"dearest of {len(every)} usual refreshes with {requests} requests", max(every))
        said("refresh after minutes", await refreshed(300.0))
    finally:
        await poller.aclose()
