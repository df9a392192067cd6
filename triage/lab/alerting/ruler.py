"""``Ruler``: evaluates rule groups on time, writes ``ALERTS`` and recorded series, and sends alerts on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from triage.lab.alerting.notices import Notice, generator_url
from triage.lab.alerting.rules import AlertingRule, RecordingRule, RuleGroup
from triage.lab.alerting.states import (
    ALERTS,
    ALERTS_FOR_STATE,
    ActiveAlert,
    AlertingState,
    EvaluationError,
    Phase,
    RecordingState,
)
from triage.lab.promql.engine import Engine
from triage.lab.promql.errors import QueryError
from triage.lab.promql.matching import Labels, LabelSet
from triage.lab.promql.results import Matrix
from triage.lab.promql.store import STALE_MARKER, Store, Times, Values

Seconds = NDArray[np.float64]
"""Evenly spaced Unix seconds, ascending."""
RESEND_SECONDS = 60.0
"""How often a firing alert is sent again (``--rules.alert.resend-delay``)."""
_LIVES = 4
"""A notice is good for so many resends: Alertmanager then takes the alert for resolved by itself."""


@dataclass(slots=True)
class RuleState:
    """One rule and how its last evaluation went."""

    memory: AlertingState | RecordingState
    error: str = ""
    """Prometheus' ``lastError``; "" when the last evaluation went well."""
    evaluated_at: float | None = None
    """Unix seconds; None before the first evaluation."""
    evaluation_seconds: float = 0.0
    written: set[LabelSet] = field(default_factory=set)
    """Series of the last evaluation: those that are missing from the next one end."""

    @property
    def rule(self) -> AlertingRule | RecordingRule:
        return self.memory.rule


@dataclass(slots=True)
class GroupState:
    """One group and when it was last evaluated."""

    group: RuleGroup
    rules: list[RuleState]
    evaluated_at: float | None = None
    evaluation_seconds: float = 0.0
    began_at: float | None = None
    """Unix seconds of the first evaluation of a backfill: the seam to the older past. None without one."""


