"""The logs are asked while somebody looks at them: two questions a refresh at most, and nothing waits for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.live.conftest import NOW, Asked, Published, active
from tests.sources.faults import FaultServer, Handler, Request, answering, json_answer
from triage.clock import ManualClock
from triage.config import Active
from triage.config_sources import LogFiles, LokiLogs
from triage.facts.log_reading import LogsReading, LogsWanted
from triage.facts.outcome import SourceState
from triage.live.asker import Look
from triage.live.logs import LOGS_SECONDS, LogsWatch
from triage.live.once import load_notebooks
from triage.live.poller import Poller

Notebooks = Callable[..., Path]
TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: bad'
LOOK = Look()


def at_loki(url: str) -> Active:
    found = active(Path(), "http://127.0.0.1:9")
    logs = LokiLogs.model_validate({"kind": "loki", "url": url, "timeout": "2s"})
    return replace(found, context=found.context.model_copy(update={"logs": logs}))


def entry(message: str = "bad", version: str = "v1", **more: str) -> list[str]:
    return [str(round((NOW - 5) * 1e9)), json.dumps({"message": message, "model": "m", "version": version, **more})]


def streams(*entries: list[str]) -> Handler:
    return json_answer({"status": "success", "data": {"resultType": "streams", "result": [
        {"stream": {"service_name": "m"}, "values": list(entries)}]}})


async def asked(watch: LogsWatch, look: Look = LOOK, model: str = "m") -> LogsReading:
    """One refresh, waited for."""
    watch.begin(model, look)
    await asyncio.gather(*watch.flights.tasks())
    watch.flights.check()
    reading = watch.reading()
    assert reading is not None
    return reading


async def test_nothing_is_asked_before_somebody_looks_and_nothing_after() -> None:
    async with FaultServer(streams(entry())) as server:
        watch = LogsWatch(at_loki(server.url), ManualClock(NOW), 5.0, lambda: None)
        watch.begin("m", LOOK)
        assert (watch.reading(), watch.health(), watch.flights.tasks()) == (None, None, ())
        watch.want(LogsWanted())
        await asked(watch)
        watch.want(None)
        watch.begin("m", LOOK)
        assert (watch.reading(), watch.flights.tasks()) == (None, ())
        assert len(server.requests) == 2
        await watch.aclose()


async def test_a_refresh_costs_two_requests_and_the_next_comes_at_its_pace() -> None:
    clock = ManualClock(NOW)
    async with FaultServer(streams(entry(exception=TRACE))) as server:
        watch = LogsWatch(at_loki(server.url), clock, 5.0, lambda: None)
        watch.want(LogsWanted())
        reading = await asked(watch)
        assert reading.traces.answer is not None
        assert [t.exception for t in reading.traces.answer.traces] == ["ValueError"]
        assert reading.lines.answer is not None
        assert [item.message for item in reading.lines.answer.lines] == ["bad"]
        assert reading.lines.answered_at == NOW
        clock.advance(LOGS_SECONDS / 2)
        await asked(watch)
        assert len(server.requests) == 2
        clock.advance(LOGS_SECONDS / 2)
        await asked(watch)
        assert len(server.requests) == 4
        await watch.aclose()


async def test_what_is_looked_for_reaches_the_server_at_once_and_the_old_answer_is_gone() -> None:
    async with FaultServer(streams(entry())) as server:
        watch = LogsWatch(at_loki(server.url), ManualClock(NOW), 5.0, lambda: None)
        watch.want(LogsWanted())
        await asked(watch)
        watch.want(LogsWanted("v2", request_id="req-1"))
        watch.begin("m", LOOK)
        reading = watch.reading()
        assert reading is not None
        assert (reading.lines.answer, reading.wanted.version) == (None, "v2")
        await asked(watch)
        for request in server.requests[2:]:
            assert "v2" in request.fields["query"][0]
            assert "req-1" in request.fields["query"][0]
        await watch.aclose()


async def test_the_range_is_that_of_the_screen_and_the_past_is_asked_once() -> None:
    clock = ManualClock(NOW)
    async with FaultServer(streams()) as server:
        watch = LogsWatch(at_loki(server.url), clock, 5.0, lambda: None)
        watch.want(LogsWanted())
        past = Look(900.0, NOW - 3600)
        await asked(watch, past)
        assert {(r.fields["start"][0], r.fields["end"][0]) for r in server.requests} == {
            (f"{round((NOW - 4500) * 1e6)}000", f"{round((NOW - 3600) * 1e6)}000")}
        clock.advance(60)
        await asked(watch, past)
        assert len(server.requests) == 2
        await watch.aclose()


async def test_a_failure_keeps_the_last_lines_and_says_what_to_do() -> None:
    clock = ManualClock(NOW)
    answers: list[Handler] = [streams(entry())]

    async def answer(request: Request, writer: asyncio.StreamWriter) -> object:
        return await answers[0](request, writer)

    async with FaultServer(answer) as server:
        watch = LogsWatch(at_loki(server.url), clock, 5.0, lambda: None)
        watch.want(LogsWanted())
        await asked(watch)
        answers[0] = answering(401, "who are you", "text/plain")
        clock.advance(30)
        reading = await asked(watch)
        assert reading.lines.answer is not None
        assert reading.lines.answered_at == NOW
        assert reading.lines.failure is not None
        assert reading.lines.failure.hint
        health = watch.health()
        assert health is not None
        assert health.state is SourceState.DOWN
        await watch.aclose()


async def test_a_secret_that_cannot_be_had_is_a_failure_of_the_logs_alone() -> None:
    found = at_loki("http://127.0.0.1:9")
    logs = LokiLogs.model_validate({"kind": "loki", "url": "http://127.0.0.1:9",
                                    "bearer_token": {"file": "/nowhere/token"}})
    watch = LogsWatch(replace(found, context=found.context.model_copy(update={"logs": logs})), ManualClock(NOW), 5.0,
                      lambda: None)
    watch.want(LogsWanted())
    reading = await asked(watch)
    assert reading.traces.failure is not None
    assert "it cannot be used as configured" in reading.traces.failure.message
    await watch.aclose()


async def test_a_context_without_logs_says_so_and_asks_nothing() -> None:
    watch = LogsWatch(active(Path(), "http://127.0.0.1:9"), ManualClock(NOW), 5.0, lambda: None)
    watch.want(LogsWanted())
    reading = await asked(watch)
    assert not reading.configured
    assert watch.health() is None


async def test_another_model_begins_anew() -> None:
    async with FaultServer(streams(entry())) as server:
        watch = LogsWatch(at_loki(server.url), ManualClock(NOW), 5.0, lambda: None)
        watch.want(LogsWanted())
        await asked(watch)
        watch.begin("other", LOOK)
        reading = watch.reading()
        assert reading is not None
        assert (reading.model, reading.lines.answer) == ("other", None)
        await watch.aclose()


async def test_the_snapshot_carries_the_logs_only_while_somebody_looks(notebooks: Notebooks, prometheus: Asked,
                                                                     tmp_path: Path) -> None:
    lines = tmp_path / "m.jsonl"
    lines.write_text(json.dumps({"ts": NOW - 5, "level": "error", "model": "m", "message": "bad",
                                 "exception": TRACE}) + "\n")
    found = active(notebooks(m=1), prometheus.server.url)
    logs = LogFiles.model_validate({"kind": "lines", "path": str(lines)})
    found = replace(found, context=found.context.model_copy(update={"logs": logs}))
    published = Published()
    poller = Poller(found, load_notebooks(found), prometheus.fake.clock, published)
    poller.watch(["m"])
    snapshot = await poller.refresh_once()
    assert snapshot.logs is None
    assert "logs" not in {source.name for source in snapshot.sources}
    poller.read_logs(LogsWanted())
    snapshot = await poller.refresh_once()
    assert snapshot.logs is not None
    assert snapshot.logs.traces.answer is not None
    assert [t.count for t in snapshot.logs.traces.answer.traces] == [1]
    assert {s.name: s.state for s in snapshot.sources}["logs"] is SourceState.OK
    poller.read_logs(None)
    assert (await poller.refresh_once()).logs is None
    await poller.aclose()


async def test_logs_that_hang_hold_nothing_up(notebooks: Notebooks, prometheus: Asked) -> None:
    released = asyncio.Event()

    async def hold(request: Request, writer: asyncio.StreamWriter) -> object:
        await released.wait()
        return await streams()(request, writer)

    async with FaultServer(hold) as server:
        found = active(notebooks(m=1), prometheus.server.url)
        found = replace(found, context=found.context.model_copy(update={"logs": at_loki(server.url).context.logs}))
        published = Published()
        poller = Poller(found, load_notebooks(found), prometheus.fake.clock, published)
        poller.watch(["m"])
        poller.read_logs(LogsWanted())
        running = asyncio.ensure_future(poller.run())
        seen = published.snapshots
        await published.until(lambda: bool(seen) and seen[-1].models[0].data_at is not None)
        assert published.snapshots[-1].logs is not None
        assert published.snapshots[-1].logs.lines.answer is None
        released.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await poller.aclose()
