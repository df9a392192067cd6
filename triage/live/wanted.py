"""``ExpressionsAsker``: asks what somebody else wants answered, such as the checks of a runbook, while they look at it.

All of it in one request with every refresh; what the server refuses is asked alone and less often, so that one slip in
a runbook costs one answer and not all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from triage.facts.expressions import ExpressionsReading, ExpressionsWanted
from triage.facts.outcome import REJECTED, Failure
from triage.facts.replies import Reply
from triage.facts.samples import Sample
from triage.live.channel import ADDRESS, Channel, by_question, combined
from triage.live.expressions import Pace
from triage.live.pacing import APART_SECONDS, TOGETHER_AGAIN_SECONDS, Turn, stale_after

EXPRESSIONS = "expressions"


class ExpressionsAsker:
    """Holds the replies to the wanted expressions; nothing is asked until :meth:`want` says what."""

    def __init__(self) -> None:
        self._wanted: ExpressionsWanted | None = None
        self._replies: dict[str, Reply] = {}
        self._alone_at: dict[str, float] = {}
        """What the server refused, with the monotonic time from which it is asked again."""
        self._apart_until = float("-inf")
        self._turn = Turn()

    def want(self, wanted: ExpressionsWanted | None) -> None:
        """Ask for these from the next refresh on; None: for nothing. What is wanted still keeps its answer."""
        if wanted == self._wanted:
            return
        same = wanted is not None and self._wanted is not None and wanted.model == self._wanted.model
        kept = wanted.expressions if wanted is not None and same else ()
        self._replies = {each: reply for each, reply in self._replies.items() if each in kept}
        self._alone_at = {each: at for each, at in self._alone_at.items() if each in kept}
        self._wanted, self._turn = wanted, Turn()

    def reading(self) -> ExpressionsReading | None:
        """What is known; None while nothing is wanted."""
        return None if self._wanted is None else ExpressionsReading(self._wanted.model, dict(self._replies))

    def hurry(self) -> None:
        """Ask at the next refresh."""
        self._turn.give_up()
        self._alone_at.clear()

    def begin(self, model: str, channel: Channel) -> None:
        """Ask about ``model``, whose channel this is, what is due and not under way."""
        now = channel.clock.monotonic()
        if self._wanted is None or self._wanted.model != model or EXPRESSIONS in channel.flights.under_way():
            return
        due = [each for each in self._wanted.expressions if self._alone_at.get(each, now) <= now]
        if due and self._turn.is_due(now, channel.interval):
            self._turn.begin(now, channel.interval)
            channel.flights.start(EXPRESSIONS, partial(self._ask, channel, due))

    async def _ask(self, channel: Channel, due: Sequence[str]) -> None:
        try:
            alone = [each for each in due if each in self._alone_at]
            together = [each for each in due if each not in self._alone_at]
            if channel.clock.monotonic() < self._apart_until:
                alone, together = list(due), []
            if len(together) > 1:
                await self._together(channel, together)
            else:
                alone += together
            await asyncio.gather(*(self._alone(channel, each) for each in alone))
        except asyncio.CancelledError:
            self._turn.give_up()
            raise

    async def _together(self, channel: Channel, asked: Sequence[str]) -> None:
        expression, addresses = combined([(each, each) for each in asked])
        outcome = await channel.query(expression)
        if isinstance(outcome, Failure):
            if outcome.kind not in REJECTED:
                self._failed(channel, asked, outcome)
                return
            refused = await asyncio.gather(*(self._alone(channel, each) for each in asked))
            if not any(refused):
                # Each by itself is fine: the server minds the combination.
                self._apart_until = channel.clock.monotonic() + TOGETHER_AGAIN_SECONDS
            return
        found = by_question(asked, addresses, outcome.samples)
        for each, samples in found.items():
            plain = tuple(Sample({k: v for k, v in s.labels.items() if k != ADDRESS}, s.value, s.at) for s in samples)
            self._answered(channel, each, plain, outcome.warnings)

    async def _alone(self, channel: Channel, asked: str) -> bool:
        """Ask for one; True when the server refuses it."""
        outcome = await channel.query(asked)
        if not isinstance(outcome, Failure):
            self._alone_at.pop(asked, None)
            self._answered(channel, asked, outcome.samples, outcome.warnings)
            return False
        refused = outcome.kind in REJECTED
        if refused:
            self._alone_at[asked] = channel.clock.monotonic() + APART_SECONDS
        self._failed(channel, [asked], outcome)
        return refused

    def _answered(self, channel: Channel, asked: str, samples: tuple[Sample, ...], warnings: tuple[str, ...]) -> None:
        if self._wanted is not None and asked in self._wanted.expressions:
            self._turn.failures = 0
            limit = stale_after(Pace.FAST, channel.interval)
            self._replies[asked] = Reply(channel.clock.now(), limit, samples, (), warnings)

    def _failed(self, channel: Channel, asked: Sequence[str], failure: Failure) -> None:
        if failure.kind not in REJECTED:
            self._turn.failed(failure, channel.clock.monotonic(), channel.interval, channel.interval)
        for each in asked:
            if self._wanted is not None and each in self._wanted.expressions:
                before = self._replies.get(each) or Reply(None, stale_after(Pace.FAST, channel.interval))
                self._replies[each] = replace(before, failure=failure)
