"""``Poller``: asks every source at its own interval and hands out a Snapshot whenever something has answered.

Prometheus and Alertmanager run apart, so that a slow one never delays the other; a refresh never overlaps itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from triage.clock import Clock
from triage.config import Active
from triage.facts.alerts import Alert
from triage.facts.outcome import Failure, SourceHealth
from triage.live.asker import Look, ModelAsker
from triage.live.assemble import model_state
from triage.live.snapshot import BrokenNotebook, Snapshot
from triage.live.watch import SourceWatch
from triage.notebook.load import Loaded, Notebook
from triage.notebook.resolve import requests_selectors
from triage.quantities import parse_duration
from triage.signals.alerts import merged
from triage.sources.alertmanager import AlertmanagerClient
from triage.sources.prometheus import PrometheusClient

RETENTION_SECONDS = 3600.0
"""How often the server's retention is asked for."""


class Poller:
    """The live facts of one context. One event loop uses it; ``published`` is called in that loop."""

    def __init__(self, active: Active, loaded: Loaded, clock: Clock,
                 published: Callable[[Snapshot], None] | None = None) -> None:
        self._active = active
        self._loaded = loaded
        self._clock = clock
        self._published = published
        self._interval = active.context.interval
        # One for each loop: the first to wake must not take it from the other.
        self._wakes = (asyncio.Event(), asyncio.Event())
        self._names: tuple[str, ...] = ()
        self.look = Look()
        self._askers: dict[str, ModelAsker] = {}
        self._connect()
        self._watches = {"prometheus": SourceWatch("prometheus", configured=True),
                         "alertmanager": SourceWatch("alertmanager", configured=self._alertmanager is not None)}
        self._own_alerts: tuple[Alert, ...] | None = None
        self._alerts_outcome: tuple[Alert, ...] | Failure = ()
        self._alerts: tuple[Alert, ...] | None = None
        self._retention: float | None = None
        self._retention_due = 0.0

    def _connect(self) -> None:
        context = self._active.context
        self._prometheus = PrometheusClient(context.prometheus, self._clock)
        self._alertmanager = (AlertmanagerClient(context.alertmanager, self._clock)
                              if context.alertmanager is not None else None)

    @property
    def requests_sent(self) -> int:
        """Requests to Prometheus so far."""
        return self._prometheus.requests_sent

    def watch(self, names: Sequence[str], look: Look | None = None) -> None:
        """Ask about these models from the next refresh on, which begins now."""
        self._names = tuple(names)
        if look is not None:
            self.look = look
        self._wake()

    def _wake(self) -> None:
        for wake in self._wakes:
            wake.set()

    def refresh_now(self) -> None:
        """Begin the next refresh now, also where a source is being left alone after failures."""
        for client in (self._prometheus, self._alertmanager):
            if client is not None:
                client.breaker.reset()
        self._wake()

    def alerts(self) -> tuple[Alert, ...]:
        """Every alert of the context, whichever model it is about."""
        return merged(self._alerts, self._own_alerts)

    def snapshot(self) -> Snapshot:
        """Everything known at this moment."""
        now = self._clock.now()
        sources = self._sources()
        models = tuple(
            model_state(asker.notebook, requests_selectors(asker.notebook.manifest), asker.facts(), self.alerts(),
                        sources, self._retention, now)
            for asker in self._chosen())
        chosen = {m.name for m in models}
        broken = tuple(BrokenNotebook(b.name, str(b.path), tuple(f.sentence() for f in b.findings))
                       for b in self._loaded.broken)
        return Snapshot(now, self._active.name, self._active.context.production, models, broken, sources,
                        tuple(n.name for n in self._loaded.notebooks if n.name not in chosen))

    def _sources(self) -> tuple[SourceHealth, ...]:
        return tuple(watch.health() for watch in self._watches.values())

    def _chosen(self) -> list[ModelAsker]:
        by_name: dict[str, Notebook] = {n.name: n for n in self._loaded.notebooks}
        found = []
        for name in self._names:
            if name not in self._askers:
                self._askers[name] = ModelAsker(by_name[name], self._prometheus, self._clock, self._interval)
            found.append(self._askers[name])
        return found

    async def refresh_prometheus(self) -> None:
        """One refresh of what Prometheus knows about the chosen models."""
        askers = self._chosen()
        jobs: list[Awaitable[object]] = [asker.refresh(self.look, self._publish) for asker in askers]
        jobs.append(self.refresh_prometheus_alerts())
        if self._clock.monotonic() >= self._retention_due:
            jobs.append(self._ask_retention())
        await asyncio.gather(*jobs)
        outcomes: list[object] = [o for asker in askers for o in asker.outcomes]
        outcomes.append(self._alerts_outcome)
        self._watches["prometheus"].seen(outcomes, self._clock.now(), self._prometheus.breaker.next_try_in())
        self._publish()

    async def refresh_prometheus_alerts(self) -> None:
        """Ask for the alerts of Prometheus' own rules."""
        found = await self._prometheus.alerts()
        self._alerts_outcome = found
        if not isinstance(found, Failure):
            self._own_alerts = found

    async def _ask_retention(self) -> None:
        found = await self._prometheus.get("/api/v1/status/runtimeinfo")
        if isinstance(found, Failure):
            # Servers other than Prometheus have no such page; that is no trouble of the source.
            self._retention_due = self._clock.monotonic() + RETENTION_SECONDS / 12
            return
        self._retention_due = self._clock.monotonic() + RETENTION_SECONDS
        text = str(found.get("storageRetention", "")) if isinstance(found, dict) else ""
        # "15d", "720h" or "15d or 50GB"
        with contextlib.suppress(ValueError):
            self._retention = parse_duration(text.split(" or ")[0].strip())

    async def refresh_alertmanager(self) -> None:
        """One refresh of the alerts."""
        if self._alertmanager is None:
            return
        found = await self._alertmanager.alerts()
        if not isinstance(found, Failure):
            self._alerts = found
        self._watches["alertmanager"].seen([found], self._clock.now(), self._alertmanager.breaker.next_try_in())
        self._publish()

    async def refresh_once(self) -> Snapshot:
        """Ask everything once and give what is known then."""
        await asyncio.gather(self.refresh_prometheus(), self.refresh_alertmanager())
        return self.snapshot()

    def _publish(self) -> None:
        # A snapshot is work for every model; one that nobody sees is not made.
        if self._published is not None and (self._names or self._loaded.broken):
            self._published(self.snapshot())

    async def run(self) -> None:
        """Refresh for ever, until cancelled. After a suspend everything is asked anew on new connections."""
        while True:
            loops = [asyncio.ensure_future(self._every(refresh, wake)) for refresh, wake in zip(
                (self.refresh_prometheus, self.refresh_alertmanager), self._wakes, strict=True)]
            try:
                await self._until_suspended(loops)
            finally:
                for loop in loops:
                    loop.cancel()
                await asyncio.gather(*loops, return_exceptions=True)
            await self._reconnect()

    async def _every(self, refresh: Callable[[], Awaitable[None]], wake: asyncio.Event) -> None:
        while True:
            began = self._clock.monotonic()
            wake.clear()
            await refresh()
            rest = max(0.05, self._interval - (self._clock.monotonic() - began))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), rest)

    async def _until_suspended(self, loops: Sequence[asyncio.Future[None]]) -> None:
        """Publish once an interval, because ages go on when nothing answers; end when the machine was asleep."""
        world, awake = self._clock.now(), self._clock.monotonic()
        while True:
            done, _ = await asyncio.wait(loops, timeout=self._interval, return_when=asyncio.FIRST_COMPLETED)
            for loop in done:
                loop.result()
            asleep = (self._clock.now() - world) - (self._clock.monotonic() - awake)
            world, awake = self._clock.now(), self._clock.monotonic()
            if asleep > max(5.0, self._interval):
                return
            self._publish()

    async def _reconnect(self) -> None:
        await self.aclose()
        self._connect()
        for asker in self._askers.values():
            asker.client = self._prometheus
            asker.forget_pace()

    async def aclose(self) -> None:
        """Close the connections."""
        for client in (self._prometheus, self._alertmanager):
            if client is not None:
                await client.aclose()
