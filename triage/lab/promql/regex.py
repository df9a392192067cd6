"""Regular expressions of RE2, as Prometheus, Alertmanager and Loki take them: time is linear in the text, whatever the
expression. What is refused is told in the words of Go's ``regexp/syntax``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import re2

_GO_WORDS = {
    "missing )": "missing closing )", "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "trailing \\": "trailing backslash at end of expression",
}
_TOKEN = re.compile(r"\\Q.*?(?:\\E|\Z)|\\(?P<escaped>.)|\(\?P?<(?P<name>\w+)>", re.DOTALL)
_MOST_KNOWN = 1024


class Match:
    """What an expression matched."""

    def __init__(self, groups: Sequence[str | None], names: dict[str, int]) -> None:
        self._groups = groups
        self._names = names

    def group(self, which: str | int) -> str:
        """The text of a group by number (0 is all) or name; "" when there is no such group or it took no part."""
        number = self._names.get(which, -1) if isinstance(which, str) else which
        return self._groups[number] or "" if 0 <= number < len(self._groups) else ""


class Pattern:
    """A compiled expression."""

    def __init__(self, text: str, *, dot_all: bool) -> None:
        options = re2.Options()
        options.log_errors = False
        options.dot_nl = dot_all
        self._compiled = re2.compile(text, options)
        self._known: dict[str, bool] = {}

    def matches(self, text: str) -> bool:
        """Whether it matches all of the text. Remembered: queries ask for the same labels again and again."""
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[text] = self._compiled.fullmatch(text) is not None
        return known

    def occurs_in(self, text: str) -> bool:
        """Whether it matches some part of the text."""
        return self._compiled.search(text) is not None

    def match(self, text: str) -> Match | None:
        """What it matches when it matches all of the text."""
        found = self._compiled.fullmatch(text)
        return None if found is None else Match((found[0], *found.groups()), self._compiled.groupindex)


@lru_cache(maxsize=256)
def compiled(pattern: str, *, dot_all: bool = True) -> Pattern:
    """The expression, anchored nowhere. Raises ValueError for what Go refuses.

    ``dot_all``: ``.`` matches a newline, as in Prometheus 3.
    """
    names = set()
    for token in _TOKEN.finditer(pattern):
        # C++ takes both, Go neither.
        if token["escaped"] == "C":
            raise _refused("invalid escape sequence", "\\C")
        if token["name"] in names:
            raise _refused("duplicate capture group name", token["name"])
        names.add(token["name"] or "")
    try:
        return Pattern(pattern, dot_all=dot_all)
    except re2.error as error:
        what, _, part = error.args[0].decode("utf-8", "replace").partition(": ")
        raise _refused(_GO_WORDS.get(what, what), part) from None
    except UnicodeEncodeError:
        raise _refused("invalid UTF-8", pattern.encode("utf-8", "replace").decode()) from None


def _refused(what: str, part: str) -> ValueError:
    return ValueError(f"error parsing regexp: {what}: `{part}`")
