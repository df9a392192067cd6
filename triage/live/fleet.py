"""``Fleet``: what is known of many models; asked together, judged one by one without holding up the event loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from triage.clock import Clock
from triage.facts.alerts import Alert
from triage.live.asker import ModelAsker, ModelFacts
from triage.live.fleet_gathering import Gathering
from triage.live.flights import Flights
from triage.live.pacing import SELDOM_SECONDS, held_back
from triage.notebook.resolve import Traffic, requests_selectors
from triage.signals.fleet import FleetRow, fleet_row
from triage.signals.model import ModelState

if TYPE_CHECKING:
    from triage.notebook.load import Notebook
    from triage.sources.prometheus import PrometheusClient

SECONDS_PER_MODEL = 0.015
"""A thousand models are asked about every 15 seconds: a refresh of theirs must not keep a processor busy."""
MANY = 100
"""Models from which the garbage collector is kept from looking at all of them."""
CONTAINERS_PER_MODEL = 1_000
"""A refresh makes some 300 for each model before those of the last one are let go, twice as many with long windows."""
_LATE = 1.5
"""Intervals after which many models are judged anew although not everything has been answered."""
_AT_ONCE = 8
"""Models that are judged before others of the event loop have their turn."""
_JUDGE = "judge"
Judge = Callable[["Notebook", Sequence[Traffic], ModelFacts], ModelState]


def spare_collector(models: int) -> None:
    """Keep the garbage collector from looking at every notebook and answer of a large fleet again and again.

    None of them is in a cycle: they are freed by counting references, and it took a third of a refresh.
    """
    if models >= MANY:
        gc.collect()
        gc.freeze()
        gc.set_threshold(max(100_000, CONTAINERS_PER_MODEL * models), 50, 100)


def fleet_interval(interval: float, models: int) -> float:
    """Seconds between two refreshes of so many models, where one model is refreshed every ``interval``."""
    return max(interval, SECONDS_PER_MODEL * models)


class Fleet:
    """The askers of many models, and the state of each as it was last judged."""

    def __init__(self, notebooks: Sequence[Notebook], client: PrometheusClient, clock: Clock, interval: float, *,
                 slots: asyncio.Semaphore, landed: Callable[[], None], judged: Callable[[], None],
                 judging: Callable[[], Judge], goes_on: bool = True) -> None:
        """``landed`` is told once for all that ended in one turn of the event loop, ``judged`` when states are new.

        ``judging`` is called once for all models and gives what makes a state of a model's facts. ``goes_on`` False:
        nothing is asked again.
        """
        self.interval = fleet_interval(interval, len(notebooks))
        spare_collector(len(notebooks))
        self.flights = Flights(judged)
        self.states: Mapping[str, ModelState] = {}
        """By model, in the order of the notebooks; empty until they were judged for the first time."""
        self.rows: Mapping[str, FleetRow] = {}
        self._clock = clock
        self._landed = landed
        self._judging = judging
        self._goes_on = goes_on
        self._news = False
        """Whether something was answered since the models were judged."""
        self._gathering = Gathering(client, clock, slots)
        self._coalesced = False
        self._began = float("-inf")
        self._judged = float("-inf")
        # What is under way is bounded where it is asked together.
        free = asyncio.Semaphore(max(1, 100 * len(notebooks)))
        self.askers = tuple(ModelAsker(notebook, self._gathering.client_of(notebook.name), clock, self.interval,
                                       slots=free, landed=self._one_landed, goes_on=goes_on) for notebook in notebooks)
        self._traffic = {notebook.name: requests_selectors(notebook.manifest) for notebook in notebooks}

    @property
    def names(self) -> tuple[str, ...]:
        """The models, in the order of their notebooks."""
        return tuple(asker.notebook.name for asker in self.askers)

    def use(self, client: PrometheusClient) -> None:
        """Ask this client from now on."""
        self._gathering.client = client

    def begin(self) -> None:
        """Ask what is due, when it is time for another refresh."""
        now = self._clock.monotonic()
        if now - self._began < 0.8 * self.interval:
            return
        self._began = now
        later = self._later(now)
        for asker in self.askers:
            asker.begin(None, later)

    def _later(self, now: float) -> frozenset[Hashable]:
        """What the models' askers leave to a later refresh: of all of them the same, so that they still share it."""
        if self.interval < SELDOM_SECONDS:
            return frozenset()
        seldom: dict[Hashable, tuple[float, float]] = {}
        for asker in self.askers:
            for kind, at, every in asker.seldom(now):
                if kind not in seldom or at < seldom[kind][0]:
                    seldom[kind] = at, every
        return held_back(seldom, now, self.interval)

    def hurry(self) -> None:
        """Ask at the next refresh, which may be now."""
        self._began = float("-inf")
        for asker in self.askers:
            asker.hurry()

    def forget_pace(self) -> None:
        """Ask everything at the next refresh, whatever its pace."""
        self._began = float("-inf")
        for asker in self.askers:
            asker.forget_pace()

    def begin_judging(self) -> None:
        """Judge anew when everything has been answered, for the first time, or when the last time is long ago."""
        over = self._news and not any(asker.flights.tasks() for asker in self.askers)
        # What many are asked seldom comes a moment after the rest: they are not judged twice for that.
        limit = self.interval * (_LATE if self.interval >= SELDOM_SECONDS else 1.0)
        old = self._clock.monotonic() - self._judged >= limit
        if over or old or (self._news and not self.states):
            self.flights.start(_JUDGE, self.judge)

    async def judge(self) -> None:
        """The state of every model as of now."""
        self._judged, self._news = self._clock.monotonic(), False
        judge = self._judging()
        states: dict[str, ModelState] = {}
        rows: dict[str, FleetRow] = {}
        for number, asker in enumerate(self.askers):
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            name, facts = asker.notebook.name, asker.facts(goes_on=self._goes_on)
            states[name] = judge(asker.notebook, self._traffic[name], facts)
            rows[name] = fleet_row(asker.notebook.manifest, states[name], facts.deployed, self._clock.now())
        self.states, self.rows = states, rows

    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """Everything that is under way."""
        return (*self.flights.tasks(), *(task for asker in self.askers for task in asker.flights.tasks()))

    def give_up(self) -> None:
        """Nobody waits for what is under way."""
        self._began = float("-inf")
        self.flights.cancel_all()
        for asker in self.askers:
            asker.flights.cancel_all()

    async def aclose(self) -> None:
        """Give up what is under way, and wait until it has ended."""
        tasks = self.tasks()
        self.give_up()
        await asyncio.gather(*tasks, self._gathering.aclose(), return_exceptions=True)

    def _one_landed(self) -> None:
        if not self._coalesced:
            self._coalesced = True
            asyncio.get_running_loop().call_soon(self._all_landed)

    def _all_landed(self) -> None:
        self._coalesced, self._news = False, True
        self._landed()


class AlertIndex:
    """Alerts by the labels that models are told by: a thousand models need not each look at a thousand alerts."""

    def __init__(self, alerts: Sequence[Alert]) -> None:
        self._alerts = alerts
        self._by_pair: dict[tuple[str, str], list[Alert]] = {}
        for alert in alerts:
            for pair in alert.labels.items():
                self._by_pair.setdefault(pair, []).append(alert)

    def about(self, notebook: Notebook) -> Iterable[Alert]:
        """Those that may be the model's; whether they are decides :func:`triage.signals.alerts.belongs`."""
        spec = notebook.manifest.spec
        labels = spec.alerts.labels or spec.metrics.selector
        if not labels:
            return self._alerts
        return min((self._by_pair.get(pair, []) for pair in labels.items()), key=len)
