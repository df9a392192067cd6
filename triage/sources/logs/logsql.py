"""A question in LogsQL, VictoriaLogs' query language, with every name and value escaped. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from triage.config_sources import VictoriaLogs
from triage.facts.logs import Level, LogQuestion
from triage.sources.logs.fields import LEVEL_NAMES, STACK_NAMES, spellings
from triage.sources.logs.logql import literal, quoted
from triage.sources.logs.stacks import RECORD_HINT

_STACKS = tuple(dict.fromkeys((*STACK_NAMES, "exception.stacktrace", "error.stack_trace")))
_TEXTS = ("_msg", *_STACKS)


def lines_query(logs: VictoriaLogs, question: LogQuestion) -> str:
    """The lines that ``question`` asks for, but for its times and limit."""
    parts = _selected(logs)
    parts.append(_first(logs.fields.model, question.model))
    if question.version:
        parts.append(_first(logs.fields.version, question.version))
    if question.request_id:
        parts.append(_any([*logs.fields.request_id, *logs.fields.trace_id], "=", question.request_id))
    if question.level is not Level.UNKNOWN:
        parts.append(_any((*LEVEL_NAMES, "log.level"), "~", f"^(?i:{'|'.join(spellings(question.level))})$"))
    if question.text:
        parts.append(_any(_TEXTS, "~", f"(?i){literal(question.text)}"))
    return " and ".join(parts)


def traces_query(logs: VictoriaLogs, question: LogQuestion) -> str:
    """Those of them that hold a stack trace."""
    return f"{lines_query(logs, question)} and {_any(_TEXTS, '~', RECORD_HINT)}"


def sample_query(logs: VictoriaLogs) -> str:
    """The lines of whatever model."""
    return " and ".join(_selected(logs)) or "*"


def _selected(logs: VictoriaLogs) -> list[str]:
    return [_any([name], "=", value) for name, value in logs.selector.items()]


def _any(names: Iterable[str], sign: str, value: str) -> str:
    conditions = [f"{quoted(name)}:{sign}{quoted(value)}" for name in dict.fromkeys(names)]
    return f"({' or '.join(conditions)})"


def _first(names: Iterable[str], value: str) -> str:
    """The first of ``names`` that a line has is ``value``; an empty phrase matches where there is no such field."""
    alternatives: list[str] = []
    before: list[str] = []
    for name in dict.fromkeys(names):
        alternatives.append(" and ".join([*before, f"{quoted(name)}:={quoted(value)}"]))
        before.append(f'{quoted(name)}:""')
    return "(" + " or ".join(f"({alternative})" for alternative in alternatives) + ")"
