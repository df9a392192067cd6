"""What somebody else wants answered: one request with every refresh, alone only what the server refuses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from triage.clock import ManualClock
from triage.facts.expressions import ExpressionsWanted
from triage.facts.outcome import Failure, FailureKind
from triage.facts.samples import Answer, Sample
from triage.live.channel import ADDRESS, Channel
from triage.live.flights import Flights, landing
from triage.live.wanted import ExpressionsAsker

REFUSED = Failure(FailureKind.BAD_QUERY, "parse error")
GONE = Failure(FailureKind.CONNECT, "refused")


class Server:
    """Answers every expression with its length; refuses those that hold ``bad``, and what it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down: Failure | None = None
        self.minds_combinations = False

    async def query(self, expression: str) -> Answer | Failure:
        self.asked.append(expression)
        parts = re.findall(r'label_replace\((\w+), "\w+", "(\d+)", "", ""\)', expression)
        if self.down is not None:
            return self.down
        if "bad" in expression or (self.minds_combinations and parts):
            return REFUSED
        if not parts:
            return Answer(0, (Sample({}, len(expression), 0),))
        return Answer(0, tuple(Sample({ADDRESS: n, "x": "y"}, len(part), 0) for part, n in parts))


class Asking:
    """An asker, its channel and a clock."""

    def __init__(self) -> None:
        self.server = Server()
        self.clock = ManualClock()
        self.channel = Channel(self.server, self.clock, 10.0, asyncio.Semaphore(4), Flights())  # type: ignore[arg-type]
        self.asker = ExpressionsAsker()

    async def refresh(self, model: str = "m") -> list[str]:
        """What is asked by a refresh."""
        self.server.asked.clear()
        self.asker.begin(model, self.channel)
        await landing([self.channel.flights])
        return list(self.server.asked)

    def want(self, *expressions: str) -> None:
        self.asker.want(ExpressionsWanted("m", expressions))

    def values(self) -> dict[str, float | str]:
        reading = self.asker.reading()
        assert reading is not None
        return {each: reply.failure.kind if reply.failure else reply.samples[0].value
                for each, reply in reading.replies.items()}


async def test_everything_is_asked_in_one_request_with_every_refresh() -> None:
    made = Asking()
    made.want("a", "bb", "ccc")
    assert len(await made.refresh()) == 1
    assert made.values() == {"a": 1, "bb": 2, "ccc": 3}
    reading = made.asker.reading()
    assert reading is not None
    assert reading.replies["a"].samples[0].labels == {"x": "y"}
    assert await made.refresh() == []
    made.clock.advance(10)
    assert len(await made.refresh()) == 1


async def test_nothing_is_asked_when_nothing_is_wanted_or_another_model_is_shown() -> None:
    made = Asking()
    assert await made.refresh() == []
    assert made.asker.reading() is None
    made.want("a")
    assert await made.refresh("another") == []
    made.asker.want(None)
    assert await made.refresh() == []


async def test_one_expression_is_asked_as_it_is() -> None:
    made = Asking()
    made.want("a")
    assert await made.refresh() == ["a"]


async def test_what_the_server_refuses_is_asked_alone_and_less_often() -> None:
    made = Asking()
    made.want("a", "bad", "ccc")
    asked = await made.refresh()
    assert len(asked) == 4
    assert made.values() == {"a": 1, "bad": "bad query", "ccc": 3}
    counts = []
    for _ in range(6):
        made.clock.advance(10)
        counts.append(["bad" in each for each in await made.refresh()])
    # One request for the others each time; the refused one again after a minute.
    assert counts == [[False]] * 5 + [[True, False]] or counts == [[False]] * 5 + [[False, True]]


async def test_a_server_that_minds_the_combination_is_asked_apart_for_a_while() -> None:
    made = Asking()
    made.server.minds_combinations = True
    made.want("a", "bb")
    assert len(await made.refresh()) == 3
    assert made.values() == {"a": 1, "bb": 2}
    made.clock.advance(10)
    assert sorted(await made.refresh()) == ["a", "bb"]
    made.clock.advance(300)
    assert len(await made.refresh()) == 3


async def test_a_source_that_is_gone_keeps_the_last_answers_and_says_so() -> None:
    made = Asking()
    made.want("a", "bb")
    await made.refresh()
    made.server.down = GONE
    made.clock.advance(10)
    await made.refresh()
    reading = made.asker.reading()
    assert reading is not None
    assert [(r.failure, r.samples[0].value) for r in reading.replies.values()] == [(GONE, 1), (GONE, 2)]
    made.server.down = None
    made.clock.advance(10)
    await made.refresh()
    assert made.values() == {"a": 1, "bb": 2}


async def test_what_is_still_wanted_keeps_its_answer_and_of_another_model_nothing_is_kept() -> None:
    made = Asking()
    made.want("a", "bb")
    await made.refresh()
    made.want("bb", "ccc")
    assert made.values() == {"bb": 2}
    assert len(await made.refresh()) == 1
    made.asker.want(ExpressionsWanted("n", ("bb",)))
    assert made.values() == {}


async def test_whoever_hurries_is_asked_at_once() -> None:
    made = Asking()
    made.want("a", "bad")
    await made.refresh()
    made.asker.hurry()
    assert len(await made.refresh()) == 3


async def test_an_answer_that_nobody_waits_for_any_more_is_dropped() -> None:
    made = Asking()
    held = asyncio.Event()
    answer = made.server.query

    async def late(expression: str) -> Answer | Failure:
        await held.wait()
        return await answer(expression)

    made.server.query = late  # type: ignore[method-assign]
    made.want("a")
    made.asker.begin("m", made.channel)
    await asyncio.sleep(0)
    made.want("bb")
    held.set()
    await landing([made.channel.flights])
    assert made.values() == {}


async def test_what_is_given_up_is_asked_again() -> None:
    made = Asking()
    made.want("a")
    made.asker.begin("m", made.channel)
    await asyncio.sleep(0)
    tasks: Sequence[asyncio.Task[None]] = made.channel.flights.tasks()
    made.channel.flights.cancel_all()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await made.refresh() == ["a"]
