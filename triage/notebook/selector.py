"""Vector selectors of PromQL (``name{label="value"}``): parsed, extended and quoted.

Only what a manifest may write: no functions, no ranges. Everything that goes into a query from a manifest or a label
passes here, so that a quote in a label value cannot change the query.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MATCHER = re.compile(r"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"
                      r"(\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)\s*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)


def quote(value: str) -> str:
    """``value`` as a PromQL string literal."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def regex_quote(value: str) -> str:
    """``value`` for use inside a regular expression of a matcher (RE2), before :func:`quote`."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", value)


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher."""

    label: str
    operator: str
    """``=``, ``!=``, ``=~`` or ``!~``."""
    value: str

    def __str__(self) -> str:
        return f"{self.label}{self.operator}{quote(self.value)}"


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric name and its matchers. ``str()`` gives PromQL that servers of 2.x and 3.x read."""

    name: str
    matchers: tuple[Matcher, ...] = ()

    def __str__(self) -> str:
        plain = _NAME.fullmatch(self.name)
        # A dotted (UTF-8) name is written as a matcher: 2.x has no quoted form, 3.x takes both.
        matchers = self.matchers if plain else (Matcher("__name__", "=", self.name), *self.matchers)
        inside = ",".join(str(m) for m in matchers)
        return f"{self.name if plain else ''}{{{inside}}}" if inside else self.name

    def where(self, labels: Mapping[str, str]) -> Selector:
        """The same with equality matchers for ``labels`` added; a label matched already keeps its own matcher."""
        present = {m.label for m in self.matchers}
        added = tuple(Matcher(k, "=", v) for k, v in labels.items() if k not in present)
        return replace(self, matchers=self.matchers + added)

    def with_matcher(self, matcher: Matcher) -> Selector:
        """The same with one more matcher."""
        return replace(self, matchers=(*self.matchers, matcher))

    def suffixed(self, suffix: str) -> Selector:
        """The same matchers on the metric ``name + suffix`` (``_bucket``, ``_count``, ``_sum``)."""
        return replace(self, name=self.name + suffix)


def parse_selector(text: str) -> Selector:
    """Parse ``name``, ``name{...}`` or ``{__name__="name",...}``. Raises ValueError saying where it stops being one."""
    text = text.strip()
    match = re.match(r"[^{}\s\[\]()\"']*", text)
    name = match[0] if match else ""
    rest = text[len(name):].strip()
    if not rest:
        if not _NAME.fullmatch(name):
            raise ValueError(f'is not a metric name: "{text}"\nwrite name or name{{label="value"}}')
        return Selector(name)
    if not (rest.startswith("{") and rest.endswith("}")):
        raise ValueError(f'is not a vector selector: "{text}"\nwrite name or name{{label="value"}}, without functions '
                         "or ranges; for expressions use total_query")
    matchers: list[Matcher] = []
    inside = rest[1:-1]
    position = 0
    while inside[position:].strip():
        found = _MATCHER.match(inside, position)
        if found is None:
            raise ValueError(f'cannot be read at "{inside[position:].strip()[:40]}"\nwrite matchers as label="value", '
                             "separated by commas")
        matchers.append(Matcher(found[1], found[2], _unquote(found[3])))
        position = found.end()
        if position < len(inside):
            if inside[position] != ",":
                raise ValueError(f'misses a comma before "{inside[position:].strip()[:40]}"\nwrite matchers as '
                                 'label="value", separated by commas')
            position += 1
    named = [m for m in matchers if m.label == "__name__"]
    if len(named) > (0 if name else 1):
        raise ValueError("names its metric twice\nkeep the name before the brace, or one __name__ inside")
    if not name:
        if not named or named[0].operator != "=":
            raise ValueError('names no metric\nput the name before the brace, or __name__="..." inside')
        name = named[0].value
        matchers = [m for m in matchers if m is not named[0]]
    elif not _NAME.fullmatch(name):
        raise ValueError(f'is not a metric name: "{name}"\nletters, digits, _ and : only; quote others as '
                         '{__name__="..."}')
    if not name:
        raise ValueError("names no metric\nput the name before the brace")
    return Selector(name, tuple(matchers))


def valid_label(name: str) -> bool:
    """Whether ``name`` can be a label name without quotes."""
    return _LABEL.fullmatch(name) is not None


def _unquote(literal: str) -> str:
    """The value of a string literal. An escape unknown to PromQL, such as ``\\d``, is kept: it is meant for RE2."""
    if literal[0] == "`":
        return literal[1:-1]
    return _ESCAPE.sub(_unescaped, literal[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3]
    if digits is None:
        return _ESCAPES.get(match[4], match[0])
    code = int(digits, 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else match[0]
