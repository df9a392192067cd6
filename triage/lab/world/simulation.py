"""All models together: sheets for a window, from shares of the traffic; and where counters stand when it begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from triage.lab.world.behaviour import Behaviour
from triage.lab.world.draws import Drawn, Expected, Source
from triage.lab.world.effects import Effects
from triage.lab.world.fleet import FLEET
from triage.lab.world.grid import DAY, PAST, ROUGH, Floats, Window
from triage.lab.world.ledger import PastLedger
from triage.lab.world.models import BEHAVIOURS
from triage.lab.world.plan import Plan, Traffic
from triage.lab.world.pods import Pod, PodSeries
from triage.lab.world.rows import HistogramRows, Rows, Sheet
from triage.lab.world.scenario import Scenario
from triage.lab.world.surroundings import Surroundings
from triage.lab.world.targets import Targets

PAST_SECONDS = 30 * DAY
"""How far the past reaches back."""


class Simulation:
    """The six models and where their draws come from."""

    def __init__(self, scenario: Scenario, seed: int, opening: float, source: Source | None = None) -> None:
        self._source = Drawn(seed) if source is None else source
        zone = time_zone(scenario, opening)
        self.plans = {name: Plan.of(scenario.release(name), opening, zone) for name in FLEET}
        self.behaviours: dict[str, Behaviour] = {}
        self.targets = Targets()
        self._surroundings: list[Surroundings] = []
        self.pods: dict[str, PodSeries] = {}
        for name, plan in self.plans.items():
            effects = Effects((fault for fault in scenario.faults if fault.model == name), opening)
            self.behaviours[name] = BEHAVIOURS[name](plan, effects, seed)
            self._surroundings.append(Surroundings(plan, effects))
            self.pods[name] = PodSeries(plan.member, self.behaviours[name].gpu)

    def sheets(self, window: Window, traffic: Mapping[str, Traffic],
               pods: Mapping[str, Sequence[Pod]] = MappingProxyType({})) -> Iterator[Sheet]:
        """What all exporters show; traffic and pods by model. Windows must come in the order of time."""
        self._source.enter(window.block)
        return self.targets.simulate(window, self._sheets(window, traffic, pods))

    def _sheets(self, window: Window, traffic: Mapping[str, Traffic],
                pods: Mapping[str, Sequence[Pod]]) -> Iterator[Sheet]:
        for name, behaviour in self.behaviours.items():
            yield from behaviour.simulate(window, traffic[name], self._source)
            if name in pods:
                yield from self.pod_sheets(name, window, pods[name])
        for each in self._surroundings:
            yield from each.simulate(window, self._source)

    def pod_sheets(self, name: str, window: Window, pods: Sequence[Pod]) -> list[Sheet]:
        """What is shown of the pods of a model, whose windows must come in the order of time."""
        behaviour = self.behaviours[name]
        return self.pods[name].simulate(window, pods, behaviour.runs, behaviour.busy)

    def planned(self, window: Window) -> dict[str, Traffic]:
        """The traffic before the opening."""
        return {name: plan.traffic(window.times) for name, plan in self.plans.items()}


def time_zone(scenario: Scenario, opening: float) -> float:
    """Seconds by which the fleet's time of day is ahead of UTC, so that it is the scenario's when the world opens.

    0 when the scenario does not mind, or when the world opens at that time of day by UTC.
    """
    if scenario.opens_at is None:
        return 0.0
    ahead = (scenario.opens_at - opening) % DAY
    return ahead if ahead <= DAY / 2 else ahead - DAY


def starting_totals(scenario: Scenario, seed: int, opening: float, at: float) -> dict[str, Floats]:
    """Where every counter stands at ``at``, (R,) by the rows' key: a bit more than is expected to have happened since
    its version came up or since the past begins, so that counting back from it never reaches zero."""
    simulation = Simulation(scenario, seed, opening, Expected())
    counted: dict[str, tuple[Rows, Floats]] = {}
    for window in ROUGH.windows(at - PAST_SECONDS, at):
        for sheet in simulation.sheets(window, simulation.planned(window)):
            for rows, increments in sheet.counted:
                before = counted.get(rows.key)
                total = increments.sum(axis=0)
                counted[rows.key] = (rows, total if before is None else before[1] + total)
    return {key: _generous(rows, total) for key, (rows, total) in counted.items()}


def _generous(rows: Rows, total: Floats) -> Floats:
    if isinstance(rows, HistogramRows):
        # By bucket, or a bucket could count back to more than the next wider one.
        buckets = len(rows.bounds) + 1
        each = np.diff(total[:buckets], prepend=0.0)
        summed = _more(each).cumsum()
        return np.concatenate([summed, _more(total[buckets:buckets + 1]), summed[-1:]])
    return _more(total)


def _more(expected: Floats) -> Floats:
    # Generous for rare events in bursts, whose number is told badly by a look every few hours.
    more: Floats = np.ceil(1.3 * expected + 20 * np.sqrt(np.maximum(expected, 0.0)) + 50)
    return more


def past(scenario: Scenario, seed: int, opening: float, until: float, ledger: PastLedger) -> None:
    """Note the 30 days that end at ``until`` (the start of a block of the fine grid) in a ledger."""
    simulation = Simulation(scenario, seed, opening)
    for window in PAST.windows(until - PAST_SECONDS, until):
        for sheet in simulation.sheets(window, simulation.planned(window)):
            ledger.add(sheet)
