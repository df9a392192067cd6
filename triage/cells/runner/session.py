"""One kernel and the cells that run in it, one after the other, each within its time and its share of output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from triage.cells.protocol import Outcome
from triage.cells.runner.questions import Questions

Say = Callable[..., None]
_FLUSH_SECONDS = 0.1
_FLUSH_CHARACTERS = 32_000
_START_SECONDS = 60
_GONE_SECONDS = 5.0
_LATE_SECONDS = 30
"""How long a cell's output may come after its end: there may be a flood of it on the way."""


class Session:
    """Runs what a ``run`` message asks for."""

    def __init__(self, order: Mapping[str, Any], say: Say) -> None:
        self.ended = 0
        """How many cells have been told of as finished."""
        self._order = order
        self._say = say
        self._output = _Output(say, order["limits"])
        self._stopped = asyncio.Event()
        self._questions = Questions(lambda **content: say("ask", **content))
        self._manager: AsyncKernelManager | None = None

    def stop(self) -> None:
        """Interrupt the cell that runs, and run no other."""
        self._stopped.set()

    def answered(self, message: Mapping[str, Any]) -> None:
        """An answer to a question of a cell."""
        self._questions.answered(message)

    def kill(self) -> None:
        """End the kernel and its process group at once."""
        pid = self._pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _pid(self) -> int | None:
        provisioner = self._manager.provisioner if self._manager is not None else None
        return getattr(provisioner, "pid", None)

    async def run(self) -> None:
        """Start the kernel, run the cells, end the kernel."""
        kernel = self._order["kernel"]
        sockets = Path(self._order["sockets"])
        environment = {**kernel["environment"], **self._questions.serve()}
        manager = AsyncKernelManager(transport="ipc", ip=str(sockets / "s"),
                                     connection_file=str(sockets / "kernel.json"))
        manager._kernel_spec = KernelSpec(argv=kernel["argv"], language="python", display_name="triage")
        self._manager = manager
        notebook = new_notebook(cells=[new_code_cell(cell["source"])  # type: ignore[no-untyped-call]
                                       for cell in self._order["cells"]])
        client = _Client(notebook, km=manager, timeout=None, iopub_timeout=_LATE_SECONDS,
                         startup_timeout=_START_SECONDS, force_raise_errors=True)
        client.heard = self._output
        flushing = asyncio.create_task(self._flush())
        try:
            async with client.async_setup_kernel(cwd=kernel["folder"], env=environment):
                # Its type is that of the blocking client, which has another signature.
                kernel_client: Any = client.kc
                info = await kernel_client.kernel_info(reply=True, timeout=_START_SECONDS)
                self._say("ready", pid=self._pid(),
                          python=str(info["content"].get("language_info", {}).get("version", "")))
                await self._cells(client)
                self.kill()
        finally:
            flushing.cancel()
            self._questions.close()

    async def _cells(self, client: _Client) -> None:
        going_on = True
        for number, cell in enumerate(self._order["cells"]):
            if not going_on or self._stopped.is_set():
                self._finished(cell["id"], Outcome.NOT_RUN, 0.0, "")
                continue
            self._say("cell", id=cell["id"])
            self._output.begin()
            began = time.monotonic()
            outcome, detail = await self._cell(client, number, cell["seconds"])
            self._output.flush()
            self._finished(cell["id"], outcome, time.monotonic() - began, detail)
            going_on = outcome is Outcome.FINISHED

    def _finished(self, cell_id: str, outcome: Outcome, seconds: float, detail: str) -> None:
        self.ended += 1
        self._say("finished", id=cell_id, outcome=outcome, seconds=round(seconds, 3), detail=detail)

    async def _cell(self, client: _Client, number: int, seconds: float) -> tuple[Outcome, str]:
        """(outcome, what it took to stop it; "" when it ended by itself)."""
        running = asyncio.create_task(client.async_execute_cell(client.nb.cells[number], number))
        stopped = asyncio.create_task(self._stopped.wait())
        flooded = asyncio.create_task(self._output.flooded.wait())
        try:
            await asyncio.wait({running, stopped, flooded}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return self._ended(running, client)
            why = (Outcome.STOPPED if stopped.done() else Outcome.OUTPUT_LIMIT if flooded.done()
                   else Outcome.TIME_LIMIT)
            return why, await self._end(client, running)
        finally:
            stopped.cancel()
            flooded.cancel()

    def _ended(self, running: asyncio.Task[Any], client: _Client) -> tuple[Outcome, str]:
        error = running.exception()
        if error is None:
            return Outcome.FINISHED, ""
        if isinstance(error, CellExecutionError):
            return Outcome.RAISED, ""
        if isinstance(error, DeadKernelError):
            return Outcome.KERNEL_DIED, self._cause()
        raise error

    async def _end(self, client: _Client, running: asyncio.Task[Any]) -> str:
        """The stop ladder: interrupt, a few seconds, kill. Never by cancelling: the kernel would go on unseen."""
        if self._manager is None:
            return ""
        patience = self._order["limits"]["interrupt_seconds"]
        await self._manager.interrupt_kernel()
        await asyncio.wait({running}, timeout=patience)
        if running.done():
            if isinstance(running.exception(), DeadKernelError):
                return "its kernel died when it was interrupted"
            return "interrupted"
        self.kill()
        await asyncio.wait({running}, timeout=_GONE_SECONDS)
        if running.done():
            running.exception()
        return f"did not heed the interrupt for {patience:g} s, so its kernel was killed"

    def _cause(self) -> str:
        """Why the kernel is gone, as far as its exit status tells."""
        process = getattr(self._manager.provisioner if self._manager is not None else None, "process", None)
        code = getattr(process, "returncode", None)
        if code is None:
            return ""
        if code == -signal.SIGXCPU:
            return "it used up its processor time"
        if code < 0:
            return f"by signal {signal.Signals(-code).name}"
        return f"it exited with status {code}"

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            self._output.flush()


class _Output:
    """What a cell writes: collected for a moment, and cut where it is too much."""

    def __init__(self, say: Say, limits: Mapping[str, int]) -> None:
        self.flooded = asyncio.Event()
        """Set when the cell wrote so much that it is stopped."""
        self._say = say
        self._most = {False: limits["output_bytes"], True: limits["rich_bytes"]}
        """For text, and for representations such as tables and pictures."""
        self._stop = limits["stop_bytes"]
        self._written = {False: 0, True: 0}
        self._dropped = 0
        self._told = 0
        self._name = ""
        self._parts: list[str] = []

    def begin(self) -> None:
        """Another cell."""
        self.flooded.clear()
        self._written = {False: 0, True: 0}
        self._dropped = self._told = 0

    def stream(self, name: str, text: str) -> None:
        """A piece of text."""
        kept = self._room(len(text), rich=False)
        if kept <= 0:
            return
        if name != self._name:
            self.flush()
            self._name = name
        self._parts.append(text[:kept])
        if sum(map(len, self._parts)) >= _FLUSH_CHARACTERS:
            self.flush()

    def bundle(self, kind: str, size: int, content: Mapping[str, Any]) -> None:
        """An output, or an error: whole or not at all."""
        self.flush()
        if self._room(size, rich=True) >= size:
            self._say(kind, **content)

    def flush(self) -> None:
        """Tell what was collected."""
        if self._parts:
            self._say("stream", name=self._name, text="".join(self._parts))
            self._parts = []
        if self._dropped > self._told:
            self._told = self._dropped
            self._say("dropped", bytes=self._dropped)

    def _room(self, size: int, *, rich: bool) -> int:
        """How much of ``size`` may still be told; the rest is counted as dropped."""
        room = max(0, self._most[rich] - self._written[rich])
        kept = size if size <= room else 0 if rich else room
        self._written[rich] += size
        self._dropped += size - kept
        if sum(self._written.values()) >= self._stop:
            self.flooded.set()
        return kept


class _Client(NotebookClient):
    """nbclient, with outputs passed on as they come and none kept: a cell's flood must not fill this process."""

    heard: _Output

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        kind, content = msg["msg_type"], msg["content"]
        if kind == "stream":
            self.heard.stream(str(content["name"]), str(content["text"]))
        elif kind in ("display_data", "execute_result", "update_display_data"):
            bundle = content.get("data") or {}
            self.heard.bundle("output", sum(len(str(value)) for value in bundle.values()), {"data": bundle})
        elif kind == "error":
            trace = [str(row) for row in content.get("traceback") or []]
            said = {"name": str(content.get("ename")), "value": str(content.get("evalue")), "traceback": trace}
            size = sum(map(len, trace)) + len(said["value"])
            if size > _FLUSH_CHARACTERS:
                said = {**said, "value": said["value"][:_FLUSH_CHARACTERS], "traceback": trace[-1:]}
            self.heard.bundle("error", 0, said)
        elif kind == "status":
            return super().process_message(msg, cell, cell_index)
        return None
