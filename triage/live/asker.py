"""Asks Prometheus about one model: few combined requests, each at its own pace, all in flight together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from triage.clock import Clock
from triage.facts.outcome import GONE, REJECTED, Failure
from triage.facts.replies import Question, Reply
from triage.facts.samples import Answer, Sample, Series
from triage.live.expressions import Asked, Pace, questions
from triage.live.trends import Grid, grid, trend_questions, trends
from triage.quantities import format_duration
from triage.signals.model import Trend

if TYPE_CHECKING:
    from triage.notebook.load import Notebook
    from triage.sources.prometheus import PrometheusClient

ADDRESS = "triage_question"
"""Label that says which question of a combined query a sample answers."""
APART_SECONDS = 60.0
"""How often an objective that the server refuses is asked again, alone."""
TOGETHER_AGAIN_SECONDS = 300.0
"""After how long a group whose parts all succeeded apart is asked in one request again."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the charts show: how far back, and up to when (None: the present)."""

    range_seconds: float = 3600.0
    end: float | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Everything that Prometheus said about one model."""

    replies: Mapping[Question, Reply]
    trends: tuple[Trend, ...]
    notes: tuple[str, ...]


def combined(pairs: Sequence[tuple[Question, str]]) -> tuple[str, dict[str, Question]]:
    """One expression for many: each part gets an address in a label of its own, and ``or`` joins them."""
    addresses = {str(i): question for i, (question, _) in enumerate(pairs)}
    parts = [f'label_replace({expression}, "{ADDRESS}", "{i}", "", "")' for i, (_, expression) in enumerate(pairs)]
    return " or ".join(parts), addresses


def stale_after(pace: Pace, interval: float) -> float:
    """Seconds after which a reply of this pace no longer describes the present: three missed refreshes."""
    return 3 * max(period(pace, interval), 5.0)


def period(pace: Pace, interval: float) -> float:
    """Seconds between two requests of this pace."""
    if pace in (Pace.FAST, Pace.MID):
        return interval
    return max(interval, 60.0 if pace is Pace.DAY else 300.0)


class ModelAsker:
    """Holds the replies about one model and renews those that are due."""

    def __init__(self, notebook: Notebook, client: PrometheusClient, clock: Clock, interval: float) -> None:
        self.notebook = notebook
        self.client = client
        self._clock = clock
        self._interval = interval
        self._asked = questions(notebook)
        self._replies: dict[Question, Reply] = {
            a.question: Reply(None, stale_after(a.pace, interval)) for a in self._asked}
        self._due: dict[Pace, float] = {}
        self._refused: dict[tuple[Pace, str], float] = {}
        self._apart_until: dict[Pace, float] = {}
        self._grid: Grid | None = None
        self._trends: tuple[Trend, ...] = ()
        self._trend_failure: Failure | None = None
        self.outcomes: list[Answer | Failure] = []
        """What the requests of the latest refresh came to."""

    def facts(self) -> ModelFacts:
        """What is known now, frozen."""
        notes = [f"{name}: the server refuses its query; it is asked alone once a minute"
                 for name in dict.fromkeys(name for _, name in self._refused) if name]
        if self._apart_until:
            notes.append("the server refused combined queries: one query per objective")
        if self._trend_failure is not None and self._trend_failure.kind in REJECTED:
            notes.append(f"charts cannot be read: {self._trend_failure.sentence()}")
        return ModelFacts(dict(self._replies), self._trends, tuple(notes))

    def forget_pace(self) -> None:
        """Ask everything at the next refresh, whatever its pace: after a suspend nothing is recent."""
        self._due.clear()
        self._grid = None

    async def refresh(self, look: Look, answered: Callable[[], None]) -> None:
        """Ask what is due; ``answered`` is called as each request comes back."""
        self.outcomes = []
        now = self._clock.monotonic()
        due = [pace for pace in Pace if self._due.get(pace, now) <= now]
        for pace in due:
            # A little early rather than one interval late.
            self._due[pace] = now + period(pace, self._interval) - 0.2 * self._interval
        tasks = [self._group(pace, answered) for pace in due]
        wanted = grid(look.range_seconds, look.end if look.end is not None else self._clock.now(),
                      self.notebook.manifest.spec.metrics.scrape_interval)
        if wanted != self._grid:
            tasks.append(self._charts(wanted, answered))
        await asyncio.gather(*tasks)

    async def _group(self, pace: Pace, answered: Callable[[], None]) -> None:
        mine = [a for a in self._asked if a.pace is pace]
        if not mine:
            return
        now = self._clock.monotonic()
        if self._apart_until.get(pace, now) <= now:
            self._apart_until.pop(pace, None)
        names = list(dict.fromkeys(a.question.objective for a in mine))
        if pace in self._apart_until:
            await asyncio.gather(*(self._one(pace, name, mine) for name in names))
            answered()
            return
        together = [a for a in mine if (pace, a.question.objective) not in self._refused]
        alone = [n for n in names if (pace, n) in self._refused and self._refused[pace, n] <= now]
        jobs: list[Coroutine[Any, Any, object]] = [self._one(pace, name, mine) for name in alone]
        if together:
            jobs.append(self._together(pace, together))
        await asyncio.gather(*jobs)
        answered()

    async def _together(self, pace: Pace, asked: Sequence[Asked]) -> None:
        outcome = await self._send(asked)
        names = list(dict.fromkeys(a.question.objective for a in asked))
        if not isinstance(outcome, Failure) or outcome.kind not in REJECTED or len(names) == 1:
            if isinstance(outcome, Failure) and outcome.kind in REJECTED:
                self._refused[pace, names[0]] = self._clock.monotonic() + APART_SECONDS
            self._keep(pace, asked, outcome)
            return
        results = await asyncio.gather(*(self._one(pace, name, asked) for name in names))
        if not any(results):
            self._apart_until[pace] = self._clock.monotonic() + TOGETHER_AGAIN_SECONDS

    async def _one(self, pace: Pace, name: str, asked: Sequence[Asked]) -> bool:
        """Ask about one objective alone; True when the server refuses it."""
        own = [a for a in asked if a.question.objective == name]
        outcome = await self._send(own)
        self._keep(pace, own, outcome)
        refused = isinstance(outcome, Failure) and outcome.kind in REJECTED
        if refused:
            self._refused[pace, name] = self._clock.monotonic() + APART_SECONDS
        else:
            self._refused.pop((pace, name), None)
        return refused

    async def _send(self, asked: Sequence[Asked]) -> tuple[Answer, dict[str, Question]] | Failure:
        expression, addresses = combined([(a.question, a.expression) for a in asked])
        outcome = await self.client.query(expression)
        self.outcomes.append(outcome)
        return outcome if isinstance(outcome, Failure) else (outcome, addresses)

    def _keep(self, pace: Pace, asked: Sequence[Asked],
              outcome: tuple[Answer, dict[str, Question]] | Failure) -> None:
        if isinstance(outcome, Failure):
            if outcome.kind in GONE:
                # Nobody was asked: at the next refresh, not after minutes.
                self._due.pop(pace, None)
            for item in asked:
                self._replies[item.question] = replace(self._replies[item.question], failure=outcome)
            return
        answer, addresses = outcome
        samples: dict[Question, list[Sample]] = {a.question: [] for a in asked}
        for sample in answer.samples:
            question = addresses.get(sample.labels.get(ADDRESS, ""))
            if question is not None:
                samples[question].append(sample)
        answered_at = self._clock.now()
        limit = stale_after(pace, self._interval)
        for question, found in samples.items():
            self._replies[question] = Reply(answered_at, limit, tuple(found), (), answer.warnings)

    async def _charts(self, at: Grid, answered: Callable[[], None]) -> None:
        scrape = self.notebook.manifest.spec.metrics.scrape_interval
        asked = trend_questions(self.notebook, format_duration(max(4 * scrape, 2 * at.step, 60.0)))
        if not asked:
            self._grid = at
            return
        expression, addresses = combined(asked)
        outcome = await self.client.query_range(expression, start=at.start, end=at.end, step=at.step)
        self.outcomes.append(outcome)
        if isinstance(outcome, Failure):
            self._trend_failure = outcome
            if outcome.kind in REJECTED:
                # Asked again when the grid moves, not at every refresh.
                self._grid = at
            return
        series: dict[Question, list[Series]] = {question: [] for question, _ in asked}
        for item in outcome.series:
            question = addresses.get(item.labels.get(ADDRESS, ""))
            if question is not None:
                series[question].append(item)
        self._trends = trends(self.notebook, {q: tuple(s) for q, s in series.items()}, at)
        self._grid, self._trend_failure = at, None
        answered()
