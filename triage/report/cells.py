"""Cells and their runs as text: what can be run, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from triage.cells import words
from triage.cells.document import Book, Cell, Pin
from triage.cells.outputs import CellVerdict, Output, Picture, Raised, Table
from triage.cells.outputs import Text as Written
from triage.cells.prepare import effects_of
from triage.cells.results import CellRun, Run
from triage.signals.reading import Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

    from triage.report.characters import Characters


def list_text(model: str, book: Book, cells: Sequence[Cell], pin: Pin, chars: Characters) -> RenderableType:
    """The cells that can be run by name, one below the other: what each answers, for which alerts, at what cost."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text
    parts: list[RenderableType] = [
        Text(f"{model}  ").append(chars.say(f"{book.path.name}, {words.pin_words(pin)}, {book.sha256[:12]}"), "dim")]
    for cell in cells:
        parts += [Text(), Text(chars.say(cell.id), "bold"), Padding(Text(chars.say(cell.purpose)), (0, 0, 0, 2))]
        about = [words.effects_words(cell.id, effects_of(book, cell)), f"at most {words.limit_words(cell)}"]
        if cell.words.answers:
            about.append(f"for {', '.join(cell.words.answers)}")
        parts.append(Padding(Text(chars.say("; ".join(about)), "dim"), (0, 0, 0, 2)))
    if not cells:
        parts += [Text(), Text(f'{book.path.name} has no cells tagged "diagnostic"')]
    return Group(*parts)


def run_text(run: Run, chars: Characters) -> RenderableType:
    """The outputs of the cells that were asked for, and of others that did not finish; then how each ended."""
    from rich.console import Group
    return Group(*_run_parts(run, chars))


def _run_parts(run: Run, chars: Characters) -> Iterator[RenderableType]:
    from rich.text import Text
    for cell in run.cells:
        if cell.part == "asked" or cell.status == "fail":
            yield from _cell_parts(cell, chars)
    if run.trouble:
        yield Text(chars.say(run.trouble), "bold red")
    if run.against is not None:
        yield Text(chars.say(f"{words.against_words(run.against, run.started_at)}: {run.against.folder}"), "dim")
    if run.record:
        yield Text(chars.say(f"kept in {run.record}"), "dim")
    if run.record_trouble:
        yield Text(chars.say(f"not kept: {run.record_trouble}"), "yellow")


def _cell_parts(cell: CellRun, chars: Characters) -> Iterator[RenderableType]:
    from rich.text import Text
    yield Text(chars.say(cell.id), "bold").append(chars.say(f"  {cell.purpose}"), "dim")
    for output in cell.outputs:
        yield from _output(output, chars)
    dropped = words.dropped_sentence(cell)
    if cell.may_lack_verdict:
        yield Text(chars.say(f"{chars.glyph(Verdict.UNKNOWN)} {dropped}"), "cyan")
    elif dropped:
        yield Text(dropped, "yellow")
    yield Text(chars.say(words.end_sentence(cell)), "" if cell.status != "fail" else "bold red")
    yield Text()


def _output(output: Output, chars: Characters) -> Iterator[RenderableType]:
    from rich.text import Text
    if isinstance(output, CellVerdict):
        verdict = words.verdict_of(output.status)
        style = {"fail": "bold red", "warn": "yellow", "unknown": "cyan"}.get(output.status, "")
        yield Text(chars.say(f"{chars.glyph(verdict)} {words.verdict_sentence(output)}"), style)
    elif isinstance(output, Table):
        yield Text("\n".join(chars.say(row) for row in table_rows(output)))
    elif isinstance(output, Picture):
        yield Text(chars.say(output.path or f"a picture was not kept: {output.trouble}"), "dim")
    elif isinstance(output, Raised):
        yield Text(chars.say(output.traceback))
    else:
        yield Text(chars.say(text_rows(output)), "dim" if output.is_error else "")


def text_rows(output: Written) -> str:
    """A text as it is shown; what was left out is said in a last row."""
    shown = output.text.rstrip("\n")
    return f"{shown}\n({output.more:,} more characters)" if output.more else shown


def table_height(table: Table) -> int:
    """How many rows :func:`table_rows` gives."""
    return 1 + len(table.rows) + bool(table.more_rows or table.more_columns)


def table_rows(table: Table) -> list[str]:
    """The table in columns, numbers to the right; what was left out is said in a last row."""
    from rich.cells import cell_len
    rows = [table.header, *table.rows]
    widths = [max(cell_len(row[index]) for row in rows) for index in range(len(table.header))]
    numeric = [all(_is_number(row[index]) for row in table.rows) for index in range(len(table.header))]
    out = []
    for row in rows:
        cells = [" " * (width - cell_len(text)) + text if right else text + " " * (width - cell_len(text))
                 for text, width, right in zip(row, widths, numeric, strict=True)]
        out.append("  ".join(cells).rstrip())
    left_out = [f"{count:,} more {what}" for count, what in ((table.more_rows, "rows"), (table.more_columns, "columns"))
                if count]
    return [*out, f"({' and '.join(left_out)})"] if left_out else out


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "").rstrip("%") or "0")
    except ValueError:
        return False
    return True
