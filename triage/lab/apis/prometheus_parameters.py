"""Parameters of Prometheus' API: times, durations, limits, selectors, and the errors it answers to wrong ones."""

from __future__ import annotations

import re
from collections.abc import Sequence

from triage.lab.apis.forms import Parameters
from triage.lab.promql.errors import QueryError
from triage.lab.promql.matching import Matcher
from triage.lab.promql.parsing import parse_selector
from triage.lab.wire.times import parse_duration, parse_time

FARTHEST_SECONDS = 9e12
"""Times beyond are cut: their milliseconds would not fit into the store's columns."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_ESCAPED_RUNE = re.compile(r"__|_([0-9a-fA-F]{1,6})_")


def needed_time(asked: Parameters, name: str) -> float:
    """A time that must be there. Raises QueryError."""
    text = asked.first(name)
    try:
        return _parsed_time(text)
    except ValueError:
        raise QueryError("bad_data",
                         f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp') from None


def optional_time(asked: Parameters, name: str, otherwise: float) -> float:
    """A time that may be left out. Raises QueryError."""
    text = asked.first(name)
    try:
        return _parsed_time(text) if text else otherwise
    except ValueError:
        raise QueryError("bad_data", f"invalid parameter \"{name}\": Invalid time value for '{name}': cannot parse "
                                     f'"{text}" to a valid timestamp') from None


def _parsed_time(text: str) -> float:
    seconds = float(text) if _NUMBER.fullmatch(text) else parse_time(text)
    return min(max(seconds, -FARTHEST_SECONDS), FARTHEST_SECONDS)


def duration(asked: Parameters, name: str) -> float:
    """Seconds, written as a number or as a duration. Raises QueryError."""
    text = asked.first(name)
    try:
        return min(float(text), FARTHEST_SECONDS) if _NUMBER.fullmatch(text) else parse_duration(text)
    except ValueError:
        raise QueryError("bad_data", f'invalid parameter "{name}": cannot parse "{text}" to a valid duration') from None


def limit_of(asked: Parameters) -> int:
    """How many things are wanted; 0: all. Raises QueryError."""
    text = asked.first("limit")
    if text and not re.fullmatch(r"\+?\d{1,18}", text, re.ASCII):
        raise QueryError("bad_data", f'invalid parameter "limit": cannot parse "{text}" to a valid limit')
    return int(text or 0)


def selector(text: str) -> Sequence[Matcher]:
    """The matchers of one ``match[]``. Raises QueryError, also when it would match every series."""
    matchers = parse_selector(text)
    if all(matcher.accepts_missing for matcher in matchers):
        raise QueryError("bad_data", 'invalid parameter "match[]": match[] must contain at least one non-empty matcher')
    return matchers


def label_name(text: str, *, utf8: bool) -> str:
    """The label that a path names. From 3.x on any text can be one; ``U__`` escapes what a path cannot hold."""
    if utf8 and text.startswith("U__"):
        text = _ESCAPED_RUNE.sub(lambda found: _rune(int(found[1], 16)) if found[1] else "_", text[3:])
    if not text or not (utf8 or _LABEL_NAME.fullmatch(text)):
        raise QueryError("bad_data", f'invalid label name: "{text}"')
    return text


def _rune(code: int) -> str:
    return chr(code) if code < 0xD800 or 0xDFFF < code <= 0x10FFFF else "\N{REPLACEMENT CHARACTER}"
