"""One runner process from birth to end: its messages, its deadlines, what it uses, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triage.cells.processes import end_all, use_of
from triage.cells.protection import Limits
from triage.cells.protocol import MAX_LINE_BYTES, PROTOCOL, Outcome, decode, encode
from triage.text import clean

_WATCH_SECONDS = 0.25
_OWN_PROCESSES = 3
"""The one that makes the namespace, the runner and the kernel."""
_SLACK_SECONDS = 10.0
"""For a runner to do what it promised: after that it is killed."""
_STDERR_BYTES = 4_000
_MOST_ANSWER_BYTES = MAX_LINE_BYTES // 2
"""Of an answer to a cell, as it is sent."""
_OVERRUN: Mapping[Outcome, str] = {
    Outcome.MEMORY_LIMIT: "everything it had started was killed",
    Outcome.PROCESS_LIMIT: "everything it had started was killed",
}

Message = Mapping[str, Any]
Answer = Callable[[str, Sequence[tuple[str, str]]], Awaitable[tuple[int, str]]]
"""(path, fields) of a question to Prometheus; HTTP status and body of the answer."""


@dataclass(frozen=True, slots=True)
class Step:
    """A cell to run."""

    id: str
    source: str
    seconds: float
    """Its time limit."""


@dataclass(frozen=True, slots=True)
class Order:
    """Everything that a runner is told."""

    run_id: str
    steps: tuple[Step, ...]
    command: tuple[str, ...]
    """That starts the runner."""
    kernel: tuple[str, ...]
    """That starts the kernel."""
    environment: Mapping[str, str]
    folder: Path
    """Private, with ``work``; it is removed when the run is over."""
    limits: Limits
    own_network: bool
    """Whether the runner is in a network namespace of its own."""


class Stop:
    """A person's wish that a run should end; may come from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = 0
        self._tell: Callable[[], None] | None = None

    @property
    def asked(self) -> int:
        """How often it was asked for: once is the stop ladder, twice is at once."""
        return self._asked

    def ask(self) -> None:
        """Interrupt; the second time kill."""
        with self._lock:
            self._asked += 1
            tell = self._tell
        if tell is not None:
            with contextlib.suppress(RuntimeError):
                tell()

    def bind(self, tell: Callable[[], None] | None) -> None:
        """Whom to tell."""
        with self._lock:
            self._tell = tell


@dataclass(frozen=True, slots=True)
class Ending:
    """How a runner ended."""

    trouble: str = ""
    """Why it could not do everything; "" when it did, whatever became of the cells."""
    left: tuple[int, ...] = ()
    """Processes that could not be ended."""


async def supervise(order: Order, see: Callable[[Message], None], answer: Answer, stop: Stop) -> Ending:
    """Run the order; ``see`` gets every message, and ``finished`` for each step in any case.

    The process is born in this thread and dies with it, so the loop must run until this returns. When it returns, or is
    cancelled, nothing of the run is left: not the processes, not its folder.
    """
    runner = _Runner(order, see, answer)
    try:
        return await runner.run(stop)
    finally:
        shutil.rmtree(order.folder, ignore_errors=True)


