"""``LiveFeed``: a thread with a loop of its own, that starts, switches, and always ends in time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import yaml

from tests.live.conftest import Asked
from tests.sources.faults import FaultServer, hang
from triage.facts.alerts import Alert
from triage.live.feed import LiveFeed
from triage.live.snapshot import Snapshot
from triage.overrides import Overrides
from triage.signals.reading import Verdict

Notebooks = Callable[..., Path]


class Watched:
    """A feed, with what it handed over, in this loop."""

    def __init__(self, overrides: Overrides, wanted: Callable[[Alert], bool] | None = None) -> None:
        self.feed = LiveFeed(lambda: overrides, wanted=wanted)
        self.snapshots: asyncio.Queue[Snapshot] = asyncio.Queue()
        self.failures: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        self.feed.start(lambda s: self._put(self.snapshots.put_nowait, s),
                        lambda m, h: self._put(self.failures.put_nowait, (m, h)))

    def _put(self, put: Callable[..., None], item: object) -> None:
        self._loop.call_soon_threadsafe(put, item)

    async def until(self, condition: Callable[[Snapshot], bool]) -> Snapshot:
        async with asyncio.timeout(15):
            while True:
                snapshot = await self.snapshots.get()
                if condition(snapshot):
                    return snapshot

    async def stop(self) -> float:
        began = time.monotonic()
        await asyncio.to_thread(self.feed.stop)
        return time.monotonic() - began


@pytest.fixture
async def watch() -> AsyncIterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def start(folder: Path, url: str, **more: object) -> Watched:
        overrides = Overrides(config=None, notebooks=(str(folder),), prometheus_url=url,
                              interval=1.0, alertmanager_url=more.get("alertmanager"))  # type: ignore[arg-type]
        made.append(Watched(overrides, more.get("wanted")))  # type: ignore[arg-type]
        return made[-1]
    yield start
    for item in made:
        await item.stop()
    names = {t.name for t in threading.enumerate()}
    assert "triage-feed" not in names


Watch = Callable[..., Watched]


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TRIAGE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))


@pytest.fixture(autouse=True)
def _present(prometheus: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """The feed runs on the machine's clock, and so must the answers."""
    monkeypatch.setattr(prometheus.fake.clock, "now", time.time)


def shows(name: str) -> Callable[[Snapshot], bool]:
    return lambda s: [m.name for m in s.models] == [name] and s.models[0].verdict is Verdict.PASS


async def test_it_hands_over_the_first_model_when_none_is_named(watch: Watch, notebooks: Notebooks,
                                                                prometheus: Asked) -> None:
    watched = watch(notebooks(alpha=1, beta=1), prometheus.server.url)
    watched.start()
    snapshot = await watched.until(shows("alpha"))
    assert snapshot.other_models == ("beta",)
    assert watched.feed.names() == ("alpha", "beta")


async def test_look_at_switches_the_model_at_once(watch: Watch, notebooks: Notebooks, prometheus: Asked) -> None:
    watched = watch(notebooks(alpha=1, beta=1), prometheus.server.url)
    watched.start()
    await watched.until(shows("alpha"))
    watched.feed.look_at("beta", 3600.0, None)
    await watched.until(shows("beta"))


async def test_look_at_before_the_start_counts(watch: Watch, notebooks: Notebooks, prometheus: Asked) -> None:
    watched = watch(notebooks(alpha=1, beta=1), prometheus.server.url)
    watched.feed.look_at("beta", 900.0, None)
    watched.start()
    await watched.until(shows("beta"))
    [span] = {float(r.fields["end"][0]) - float(r.fields["start"][0]) for r in prometheus.server.requests
              if r.path.endswith("query_range")}
    assert span == 900.0


async def test_an_unknown_model_fails_with_the_nearest_names(watch: Watch, notebooks: Notebooks,
                                                             prometheus: Asked) -> None:
    watched = watch(notebooks(alpha=1, beta=1), prometheus.server.url)
    watched.feed.look_at("alpa", 3600.0, None)
    watched.start()
    async with asyncio.timeout(15):
        message, hint = await watched.failures.get()
    assert "alpa" in message
    assert hint == "did you mean alpha?"
    assert prometheus.server.requests == []


def broken(folder: Path, name: str) -> None:
    path = folder / name / "manifest.yaml"
    path.write_text(path.read_text().replace("objective: 99.9", "objective: 999"))


@pytest.mark.parametrize("others", [{"alpha": 1}, {}])
async def test_a_model_whose_notebook_is_broken_is_not_replaced_by_another(
        watch: Watch, notebooks: Notebooks, prometheus: Asked, others: dict[str, int]) -> None:
    folder = notebooks(beta=1, **others)
    broken(folder, "beta")
    watched = watch(folder, prometheus.server.url)
    watched.feed.look_at("beta", 3600.0, None)
    watched.start()
    snapshot = await watched.until(lambda s: True)
    assert snapshot.models == ()
    assert [b.name for b in snapshot.broken] == ["beta"]
    assert "999" in snapshot.broken[0].errors[0]
    assert snapshot.other_models == tuple(others)
    if others:
        watched.feed.look_at("alpha", 3600.0, None)
        await watched.until(shows("alpha"))


async def test_a_configuration_that_cannot_be_used_is_a_failure_with_a_hint(watch: Watch, tmp_path: Path) -> None:
    watched = watch(tmp_path, "nonsense")
    watched.start()
    async with asyncio.timeout(15):
        message, hint = await watched.failures.get()
    assert "URL" in message
    assert hint


async def test_it_stops_within_a_second_while_every_source_hangs(watch: Watch, notebooks: Notebooks) -> None:
    async with FaultServer(hang) as server:
        watched = watch(notebooks(alpha=1), server.url, alertmanager=server.url)
        watched.start()
        await watched.until(lambda s: True)
        assert await watched.stop() < 1.0


async def test_nothing_is_handed_over_after_the_stop(watch: Watch, notebooks: Notebooks, prometheus: Asked) -> None:
    watched = watch(notebooks(alpha=1), prometheus.server.url)
    watched.start()
    await watched.until(shows("alpha"))
    await watched.stop()
    while not watched.snapshots.empty():
        watched.snapshots.get_nowait()
    before = len(prometheus.server.requests)
    watched.feed.refresh_now()
    watched.feed.look_at("alpha", 60.0, None)
    await asyncio.sleep(0)
    assert watched.snapshots.empty()
    assert len(prometheus.server.requests) == before


async def test_stopping_at_once_or_twice_is_harmless(watch: Watch, notebooks: Notebooks, prometheus: Asked) -> None:
    watched = watch(notebooks(alpha=1), prometheus.server.url)
    watched.start()
    await watched.stop()
    await watched.stop()
    assert watched.failures.empty()


async def test_it_opens_on_the_model_of_the_wanted_alert(watch: Watch, tmp_path: Path, notebooks: Notebooks,
                                                         prometheus: Asked) -> None:
    folder = notebooks(alpha=1, beta=1)
    manifest = yaml.safe_load((folder / "beta" / "manifest.yaml").read_text())
    manifest["spec"]["alerts"] = {"labels": {"model": "beta"}}
    (folder / "beta" / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    alert = {"labels": {"alertname": "Slow", "model": "beta"}, "annotations": {}, "state": "firing",
             "activeAt": "2026-11-23T10:00:00Z", "value": "1e+00"}
    prometheus.fake.alerts = [alert]
    watched = watch(folder, prometheus.server.url, wanted=lambda a: a.labels.get("alertname") == "Slow")
    watched.start()
    await watched.until(lambda s: [m.name for m in s.models] == ["beta"])
