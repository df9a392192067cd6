"""What the messages of a runner add up to: the run as it stands, and the outputs as they came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from triage.cells.outputs import (
    Output,
    Picture,
    PictureBytes,
    Raised,
    Text,
    clean_text,
    from_bundle,
    raised,
)
from triage.cells.protocol import Outcome
from triage.cells.results import CellRun, Run
from triage.cells.supervise import Message
from triage.text import clean

DROPPED: Mapping[str, str] = {"dropped_bytes": "bytes", "dropped_outputs": "outputs", "dropped_verdicts": "verdicts",
                              "lost": "lost"}
"""The fields of the message ``dropped``, by those of a :class:`~triage.cells.results.CellRun`."""
_OPEN_LINE = 4_000
"""Characters of a line without end that are looked at again with every piece."""


class Board:
    """The state of one run; every message makes another frozen :class:`Run`."""

    def __init__(self, run: Run, on_change: Callable[[Run], None],
                 save: Callable[[PictureBytes], Picture] | None) -> None:
        """``save`` keeps pictures; None: they are not kept."""
        self.run = run
        self.raw: dict[str, list[Mapping[str, Any]]] = {}
        """Outputs as nbformat has them, by cell, not cleaned."""
        self._on_change = on_change
        self._save = save
        self._current = ""
        self._stream: _Stream | None = None

    def heard(self, message: Message) -> None:
        """Take a message."""
        handler = _HANDLERS.get(message["type"])
        if handler is not None:
            handler(self, message)
            self._on_change(self.run)

    def end(self, at: float, trouble: str) -> Run:
        """The run is over."""
        self.run = replace(self.run, phase="ended", ended_at=at, trouble=trouble)
        return self.run

    def _ready(self, message: Message) -> None:
        version = clean(message.get("python") or "", limit=40)
        self.run = replace(self.run, phase="running", kernel=f"Python {version}" if version else "")

    def _cell(self, message: Message) -> None:
        self._end_text()
        self._current = str(message.get("id"))
        self._change(self._current, running=True)

    def _finished(self, message: Message) -> None:
        name = str(message.get("id"))
        seconds = message.get("seconds")
        try:
            outcome = Outcome(str(message.get("outcome")))
        except ValueError:
            outcome = Outcome.KERNEL_DIED
        cell = self.run.cell(name)
        detail = clean(message.get("detail") or "", limit=200)
        if cell is not None and cell.raised is not None and cell.raised.name == "MemoryError" and not detail:
            detail = "it wanted more memory than it may have"
        self._end_text()
        self._change(name, running=False, outcome=outcome, detail=detail,
                     seconds=float(seconds) if isinstance(seconds, int | float) else None)

    def _text(self, message: Message) -> None:
        is_error = message.get("name") == "stderr"
        raw = str(message.get("text"))
        self._keep({"output_type": "stream", "name": "stderr" if is_error else "stdout", "text": raw})
        if self._stream is None or self._stream.is_error != is_error:
            self._end_text()
            self._stream = _Stream(is_error)
            self._append(self._stream.fed(raw))
        else:
            self._append(self._stream.fed(raw), in_place_of_last=True)

    def _output(self, message: Message) -> None:
        self._end_text()
        bundle = message.get("data")
        self._keep({"output_type": "display_data", "data": bundle if isinstance(bundle, dict) else {}, "metadata": {}})
        found = from_bundle(bundle)
        if isinstance(found, PictureBytes):
            self._append(self._save(found) if self._save is not None else
                         Picture(found.kind, len(found.content), "", "nothing is kept of this run"))
        elif found is not None:
            self._append(found)
        elif isinstance(bundle, dict) and bundle:
            self._append(Text(f"(an output that is not shown here: {clean(', '.join(map(str, bundle)), limit=120)})"))

    def _error(self, message: Message) -> None:
        self._end_text()
        trace = message.get("traceback")
        rows = trace if isinstance(trace, list) else []
        found: Raised = raised(message.get("name"), message.get("value"), rows)
        self._keep({"output_type": "error", "ename": str(message.get("name")), "evalue": str(message.get("value")),
                    "traceback": [str(row) for row in rows]})
        self._append(found)

    def _dropped(self, message: Message) -> None:
        self._change(self._current, **{field: count for field, name in DROPPED.items()
                                       if isinstance(count := message.get(name), int)})

    def _end_text(self) -> None:
        """The text that was being written is whole; nothing else came since."""
        if self._stream is not None:
            self._append(self._stream.whole(), in_place_of_last=True)
            self._stream = None

    def _append(self, output: Output, *, in_place_of_last: bool = False) -> None:
        cell = self.run.cell(self._current)
        if cell is not None:
            before = cell.outputs[:-1] if in_place_of_last else cell.outputs
            self._change(self._current, outputs=(*before, output))

    def _keep(self, output: Mapping[str, Any]) -> None:
        self.raw.setdefault(self._current, []).append(output)

    def _change(self, name: str, **changes: Any) -> None:
        cells: tuple[CellRun, ...] = tuple(replace(cell, **changes) if cell.id == name else cell
                                           for cell in self.run.cells)
        self.run = replace(self.run, cells=cells)


class _Stream:
    """Text that comes in pieces: lines that are complete are cleaned once."""

    def __init__(self, is_error: bool) -> None:
        self.is_error = is_error
        self._done: list[str] = []
        self._open = ""

    def fed(self, piece: str) -> Text:
        """The text so far."""
        complete, newline, rest = (self._open + piece).rpartition("\n")
        self._open = rest
        if newline:
            self._done.append(clean_text(complete + newline))
        return Text("".join(self._done) + clean_text(self._open[-_OPEN_LINE:]), self.is_error)

    def whole(self) -> Text:
        """All of it."""
        return Text("".join(self._done) + clean_text(self._open), self.is_error)


_HANDLERS: Mapping[str, Callable[[Board, Message], None]] = {
    "ready": Board._ready, "cell": Board._cell, "finished": Board._finished, "stream": Board._text,
    "output": Board._output, "error": Board._error, "dropped": Board._dropped}
