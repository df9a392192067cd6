"""The world of the lab: everything that triage can ask, on one virtual clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from triage.lab.alerting.book import AlertBook
from triage.lab.alerting.ruler import Ruler
from triage.lab.alerting.rules import load_rule_files
from triage.lab.apis.disturbance import Disturbance, Disturbances
from triage.lab.apis.past import Past, Stage
from triage.lab.apis.prometheus_json import ScrapeTarget
from triage.lab.clock import LabClock
from triage.lab.cluster import Cluster
from triage.lab.logs import LogBook
from triage.lab.promql.engine import Engine
from triage.lab.promql.store import Store
from triage.lab.registry import Registry
from triage.lab.world.draws import Drawn
from triage.lab.world.fleet import FLEET
from triage.lab.world.furnish import furnish_cluster, furnish_registry
from triage.lab.world.grid import FINE, HOUR, PAST, Window
from triage.lab.world.journal import Journal, job_lines
from triage.lab.world.ledger import Ledger, PastLedger
from triage.lab.world.models.churn import ChurnRanker
from triage.lab.world.models.reviews import KNOWN_SECONDS, ReviewSentiment
from triage.lab.world.pipelines import Pipelines
from triage.lab.world.plan import Traffic
from triage.lab.world.pods import Pod
from triage.lab.world.scenario import Scenario
from triage.lab.world.simulation import PAST_SECONDS, Simulation, past, starting_totals
from triage.lab.world.steering import Steering
from triage.lab.world.truth import Figures, TrueFigures

RULES = Path(__file__).resolve().parent.parent / "rules"
_LAST_HOURS = 6 * HOUR


class World:
    """Samples, alerts, versions, rollouts and logs of a scenario. Its opening is the clock's ``starts_at``.

    :meth:`begin` first; then :meth:`make_past` in a thread of its own and :meth:`advance` as time goes by.
    """

    scrape_seconds = FINE.step
    """Virtual seconds from one scrape to the next."""

    def __init__(self, scenario: Scenario, seed: int, clock: LabClock, *, rules: Path = RULES,
                 experimental: bool = False) -> None:
        """``experimental``: its Prometheus runs with the feature ``promql-experimental-functions``."""
        self.scenario = scenario
        self.seed = seed
        self.clock = clock
        self.opening = clock.starts_at
        self.began_at = FINE.floor(self.opening - _LAST_HOURS)
        """Where the fine samples begin: six to seven hours before the opening, at a full hour."""
        self.store = Store(PAST_SECONDS + _LAST_HOURS + 2 * HOUR)
        self.engine = Engine(self.store, experimental=experimental)
        self.book = AlertBook(clock, seed=seed)
        self.ruler = Ruler(self.engine, self.store, load_rule_files(sorted(rules.glob("*.yaml"))),
                           send=self.book.receive)
        self.logs = LogBook()
        self.registry = Registry(clock)
        self.cluster = Cluster(clock)
        self.disturbances = Disturbances()
        self.past = Past(self.began_at, self.ruler.writes)
        furnish_registry(self.registry, scenario, self.opening)
        furnish_cluster(self.cluster, scenario, self.opening)
        self._simulation = Simulation(scenario, seed, self.opening)
        self.pipelines = Pipelines(clock, {name: behaviour.effects for name, behaviour
                                           in self._simulation.behaviours.items()}, self.opening)
        self._steering = Steering(self.cluster, self.registry, self._simulation.plans)
        self._journals = {name: Journal(self.logs, FLEET[name], behaviour.effects, self.opening)
                          for name, behaviour in self._simulation.behaviours.items()}
        self._true = TrueFigures()
        self._ledger = Ledger(self.store)
        self._starts = starting_totals(scenario, seed, self.opening, self.began_at)
        self._scraped_at = self.began_at
        self._pruned_at = self.opening

    def begin(self) -> None:
        """Let the last six hours have happened."""
        for name, behaviour in self._serverless():
            self._steering.autoscale(name, behaviour.before(Drawn(self.seed)))
        seen = {name: self._pods_until(name, self.opening) for name, _ in self._serverless()}
        self.cluster.advance(self.opening)
        self._ledger.start(self._starts)
        pods = {name: self._steering.pods(name) for name in FLEET if name not in seen}
        for window in FINE.windows(self.began_at, self.opening):
            self._live(window, self._simulation.planned(window), pods)
            for name, then in seen.items():
                self._show_pods(name, window, [then.get(at, ()) for at in window.times.tolist()])
        self._ledger.flush()
        # Pods that were killed on the way have started again since.
        self.cluster.advance(self.opening)
        self.ruler.backfill(self.began_at, self.opening)
        self._disturb(self.opening)

    def make_past(self) -> None:
        """Let the 30 days before have happened, coarsely. May run beside :meth:`advance`, in a thread."""
        try:
            ledger = PastLedger(self.store)
            past(self.scenario, self.seed, self.opening, self.began_at, ledger)
            ledger.write(self._starts)
            self.past.reached(Stage.SCRAPED)
            self.ruler.prepend_past(self.began_at - PAST_SECONDS, PAST.step)
        finally:
            self.past.reached(Stage.WHOLE)

    def advance(self, now: float) -> None:
        """Scrape what is due until ``now`` (epoch seconds), and let everything else happen until then."""
        for window in FINE.windows(self._scraped_at, now):
            index = 0
            while index < len(window):
                at = float(window.times[index])
                self.cluster.advance(at)
                traffic = {name: self._steering.traffic(name, at) for name in FLEET}
                serverless = dict(self._serverless())
                pods = {name: self._steering.pods(name) for name in FLEET if name not in serverless}
                for name, behaviour in serverless.items():
                    behaviour.kept = self._steering.kept(name)
                # Until the cluster does something by itself, several scrapes that are due are alike.
                end = max(index + 1, int(np.searchsorted(window.times, self.cluster.next_due)))
                part = window.cut(index, end)
                self._live(part, {name: one.lasting(len(part)) for name, one in traffic.items()}, pods)
                for name, behaviour in serverless.items():
                    self._scale(name, behaviour, part)
                if len(part) == 1:
                    self._ledger.scrape(at)
                else:
                    self._ledger.flush()
                index = end
        self.cluster.advance(now)
        self.ruler.advance(now)
        if now - self._pruned_at > HOUR:
            self.store.prune(round(now * 1000))
            self._pruned_at = now
        self._disturb(now)

    def _serverless(self) -> Iterator[tuple[str, ReviewSentiment]]:
        for name, behaviour in self._simulation.behaviours.items():
            if isinstance(behaviour, ReviewSentiment):
                yield name, behaviour

    def _scale(self, name: str, behaviour: ReviewSentiment, window: Window) -> None:
        """Let the autoscaler have done what it did in the window, and show the pods that there were at each scrape."""
        self._steering.autoscale(name, behaviour.scaled)
        seen = []
        for at in window.times.tolist():
            self.cluster.advance(at)
            seen.append(self._steering.pods(name))
        self._show_pods(name, window, seen)

    def _pods_until(self, name: str, end: float) -> dict[float, Sequence[Pod]]:
        """The pods of a serverless model at each scrape of the hours for which its autoscaler is known."""
        seen = {}
        for window in FINE.windows(end - KNOWN_SECONDS, end):
            for at in window.times.tolist():
                self.cluster.advance(at)
                seen[at] = self._steering.pods(name)
        return seen

    def _show_pods(self, name: str, window: Window, seen: Sequence[Sequence[Pod]]) -> None:
        """Show the pods that there were at each time of the window, those in between alike at once."""
        first = 0
        for end in range(1, len(seen) + 1):
            if end == len(seen) or seen[end] != seen[first]:
                for sheet in self._simulation.pod_sheets(name, window.cut(first, end), seen[first]):
                    self._ledger.add(sheet)
                self._steering.kill(name, self._simulation.pods[name].kills)
                first = end

    def _live(self, window: Window, traffic: Mapping[str, Traffic], pods: Mapping[str, Sequence[Pod]]) -> None:
        for sheet in self._simulation.sheets(window, traffic, pods):
            self._ledger.add(sheet)
        for name, journal in self._journals.items():
            behaviour = self._simulation.behaviours[name]
            stay = not isinstance(behaviour, ReviewSentiment)
            journal.write(window, behaviour.runs, pods[name] if stay else ())
            self._true.note(name, behaviour.runs)
            if stay:
                self._steering.kill(name, self._simulation.pods[name].kills)
            if isinstance(behaviour, ChurnRanker):
                job_lines(self.logs, behaviour.member, behaviour.failures)
        self._scraped_at = float(window.times[-1])

    def _disturb(self, now: float) -> None:
        """Put in place what is wrong with Prometheus itself."""
        lost = [fault.model for fault in self.scenario.faults if fault.kind == "partial_answers"
                and self.opening + fault.onset <= now < self.opening + (fault.end or float("inf"))]
        self.disturbances.current = Disturbance() if not lost else Disturbance(
            warnings=("store 10.2.7.31:10901: rpc error: code = Unavailable desc = connection refused",),
            lost=tuple(f'{{job="{model}"}}' for model in lost))

    def truth(self, model: str, window_seconds: float) -> dict[str, Figures]:
        """What is true of each version of a model in the last ``window_seconds`` before the newest scrape."""
        return self._true.between(model, self._scraped_at - window_seconds, self._scraped_at)

    def targets(self) -> Sequence[ScrapeTarget]:
        """What is scraped now."""
        out = []
        for (job, instance), (labels, at, succeeded) in sorted(self._simulation.targets.states.items()):
            more = {"namespace": labels["namespace"]} if "namespace" in labels else {}
            out.append(ScrapeTarget(job, instance, more, error="" if succeeded else "context deadline exceeded",
                                    scraped_at=at, scrape_seconds=0.011 if succeeded else 10.0,
                                    interval_seconds=FINE.step))
        return out
