"""``Poller``: asks every source at its own interval and hands out a Snapshot whenever something has answered.

Every request runs by itself: what is slow is not asked again while it is under way, and nothing waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from triage.clock import Clock, SleepWatch
from triage.config import MIN_INTERVAL, Active
from triage.facts.alerts import Alert, Silence
from triage.facts.closer_look import CloserLook
from triage.facts.expressions import ExpressionsWanted
from triage.facts.log_reading import LogsWanted
from triage.facts.outcome import Failure, SourceHealth
from triage.live.asker import Look, ModelAsker, ModelFacts
from triage.live.assemble import model_state
from triage.live.backends import BackendWatch
from triage.live.beside import RegistryWatch, RolloutWatch, deployed
from triage.live.fleet import AlertIndex, Fleet, Judge
from triage.live.flights import Flights, landing
from triage.live.logs import LogsWatch
from triage.live.pacing import Turn
from triage.live.snapshot import BrokenNotebook, Snapshot
from triage.live.wanted import ExpressionsAsker
from triage.live.watch import SourceWatch
from triage.notebook.load import Loaded, Notebook
from triage.notebook.resolve import Traffic, requests_selectors
from triage.quantities import parse_duration
from triage.signals.alerts import ending, merged
from triage.signals.fleet import FleetState, broken_row, fleet_row, fleet_state
from triage.signals.model import ModelState
from triage.sources.alertmanager import AlertmanagerClient
from triage.sources.prometheus import PrometheusClient

RETENTION_SECONDS = 3600.0
"""How often the server's retention is asked for."""
FOR_THE_FAST = 2
"""Requests that are left free for what is asked at every refresh, whatever the slow ones are doing."""


