"""One kernel and the cells that run in it, one after the other, each within its time and its share of output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from triage.cells.protocol import Outcome
from triage.cells.runner.arrivals import KEEP_ALL, Arrivals, client_class
from triage.cells.runner.output import CellOutput, Say
from triage.cells.runner.questions import Questions

_FLUSH_SECONDS = 0.1
_START_SECONDS = 60
_GONE_SECONDS = 5.0
_LATE_SECONDS = 30
"""How long a cell's output may come after its end: there may be a flood of it on the way."""


class Session:
    """Runs what a ``run`` message asks for."""

    def __init__(self, order: Mapping[str, Any], say: Say) -> None:
        self.ended = 0
        """How many cells have been told of as finished."""
        self.running = ""
        """Id of the cell that was begun and has not ended; "" between cells."""
        self._order = order
        self._say = say
        self._output = CellOutput(say, order["limits"])
        self._arrivals = Arrivals()
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
        manager.client_factory = client_class(self._arrivals)
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
                await kernel_client.execute(KEEP_ALL, silent=True, reply=True, timeout=_START_SECONDS)
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
            self.running = cell["id"]
            self._say("cell", id=cell["id"])
            self._output.begin()
            self._arrivals.begin()
            client.idle = False
            began = time.monotonic()
            outcome, detail = await self._cell(client, number, cell["seconds"])
            if client.idle or outcome is Outcome.FINISHED:
                # Of one that was stopped the rest is not waited for.
                self._output.lose(self._arrivals.lost() + (not client.idle))
            self._output.flush()
            self._finished(cell["id"], outcome, time.monotonic() - began, detail)
            going_on = outcome is Outcome.FINISHED

    def _finished(self, cell_id: str, outcome: Outcome, seconds: float, detail: str) -> None:
        self.ended += 1
        self.running = ""
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
        replied = asyncio.create_task(self._arrivals.replied.wait())
        await asyncio.wait({running, replied}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        heeded = replied.done()
        replied.cancel()
        if heeded:
            # Its last outputs are on their way; of a flood of them nobody needs the rest.
            await asyncio.wait({running}, timeout=patience)
        if running.done():
            died = isinstance(running.exception(), DeadKernelError)
            return "its kernel died when it was interrupted" if died else "interrupted"
        self.kill()
        await asyncio.wait({running}, timeout=_GONE_SECONDS)
        if running.done():
            running.exception()
        return "interrupted" if heeded else f"did not heed the interrupt for {patience:g} s, so its kernel was killed"

    def _cause(self) -> str:
        """Why the kernel is gone, as far as its exit status tells."""
        process = getattr(self._manager.provisioner if self._manager is not None else None, "process", None)
        code = getattr(process, "returncode", None)
        if code is None:
            return ""
        if code == -signal.SIGXCPU:
            return "it used up its processor time"
        if code < 0:
            known = -code in set(signal.Signals)
            return f"by signal {signal.Signals(-code).name if known else -code}"
        return f"it exited with status {code}"

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            self._output.flush()


class _Client(NotebookClient):
    """nbclient, with outputs passed on as they come and none kept: a cell's flood must not fill this process."""

    heard: CellOutput
    idle = False
    """Whether the kernel said that it is through with the cell."""

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        kind, content = msg["msg_type"], msg["content"]
        if kind == "stream":
            self.heard.stream(str(content.get("name")), str(content.get("text")))
        elif kind in ("display_data", "execute_result", "update_display_data"):
            data = content.get("data")
            self.heard.bundle(data if isinstance(data, dict) else {})
        elif kind == "error":
            trace = content.get("traceback")
            self.heard.error(str(content.get("ename")), str(content.get("evalue")),
                             [str(row) for row in trace] if isinstance(trace, list) else [])
        elif kind == "status":
            self.idle = content.get("execution_state") == "idle"
            return super().process_message(msg, cell, cell_index)
        return None
