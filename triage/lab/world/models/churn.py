"""churn-ranker: a batch every night at 03:00, whose labels come eight weeks later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triage.lab.world.behaviour import Behaviour
from triage.lab.world.curves import Curve
from triage.lab.world.draws import Source, generator
from triage.lab.world.effects import Effects
from triage.lab.world.exported_inputs import InputSeries
from triage.lab.world.grid import DAY, HOUR, Floats, Window
from triage.lab.world.inputs import Inputs, Numeric
from triage.lab.world.labels import Feedback, LabelJob, Measure
from triage.lab.world.plan import Plan, Traffic
from triage.lab.world.rows import Rows, Sheet, counter, gauge, histogram

ROWS_PER_RUN = 20_000.0
_STARTS_AT = 3 * HOUR
_USUAL_SECONDS = 82 * 60.0
_AT_WORK = 0.75
"""Load of the worker during a run."""
_SLOW_EVERY = 29
"""Nights from one slow run to the next: one in 30 days is within the budget."""
_MANY_NIGHTS = 12
"""How far back a table is looked for."""
_BOUNDS = (1800.0, 3600.0, 5400.0, 7200.0, 10800.0, 14400.0, 21600.0)
_SEGMENTS = {"consumer": 0.78, "small-business": 0.17, "enterprise": 0.05}
_NUMERIC = (
    Numeric("tenure_months", (3, 6, 12, 24, 36, 60, 84), (1964, 1774, 2942, 4407, 2995, 3287, 1476, 1155), weight=0.2,
            pull=-0.35, store="customers"),
    Numeric("support_tickets", (0.5, 1.5, 2.5, 4.5, 7.5), (10251, 4910, 2424, 1849, 499, 67), weight=0.2, pull=0.45,
            store="customers"),
)
_SCORE_EDGES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
_SCORE = Curve.counted(_SCORE_EDGES, (2300, 2913, 5947, 3989, 2323, 1912, 512, 104))
_HIGH_RISK = np.array([0.47])
_FEEDBACK = Feedback(
    delay=56 * DAY, period=DAY, labelled=1.0, counter="churn_labels_total", subgroups=_SEGMENTS,
    subgroup_label="segment", outcomes="churn_labelled_total", positive=0.219, recall=0.32, false_alarms=0.056,
    measures=(Measure("churn_lift_first_decile", "How much more often the first tenth leaves than all do.", 2.3, -1.8,
                      0.03),
              Measure("churn_calibration_error", "Mean distance of promised and seen shares.", 0.041, 0.25, 0.002)))


@dataclass(frozen=True, slots=True)
class _Night:
    """One run."""

    start: float
    seconds: float
    """From the start to its end, complete or not."""
    complete: bool
    rows: float
    versions: frozenset[str]
    """What the aliases pointed at when it started."""

    @property
    def end(self) -> float:
        return self.start + self.seconds


def _own(version: str) -> dict[str, str]:
    return {"model": "churn-ranker", "model_version": version, "deployment": "churn-ranker", "namespace": "batch"}


class _Version:
    """The series of one version, kept by a gateway until another version runs."""

    def __init__(self, version: str, inputs: Inputs) -> None:
        own = {**_own(version), "job": "churn-ranker", "instance": f"churn-ranker-{version}:9091"}
        self.duration = histogram("churn_run_duration_seconds", "Time of a complete run.", own, _BOUNDS)
        self.runs = counter("churn_runs_total", "Runs by result.", own, [{"result": "success"}, {"result": "failure"}])
        self.scored = counter("churn_rows_scored_total", "Customers ranked.", own)
        self.updated = gauge("churn_table_updated_timestamp_seconds", "When the ranked table was last swapped.", own)
        self.high_risk = gauge("churn_high_risk_ratio", "Share of customers ranked as high risk, last run.", own)
        self.score = histogram("churn_score", "Scores given out.", own, _SCORE_EDGES)
        self.build = gauge("model_build_info", "1 for the version that ran last.", own)
        self.inputs = InputSeries("churn", own, inputs, version, violations=False)


class ChurnRanker(Behaviour):
    """A job resolves its alias when it starts, so a change takes effect with the next run."""

    def __init__(self, plan: Plan, effects: Effects, seed: int) -> None:
        inputs = Inputs(effects, _NUMERIC)
        super().__init__(plan, effects, inputs, seed)
        self._rows = {version: _Version(version, inputs) for version in plan.member.versions}
        self._live: dict[float, frozenset[str]] = {}
        """Versions of the runs since the opening, by start."""
        self._shown: dict[str, list[Rows]] = {}
        self.failures: list[tuple[float, str, str]] = []
        """Runs that failed in the last window: when, version, why."""
        self.label_job = LabelJob(plan, inputs, _FEEDBACK, seed, _own)

    def simulate(self, window: Window, traffic: Traffic, source: Source) -> list[Sheet]:
        self._resolve(window, traffic)
        self.failures = []
        first, last = float(window.times[0]) - window.step, float(window.times[-1])
        nights = [self._night(number) for number in range(self._number(first) - _MANY_NIGHTS, self._number(last) + 1)]
        started = [night for night in nights if night.start < last]
        sheets = []
        for version in self.member.versions:
            there = np.zeros(len(window), dtype=bool)
            for night, following in zip(started, [*(n.start for n in started[1:]), np.inf], strict=True):
                if version in night.versions:
                    there |= (window.times > night.start) & (window.times <= following)
            sheets += self._version(version, window, there, started, source)
        return sheets + self.label_job.simulate(window, lambda then: np.full(len(then), ROWS_PER_RUN / DAY), source)

    def busy(self, window: Window) -> Floats:
        nights = [self._night(number) for number in range(self._number(float(window.times[0])) - 1,
                                                          self._number(float(window.times[-1])) + 1)]
        works = np.array([[night.start < at <= night.end for night in nights] for at in window.times.tolist()])
        return np.where(works.any(axis=1), _AT_WORK, 0.0)

    def _resolve(self, window: Window, traffic: Traffic) -> None:
        """Note which versions the runs that start in this window take."""
        for number in range(self._number(float(window.times[0])), self._number(float(window.times[-1])) + 1):
            start = self._start(number)
            index = int(np.searchsorted(window.times, start, side="right"))
            if window.times[0] - window.step <= start and index < len(window.times):
                shares = traffic.shares[:, index]
                self._live[start] = frozenset(v for v, share in zip(self.member.versions, shares, strict=True) if share)

    def _number(self, at: float) -> int:
        """The day that a time lies in."""
        return int((at + self.plan.zone) // DAY)

    def _start(self, number: int) -> float:
        return number * DAY + _STARTS_AT - self.plan.zone

    def _night(self, number: int) -> _Night:
        start = self._start(number)
        luck = generator(self.seed, "churn-ranker/run", number)
        seconds = _USUAL_SECONDS * float(np.exp(0.05 * luck.standard_normal()))
        seconds *= 1.75 if number % _SLOW_EVERY == self.seed % _SLOW_EVERY else 1.0
        at = np.array([start])
        seconds *= float(self.effects.factor("job_slow", at)[0])
        failed = self.effects.of("job_failed")
        broken = bool(self.effects.share("job_failed", at)[0] > 0) if failed else False
        part = failed[0].magnitude if broken else 1.0
        versions = self._live.get(start)
        if versions is None:
            shares = self.plan.shares(at)[:, 0]
            versions = frozenset(v for v, share in zip(self.member.versions, shares, strict=True) if share)
        return _Night(start, seconds * max(part, 0.02), not broken, ROWS_PER_RUN * part, versions)

    def _version(self, version: str, window: Window, there: NDArray[np.bool_],
                 nights: list[_Night], source: Source) -> list[Sheet]:
        indices = np.flatnonzero(there)
        shown = self._shown.get(version, [])
        if not len(indices):
            self._shown[version] = []
            return [Sheet(window.cut(0, 0), ended=shown, ended_at=float(window.times[0]))] if shown else []
        first, end = int(indices[0]), int(indices[-1]) + 1
        sheet = self._show(version, window.cut(first, end), [n for n in nights if version in n.versions], source)
        sheet.hidden, sheet.exporter = self.hidden(sheet.window), True
        self._shown[version] = sheet.rows
        if end < len(window):
            sheet.ended, sheet.ended_at = sheet.rows, float(window.times[end])
            self._shown[version] = []
        return [sheet]

    def _show(self, version: str, window: Window, nights: list[_Night], source: Source) -> Sheet:
        rows, times, step = self._rows[version], window.times, window.step
        sheet = Sheet(window)
        scored, updated = np.zeros(len(times)), np.full(len(times), np.nan)
        ended = np.zeros((len(times), 2))
        durations = np.zeros((len(times), len(_BOUNDS) + 1))
        for night in nights:
            done = np.clip(times, night.start, night.end) - np.clip(times - step, night.start, night.end)
            scored += done / night.seconds * night.rows
            ends_here = (times >= night.end) & (times - step < night.end)
            ended[:, 0 if night.complete else 1] += ends_here
            if ends_here.any() and not night.complete:
                why = self.effects.message("job_failed", version) or "RuntimeError: the run did not end"
                self.failures.append((night.end, version, why))
            if night.complete:
                durations[:, int(np.searchsorted(_BOUNDS, night.seconds))] += ends_here
                updated = np.where(times >= night.end, night.end, updated)
        sheet.observe(rows.duration, durations)
        sheet.count(rows.runs, ended)
        whole = source.events(f"churn/{version}/rows", scored)
        sheet.count(rows.scored, whole)
        rows.inputs.show(sheet, whole, source)
        scores = _SCORE.shares(rows.score.bounds, self.inputs.score_factor(times, version))
        sheet.observe(rows.score, source.split(f"churn/{version}/score", whole, scores))
        sheet.level(rows.updated, updated)
        asked = np.array([max((n.end for n in nights if n.end <= at), default=at) for at in times.tolist()])
        share: Floats = np.atleast_2d(_SCORE.shares(_HIGH_RISK, self.inputs.score_factor(asked, version)))[:, -1]
        sheet.level(rows.high_risk, share)
        sheet.level(rows.build, 1.0)
        return sheet
