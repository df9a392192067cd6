"""Alertmanager's matchers, as filters, silences and routes write them (the classic syntax, before UTF-8 names)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from triage.lab.promql.regex import Pattern, compiled

_WRITTEN = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*)", re.ASCII | re.DOTALL)
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_UNESCAPED_QUOTE = re.compile(r'(?:\\.|[^"\\])*"', re.DOTALL)
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


class MatcherError(ValueError):
    """A matcher cannot be used; the text is what Alertmanager says."""


@dataclass(frozen=True, slots=True)
class AlertMatcher:
    """One condition on the labels of an alert; a label that is not there is ""."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True
    _pattern: Pattern | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.is_regex:
            object.__setattr__(self, "_pattern", parse_pattern(self.value))

    def accepts(self, text: str) -> bool:
        """Whether a label with this value passes; a pattern is for all of it."""
        found = self._pattern.matches(text) if self._pattern else text == self.value
        return found == self.is_equal

    def matches(self, labels: Mapping[str, str]) -> bool:
        return self.accepts(labels.get(self.name, ""))

    def __str__(self) -> str:
        operator = ("=~" if self.is_regex else "=") if self.is_equal else ("!~" if self.is_regex else "!=")
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{operator}"{escaped}"'


def is_label_name(text: str) -> bool:
    """Whether Alertmanager takes ``text`` for the name of a label."""
    return _NAME.fullmatch(text) is not None


def parse_pattern(text: str) -> Pattern:
    """A regular expression. Raises :class:`MatcherError`."""
    try:
        return compiled(text, dot_all=False)
    except ValueError as error:
        raise MatcherError(str(error)) from None


def parse_matcher(text: str) -> AlertMatcher:
    """``alertname=~"Slow.*"``, with or without the quotes. Raises :class:`MatcherError`."""
    found = _WRITTEN.fullmatch(text.rstrip(" \t\n\r\f\v"))
    if not found:
        raise MatcherError(f"bad matcher format: {text}")
    name, operator, written = found.groups()
    value = written[1:] if written.startswith('"') else written
    # A closing quote belongs to an opening one only; whether it is escaped decides what it is.
    if written.startswith('"'):
        closed = _UNESCAPED_QUOTE.match(value)
        if not closed or closed.end() != len(value):
            raise MatcherError(f"matcher value contains unescaped double quote: {written}")
        value = value[:-1]
    elif _UNESCAPED_QUOTE.match(value):
        raise MatcherError(f"matcher value contains unescaped double quote: {written}")
    value = re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), value, flags=re.DOTALL)
    return AlertMatcher(name, value, operator.endswith("~"), not operator.startswith("!"))