class _Runner:
    def __init__(self, order: Order, see: Callable[[Message], None], answer: Answer) -> None:
        self._order = order
        self._see = see
        self._answer = answer
        self._current: Step | None = None
        self._ended: set[str] = set()
        self._verdict: Outcome | None = None
        """Why everything was killed; None when it was not for a limit."""
        self._trouble = ""
        self._done = False
        self._deadline = 0.0
        self._answering: set[asyncio.Task[None]] = set()
        self._process: asyncio.subprocess.Process | None = None

    async def run(self, stop: Stop) -> Ending:
        loop = asyncio.get_running_loop()
        left: tuple[int, ...] = ()
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *self._order.command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE, cwd=self._order.folder, env=dict(self._order.environment),
                limit=MAX_LINE_BYTES, start_new_session=True)
        except OSError as error:
            self._trouble = f"the runner could not be started: {clean(error.strerror or error)}"
            self._settle()
            return Ending(self._trouble)
        self._deadline = loop.time() + self._order.limits.start_seconds
        errors = asyncio.create_task(_tail(process.stderr))
        watching = asyncio.create_task(self._watch())

        def tell() -> None:
            loop.call_soon_threadsafe(self._asked_to_stop, stop)
        stop.bind(tell)
        try:
            self._send(self._run_message())
            if stop.asked:
                self._asked_to_stop(stop)
            await self._hear(process)
        finally:
            stop.bind(None)
            watching.cancel()
            for task in self._answering:
                task.cancel()
            # In a thread of its own it would outlive a loop that is being torn down; it takes a moment only.
            left = end_all(process.pid, self._order.run_id)
            with contextlib.suppress(ProcessLookupError, asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), _SLACK_SECONDS)
        said = await errors
        if not self._done and not self._trouble and self._verdict is None:
            self._trouble = "the runner ended by itself" + (f": {said}" if said else "")
        self._settle()
        return Ending(self._trouble, left)

    def _run_message(self) -> Message:
        order, limits = self._order, self._order.limits
        return {"type": "run", "protocol": PROTOCOL, "sockets": str(order.folder), "loopback": order.own_network,
                "cells": [{"id": s.id, "source": s.source, "seconds": s.seconds} for s in order.steps],
                "kernel": {"argv": list(order.kernel), "environment": dict(order.environment),
                           "folder": str(order.folder / "work")},
                "limits": {"output_bytes": limits.output_bytes, "rich_bytes": limits.rich_bytes,
                           "stop_bytes": limits.stop_bytes,
                           "interrupt_seconds": limits.interrupt_seconds}}

    def _send(self, message: Message) -> None:
        self._write(encode(message))

    def _write(self, line: bytes) -> None:
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            with contextlib.suppress(ConnectionError, RuntimeError):
                process.stdin.write(line)

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        while not self._done:
            try:
                line = await process.stdout.readline()
            except ValueError:
                self._kill(f"the runner wrote more than {MAX_LINE_BYTES // 1_000_000} MB in one message")
                return
            if not line:
                return
            message = decode(line)
            if message is not None:
                self._heard(message)

    def _heard(self, message: Message) -> None:
        kind = message["type"]
        now = asyncio.get_running_loop().time()
        limits = self._order.limits
        if kind == "ask":
            task = asyncio.create_task(self._reply(message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
            return
        if kind == "cell":
            self._current = next((s for s in self._order.steps if s.id == message.get("id")), None)
            seconds = self._current.seconds if self._current is not None else 0.0
            self._deadline = now + seconds + limits.interrupt_seconds + _SLACK_SECONDS
        elif kind == "finished":
            self._ended.add(str(message.get("id")))
            self._current = None
            self._deadline = now + _SLACK_SECONDS
        elif kind == "ready":
            self._deadline = now + _SLACK_SECONDS
        elif kind == "broken":
            self._trouble = clean(message.get("message"), limit=400)
        elif kind == "done":
            self._done = True
        self._see(message)

    async def _reply(self, message: Message) -> None:
        fields = [(str(pair[0]), str(pair[1])) for pair in message.get("fields") or []
                  if isinstance(pair, list) and len(pair) == 2]
        from triage.cells.questions import refusal

        def said(status: int, body: str) -> bytes:
            return encode({"type": "answer", "id": message.get("id"), "status": status, "body": body})
        try:
            line = said(*await self._answer(str(message.get("path")), fields))
        except Exception as error:
            # The cell waits for something.
            line = said(*refusal(500, f"triage could not ask: {type(error).__name__}: {clean(error, limit=200)}"))
        if len(line) > _MOST_ANSWER_BYTES:
            line = said(*refusal(422, f"the answer has {len(line) / 1e6:.0f} MB, and a cell gets "
                                      f"{_MOST_ANSWER_BYTES // 1_000_000} MB at most: ask for fewer series, or with a "
                                      "longer step"))
        self._write(line)

    def _asked_to_stop(self, stop: Stop) -> None:
        if stop.asked > 1:
            self._kill_for(Outcome.STOPPED)
            return
        self._deadline = min(self._deadline, asyncio.get_running_loop().time()
                             + self._order.limits.interrupt_seconds + _SLACK_SECONDS)
        self._send({"type": "stop"})

    async def _watch(self) -> None:
        """Kill what takes too much, or does not keep its own deadlines."""
        loop = asyncio.get_running_loop()
        limits = self._order.limits
        while self._process is not None:
            await asyncio.sleep(_WATCH_SECONDS)
            use = use_of(self._process.pid, limits.memory_bytes)
            if use.processes > limits.processes + _OWN_PROCESSES:
                self._kill_for(Outcome.PROCESS_LIMIT)
            elif use.memory_bytes > limits.memory_bytes:
                self._kill_for(Outcome.MEMORY_LIMIT)
            elif loop.time() > self._deadline:
                if self._current is None:
                    self._kill("the kernel did not come up, or did not end, in time")
                else:
                    self._kill_for(Outcome.TIME_LIMIT)

    def _kill_for(self, why: Outcome) -> None:
        self._verdict = why
        self._kill("")

    def _kill(self, trouble: str) -> None:
        self._trouble = self._trouble or trouble
        process = self._process
        if process is not None:
            end_all(process.pid, self._order.run_id)
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)

    def _settle(self) -> None:
        """Say of every cell how it ended, also when the runner could not."""
        current = self._current.id if self._current is not None else None
        for step in self._order.steps:
            if step.id in self._ended:
                continue
            outcome = (self._verdict or Outcome.KERNEL_DIED) if step.id == current else Outcome.NOT_RUN
            self._see({"type": "finished", "id": step.id, "outcome": outcome, "seconds": None,
                       "detail": _OVERRUN.get(outcome, "") if step.id == current else ""})


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """The last words on a stream, in one line."""
    kept = b""
    while stream is not None and (piece := await stream.read(65536)):
        kept = (kept + piece)[-_STDERR_BYTES:]
    lines = [row for row in kept.decode("utf-8", "replace").splitlines() if row.strip()]
    return clean(lines[-1] if lines else "", limit=300)