class Poller:
    """The live facts of one context. One event loop uses it; ``published`` is called in that loop."""

    def __init__(self, active: Active, loaded: Loaded, clock: Clock,
                 published: Callable[[Snapshot], None] | None = None, *, goes_on: bool = True) -> None:
        """``goes_on`` False: one look, nothing will be asked again."""
        self._active = active
        self._loaded = loaded
        self._by_name: dict[str, Notebook] = {n.name: n for n in loaded.notebooks}
        self._clock = clock
        self._published = published
        self._goes_on = goes_on
        # A world that lives faster is still not asked more often than once a second of the machine.
        fastest = MIN_INTERVAL * clock.speed if clock.speed > 1.0 else 0.0
        self._interval = max(active.context.interval, fastest)
        self._wake = asyncio.Event()
        self._names: tuple[str, ...] = ()
        self.look = Look()
        self._askers: dict[str, ModelAsker] = {}
        self._wants_fleet = False
        self._fleet: Fleet | None = None
        self._fleet_of: tuple[str, ...] = ()
        """Which models it was last wanted for."""
        self._slots = asyncio.Semaphore(max(1, active.context.prometheus.concurrency - FOR_THE_FAST))
        self._flights = Flights(self._landed)
        self._alertmanager_flights = Flights()
        self._news = False
        self._heard = False
        """Whether a refresh has begun: from the second one on everything is asked together."""
        self._connect()
        self._registry = RegistryWatch(active, clock, self._interval, self._landed_beside)
        self._rollouts = RolloutWatch(active, clock, self._interval, self._landed_beside)
        self._backends = BackendWatch(active, clock, self._interval, self._landed_beside)
        self._logs = LogsWatch(active, clock, self._interval, self._publish)
        self._expressions = ExpressionsAsker()
        self._closer_look: CloserLook | None = None
        self._watches = {"prometheus": SourceWatch("prometheus", configured=True),
                         "alertmanager": SourceWatch("alertmanager", configured=self._alertmanager is not None)}
        self._turns = {"prometheus": Turn(), "alertmanager": Turn()}
        """When the alerts of each source may be asked for: at every refresh, unless it throttles."""
        self._own_alerts: tuple[Alert, ...] | None = None
        self._alerts_outcome: tuple[Alert, ...] | Failure | None = None
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

    def watch_fleet(self, *, wanted: bool) -> None:
        """Ask about all models together, beside those watched, beginning now; or no longer."""
        if wanted != self._wants_fleet:
            self._wants_fleet = wanted
            if not wanted and self._fleet is not None:
                self._fleet.give_up()
            self._registry.give_up()
            self._rollouts.give_up()
            self._backends.give_up()
            self._wake.set()

    def watch(self, names: Sequence[str], look: Look | None = None) -> None:
        """Ask about these models from the next refresh on, which begins now; what others wait for is given up.

        Several are asked about together, and nothing is asked for charts of theirs.
        """
        before, self._names = self._names, tuple(names)
        for name, asker in self._askers.items():
            if name not in self._names:
                asker.flights.cancel_all()
        if self._names != before:
            self._registry.give_up()
            self._rollouts.give_up()
            self._backends.give_up()
        if look is not None:
            self.look = look
        self._wake.set()

    def read_logs(self, wanted: LogsWanted | None) -> None:
        """Look for this in the logs of the first model watched, beginning now; None: nobody looks at them."""
        self._logs.want(wanted)
        self._wake.set()

    def ask_also(self, wanted: ExpressionsWanted | None) -> None:
        """Ask these with every refresh of the first model watched, beginning now; None: nothing else."""
        self._expressions.want(wanted)
        self._wake.set()

    def look_closer(self, wanted: CloserLook | None) -> None:
        """Ask what only a closer look at the first model watched needs, beginning now; None: nobody looks closely."""
        self._closer_look = wanted
        self._wake.set()

    def refresh_now(self) -> None:
        """Begin the next refresh now, also where a source is being left alone after failures."""
        for client in (self._prometheus, self._alertmanager):
            if client is not None:
                client.breaker.reset()
        for turn in self._turns.values():
            turn.give_up()
        self._registry.hurry()
        self._rollouts.hurry()
        self._backends.hurry()
        self._logs.hurry()
        self._expressions.hurry()
        for asker in self._chosen():
            asker.hurry()
        if (fleet := self._together()) is not None:
            fleet.hurry()
        self._wake.set()

    def world_changed(self) -> None:
        """Something was done to the world: ask everything about the models watched anew, beginning now.

        What is asked once a minute would otherwise tell for so long how it was before.
        """
        for asker in self._chosen():
            asker.forget_pace()
        self.refresh_now()

    def alerts(self) -> tuple[Alert, ...]:
        """Every alert of the context, whichever model it is about."""
        return merged(self._alerts, self._own_alerts)

    def snapshot(self) -> Snapshot:
        """Everything known at this moment."""
        now = self._clock.now()
        sources = self._sources()
        models = tuple(
            model_state(asker.notebook, requests_selectors(asker.notebook.manifest), asker.facts(goes_on=self._goes_on),
                        self.alerts(), sources, self._retention, now)
            for asker in self._chosen())
        fleet = self._together()
        if fleet is not None and len(self._names) > 1:
            models = tuple(fleet.states[name] for name in self._names if name in fleet.states)
        chosen = {m.name for m in models}
        broken = tuple(BrokenNotebook(b.name, str(b.path), tuple(f.sentence() for f in b.findings))
                       for b in self._loaded.broken)
        read = self._logs.health()
        return Snapshot(now, self._active.name, self._active.context.production, models, broken,
                        (*sources, *([read] if read is not None else [])),
                        tuple(n.name for n in self._loaded.notebooks if n.name not in chosen), self._logs.reading(),
                        self._expressions.reading(), None if fleet is None else self._rows(fleet, models, broken, now),
                        () if fleet is None else tuple(fleet.states.values()))

    def _rows(self, fleet: Fleet, models: Sequence[ModelState], broken: Sequence[BrokenNotebook],
              now: float) -> FleetState:
        """The fleet as it was last judged, and the model that is looked at as it is now."""
        rows = dict(fleet.rows)
        if len(self._names) == 1:
            for asker, model in zip(self._chosen(), models, strict=True):
                rows[model.name] = fleet_row(asker.notebook.manifest, model, asker.deployed, now)
        return fleet_state((*rows.values(), *(broken_row(item.name, item.errors) for item in broken)), fleet.interval,
                           is_complete=bool(fleet.states))

    def _together(self) -> Fleet | None:
        """The models that are asked about together: all, or those watched when they are several."""
        wanted = tuple(self._by_name) if self._wants_fleet else self._names if len(self._names) > 1 else ()
        if not wanted:
            return None
        if wanted != self._fleet_of:
            chosen = frozenset(wanted)
            notebooks = [n for n in self._loaded.notebooks if n.name in chosen]
            if not notebooks:
                return None
            self._fleet_of = wanted
            if self._fleet is None or self._fleet.names != tuple(n.name for n in notebooks):
                if self._fleet is not None:
                    self._fleet.give_up()
                self._fleet = Fleet(notebooks, self._prometheus, self._clock, self._interval, slots=self._slots,
                                    landed=self._fleet_landed, judged=self._publish, judging=self._judging,
                                    goes_on=self._goes_on)
        return self._fleet

    def _judging(self) -> Judge:
        if self._fleet is not None:
            self._tell_all(self._fleet)
        now, sources, index = self._clock.now(), self._sources(), AlertIndex(self.alerts())

        def judge(notebook: Notebook, traffic: Sequence[Traffic], facts: ModelFacts) -> ModelState:
            return model_state(notebook, traffic, facts, tuple(index.about(notebook)), sources, self._retention, now)
        return judge

    def _tell(self, asker: ModelAsker) -> None:
        """What others said of the model."""
        notebook = asker.notebook
        moved_by = self._rollouts.rollout(notebook) or self._backends.rollout(notebook)
        awaited = moved_by is None and (self._rollouts.is_heard(notebook) or self._backends.is_heard(notebook))
        asker.deployed = deployed(notebook, self._registry, self._rollouts, moved_by, self._interval, awaited=awaited)
        asker.know(self._registry.references(notebook))
        asker.know_retention(self._retention)

    def _tell_all(self, fleet: Fleet) -> None:
        for asker in fleet.askers:
            self._tell(asker)

    def _everyone(self) -> list[ModelAsker]:
        """The askers of every model that is asked about, alone or together."""
        fleet = self._together()
        return [*self._chosen(), *(fleet.askers if fleet is not None else ())]

    def _sources(self) -> tuple[SourceHealth, ...]:
        # Few have an HAProxy that is asked: it is shown where it is one.
        backends = (self._backends.health(),) if self._backends.configured else ()
        return (*(watch.health() for watch in self._watches.values()), self._registry.health(), self._rollouts.health(),
                *backends)

    def _chosen(self) -> list[ModelAsker]:
        closer = self._closer_look
        self._rollouts.look_closely(self._names[0] if self._names and closer is not None and closer.pods else None)
        found = []
        for name in self._names if len(self._names) == 1 else ():
            if name not in self._askers:
                self._askers[name] = ModelAsker(self._by_name[name], self._prometheus, self._clock, self._interval,
                                                 slots=self._slots, landed=self._landed, alone=True,
                                                 goes_on=self._goes_on)
            asker = self._askers[name]
            asker.closer_look = self._closer_look
            self._tell(asker)
            found.append(asker)
        return found

    def _begin(self) -> None:
        """Ask what is due and not under way."""
        for asker in self._chosen():
            # No report shows charts.
            asker.begin(self.look if self._goes_on or self._closer_look is not None else None)
        fleet = self._together()
        if fleet is not None:
            self._tell_all(fleet)
            fleet.begin()
            if self._published is not None:
                fleet.begin_judging()
        for asker in self._chosen()[:1]:
            self._expressions.begin(asker.notebook.name, asker.channel)
        if self._heard or not self._goes_on:
            self._begin_beside()
        self._heard = True
        self._logs.begin(self._names[0] if self._names else None, self.look)
        now = self._clock.monotonic()
        if self._turns["prometheus"].is_due(now, self._interval):
            self._flights.start("alerts", self.refresh_prometheus_alerts)
        if now >= self._retention_due:
            self._flights.start("retention", self._ask_retention)
        if self._turns["alertmanager"].is_due(now, self._interval):
            self._alertmanager_flights.start("alerts", self.refresh_alertmanager)

    def _under_way(self) -> tuple[Flights, ...]:
        """Everything that Prometheus is being asked."""
        return (self._flights, *(asker.flights for asker in self._everyone()))

    def _under_way_beside(self) -> tuple[Flights, ...]:
        """Everything that others are being asked."""
        return (self._alertmanager_flights, self._registry.flights, self._rollouts.flights, self._backends.flights,
                self._logs.flights)

    def _begin_beside(self) -> None:
        """Ask the registry and the rollout controller, when it is time to."""
        notebooks = list({asker.notebook.name: asker.notebook for asker in self._everyone()}.values())
        for watch in (self._registry, self._rollouts, self._backends):
            watch.begin(notebooks)

    def _landed_beside(self) -> None:
        """Which version is on trial may be known only now."""
        for asker in self._chosen():
            asker.begin_trial()
        self._publish()

    def _landed(self) -> None:
        self._news = True
        # The first figures are on their way: what is shown beside them does not take the machine from them.
        self._begin_beside()
        # Nobody waits for the slowest time-out to say that nothing answers.
        ended = not any(flights.tasks() for flights in self._under_way())
        if ended or any(asker.is_unheard for asker in self._everyone()):
            self._settle()
        self._publish()

    def _fleet_landed(self) -> None:
        self._landed()
        if self._fleet is not None and self._published is not None:
            self._fleet.begin_judging()

    def _settle(self) -> None:
        """Conclude from what came since the last time how Prometheus is; at the end of a refresh or as the next begins.

        What failed counts until it has succeeded; what succeeded counts once: it may be minutes old.
        """
        if not self._news:
            return
        self._news = False
        outcomes: list[object] = [o for asker in self._everyone() for o in (*asker.take_answers(), *asker.failures())]
        if self._alerts_outcome is not None:
            outcomes.append(self._alerts_outcome)
        if not isinstance(self._alerts_outcome, Failure):
            self._alerts_outcome = None
        self._watches["prometheus"].seen(outcomes, self._clock.now(), self._prometheus.breaker.next_try_in())

    async def refresh_prometheus_alerts(self) -> None:
        """Ask for the alerts of Prometheus' own rules."""
        found = await self._prometheus.alerts()
        self._alerts_outcome = found
        if isinstance(found, Failure):
            self._turns["prometheus"].failed(found, self._clock.monotonic(), self._interval, self._interval)
        else:
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
        silences: tuple[Silence, ...] | Failure = ()
        if isinstance(found, Failure):
            self._turns["alertmanager"].failed(found, self._clock.monotonic(), self._interval, self._interval)
        else:
            # An alert names its silences; only they say until when.
            if any(alert.silenced_by for alert in found):
                silences = await self._alertmanager.silences()
            self._alerts = found if isinstance(silences, Failure) else ending(found, silences)
        outcomes = [found, silences] if isinstance(silences, Failure) else [found]
        self._watches["alertmanager"].seen(outcomes, self._clock.now(), self._alertmanager.breaker.next_try_in())
        self._publish()

    async def refresh_once(self, patience_seconds: float | None = None) -> Snapshot:
        """Ask once what is due, and give what is known when all has answered, or after ``patience_seconds``.

        What has not answered by then goes on: it is not asked again while it does, and no later look waits for it.
        """
        flights = (*self._under_way(), *self._under_way_beside())
        late = frozenset(task for item in flights for task in item.tasks()) if patience_seconds is not None else ()
        self._begin()
        await landing(flights, patience_seconds, late)
        fleet = self._together()
        if patience_seconds is None:
            # Whoever says which version is on trial may have answered last.
            if fleet is not None:
                self._tell_all(fleet)
            for asker in self._everyone():
                asker.begin_trial()
            await landing(flights)
        self._settle()
        if fleet is not None:
            await fleet.judge()
        return self.snapshot()

    def _publish(self) -> None:
        # A snapshot is work for every model; one that nobody sees is not made.
        if self._published is not None and (self._names or self._loaded.broken or self._wants_fleet):
            self._published(self.snapshot())

    async def run(self) -> None:
        """Refresh for ever, until cancelled. After a suspend everything is asked anew on new connections."""
        while True:
            refreshing = asyncio.ensure_future(self._every_interval())
            try:
                await self._until_suspended(refreshing)
            finally:
                refreshing.cancel()
                await asyncio.gather(refreshing, return_exceptions=True)
            await self.reconnect()

    async def _every_interval(self) -> None:
        while True:
            began = self._clock.monotonic()
            self._wake.clear()
            self._settle()
            self._begin()
            rest = max(0.05, self._interval - (self._clock.monotonic() - began))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._machine_seconds(rest))
            for flights in (*self._under_way(), *self._under_way_beside()):
                flights.check()

    def _machine_seconds(self, seconds: float) -> float:
        """How long ``seconds`` of the clock are for the machine; a clock that stands is taken for the machine's."""
        return seconds / max(self._clock.speed, 1.0)

    async def _until_suspended(self, refreshing: asyncio.Future[None]) -> None:
        """Publish once an interval, because ages go on when nothing answers; end when the machine was asleep."""
        watch = SleepWatch(self._clock)
        while True:
            await asyncio.wait({refreshing}, timeout=self._machine_seconds(self._interval))
            if refreshing.done():
                refreshing.result()
            if watch.was_asleep(self._interval):
                return
            self._publish()

    async def reconnect(self) -> None:
        """Give up what is under way and ask everything anew, on new connections: after a suspend none of them lives."""
        await self.aclose()
        self._connect()
        for asker in self._askers.values():
            asker.channel.client = self._prometheus
            asker.forget_pace()
        if self._fleet is not None:
            self._fleet.use(self._prometheus)
            self._fleet.forget_pace()

    async def aclose(self) -> None:
        """Give up what is under way and close the connections."""
        tasks: list[asyncio.Task[None]] = []
        for flights in (self._flights, self._alertmanager_flights, *(a.flights for a in self._askers.values())):
            tasks += flights.tasks()
            flights.cancel_all()
        if self._fleet is not None:
            await self._fleet.aclose()
        await asyncio.gather(*tasks, self._registry.aclose(), self._rollouts.aclose(), self._backends.aclose(),
                             self._logs.aclose(), return_exceptions=True)
        for client in (self._prometheus, self._alertmanager):
            if client is not None:
                await client.aclose()
