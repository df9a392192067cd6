"""From lines that were found to the answers of a log source. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from triage.facts.logs import LogLine, LogLines, StackTraces
from triage.facts.outcome import Failure, FailureKind
from triage.sources.logs.stacks import group
from triage.text import clean

Result = TypeVar("Result")
Shape = Callable[[Sequence[LogLine], bool, tuple[str, ...]], Result]
"""What an answer is made with: :func:`lines_answer` or :func:`traces_answer`."""

_HINTS = {
    FailureKind.TOO_LARGE: "ask for fewer lines or a shorter range, or raise max_body",
    FailureKind.TIMEOUT: "the query is too expensive: ask for a shorter range, or name a version or request id",
    FailureKind.THROTTLED: "too many queries are under way: ask for a shorter range, or raise the limits of the tenant",
}


def lines_answer(lines: Sequence[LogLine], complete: bool, remarks: tuple[str, ...] = ()) -> LogLines:
    """``lines`` come newest first; ``complete``: there were no more of them."""
    return LogLines(tuple(lines), complete and not remarks, remarks)


def traces_answer(lines: Sequence[LogLine], complete: bool, remarks: tuple[str, ...] = ()) -> StackTraces:
    """The stack traces in ``lines``, which come newest first."""
    traces, fragments = group(lines)
    if fragments:
        remarks = (*remarks, f"{fragments} single line{'s' if fragments > 1 else ''} of stack traces: let the log "
                   "collector join those of one (multiline)")
    return StackTraces(traces, sum(trace.count for trace in traces), complete and not remarks, remarks)


def remarks_of(warnings: Any) -> tuple[str, ...]:
    """What a server remarked on its answer, cleaned; () for another shape."""
    if not isinstance(warnings, list):
        return ()
    return tuple(clean(warning, limit=300) for warning in warnings[:10] if isinstance(warning, str))


def explained(failure: Failure) -> Failure:
    """``failure`` with a hint that speaks of lines where the common one speaks of series."""
    hint = _HINTS.get(failure.kind)
    if hint is None or (failure.kind is FailureKind.THROTTLED and failure.retry_after_seconds is not None):
        return failure
    return replace(failure, hint=hint)
