"""``LogsWatch``: asks for stack traces and log lines while somebody looks at them, at a pace and in flights of its own.

Two questions a refresh at most, and neither waits for the other. The client is made in a thread when it is first
needed: its secret may come from a command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

from triage.clock import Clock
from triage.errors import TriageError
from triage.facts.log_reading import LogsReading, LogsWanted, Told
from triage.facts.logs import LogQuestion
from triage.facts.outcome import Failure, FailureKind, SourceHealth
from triage.live.asker import Look
from triage.live.flights import Flights
from triage.live.pacing import APART_SECONDS, Turn
from triage.live.watch import SourceWatch

if TYPE_CHECKING:
    from triage.config import Active
    from triage.sources.logs.face import LogSource

LOGS_SECONDS = 10.0
"""How often the logs are asked."""
MOST_LINES = 200
"""Lines that are asked for; more are found by looking for something."""
_Answer = TypeVar("_Answer")
_Part = Literal["traces", "lines"]
_PARTS: tuple[_Part, ...] = ("traces", "lines")


class LogsWatch:
    """The logs of the model shown; nothing is asked until :meth:`want` says what for."""

    def __init__(self, active: Active, clock: Clock, interval: float, changed: Callable[[], None]) -> None:
        """``changed`` is called when something was answered, or not."""
        self.flights = Flights()
        self._active = active
        self._clock = clock
        self._interval = interval
        self._pace = max(LOGS_SECONDS, interval)
        self._changed = changed
        self._configured = active.context.logs is not None
        self._wanted: LogsWanted | None = None
        self._reading: LogsReading | None = None
        self._turns: dict[_Part, Turn] = {part: Turn() for part in _PARTS}
        self._watch = SourceWatch("logs", configured=self._configured)
        self._client: LogSource | None = None
        self._opening = asyncio.Lock()

    def want(self, wanted: LogsWanted | None) -> None:
        """Look for this from the next refresh on; None: nobody looks, and what is under way is given up."""
        self._wanted = wanted
        if wanted is None:
            self._forget()

    def reading(self) -> LogsReading | None:
        """What is known; None while nobody looks."""
        return self._reading

    def health(self) -> SourceHealth | None:
        """The state of the source; None while nothing is asked."""
        return self._watch.health() if self._reading is not None and self._configured else None

    def begin(self, model: str | None, look: Look) -> None:
        """Ask about ``model`` what is due and not under way."""
        if self._wanted is None or model is None:
            self._forget()
            return
        about = LogsReading(model, self._wanted, look.range_seconds, look.end, 3 * self._pace, self._configured)
        if self._reading is None or about != replace(self._reading, traces=Told(), lines=Told()):
            # Whoever looks for something else does not wait for the answer before.
            self._forget()
            self._reading = about
        if not self._configured:
            return
        now = self._clock.monotonic()
        for part in _PARTS:
            known = getattr(self._reading, part).answered_at is not None
            settled = look.end is not None and known
            if not settled and part not in self.flights.under_way() and self._turns[part].is_due(now, self._interval):
                self._turns[part].begin(now, self._pace)
                self.flights.start(part, partial(self._refresh, part, self._reading))

    def hurry(self) -> None:
        """Ask at the next refresh, also where the source is being left alone after failures."""
        breaker = getattr(self._client, "breaker", None)
        if breaker is not None:
            breaker.reset()
        for turn in self._turns.values():
            turn.give_up()

    async def aclose(self) -> None:
        """Give up what is under way and close the connections; another :meth:`begin` makes new ones."""
        tasks = self.flights.tasks()
        self.flights.cancel_all()
        await asyncio.gather(*tasks, return_exceptions=True)
        client, self._client = self._client, None
        for turn in self._turns.values():
            turn.give_up()
        if client is not None:
            await client.aclose()

    def _forget(self) -> None:
        self.flights.cancel_all()
        self._reading = None
        for turn in self._turns.values():
            turn.give_up()

    async def _refresh(self, part: _Part, about: LogsReading) -> None:
        client = await self._opened()
        end = self._clock.now() if about.end is None else about.end
        question = LogQuestion(about.model, end - about.range_seconds, end, about.wanted.version,
                               about.wanted.request_id, text=about.wanted.text, limit=MOST_LINES)
        if isinstance(client, Failure):
            # What the configuration names may be mended while we run.
            self._turns[part].at = self._clock.monotonic() + APART_SECONDS
            self._concluded(part, client)
        elif part == "traces":
            self._concluded(part, await self._answer(part, client.traces(question)))
        else:
            self._concluded(part, await self._answer(part, client.lines(question)))

    async def _opened(self) -> LogSource | Failure:
        async with self._opening:
            if self._client is None:
                from triage.sources.logs.face import log_source
                try:
                    self._client = await asyncio.to_thread(log_source, self._active, self._clock)
                except TriageError as error:
                    return Failure(FailureKind.CONNECT, f"it cannot be used as configured: {error.message}",
                                   error.hint)
            return self._client or Failure(FailureKind.CONNECT, "the context names no logs")

    async def _answer(self, part: _Part, asked: Awaitable[_Answer | Failure]) -> _Answer | Failure:
        answer = await asked
        turn = self._turns[part]
        if isinstance(answer, Failure):
            turn.failed(answer, self._clock.monotonic(), self._pace, self._interval)
        else:
            turn.failures = 0
        return answer

    def _concluded(self, part: _Part, outcome: object) -> None:
        if self._reading is None:
            return
        known: Told[object] = getattr(self._reading, part)
        now = self._clock.now()
        if not isinstance(outcome, Failure):
            known = Told(outcome, now)
        elif outcome.kind is not FailureKind.CIRCUIT_OPEN or known.failure is None:
            known = replace(known, failure=outcome)
        self._reading = (replace(self._reading, traces=known) if part == "traces" else  # type: ignore[arg-type]
                         replace(self._reading, lines=known))  # type: ignore[arg-type]
        breaker = getattr(self._client, "breaker", None)
        self._watch.seen([outcome], now, None if breaker is None else breaker.next_try_in())
        self._changed()
