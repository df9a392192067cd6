"""What becomes known later: labels of past decisions, by version and subgroup, and the quality computed from them.

The job that joins labels to decisions is not the model's server, so a version's quality is shown for as long as labels
of its decisions come in, whether it still serves or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from triage.lab.world.draws import Noise, Source
from triage.lab.world.grid import Floats, Window
from triage.lab.world.inputs import Inputs
from triage.lab.world.plan import Plan
from triage.lab.world.rows import Labels, Rows, Sheet, counter, gauge


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of quality: ``usual`` + ``harm`` x the share of decisions that are wrong beyond the usual."""

    metric: str
    help_text: str
    usual: float
    harm: float
    spread: float
    """Standard deviation from one computation to the next."""
    by_subgroup: bool = False


@dataclass(frozen=True, slots=True)
class Feedback:
    """How a model's decisions get their labels."""

    delay: float
    """Seconds from a decision to its label."""
    period: float
    """Seconds between two computations of the figures."""
    labelled: float
    """Share of decisions that get a label at all."""
    counter: str
    """Counter of labels."""
    subgroups: Mapping[str, float]
    """Share of the decisions of each subgroup."""
    subgroup_label: str
    measures: Sequence[Measure]
    outcomes: str | None = None
    """Counter of labelled decisions by subgroup and outcome (tp, fp, fn, tn)."""
    positive: float = 0.0
    """Share of decisions whose label is positive, for the outcomes."""
    recall: float = 0.0
    false_alarms: float = 0.0
    """Usual share of all decisions that are false positives."""


class LabelJob:
    """The exporter of a model's labels."""

    def __init__(self, plan: Plan, inputs: Inputs, feedback: Feedback, seed: int,
                 own: Callable[[str], Labels]) -> None:
        self._plan = plan
        self._inputs = inputs
        self._feedback = feedback
        self._seed = seed
        self._noise: dict[str, Noise] = {}
        self._newest: dict[str, tuple[float, list[Floats]]] = {}
        """When a version's figures were last computed, and what they were, (R,) each."""
        groups = [{feedback.subgroup_label: group} for group in feedback.subgroups]
        self._labels: dict[str, Rows] = {}
        self._outcomes: dict[str, Rows] = {}
        self._figures: dict[str, list[Rows]] = {}
        for version in plan.member.versions:
            job = f"{plan.member.name}-labels"
            labels = {**own(version), "job": job, "instance": f"{job}:8000"}
            self._labels[version] = counter(feedback.counter, "Decisions whose label is known.", labels)
            self._figures[version] = [gauge(m.metric, m.help_text, labels, groups if m.by_subgroup else ({},))
                                      for m in feedback.measures]
            if feedback.outcomes:
                self._outcomes[version] = counter(
                    feedback.outcomes, "Labelled decisions by subgroup and outcome.", labels,
                    [{**group, "outcome": outcome} for group in groups for outcome in ("tp", "fp", "fn", "tn")])

    def simulate(self, window: Window, per_second: Callable[[Floats], Floats], source: Source) -> list[Sheet]:
        """Sheets of the versions that have labels; ``per_second``: decisions of the whole model at a time."""
        feedback = self._feedback
        then = window.times - feedback.delay
        shares = self._plan.shares(then)
        decided: Floats | None = None
        sheets = []
        for index, version in enumerate(self._plan.member.versions):
            there = np.flatnonzero(shares[index] > 0)
            if not len(there):
                continue
            decided = per_second(then) if decided is None else decided
            first, end = int(there[0]), int(there[-1]) + 1
            sheet = Sheet(window.cut(first, end))
            known = source.events(f"{self._plan.member.name}/{version}/labels", decided[first:end]
                                  * shares[index, first:end] * window.step * feedback.labelled)
            self._show(sheet, version, known, source)
            if end < len(window):
                sheet.ended, sheet.ended_at = sheet.rows, float(window.times[end])
            sheets.append(sheet)
        return sheets

    def _show(self, sheet: Sheet, version: str, known: Floats, source: Source) -> None:
        feedback, times = self._feedback, sheet.window.times
        sheet.count(self._labels[version], known)
        if feedback.outcomes:
            wrong = self._wrong(times - feedback.delay, version)
            parts = [_outcomes(feedback, wrong[:, i]) * share for i, share in enumerate(feedback.subgroups.values())]
            sheet.count(self._outcomes[version], source.split(f"{self._plan.member.name}/{version}/outcomes", known,
                                                              np.concatenate(parts, axis=1)))
        computed = np.floor(times / feedback.period) * feedback.period
        newest = self._newest.get(version)
        if newest is not None and newest[0] == computed[0] == computed[-1]:
            figures = newest[1]
        else:
            figures = self._computed(version, computed)
            self._newest[version] = float(computed[-1]), [values[-1] for values in figures]
        for rows, values in zip(self._figures[version], figures, strict=True):
            sheet.level(rows, values)

    def _computed(self, version: str, computed: Floats) -> list[Floats]:
        """The figures that were computed at these times, (T, R) each."""
        wrong = self._wrong(computed - self._feedback.delay, version)
        average = (wrong * np.array(list(self._feedback.subgroups.values()))).sum(axis=1)
        figures = []
        for measure, rows in zip(self._feedback.measures, self._figures[version], strict=True):
            base = measure.usual + measure.harm * (wrong if measure.by_subgroup else average[:, None])
            noise = np.stack([self._noises(f"{rows.key}/{i}", computed) for i in range(len(rows.series))], axis=1)
            figures.append(np.maximum(base + measure.spread * noise, 0.0))
        return figures

    def _wrong(self, then: Floats, version: str) -> Floats:
        """Share of wrong decisions by subgroup, (T, G)."""
        columns = [self._inputs.wrong(then, version, group) for group in self._feedback.subgroups]
        return np.stack([np.broadcast_to(column, then.shape) for column in columns], axis=1)

    def _noises(self, name: str, computed: Floats) -> Floats:
        """One normal value for each computation."""
        noise = self._noise.get(name) or self._noise.setdefault(name, Noise(self._seed, name))
        numbers = (computed / self._feedback.period).astype(np.int64)
        values: Floats = noise(int(numbers[0]), int(numbers[-1]))[numbers - numbers[0]]
        return values


def _outcomes(feedback: Feedback, wrong: Floats) -> Floats:
    """Shares of true and false positives, false and true negatives, (T, 4), with so many more wrong decisions."""
    found = feedback.positive * feedback.recall * (1 - 0.85 * wrong)
    alarms = np.minimum(feedback.false_alarms + 0.3 * wrong * (1 - feedback.positive), 1 - feedback.positive)
    return np.stack([found, alarms, feedback.positive - found, 1 - feedback.positive - alarms], axis=1)
