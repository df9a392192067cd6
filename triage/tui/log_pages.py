"""The pages behind rows of the logs: one kind of stack trace in full, one line with its fields."""

from __future__ import annotations

from triage.facts.log_reading import LogsWanted
from triage.facts.logs import LogLine, StackTrace
from triage.tui.line import BLANK, Line, Role, line, wrap
from triage.tui.page_parts import fact, heading, moment, paragraph
from triage.tui.panels import logs
from triage.tui.view import View


def trace_page(view: View, opened: StackTrace, wanted: LogsWanted, width: int) -> list[Line]:
    """One kind of stack trace, as it stands now, with its newest example in full."""
    newer = next((t for t in logs.found_traces(view, wanted) if t.fingerprint == opened.fingerprint), None)
    trace = newer or opened
    reading = logs.present(view, wanted)
    answer = reading.traces.answer if reading is not None else None
    out = [line((part, Role.STRONG)) for part in wrap(view.look.say(logs.exception_of(trace)), width)]
    if newer is None:
        out += paragraph("no longer among the newest lines; as it was when it was opened", width, Role.UNKNOWN)
    out.append(BLANK)
    least = "" if answer is None or answer.complete else "at least "
    out += fact("seen", f"{least}{trace.count:,} times in the lines read", width)
    out += fact("first, last", f"{_when(trace.first_seen, view.now)}, {_when(trace.last_seen, view.now)}", width)
    out += fact("versions", logs.versions_of(trace), width)
    if trace.cause:
        out += fact("root cause", trace.cause, width)
    out += fact("fingerprint", f"{trace.fingerprint}, of the types and frames", width)
    out += heading("THE NEWEST ONE")
    out += _ids(trace.example, view.now, width)
    out.append(BLANK)
    return out + _verbatim(trace.example.stack, view, width)


def line_page(view: View, found: LogLine, width: int) -> list[Line]:
    """One log line with everything it says."""
    out = fact("level", str(found.level) or "it does not say", width, logs.LEVEL_ROLES.get(found.level, Role.PLAIN))
    out += _ids(found, view.now, width)
    out += [BLANK, *_verbatim(found.message, view, width)]
    if found.stack:
        out += [*heading("STACK TRACE"), *_verbatim(found.stack, view, width)]
    if found.labels:
        out += heading("WHAT ELSE IT SAYS")
        out += [text for name, value in sorted(found.labels.items()) for text in fact(name, value, width)]
    return out


def _ids(found: LogLine, now: float, width: int) -> list[Line]:
    out = fact("at", _when(found.at, now), width)
    for label, text in (("version", found.version), ("request", found.request_id), ("trace id", found.trace_id)):
        if text:
            out += fact(label, text, width)
    return out


def _when(at: float | None, now: float) -> str:
    return "it does not say when" if at is None else moment(at, now)


def _verbatim(text: str, view: View, width: int) -> list[Line]:
    """Foreign text of several lines, indents kept, nothing cut off."""
    out = []
    for raw in text.split("\n"):
        said = view.look.say(raw.replace("\t", "    "))
        content = said.lstrip(" ")
        indent = " " * min(len(said) - len(content), width // 2)
        out += [line(indent, part) for part in wrap(content, max(1, width - len(indent)))]
    return out
