"""The queries that one kind of question about many models is made of; divided where the server wants less at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from triage.clock import Clock
from triage.facts.outcome import REJECTED, Failure, FailureKind
from triage.facts.samples import Answer, Sample, Series
from triage.live.channel import combined
from triage.live.fleet_order import Order, Place, placed
from triage.live.fleet_sharing import Shared
from triage.live.pacing import TOGETHER_AGAIN_SECONDS
from triage.sources.prometheus_vectors import KnownLabels

MOST_TEXT = 200_000
"""Characters of one query: proxies that refuse large bodies refuse them from a million bytes on."""
MOST_PARTS = 150
"""Expressions joined in one query."""
Ask = Callable[[str, KnownLabels], Awaitable[Answer | Failure]]
"""Asks an expression; the labels are those of the samples that last answered it."""


@dataclass(slots=True)
class Said:
    """What one model's questions came to."""

    items: Mapping[Hashable, Sequence[Sample] | Sequence[Series]] = field(default_factory=dict)
    """By question; none for those that nothing answers."""
    answers: dict[int, Answer] = field(default_factory=dict)
    """Answers that they came in, by identity: each may hold many questions."""
    failure: Failure | None = None
    """Why one of them has no answer."""


@dataclass(slots=True, eq=False)
class Batch:
    """One query."""

    asked: tuple[Shared[Hashable], ...]
    listed: bool = False
    """Whether it names its models even where the server knows few others: it is a part of what was too much."""
    _written: dict[frozenset[str], tuple[str, Mapping[str, Place]]] = field(default_factory=dict, repr=False)
    """The query by the labels whose values are not listed in it: the text of one may be as long as a book."""
    labels: KnownLabels = field(default_factory=KnownLabels, repr=False)
    """Those of the samples that answered last."""
    _order: Order | None = field(default=None, repr=False)
    """Of the samples that answered last."""

    def halves(self) -> tuple[Batch, Batch] | None:
        """The same in two; None when it is one expression about one model."""
        if len(self.asked) > 1:
            half = len(self.asked) // 2
            return Batch(self.asked[:half], self.listed), Batch(self.asked[half:], self.listed)
        if not self.asked[0].branches or len(self.asked[0].members) < 2:
            return None
        first, second = self.asked[0].halves()
        return Batch((first,), listed=True), Batch((second,), listed=True)

    def query(self, everything: Collection[str]) -> tuple[str, Mapping[str, Place]]:
        """One expression, and by address which question and which of its branches it answers."""
        free = frozenset() if self.listed else frozenset(everything)
        if free not in self._written:
            self._written.clear()
            self._written[free] = combined([((number, branch), text) for number, shared in enumerate(self.asked)
                                            for branch, text in enumerate(shared.texts(free))])
        return self._written[free]

    def read(self, answer: Answer, addresses: Mapping[str, Place]) -> Mapping[
            str, Mapping[Hashable, Sequence[Sample] | Sequence[Series]]]:
        """What was answered, by model and question."""
        if not answer.series:
            order = self._order
            if order is None or not order.holds(addresses, answer.samples):
                order = self._order = Order.of(self.asked, addresses, answer.samples)
            return order.read(answer.samples)
        out: dict[str, dict[Hashable, Sequence[Series]]] = {
            name: {} for shared in self.asked for name in shared.members}
        series = placed(answer.series, addresses)
        for number, shared in enumerate(self.asked):
            found = shared.told_apart([series.get((number, branch), []) for branch in range(shared.parts)])
            for name, items in found.items():
                if items:
                    out[name][shared.address] = items
        return out


def packed(shared: Sequence[Shared[Hashable]], everything: Collection[str], most_text: int = MOST_TEXT) -> list[Batch]:
    """As few queries as hold all questions; one whose text alone is too long is asked of fewer models at once."""
    pieces = [piece for item in shared for piece in _short_enough(item, everything, most_text)]
    out: list[Batch] = []
    for listed in (False, True):
        held: list[Shared[Hashable]] = []
        text = parts = 0
        for item, size, is_listed in pieces:
            if is_listed is not listed:
                continue
            if held and (text + size > most_text or parts + item.parts > MOST_PARTS):
                out.append(Batch(tuple(held), listed))
                held, text, parts = [], 0, 0
            held.append(item)
            text, parts = text + size, parts + item.parts
        if held:
            out.append(Batch(tuple(held), listed))
    return out


def _short_enough(item: Shared[Hashable], everything: Collection[str], most: int,
                  listed: bool = False) -> Iterator[tuple[Shared[Hashable], int, bool]]:
    size = sum(map(len, item.texts(() if listed else everything)))
    if size <= most or not item.branches or len(item.members) < 2:
        yield item, size, listed
    else:
        for half in item.halves():
            yield from _short_enough(half, everything, most, listed=True)


class Plan:
    """The queries of one kind. What the server refuses is asked in halves at once, what takes too long the next time.

    What times out is not sent again in the same refresh: that would add load in the middle of an incident.
    """

    def __init__(self, shared: Sequence[Shared[Hashable]], clock: Clock) -> None:
        self.shared = tuple(shared)
        self._clock = clock
        self._batches: list[Batch] = []
        self._packed_for: frozenset[str] | None = None
        self._together_at: float | None = None
        """Monotonic time from which what was divided is asked whole again; None while nothing is."""

    async def ask(self, everything: Collection[str], ask: Ask) -> dict[str, Said]:
        """Ask everything, and say what it came to by model."""
        given = frozenset(everything)
        if self._packed_for != given or (self._together_at or float("inf")) <= self._clock.monotonic():
            self._batches = packed(self.shared, everything)
            self._packed_for, self._together_at = given, None
        said: dict[str, Said] = {name: Said() for shared in self.shared for name in shared.members}
        await asyncio.gather(*(self._ask(batch, everything, ask, said) for batch in tuple(self._batches)))
        return said

    async def _ask(self, batch: Batch, everything: Collection[str], ask: Ask, said: dict[str, Said]) -> None:
        expression, addresses = batch.query(everything)
        outcome = await ask(expression, batch.labels)
        if not isinstance(outcome, Failure):
            for name, found in batch.read(outcome, addresses).items():
                own = said[name]
                own.items = {**own.items, **found} if own.items else found
                own.answers[id(outcome)] = outcome
            return
        divided = outcome.kind in REJECTED or outcome.kind is FailureKind.TIMEOUT
        halves = batch.halves() if divided else None
        if halves is not None:
            self._divide(batch, halves)
            if outcome.kind in REJECTED:
                await asyncio.gather(*(self._ask(half, everything, ask, said) for half in halves))
                return
        for shared in batch.asked:
            for name in shared.members:
                said[name].failure = said[name].failure or outcome

    def _divide(self, batch: Batch, halves: tuple[Batch, Batch]) -> None:
        place = self._batches.index(batch)
        self._batches[place:place + 1] = halves
        if self._together_at is None:
            self._together_at = self._clock.monotonic() + 2 * TOGETHER_AGAIN_SECONDS
