"""Stack traces and log lines of the model shown: newest first, with what was looked for and how old the answer is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from triage.facts.log_reading import LogsReading, LogsWanted, Told
from triage.facts.logs import Level, LogLine, StackTrace
from triage.signals import wording
from triage.signals.reading import Verdict
from triage.tui.line import Cell, Column, Line, Role, fit, line, row, wrap
from triage.tui.panels.features import second_of_day
from triage.tui.view import View, window_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from triage.facts.outcome import Failure

LEVEL_ROLES = {Level.FATAL: Role.FAIL, Level.ERROR: Role.FAIL, Level.WARNING: Role.WARN}
_MOST_FAILURE_ROWS = 2
_VERSIONS = 14
_REQUEST = 16
HOW_TO_CONFIGURE = ("no logs are configured: in triage.yaml give the context a block logs:, such as "
                    "{kind: loki, url: https://loki.example} (or victorialogs, or lines with the path of JSON lines); "
                    "triage doctor then says whether it answers")


def looked_for(wanted: LogsWanted) -> str:
    """What narrows the logs, in words."""
    words = [f"version {wanted.version}" if wanted.version else "all versions"]
    if wanted.text:
        words.append(f'with "{wanted.text}"')
    if wanted.request_id:
        words.append(f"of request {wanted.request_id}")
    return ", ".join(words)


def is_about(reading: LogsReading | None, view: View, wanted: LogsWanted) -> bool:
    """Whether the reading is of what is looked for now; what was found for something else is not shown for it."""
    return reading is not None and view.model is not None and reading.model == view.model.name and \
        (reading.wanted, reading.range_seconds, reading.end) == (wanted, view.range_seconds, view.end)


def present(view: View, wanted: LogsWanted) -> LogsReading | None:
    """The reading of what is looked for now; None until there is one."""
    reading = view.snapshot.logs if view.snapshot is not None else None
    return reading if is_about(reading, view, wanted) else None


def found_traces(view: View, wanted: LogsWanted) -> tuple[StackTrace, ...]:
    """The stack traces to show."""
    reading = present(view, wanted)
    return reading.traces.answer.traces if reading is not None and reading.traces.answer is not None else ()


def found_lines(view: View, wanted: LogsWanted) -> tuple[LogLine, ...]:
    """The lines to show."""
    reading = present(view, wanted)
    return reading.lines.answer.lines if reading is not None and reading.lines.answer is not None else ()


def line_key(found: LogLine) -> str:
    """Key of one line; lines that say the same at the same time are one."""
    return f"{found.at}\n{found.version}\n{found.request_id}\n{found.message[:80]}"


def ending(text: str, cells: int, ellipsis: str) -> str:
    """``text`` in at most ``cells``, with its end: what tells long names of versions apart stands there."""
    if cell_len(text) <= cells:
        return text
    while text and cell_len(text) > cells - cell_len(ellipsis):
        text = text[1:]
    return ellipsis + text


def exception_of(trace: StackTrace) -> str:
    """Type and message in one line."""
    name = trace.exception or "cut off before the exception"
    return f"{name}: {trace.message}" if trace.message else name


def versions_of(trace: StackTrace) -> str:
    """The versions it comes from, with their lines where there are several."""
    if len(trace.versions) == 1:
        return trace.versions[0][0] or "-"
    return ", ".join(f"{version or '-'} {count:,}x" for version, count in trace.versions)


def traces(view: View, wanted: LogsWanted, chosen: str | None, width: int, rows: int) -> list[Line]:
    """A heading, what is wrong, and a row for each kind of stack trace; ``chosen``: fingerprint under the cursor."""
    found = found_traces(view, wanted)
    reading = present(view, wanted)
    answer = reading.traces.answer if reading is not None else None
    told: Told[object] | None = reading.traces if reading is not None else None  # type: ignore[assignment]
    about = ""
    if answer is not None:
        least = "" if answer.complete else "at least "
        kinds = f"{len(found)} kind{'s' if len(found) > 1 else ''}"
        about = f"{kinds} in {least}{answer.lines_read:,} lines" if found else "none"
    keys = [trace.fingerprint for trace in found]
    head = _head("STACK TRACES", about, view, wanted, reading, told, answer.remarks if answer is not None else (),
                 width)
    if not found:
        return _empty(head, reading, told, view, width)[:rows]
    shown = window_of(len(found), keys.index(chosen) if chosen in keys else None, rows - len(head))
    stale = _is_old(reading, told, view.now)
    wide = width >= 90
    columns = [Column("", 6, "right", gap=0), Column("", max(8, width - (50 if wide else 33))),
               Column("", _VERSIONS if wide else 10)]
    out = list(head)
    for index in shown:
        trace = found[index]
        cells: list[Cell] = [(f"{trace.count:,}x", Role.STRONG),
                             (exception_of(trace), Role.STALE if stale else Role.PLAIN),
                             (ending(view.look.say(versions_of(trace)), columns[2].width, view.look.ellipsis),
                              Role.DIM)]
        made = row(columns, cells, view.look.say, view.look.ellipsis)
        when = (f"  {_moment(trace.first_seen, view.now)} to {_moment(trace.last_seen, view.now)}" if wide else
                f"  {_moment(trace.last_seen, view.now)}")
        out.append(line(_mark(view, keys[index] == chosen), made, (when, Role.DIM))
                   .fitted(width, view.look.ellipsis))
    return out[:rows]


def lines(view: View, wanted: LogsWanted, chosen: str | None, width: int, rows: int) -> list[Line]:
    """A heading, what is wrong, and the newest lines; ``chosen``: key of the line under the cursor."""
    found = found_lines(view, wanted)
    reading = present(view, wanted)
    answer = reading.lines.answer if reading is not None else None
    told: Told[object] | None = reading.lines if reading is not None else None  # type: ignore[assignment]
    about = ""
    if answer is not None:
        about = f"{'' if answer.complete else 'the newest '}{len(found):,}" if found else "none"
    head = _head("LOG LINES", about, view, wanted, reading, told, answer.remarks if answer is not None else (), width)
    if reading is not None and not reading.configured:
        # Said once, by the stack traces.
        return []
    if not found:
        return _empty(head, reading, told, view, width)[:rows]
    keys = [line_key(item) for item in found]
    shown = window_of(len(found), keys.index(chosen) if chosen in keys else None, rows - len(head))
    stale = _is_old(reading, told, view.now)
    out = list(head)
    version = min(_VERSIONS if width >= 90 else 8, max((cell_len(found[index].version) for index in shown), default=2))
    for index in shown:
        item = found[index]
        when = "-" if item.at is None else second_of_day(item.at, view.now)
        role = Role.STALE if stale else LEVEL_ROLES.get(item.level, Role.DIM)
        request = item.request_id or item.trace_id
        more = f"  {fit(view.look.say(request), _REQUEST, view.look.ellipsis)}" if request and width >= 90 else ""
        text = item.message.split("\n")[0]
        columns = [Column("", 8, gap=0), Column("", 7, gap=1), Column("", version, gap=1)]
        head_cells: list[Cell] = [(when, Role.DIM), (str(item.level) or "-", role),
                                  (ending(view.look.say(item.version or "-"), version, view.look.ellipsis), Role.DIM)]
        message = fit(view.look.say(text), max(8, width - 20 - version - cell_len(more)), view.look.ellipsis)
        out.append(line(_mark(view, keys[index] == chosen), row(columns, head_cells, view.look.say, view.look.ellipsis),
                        " ", (message, Role.STALE if stale else Role.PLAIN), (more, Role.DIM))
                   .fitted(width, view.look.ellipsis))
    return out[:rows]


def _head(title: str, about: str, view: View, wanted: LogsWanted, reading: LogsReading | None,
          told: Told[object] | None, remarks: Sequence[str], width: int) -> list[Line]:
    words = [about, looked_for(wanted), f"last {wording.span(view.range_seconds)}" if view.end is None else
             f"{wording.span(view.range_seconds)} to {wording.clock_time(view.end, view.now)}", _as_of(reading, told,
                                                                                                     view.now)]
    out = [line((f" {title}", Role.HEADING), (f"  {', '.join(word for word in words if word)}", Role.DIM))
           .fitted(width, view.look.ellipsis)]
    if told is not None and told.failure is not None:
        out += _failure(told.failure, view, width, first=told.answer is None)
    out += [line("   ", (text, Role.UNKNOWN)).fitted(width, view.look.ellipsis) for text in remarks[:1]]
    return out


def _as_of(reading: LogsReading | None, told: Told[object] | None, now: float) -> str:
    if reading is None or told is None or told.answered_at is None:
        return ""
    old = f", {wording.coarse_age(now - told.answered_at)} old" if _is_old(reading, told, now) else ""
    return f"as of {second_of_day(told.answered_at, now)}{old}"


def _is_old(reading: LogsReading | None, told: Told[object] | None, now: float) -> bool:
    return reading is not None and told is not None and told.answered_at is not None and reading.end is None and \
        now - told.answered_at > reading.stale_after


def _failure(failure: Failure, view: View, width: int, *, first: bool) -> list[Line]:
    """Why, and what to do."""
    said = f"{'not answered' if first else 'not renewed'}: {failure.sentence()}"
    if failure.hint:
        said += f"; {failure.hint}"
    wrapped = wrap(view.look.say(said), max(8, width - 4))
    out = [line(view.look.mark(Verdict.UNKNOWN) if not number else "  ", (text, Role.UNKNOWN))
           for number, text in enumerate(wrapped[:_MOST_FAILURE_ROWS])]
    return [line(" ", text).fitted(width, view.look.ellipsis) for text in out]


def _empty(head: list[Line], reading: LogsReading | None, told: Told[object] | None, view: View,
           width: int) -> list[Line]:
    if view.model is None:
        return head
    if reading is not None and not reading.configured:
        return head[:1] + [line("   ", (text, Role.DIM)) for text in
                           wrap(view.look.say(HOW_TO_CONFIGURE), max(8, width - 4))]
    if reading is None or told is None or (told.answer is None and told.failure is None):
        said = "the picture is paused, p goes on" if view.paused_at is not None else "asked, no answer yet"
        return [*head, line("   ", (said, Role.DIM)).fitted(width, view.look.ellipsis)]
    return head


def _mark(view: View, chosen: bool) -> Line:
    return line((view.look.pick("▸", ">"), Role.ACCENT), " ") if chosen else line("  ")


def _moment(at: float | None, now: float) -> str:
    return "-" if at is None else second_of_day(at, now)
