"""``Gathering``: what the askers of many models want to know at one moment, asked together and given back to each.

Each model has the same asker as when it is looked at alone; only its client is another. So a fleet's figures are those
of the single models, by construction: nothing is asked, kept or judged in a second way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from triage.clock import Clock
from triage.facts.outcome import Failure
from triage.facts.samples import Answer, Sample, Series
from triage.live.channel import Combined, Grouped
from triage.live.fleet_plan import Plan, Said
from triage.live.fleet_sharing import share
from triage.signals.burn import HOUR

if TYPE_CHECKING:
    from triage.sources.prometheus import PrometheusClient
    from triage.sources.prometheus_vectors import KnownLabels

LISTED_FREELY = 2_000
"""Characters of label values in one selector up to which they are listed without a second thought."""
MOSTLY_OURS = 0.5
"""Share of a label's values that must be our models for asking about all of them."""
LABELS_SECONDS = 600.0
"""How long it is believed which values a label has."""
MOST_PLANS = 32
NEAR_STEPS = 1_000
"""Ranges of one query begin within so many steps: trials that began days apart are no long range of short steps."""


@dataclass(frozen=True, slots=True)
class Span:
    """The times of a range query, in Unix seconds."""

    start: float
    end: float
    step: float


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    expression: Combined
    span: Span | None
    answered: asyncio.Future[Answer | Failure]


class Gathering:
    """Collects the questions of one turn of the event loop and asks those of one kind as one."""

    def __init__(self, client: PrometheusClient, clock: Clock, slots: asyncio.Semaphore) -> None:
        """``slots`` bounds what is under way besides questions about the last hour."""
        self.client = client
        self._clock = clock
        self._slots = slots
        self._pending: dict[Hashable, list[_Wanted]] = {}
        self._plans: dict[Hashable, Plan] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._labels: dict[str, tuple[float, int]] = {}
        """By label: until when it is believed, and how many values the server has."""

    def client_of(self, name: str) -> PrometheusClient:
        """What the asker of one model takes for its client."""
        return cast("PrometheusClient", _Member(self, name))

    async def ask(self, name: str, expression: str, span: Span | None) -> Answer | Failure:
        """Ask for a model; the answer holds what is its own."""
        if not isinstance(expression, Combined):
            raise TypeError("only combined questions are asked for many models")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer | Failure] = loop.create_future()
        if not self._pending:
            # The other models' askers run in this turn of the loop or in the next one.
            loop.call_soon(loop.call_soon, self._send)
        self._pending.setdefault(_kind(expression, span), []).append(_Wanted(name, expression, span, future))
        return await future

    async def aclose(self) -> None:
        """Give up what is under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _send(self) -> None:
        pending, self._pending = self._pending, {}
        for kind, wanted in pending.items():
            task = asyncio.ensure_future(self._together(kind, wanted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _together(self, kind: Hashable, wanted: Sequence[_Wanted]) -> None:
        try:
            plan = self._plan(kind, wanted)
            everything = await self._everything(plan)
            spans = [item.span for item in wanted if item.span is not None]
            span = Span(min(s.start for s in spans), max(s.end for s in spans), spans[0].step) if spans else None
            free = span is None and wanted[0].expression.longest_seconds <= HOUR

            async def ask(expression: str, labels: KnownLabels) -> Answer | Failure:
                if free:
                    return await self.client.query(expression, labels=labels)
                async with self._slots:
                    if span is None:
                        return await self.client.query(expression, labels=labels)
                    return await self.client.query_range(expression, start=span.start, end=span.end, step=span.step)

            said = await plan.ask(everything, ask)
            now = self._clock.now()
            for item in wanted:
                if not item.answered.done():
                    item.answered.set_result(_own(item, said[item.name], now))
        except asyncio.CancelledError:
            for item in wanted:
                item.answered.cancel()
            raise
        except Exception as error:
            # Whoever asked raises it where somebody looks.
            for item in wanted:
                if not item.answered.done():
                    item.answered.set_exception(error)

    def _plan(self, kind: Hashable, wanted: Sequence[_Wanted]) -> Plan:
        key = kind, tuple((item.name, item.expression) for item in wanted)
        plan = self._plans.pop(key, None)
        if plan is None:
            plan = Plan(share((item.name, question, expression) for item in wanted
                              for question, expression in item.expression.pairs), self._clock)
        self._plans[key] = plan
        while len(self._plans) > MOST_PLANS:
            del self._plans[next(iter(self._plans))]
        return plan

    async def _everything(self, plan: Plan) -> Collection[str]:
        """Labels whose values need no list: there are many of ours, and few others."""
        ours: dict[str, int] = {}
        for shared in plan.shared:
            names = sum(map(len, shared.members))
            for branch in shared.branches:
                for slot in branch.slots:
                    if names > LISTED_FREELY:
                        ours[slot.label] = max(ours.get(slot.label, 0), len(shared.members))
        counts = dict(zip(ours, await asyncio.gather(*(self._values(label) for label in ours)), strict=True))
        return frozenset(label for label, count in counts.items() if ours[label] >= MOSTLY_OURS * count)

    async def _values(self, label: str) -> float:
        """How many values the label has; infinitely many where the server does not say."""
        now = self._clock.monotonic()
        until, count = self._labels.get(label, (0.0, 0))
        if now >= until:
            found = await self.client.get(f"/api/v1/label/{label}/values")
            if isinstance(found, Failure) or not isinstance(found, list):
                return float("inf")
            count = len(found)
            self._labels[label] = now + LABELS_SECONDS, count
        return count


@dataclass(frozen=True, slots=True)
class _Member:
    """One model's way to the server: its questions wait for those of the others."""

    gathering: Gathering
    name: str

    async def query(self, expression: str) -> Answer | Failure:
        return await self.gathering.ask(self.name, expression, None)

    async def query_range(self, expression: str, *, start: float, end: float, step: float) -> Answer | Failure:
        return await self.gathering.ask(self.name, expression, Span(start, end, step))


def _kind(expression: Combined, span: Span | None) -> Hashable:
    """What may be one query: as costly as each other, about the same, and on one grid, not far from each other."""
    first = expression.pairs[0][0] if expression.pairs else None
    return expression.longest_seconds, first, None if span is None else (
        span.step, span.start % span.step, span.start // (NEAR_STEPS * span.step))


def _own(wanted: _Wanted, said: Said, now: float) -> Answer | Failure:
    """The answer as it would be if the model had been asked alone: by its own questions, and nothing of others.

    The addresses on the items are those of the query that was sent.
    """
    if said.failure is not None:
        return said.failure
    found = {question: tuple(items) for question, _ in wanted.expression.pairs if (items := said.items.get(question))}
    samples: tuple[Sample, ...] = ()
    series: tuple[Series, ...] = ()
    if wanted.span is None:
        samples = Grouped.of(cast("Mapping[Hashable, tuple[Sample, ...]]", found))
    else:
        series = Grouped.of(cast("Mapping[Hashable, tuple[Series, ...]]", found))
    answers = tuple(said.answers.values())
    if len(answers) == 1:
        [only] = answers
        return Answer(only.evaluated_at, samples, series, (), only.warnings, only.infos, only.elapsed_seconds)
    warnings = tuple(dict.fromkeys(w for answer in answers for w in answer.warnings))
    infos = tuple(dict.fromkeys(i for answer in answers for i in answer.infos))
    at = max((answer.evaluated_at for answer in answers), default=now)
    return Answer(at, samples, series, (), warnings, infos,
                  max((answer.elapsed_seconds for answer in answers), default=0.0))
