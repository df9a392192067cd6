"""The cells of a model: the list with what came of each, and one cell with its newest run. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from triage.cells import words
from triage.cells.outputs import CellVerdict, Output, Picture, Raised, Table, Text
from triage.signals import wording
from triage.signals.reading import Verdict
from triage.signals.wording import clock_time
from triage.tui.line import BLANK, VERDICT_ROLES, Cell, Column, Line, Role, line, row, wrap
from triage.tui.page_parts import fact, heading, moment
from triage.tui.shelf import Shelf
from triage.tui.stack import Block, Stack, block_of
from triage.tui.view import View, window_of

if TYPE_CHECKING:
    from triage.cells.document import Cell as NotebookCell
    from triage.cells.results import CellRun, Run

_MOST_NAME = 28
_MOST_FOR = 26
_MOST_SENTENCE = 3
_LONGEST = 8
"""Characters of a row that are looked at, by cell of its width: some of them take no room."""


def listing(view: View, shelf: Shelf, chosen: str, width: int, rows: int) -> list[Line]:
    """A heading and a row for each cell: how its newest run ended, its question, and the firing alert it helps with."""
    said = told(view, shelf, width)
    head, *others = _listing(view, shelf, chosen, width, max(1, rows - len(said)))
    return [each.fitted(width, view.look.ellipsis) for each in (head, *said, *others)][:rows]


def told(view: View, shelf: Shelf, width: int) -> list[Line]:
    """Which capture the next run looks at, or that it can; what came of the newest capture, with its whole path."""
    rows: list[Line] = []
    if shelf.against is not None:
        past = words.against_words(shelf.against, view.now)
        rows = [line(" ", (f"{past}, t for {'another or ' if shelf.captures > 1 else ''}the present", Role.WARN))]
    elif shelf.captures:
        rows = [line(" ", (f"t runs cells against {'the' if shelf.captures == 1 else 'a'} capture, not the present",
                           Role.DIM))]
    return [*(each.fitted(width, view.look.ellipsis) for each in rows),
            *([line(" ", (text, Role.ACCENT)) for text in wrap(view.look.say(shelf.capture), max(8, width - 2))
              if shelf.capture][:_MOST_SENTENCE + 1])]


def _listing(view: View, shelf: Shelf, chosen: str, width: int, rows: int) -> list[Line]:
    found = shelf.listing
    if shelf.trouble or found is None:
        said = shelf.trouble or ("no model is shown" if view.model is None else "the notebook is being read")
        return [_head(view, "CELLS", "", width), *_told([said], view, width)][:rows]
    if found.book is None:
        return [_head(view, "CELLS", "they cannot be read", width), *_told(found.troubles, view, width)][:rows]
    pin = words.pin_words(found.pin, in_registry=found.in_registry)
    out = [_head(view, "CELLS", f"{found.book.path.name} {found.book.sha256[:8]}, {pin}", width)]
    if not shelf.cells:
        return [*out, *_told(['no cell is tagged "diagnostic"'], view, width)][:rows]
    out += _told(found.troubles[:2], view, width)
    firing = {group.name for group in view.model.alerts if group.state == "firing"} if view.model is not None else set()
    names = [cell.id for cell in shelf.cells]
    name_cells = min(_MOST_NAME, max(map(len, names)))
    wide = width >= 90
    columns = [Column("", 2, gap=0), Column("", 2, gap=0), Column("", name_cells, gap=0),
               Column("", max(8, width - name_cells - (8 + _MOST_FOR if wide else 6)))]
    if wide:
        columns.append(Column("", _MOST_FOR))
    shown = window_of(len(names), names.index(chosen) if chosen in names else None, rows - len(out))
    for index in shown:
        cell = shelf.cells[index]
        here = cell.id == chosen
        helps = next((name for name in cell.words.answers if name in firing), "")
        cells: list[Cell] = [(view.look.pick("▸", ">"), Role.ACCENT) if here else "", _mark(view, shelf, cell),
                             (cell.id, Role.STRONG if here else Role.PLAIN),
                             (cell.purpose, Role.PLAIN if here else Role.DIM)]
        if wide:
            cells.append((f"for {helps}", Role.WARN) if helps else
                         ("changes something" if found.changes(cell.id) else "", Role.UNKNOWN))
        out.append(row(columns, cells, view.look.say, view.look.ellipsis).fitted(width, view.look.ellipsis))
    return out[:rows]


def detail(view: View, shelf: Shelf, chosen: str, width: int, rows: int) -> list[Line]:
    """One cell: what it is, what came of its newest run as far as there is room, what is in force."""
    cell = shelf.cell(chosen)
    if cell is None or rows <= 0:
        return []
    return [each.fitted(width, view.look.ellipsis) for each in _detail(view, shelf, cell, width, rows)]


def _detail(view: View, shelf: Shelf, cell: NotebookCell, width: int, rows: int) -> list[Line]:
    run = shelf.runs.get(cell.id)
    out = _title(view, cell, run, width)
    changes = shelf.listing.changes(cell.id) if shelf.listing is not None else ()
    about = [words.effects_words(cell.id, changes), f"at most {words.limit_words(cell)}"]
    if cell.words.answers:
        about.append(f"for {', '.join(cell.words.answers)}")
    out += [line(" ", (text, Role.DIM)) for text in wrap(view.look.say("; ".join(about)), max(8, width - 2))[:2]]
    if shelf.values:
        said = ", ".join(f"{name}={value}" for name, value in shelf.values.items())
        out.append(line(" ", (f"with {view.look.say(said)}", Role.ACCENT)).fitted(width, view.look.ellipsis))
    if run is None:
        listed = shelf.listing
        body = [BLANK, line((" IN FORCE WHEN IT RUNS", Role.HEADING))]
        body += [line("   ", (text, Role.DIM)) for each in (listed.in_force(cell.id) if listed is not None else ())
                 for text in wrap(view.look.say(each), max(8, width - 4))]
        return [*out, *body][:rows]
    room = rows - len(out)
    found = output_rows(view, run, max(8, width - 2))
    ending = _ending(view, run, width)
    keep = max(0, room - len(ending))
    hidden = len(found) - keep
    body = found[:keep]
    if hidden > 0 and keep > 1:
        # The end is worth most: the verdict stands there, and what is being written now.
        body = [line((f"{view.look.ellipsis} {hidden + 1:,} rows above, o shows all", Role.DIM)), *found[-(keep - 1):]]
    return [*out, *(line(" ", each) for each in body), *ending][:rows]


def page(view: View, shelf: Shelf, cell_id: str, width: int) -> Sequence[Line]:
    """Everything about the newest run of a cell."""
    cell = shelf.cell(cell_id)
    run = shelf.runs.get(cell_id)
    if cell is None or run is None:
        return [line(("it has not been run yet", Role.DIM))]
    head = [line(view.look.mark(_verdict(run)) if not number else "  ", each)
            for number, each in enumerate(_sentence(view, run, width - 2))]
    return Stack([block_of([*head, BLANK]), *_output_blocks(view, run, width),
                  block_of(_how_it_ran(view, shelf, cell, run, width))])


def _how_it_ran(view: View, shelf: Shelf, cell: NotebookCell, run: Run, width: int) -> list[Line]:
    out = heading("HOW IT RAN")
    for each in run.cells:
        out += fact(each.id, view.look.say(words.end_sentence(each)), width,
                    Role.FAIL if each.status == "fail" else Role.PLAIN)
    out += fact("began", moment(run.started_at, view.now), width)
    if run.against is not None:
        out += fact("looked at", view.look.say(
            f"capture {clock_time(run.against.start, view.now)} to {clock_time(run.against.end, view.now)}, SHA-256 "
            f"{run.against.digest[:12]}: {run.against.folder}"), width)
    if run.kernel:
        out += fact("kernel", run.kernel, width)
    if shelf.values:
        out += fact("values set", ", ".join(f"{name}={value}" for name, value in shelf.values.items()), width)
    for text in run.protection:
        label, _, said = text.partition(": ")
        out += fact(label, view.look.say(said), width)
    if run.record or run.record_trouble:
        out += fact("kept in", run.record or run.record_trouble, width)
    out += heading("SOURCE")
    out += [line((text, Role.DIM)) for raw in clean_source(cell) for text in wrap(view.look.say(raw), width)]
    return out


def clean_source(cell: NotebookCell) -> list[str]:
    """The source of a cell, as it may be shown."""
    from triage.text import clean
    return clean(cell.source.replace("\t", "    "), multiline=True, limit=20_000).split("\n")


def output_rows(view: View, run: Run, width: int) -> Stack:
    """What the cells put out that were asked for, and those that failed before them."""
    return Stack(_output_blocks(view, run, width))


def _output_blocks(view: View, run: Run, width: int) -> list[Block]:
    out: list[Block] = []
    for cell in run.cells:
        if cell.part != "asked" and cell.status != "fail":
            continue
        if cell.part != "asked":
            out.append(block_of([line((f"{cell.id}, which it needs:", Role.DIM))]))
        out += [_output(view, output, width) for output in cell.outputs]
        dropped = words.dropped_sentence(cell)
        if dropped:
            verdict = Verdict.UNKNOWN if cell.may_lack_verdict else Verdict.WARN
            out.append(block_of([line(view.look.mark(verdict) if not number else "  ", (text, VERDICT_ROLES[verdict]))
                                 for number, text in enumerate(wrap(dropped, max(8, width - 2)))]))
    return out


def _output(view: View, output: Output, width: int) -> Block:
    from triage.report.cells import table_height, table_rows, text_rows
    say = view.look.say
    if isinstance(output, CellVerdict):
        verdict = words.verdict_of(output.status)
        wrapped = wrap(say(words.verdict_sentence(output)), max(8, width - 2))
        return block_of([line(view.look.mark(verdict) if not number else "  ", (text, VERDICT_ROLES[verdict]))
                         for number, text in enumerate(wrapped)])
    if isinstance(output, Table):
        def table(start: int, stop: int) -> list[Line]:
            return [line((say(text), Role.PLAIN if number else Role.DIM)).fitted(width, view.look.ellipsis)
                    for number, text in enumerate(table_rows(output)[start:stop], start)]
        return Block(table_height(output), table)
    if isinstance(output, Picture):
        said = f"picture: {output.path}" if output.path else f"a picture was not kept: {output.trouble}"
        return block_of([line((text, Role.DIM)) for text in wrap(say(said), width)])
    text = output.traceback if isinstance(output, Raised) else text_rows(output)
    role = Role.WARN if isinstance(output, Text) and output.is_error else Role.PLAIN

    def rows(start: int, stop: int) -> list[Line]:
        # Cut first: a row may be as long as all of the output.
        return [line((say(each[:_LONGEST * width].replace("\t", "    ")), role)).fitted(width, view.look.ellipsis)
                for each in text.split("\n")[start:stop]]
    return Block(text.count("\n") + 1, rows)


def _title(view: View, cell: NotebookCell, run: Run | None, width: int) -> list[Line]:
    """The cell and its question; once it was run how that stands, in a row of its own where it is long."""
    name = line((f" {view.look.say(cell.id)}", Role.HEADING), "  ")
    if run is None:
        return [line(name, view.look.say(cell.purpose))]
    mark = view.look.mark(_verdict(run))
    whole = _sentence(view, run, 10_000)
    if name.width + mark.width + whole[0].width <= width:
        return [line(name, mark, whole[0])]
    wrapped = _sentence(view, run, max(8, width - 4))[:_MOST_SENTENCE]
    return [line(name, (view.look.say(cell.purpose), Role.DIM)),
            *(line(" ", mark if not number else "  ", each) for number, each in enumerate(wrapped))]


def _verdict(run: Run) -> Verdict:
    return words.verdict_of(run.status) if run.phase == "ended" else Verdict.PENDING


def _sentence(view: View, run: Run, width: int) -> list[Line]:
    """How the run stands, in rows of ``width``."""
    said = words.headline(run)
    if run.asked:
        # The row begins with its name.
        said = said.removeprefix(f"{run.asked[0]} ")
    role = VERDICT_ROLES[_verdict(run)] if run.status != "pass" else Role.PLAIN
    if run.phase != "ended":
        seconds = wording.span(max(1.0, view.now - run.started_at))
        said, role = f"{said}, {seconds}, x stops it", Role.ACCENT
    return [line((text, role)) for text in wrap(view.look.say(said), max(1, width))]


def _ending(view: View, run: Run, width: int) -> list[Line]:
    """The last row: how long ago and how long, and whether it is kept; its page says where."""
    if run.phase != "ended":
        return []
    asked = [cell for cell in run.cells if cell.part == "asked"]
    parts = [f"begun {wording.coarse_age(max(0.0, view.now - run.started_at))} ago" if run.ended_at is None else
             f"{wording.coarse_age(max(0.0, view.now - run.ended_at))} ago"]
    parts += [_took(cell) for cell in asked if cell.seconds is not None]
    parts.append("kept, o says where" if run.record else f"not kept: {run.record_trouble or 'nothing ran'}")
    return [line(" ", (view.look.say(", ".join(parts)), Role.DIM)).fitted(width, view.look.ellipsis)]


def _took(cell: CellRun) -> str:
    seconds = cell.seconds or 0.0
    return "took <1 s" if seconds < 1 else f"took {words.seconds_text(seconds)}"


def _mark(view: View, shelf: Shelf, cell: NotebookCell) -> Line:
    run = shelf.runs.get(cell.id)
    if run is None:
        return line(" ")
    return view.look.mark(_verdict(run))


def _head(view: View, title: str, about: str, width: int) -> Line:
    return line((f" {title}", Role.HEADING), (f"  {view.look.say(about)}" if about else "", Role.DIM)
                ).fitted(width, view.look.ellipsis)


def _told(texts: Sequence[str], view: View, width: int) -> list[Line]:
    return [line("   ", (text, Role.UNKNOWN)) for each in texts
            for text in wrap(view.look.say(each), max(8, width - 4))]