class Ruler:
    """Evaluates ``groups`` over ``engine`` and writes what comes of it to ``store``.

    ``send`` gets the notices that Prometheus would send to Alertmanager; it is called at most once by each call of
    :meth:`backfill` and :meth:`advance`. A rule that fails keeps its alerts and says why in ``error``.
    """

    def __init__(self, engine: Engine, store: Store, groups: Sequence[RuleGroup], *,
                 send: Callable[[Sequence[Notice]], None] | None = None) -> None:
        self._engine = engine
        self._store = store
        self._send = send
        self.groups = [GroupState(group, _states(group)) for group in groups]
        self._told_at: float | None = None

    def backfill(self, start: float, end: float, *, step: float | None = None) -> None:
        """Evaluate the past between two times (Unix seconds), as if it had been done on time.

        One range query for each rule, every ``step`` seconds (None: the interval of the group): an alert that has been
        firing for an hour says so at once. Rules of a later group see what earlier groups recorded.
        """
        for state in self.groups:
            times = _grid(start, end, step or state.group.interval_seconds)
            if len(times):
                state.began_at = float(times[0]) if state.began_at is None else state.began_at
                self._evaluate(state, times)
        self._tell(end)

    def advance(self, now: float) -> None:
        """Evaluate what is due since the last call; after a long pause all that was missed, by one query a rule."""
        for state in self.groups:
            interval = state.group.interval_seconds
            first = now - interval if state.evaluated_at is None else state.evaluated_at
            times = _grid(first, now, interval)
            times = times[times > first]
            if len(times):
                self._evaluate(state, times)
        self._tell(now)

    def prepend_past(self, start: float, step: float) -> None:
        """Write the older past, from ``start`` to where :meth:`backfill` began, at a coarse ``step`` in seconds.

        Alerts that were already active at that seam get the time at which they really began. May run in a thread beside
        :meth:`advance`; call it once, when the older samples that the rules read are there.
        """
        for state in self.groups:
            if state.began_at is None:
                raise RuntimeError(f"{state.group.name} has no seam to the older past yet: call backfill first")
            times = _grid(start, state.began_at, step)
            times = times[times < state.began_at]
            if not len(times):
                continue
            for present, past in zip(state.rules, _states(state.group), strict=True):
                self._run(past, times, self._store.prepend)
                if isinstance(present.memory, AlertingState) and isinstance(past.memory, AlertingState):
                    _inherit(present.memory, past.memory, state.began_at)

    @property
    def writes(self) -> frozenset[str]:
        """Names of the metrics that rules write."""
        recorded = (rule.name for state in self.groups for rule in state.group.rules if isinstance(rule, RecordingRule))
        return frozenset((*recorded, ALERTS, ALERTS_FOR_STATE))

    def alerts(self) -> list[ActiveAlert]:
        """Every pending and firing alert, in order of the rules."""
        return [alert for memory in self._memories() for alert in list(memory.active.values())]

    def _evaluate(self, state: GroupState, times: Seconds) -> None:
        began = time.perf_counter()
        for rule in state.rules:
            rule_began = time.perf_counter()
            self._run(rule, times, self._store.append)
            rule.evaluation_seconds = time.perf_counter() - rule_began
        state.evaluated_at = float(times[-1])
        state.evaluation_seconds = time.perf_counter() - began

    def _run(self, rule: RuleState, times: Seconds, write: Callable[[Labels, Times, Values], None]) -> None:
        """Evaluate one rule at ``times`` and hand its samples to ``write``."""
        for key, (at, values) in self._columns(rule, times).items():
            try:
                write(dict(key), at, values)
            except ValueError as error:
                # Two rules that write one series: Prometheus drops the second sample and warns.
                rule.error = f"cannot write: {error}"

    def _columns(self, state: RuleState, times: Seconds) -> dict[LabelSet, tuple[Times, Values]]:
        """Samples that one rule makes at ``times``, by series, staleness markers included."""
        state.evaluated_at = float(times[-1])
        made: dict[LabelSet, list[tuple[float, float | None]]] = {}
        try:
            found = self._found(state.rule.expression, times)
            for place, at in enumerate(times.tolist()):
                present = found.get(place, [])
                if not present and not state.written:
                    # Most rules are quiet most of the time.
                    continue
                samples = dict(state.memory.step(at, present))
                for key, value in samples.items():
                    made.setdefault(key, []).append((at, value))
                for key in state.written - samples.keys():
                    made.setdefault(key, []).append((at, None))
                state.written = set(samples)
            state.error = ""
        except QueryError as error:
            state.error = error.message
        except EvaluationError as error:
            state.error = str(error)
        return {key: _column(samples) for key, samples in made.items()}

    def _found(self, expression: str, times: Seconds) -> dict[int, list[tuple[dict[str, str], float]]]:
        """What the expression returns, by the place of its time in ``times``. Raises QueryError."""
        step = float(times[1] - times[0]) if len(times) > 1 else 1.0
        found: dict[int, list[tuple[dict[str, str], float]]] = {}
        for first in range(0, len(times), self._engine.max_points):
            part = times[first:first + self._engine.max_points]
            answer = self._engine.range(expression, float(part[0]), float(part[-1]), step).value
            for labels, at, values in answer.series if isinstance(answer, Matrix) else ():
                places = np.rint((at - times[0]) / step).astype(int).tolist()
                for place, value in zip(places, values.tolist(), strict=True):
                    found.setdefault(place, []).append((labels, value))
        return found

    def _tell(self, now: float) -> None:
        if self._send is None:
            return
        # Where the clock runs fast, calls are far apart: an alert must not run out between two of them.
        between = now - self._told_at if self._told_at is not None else 0.0
        self._told_at = now
        notices: list[Notice] = []
        for state in self.groups:
            at = state.evaluated_at
            if at is None:
                continue
            life = _LIVES * max(state.group.interval_seconds, RESEND_SECONDS, between)
            for memory in (rule.memory for rule in state.rules if isinstance(rule.memory, AlertingState)):
                notices += [_notice(alert, alert.resolved_at or at) for alert in memory.take_resolved()]
                for alert in memory.active.values():
                    due = alert.sent_at is None or alert.sent_at + RESEND_SECONDS <= at
                    if alert.phase is Phase.FIRING and due:
                        alert.sent_at = at
                        notices.append(_notice(alert, at + life))
        if notices:
            self._send(notices)

    def _memories(self) -> Iterator[AlertingState]:
        return (rule.memory for state in self.groups for rule in state.rules if isinstance(rule.memory, AlertingState))


def _notice(alert: ActiveAlert, ends_at: float) -> Notice:
    return Notice(alert.labels, alert.annotations(), alert.fired_at, ends_at, generator_url(alert.rule.expression))


def _states(group: RuleGroup) -> list[RuleState]:
    return [RuleState(AlertingState(rule) if isinstance(rule, AlertingRule) else RecordingState(rule))
            for rule in group.rules]


def _column(samples: list[tuple[float, float | None]]) -> tuple[Times, Values]:
    times = np.array([round(at * 1000) for at, _ in samples], dtype=np.int64)
    values = np.array([0.0 if value is None else value for _, value in samples])
    ends = np.array([value is None for _, value in samples])
    # Assigned as an array: arithmetic on a single NaN may change its bits.
    values[ends] = np.repeat(STALE_MARKER, int(ends.sum()))
    return times, values


def _grid(start: float, end: float, step: float) -> Seconds:
    """The multiples of ``step`` within [start, end]: groups are evaluated at the same times whenever the lab began."""
    step_ms = round(step * 1000)
    first, last = -(-round(start * 1000) // step_ms), round(end * 1000) // step_ms
    return np.arange(first, last + 1, dtype=np.int64) * step_ms / 1000


def _inherit(present: AlertingState, past: AlertingState, seam: float) -> None:
    """Alerts that began where the past ended have begun where the past says."""
    for key, alert in list(present.active.items()):
        older = past.active.get(key)
        if older is not None and alert.active_at == seam:
            alert.active_at = older.active_at
            if older.phase is Phase.FIRING and alert.phase is Phase.FIRING:
                alert.fired_at = older.fired_at
