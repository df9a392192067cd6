"""``Channel``: how what one model's askers want to know reaches Prometheus, many questions in one request."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, TypeVar, cast

from triage.clock import Clock
from triage.facts.outcome import Failure
from triage.facts.samples import Answer, Sample, Series
from triage.live.flights import Flights

if TYPE_CHECKING:
    from triage.sources.prometheus import PrometheusClient

ADDRESS = "triage_question"
"""Label that says which question of a combined query a sample answers."""
_Item = TypeVar("_Item", Sample, Series)
_Question = TypeVar("_Question", bound=Hashable)


class Combined(str):
    """One expression for many questions, which remembers them: those of many models can be asked as one."""

    __slots__ = ("longest_seconds", "pairs")
    pairs: tuple[tuple[Hashable, str], ...]
    """(question, expression); its place is its address."""
    longest_seconds: float
    """The longest window that a question of it is about; 0 without any."""


class Grouped(tuple[_Item, ...]):
    """What answers the questions of a :class:`Combined`, which remembers what answers which."""

    found: Mapping[Hashable, tuple[_Item, ...]]
    """By question; none for those that nothing answers."""

    @classmethod
    def of(cls, found: Mapping[Hashable, tuple[_Item, ...]]) -> Grouped[_Item]:
        """Everything that was found, in the order of the questions."""
        whole = cls(chain.from_iterable(found.values()))
        whole.found = found
        return whole


def combined(pairs: Sequence[tuple[_Question, str]]) -> tuple[Combined, dict[str, _Question]]:
    """One expression for many: each part gets an address in a label of its own, and ``or`` joins them."""
    addresses = {str(i): question for i, (question, _) in enumerate(pairs)}
    parts = [f'label_replace({expression}, "{ADDRESS}", "{i}", "", "")' for i, (_, expression) in enumerate(pairs)]
    whole = Combined(" or ".join(parts))
    whole.pairs = tuple(pairs)
    whole.longest_seconds = max((float(getattr(question, "window_seconds", 0.0)) for question, _ in pairs), default=0.0)
    return whole, addresses


def by_question(asked: Sequence[_Question], addresses: Mapping[str, _Question],
                items: Sequence[_Item]) -> dict[_Question, tuple[_Item, ...]]:
    """What answers each question of a combined query; () where nothing does."""
    found = answering(addresses, items)
    return {question: found.get(question, ()) for question in asked}


def answering(addresses: Mapping[str, _Question], items: Sequence[_Item]) -> Mapping[_Question, tuple[_Item, ...]]:
    """What answers the questions of a combined query; nothing of those that nothing answers."""
    if isinstance(items, Grouped):
        return cast("Mapping[_Question, tuple[_Item, ...]]", items.found)
    found: dict[_Question, list[_Item]] = {}
    for item in items:
        question = addresses.get(item.labels.get(ADDRESS, ""))
        if question is not None:
            found.setdefault(question, []).append(item)
    return {question: tuple(each) for question, each in found.items()}


@dataclass(slots=True)
class Channel:
    """What the askers of one model share: the client, their flights, and the answers nobody has concluded from yet."""

    client: PrometheusClient
    clock: Clock
    interval: float
    """Seconds between two refreshes."""
    slots: asyncio.Semaphore
    """Bounds what is under way besides the fast questions."""
    flights: Flights
    answers: list[Answer] = field(default_factory=list)

    async def query(self, expression: str) -> Answer | Failure:
        """Ask for one moment, when a slot is free."""
        async with self.slots:
            return self._kept(await self.client.query(expression))

    async def query_at_once(self, expression: str) -> Answer | Failure:
        """Ask for one moment, whatever else is under way."""
        return self._kept(await self.client.query(expression))

    async def query_range(self, expression: str, *, start: float, end: float, step: float) -> Answer | Failure:
        """Ask for a range in Unix seconds, when a slot is free."""
        async with self.slots:
            return self._kept(await self.client.query_range(expression, start=start, end=end, step=step))

    def take_answers(self) -> list[Answer]:
        """The answers since the last call."""
        taken, self.answers = self.answers, []
        return taken

    def _kept(self, outcome: Answer | Failure) -> Answer | Failure:
        if not isinstance(outcome, Failure):
            self.answers.append(outcome)
        return outcome
