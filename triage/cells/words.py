"""Runs and cells in sentences: the same on the screen, in reports and in JUnit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from triage.cells.document import Cell, Pin
from triage.cells.outputs import CellVerdict, Status
from triage.cells.protocol import Outcome
from triage.cells.results import Against, CellRun, Run
from triage.quantities import format_duration
from triage.signals.reading import Verdict
from triage.signals.wording import clock_time

_VERDICTS: Mapping[Status | None, Verdict] = {
    "pass": Verdict.PASS, "warn": Verdict.WARN, "fail": Verdict.FAIL, "unknown": Verdict.UNKNOWN,
    None: Verdict.NOT_JUDGED}
_PINS: Mapping[Pin, str] = {"matches": "as pinned", "differs": "not the pinned file",
                            "none": "not pinned by the manifest"}
_REGISTERED: Mapping[Pin, str] = {**_PINS, "matches": "as registered", "differs": "not the registered file"}


def verdict_of(status: Status | None) -> Verdict:
    """The verdict whose glyph and colour stand for a status; not judged for none."""
    return _VERDICTS[status]


def pin_words(pin: Pin, *, in_registry: bool = False) -> str:
    """How the file stands to its pin, which is the registry's or the manifest's."""
    return (_REGISTERED if in_registry else _PINS)[pin]


def effects_words(cell: str, effects: Sequence[str]) -> str:
    """What running the cell of this id changes, of :func:`triage.cells.prepare.effects_of`: ``reads only``, its own
    words, ``needs truncate: truncates the view``."""
    own = f"{cell}: "
    return "; ".join(each.removeprefix(own) if each.startswith(own) else f"needs {each}"
                     for each in effects) or "reads only"


def verdict_sentence(found: CellVerdict) -> str:
    """``fail: 19.7% take over 500 ms``, or the figures where there is no message."""
    if found.message:
        return f"{found.status}: {found.message}"
    figures = "" if found.value is None else f" {found.value:g}{f' {found.unit}' if found.unit else ''}"
    limit = "" if found.threshold is None else f" (limit {found.threshold:g})"
    return f"{found.status}: {found.id}{figures}{limit}"


def end_sentence(cell: CellRun) -> str:
    """How a cell ended and how long it took: ``finished in 0.2 s``, ``time limit after 60 s, interrupted``."""
    if cell.outcome is None:
        return "running" if cell.running else "waits"
    detail = f": {cell.detail}" if cell.detail else ""
    if cell.outcome is Outcome.NOT_RUN:
        return f"not run{detail}"
    if cell.outcome is Outcome.RAISED and cell.raised is not None:
        first = cell.raised.value.partition("\n")[0]
        return f"raised {cell.raised.name}{f': {first}' if first else ''}{f' ({cell.detail})' if cell.detail else ''}"
    took = "" if cell.seconds is None else (f" in {seconds_text(cell.seconds)}" if cell.outcome is Outcome.FINISHED
                                            else f" after {seconds_text(cell.seconds)}")
    return f"{_ENDS.get(cell.outcome, str(cell.outcome))}{took}{detail}"


_ENDS: Mapping[Outcome, str] = {
    Outcome.TIME_LIMIT: "stopped at its time limit", Outcome.OUTPUT_LIMIT: "stopped for too much output",
    Outcome.MEMORY_LIMIT: "stopped for too much memory", Outcome.PROCESS_LIMIT: "stopped for too many processes",
    Outcome.STOPPED: "stopped by you", Outcome.TRIAGE_DIED: "ended without a result: its triage died",
    Outcome.KERNEL_DIED: "its kernel died"}


def seconds_text(seconds: float) -> str:
    """``0.21 s``, ``12 s``."""
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def against_words(against: Against, now: float) -> str:
    """``against capture 14:02``, the end of its time range, with the date where that is long before ``now``."""
    return f"against capture {clock_time(against.end, now)}"


def headline(run: Run) -> str:
    """The run in one sentence: the worst verdict of the cells that were asked for, or how they ended; and which capture
    it looked at."""
    past = "" if run.against is None else f", {against_words(run.against, run.started_at)}"
    return f"{_headline(run)}{past}"


def _headline(run: Run) -> str:
    if run.phase == "starting":
        return "the kernel starts"
    current = next((cell for cell in run.cells if cell.running), None)
    if run.phase == "running":
        return "runs" if current is None else f"{current.id} runs" + (
            "" if current.part == "asked" else f", which {run.asked[0]} needs" if run.asked else "")
    if run.trouble:
        return f"it did not run to its end: {run.trouble}"
    failed = next((cell for cell in run.cells if cell.outcome not in (None, Outcome.FINISHED)), None)
    if run.outcome is Outcome.TRIAGE_DIED:
        return f"{', '.join(run.asked)} {_ENDS[Outcome.TRIAGE_DIED]}"
    if failed is not None:
        return f"{failed.id} {end_sentence(failed)}"
    verdicts = [each for cell in run.cells for each in cell.verdicts]
    worst = next((each for each in verdicts if each.status == run.status), None)
    if worst is not None:
        return verdict_sentence(worst)
    missing = next((cell for cell in run.cells if cell.status == "unknown"), None)
    return "finished, without a verdict" if missing is None else dropped_sentence(missing)


def dropped_sentence(cell: CellRun) -> str:
    """What is missing of its output; "" when all is here. Where that may have been a verdict, the sentence is one:
    ``unknown: 4.1 MB of its output were dropped, 1 output whole; what is here holds no verdict``."""
    size = f"{cell.dropped_bytes / 1e6:.1f} MB" if cell.dropped_bytes >= 50_000 else f"{cell.dropped_bytes:,} bytes"
    whole = f", {_several(cell.dropped_outputs, 'output')} whole" if cell.dropped_outputs else ""
    parts = [f"{size} of its output were dropped{whole}"] if cell.dropped_bytes else []
    if cell.dropped_verdicts:
        parts.append(f"{_several(cell.dropped_verdicts, 'verdict')} left out, too many or too large")
    if cell.lost:
        parts.append(f"{_several(cell.lost, 'message')} of its kernel lost, maybe with a verdict")
    if cell.may_lack_verdict and not cell.verdicts:
        parts.append("what is here holds no verdict")
    return f"{'unknown: ' if cell.may_lack_verdict else ''}{'; '.join(parts)}"


def _several(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def limit_words(cell: Cell) -> str:
    """Its time limit."""
    return format_duration(cell.time_limit_seconds)
