"""A question in LogQL, Loki's query language, with every value escaped. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from triage.config_sources import LokiLogs
from triage.facts.logs import Level, LogQuestion
from triage.sources.logs.fields import LEVEL_NAMES, spellings
from triage.sources.logs.stacks import RECORD_HINT

_EXCEPTIONS = ("exception_stacktrace", "exception_type")
"""OpenTelemetry's attributes as Loki spells them."""


def lines_query(logs: LokiLogs, question: LogQuestion) -> str:
    """The lines that ``question`` asks for, but for its times and limit."""
    return _query(logs, question, [])


def traces_query(logs: LokiLogs, question: LogQuestion) -> str:
    """Those of them that hold a stack trace."""
    if logs.structured_metadata:
        return _query(logs, question, []) + " | " + " or ".join(f'{name}!=""' for name in _EXCEPTIONS)
    return _query(logs, question, [f"|~ {quoted(RECORD_HINT)}"])


def sample_query(logs: LokiLogs) -> str:
    """The lines of whatever model."""
    matchers = [f"{name}={quoted(value)}" for name, value in logs.selector.items()]
    return _selector([*matchers, *([f'{logs.model_label}=~".+"'] if logs.model_label else [])])


def quoted(text: str) -> str:
    """``text`` as a string literal of LogQL (Go's rules)."""
    # JSON's escapes are among Go's but for the surrogate pairs, which are written as they are.
    safe = text.encode("utf-8", errors="replace").decode()
    return json.dumps(safe, ensure_ascii=False).replace("\x7f", "\\u007f")


def literal(text: str) -> str:
    """``text`` as a regular expression of RE2 that matches only it."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text)


def label(name: str) -> str:
    """A field's name as Loki's parsers spell it."""
    spelt = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"_{spelt}" if spelt[:1].isdigit() else spelt


def _query(logs: LokiLogs, question: LogQuestion, filters: Sequence[str]) -> str:
    matchers = {**logs.selector, **({logs.model_label: question.model} if logs.model_label else {})}
    parts = [_selector([f"{name}={quoted(value)}" for name, value in matchers.items()]), *filters]
    fields: list[str] = []
    if logs.model_label is None:
        fields.append(_first(logs.fields.model, question.model))
    if question.version:
        fields.append(_first(logs.fields.version, question.version))
    if question.request_id:
        fields.append(_any([*logs.fields.request_id, *logs.fields.trace_id], "=", question.request_id))
        if not logs.structured_metadata:
            # Before the parser, so that only lines with the id in them are parsed.
            parts.append(f"|= {quoted(_in_json(question.request_id))}")
    if question.level is not Level.UNKNOWN:
        # In a group: at the start of a matcher's expression flags would be behind its anchor.
        fields.append(_any(LEVEL_NAMES, "=~", f"(?i:{'|'.join(spellings(question.level))})"))
    if question.text:
        wanted = dict.fromkeys((literal(question.text), literal(_in_json(question.text))))
        parts.append(f"|~ {quoted('(?i)(?:' + '|'.join(wanted) + ')')}")
    if fields and not logs.structured_metadata:
        parts.append("| json")
    return " ".join([*parts, *(f"| {condition}" for condition in fields)])


def _selector(matchers: Iterable[str]) -> str:
    return "{" + ", ".join(matchers) + "}"


def _any(names: Iterable[str], sign: str, value: str) -> str:
    labels = dict.fromkeys(label(name) for name in names)
    return " or ".join(f"{name}{sign}{quoted(value)}" for name in labels)


def _first(names: Iterable[str], value: str) -> str:
    """The first of ``names`` that a line has is ``value``."""
    alternatives: list[str] = []
    before: list[str] = []
    for name in dict.fromkeys(label(name) for name in names):
        conditions = [*before, f"{name}={quoted(value)}"]
        alternatives.append(f"({' and '.join(conditions)})" if before else conditions[0])
        before.append(f'{name}=""')
    return " or ".join(alternatives)


def _in_json(text: str) -> str:
    """``text`` as it stands within a string of a JSON line."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
