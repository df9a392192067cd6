"""LogQL, as far as log queries go: selectors, line filters, the JSON and logfmt parsers, label filters.

What else Loki would take is refused by name, so that nobody takes a filter that was ignored for an answer.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from triage.lab.promql.matching import Matcher
from triage.lab.promql.regex import compiled

ERROR = "__error__"
DETAILS = "__error_details__"
EXTRACTED = "_extracted"
"""What a parser adds to a name that the stream already has."""

_TOKEN = re.compile(r"""\s+
    |(?P<STRING>"(?:[^"\\]|\\.)*"|`[^`]*`)
    |(?P<DURATION>\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d|w|y)\w*)
    |(?P<BYTES>\d+(?:\.\d+)?[kKMGTP]?i?B\b)
    |(?P<NUMBER>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<IDENTIFIER>[A-Za-z_]\w*)
    |(?P<SIGN>\|=|\|~|\|>|!=|!~|!>|=~|==|>=|<=|[{}()\[\],|=<>+\-*/%^@])""", re.VERBOSE | re.DOTALL | re.ASCII)
_LOGFMT = re.compile(r"""(?P<key>[^\s="]+)=(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]*)""", re.DOTALL)
_JSON = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
_DEEPEST = 100
"""Parentheses within each other that a filter may have: each takes some of the stack."""
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt,
    "<=": operator.le}
_TEXT_COMPARISONS = ("=", "=~", "!~", "!=")
_LINE_FILTERS = ("|=", "!=", "|~", "!~")


class LogQLError(Exception):
    """A query that cannot be parsed, in Loki's words."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line on its way through a query."""

    text: str
    stream: Mapping[str, str]
    """Labels of its stream, as stored."""
    labels: Mapping[str, str]
    """Those and what the parsers have found."""

    def failed(self, error: str, details: str) -> Entry:
        """Marked with what went wrong: Loki keeps such a line and says so in two labels."""
        return Entry(self.text, self.stream, {**self.labels, ERROR: error, DETAILS: details})

    def extracted(self, found: Mapping[str, str]) -> Entry:
        """With the labels that a parser found. A name that the stream has gets an ending; an empty value is none."""
        named = {name + EXTRACTED if name in self.stream else name: value for name, value in found.items() if value}
        return Entry(self.text, self.stream, {**self.labels, **named})


Stage = Callable[[Entry], Entry | None]
"""One step of a query; None drops the line."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A parsed query."""

    matchers: Sequence[Matcher]
    stages: Sequence[Stage]

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether lines of a stream with these labels are looked at."""
        return all(matcher.matches(labels.get(matcher.name, "")) for matcher in self.matchers)

    def process(self, text: str, labels: Mapping[str, str]) -> Mapping[str, str] | None:
        """The labels of a line after all steps, None when one of them dropped it."""
        entry = Entry(text, labels, labels)
        for stage in self.stages:
            kept = stage(entry)
            if kept is None:
                return None
            entry = kept
        return entry.labels


def parse(query: str) -> LogQuery:
    """Read a log query. Raises :class:`LogQLError`."""
    return _Parser(query).query()


def parse_selector(query: str) -> LogQuery:
    """Read a stream selector alone, ``{app="fraud"}``. Raises :class:`LogQLError`."""
    parser = _Parser(query)
    matchers = parser.selector()
    parser.end()
    return LogQuery(matchers, ())


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


class _Parser:
    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = list(self._scan())
        self._next = 0
        self._depth = 0
        """Of parentheses that are open."""

    def query(self) -> LogQuery:
        if self._now.kind == "IDENTIFIER" or self._now.text == "(":
            raise self._unsupported(self._now, "a query that computes numbers")
        matchers = self.selector()
        stages: list[Stage] = []
        while self._now.kind != "$end":
            if self._now.text in _LINE_FILTERS:
                stages.append(self._line_filter())
            elif self._now.text in ("|>", "!>"):
                raise self._unsupported(self._now, "a pattern filter")
            else:
                self._take("|", expecting=("|", *_LINE_FILTERS))
                stages.append(self._stage())
        return LogQuery(matchers, stages)

    def selector(self) -> list[Matcher]:
        self._take("{")
        matchers: list[Matcher] = []
        while self._now.text != "}":
            if matchers:
                self._take(",", expecting=("}", ","))
            name = self._take_kind("IDENTIFIER")
            sign = self._take(*_TEXT_COMPARISONS)
            value = self._take_kind("STRING")
            matchers.append(Matcher(name.text, sign.text, self._pattern(value) if "~" in sign.text
                                    else self._string(value)))
        self._take("}")
        if all(matcher.accepts_missing for matcher in matchers):
            raise LogQLError("parse error : queries require at least one regexp or equality matcher that does not have "
                             'an empty-compatible value. For instance, app=~".*" does not meet this requirement, but '
                             'app=~".+" will')
        return matchers

    def end(self) -> None:
        if self._now.kind != "$end":
            raise self._unexpected()

    def _line_filter(self) -> Stage:
        sign = self._take(*_LINE_FILTERS).text
        token = self._take_kind("STRING")
        if self._now.text == "or":
            raise self._unsupported(self._now, "a line filter with alternatives")
        if "~" in sign:
            # Unlike in matchers, nothing is anchored here and a dot does not match the end of a line.
            occurs_in = compiled(self._pattern(token), dot_all=False).occurs_in
            return _keeping(lambda entry: occurs_in(entry.text), wanted=sign == "|~")
        part = self._string(token)
        return _keeping(lambda entry: part in entry.text, wanted=sign == "|=")

    def _stage(self) -> Stage:
        word, after = self._now, self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        if word.text in ("json", "logfmt") and word.kind == "IDENTIFIER" and after.text not in _COMPARISONS:
            self._next += 1
            if self._now.kind == "IDENTIFIER" or self._now.text == "-":
                raise self._unsupported(self._now, f"an argument of {word.text}")
            return _read_json if word.text == "json" else _read_logfmt
        if word.text != "(" and not (word.kind == "IDENTIFIER" and after.text in {*_COMPARISONS, *_TEXT_COMPARISONS}):
            raise self._unsupported(word, word.text) if word.kind == "IDENTIFIER" else self._unexpected()
        return self._either()

    def _either(self) -> Stage:
        alternatives = [self._both()]
        while self._now.text == "or":
            self._next += 1
            alternatives.append(self._both())
        return _any(alternatives)

    def _both(self) -> Stage:
        conditions = [self._label_filter()]
        while self._now.text in ("and", ","):
            self._next += 1
            conditions.append(self._label_filter())
        return _all(conditions)

    def _label_filter(self) -> Stage:
        if self._now.text == "(":
            if self._depth == _DEEPEST:
                raise self._error(self._now.at, f"the lab understands no more than {_DEEPEST} nested parentheses")
            self._depth += 1
            self._take("(")
            inner = self._either()
            self._take(")")
            self._depth -= 1
            return inner
        name = self._take_kind("IDENTIFIER").text
        sign = self._take(*_TEXT_COMPARISONS, *_COMPARISONS)
        if self._now.kind in ("DURATION", "BYTES"):
            raise self._unsupported(self._now, "a comparison with a duration or a size")
        value = self._take_kind(*(["STRING"] if sign.text in _TEXT_COMPARISONS else []),
                                *(["NUMBER"] if sign.text in _COMPARISONS else []))
        if value.kind == "NUMBER":
            return _numeric(name, _COMPARISONS[sign.text], float(value.text))
        matcher = Matcher(name, sign.text, self._pattern(value) if "~" in sign.text else self._string(value))
        return _keeping(lambda entry: matcher.matches(entry.labels.get(name, "")))

    @property
    def _now(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *texts: str, expecting: Sequence[str] = ()) -> _Token:
        if self._now.text not in texts or self._now.kind != "SIGN":
            raise self._unexpected(expecting or texts)
        self._next += 1
        return self._tokens[self._next - 1]

    def _take_kind(self, *kinds: str) -> _Token:
        if self._now.kind not in kinds:
            raise self._unexpected(kinds)
        self._next += 1
        return self._tokens[self._next - 1]

    def _scan(self) -> Iterator[_Token]:
        at = 0
        while at < len(self._query):
            found = _TOKEN.match(self._query, at)
            if not found:
                raise self._error(at, "literal not terminated" if self._query[at] in "\"`"
                                  else f"syntax error: unexpected {self._query[at]}")
            if found.lastgroup:
                yield _Token(found.lastgroup, found.group(), at)
            at = found.end()
        yield _Token("$end", "$end", len(self._query))

    def _string(self, token: _Token) -> str:
        if token.text.startswith("`"):
            return token.text[1:-1]
        try:
            text = str(json.loads(token.text, strict=False))
            # Half a surrogate pair is no text to Go, and could not be sent back.
            text.encode()
        except ValueError:
            raise self._error(token.at, "invalid char escape") from None
        return text

    def _pattern(self, token: _Token) -> str:
        pattern = self._string(token)
        try:
            compiled(pattern)
        except ValueError as error:
            raise self._error(token.at, str(error)) from None
        return pattern

    def _unexpected(self, expecting: Sequence[str] = ()) -> LogQLError:
        shown = self._now.text if self._now.kind == "SIGN" else self._now.kind
        return self._error(self._now.at, f"syntax error: unexpected {shown}"
                                         + (f", expecting {' or '.join(expecting)}" if expecting else ""))

    def _unsupported(self, token: _Token, what: str) -> LogQLError:
        return self._error(token.at, f"syntax error: {what} is not supported by the lab, which knows stream selectors, "
                                     "|= != |~ !~, json, logfmt and label filters on text and numbers")

    def _error(self, at: int, what: str) -> LogQLError:
        before = self._query[:at]
        return LogQLError(f"parse error at line {before.count(chr(10)) + 1}, "
                          f"col {at - (before.rfind(chr(10)) + 1) + 1}: {what}")


def _keeping(condition: Callable[[Entry], bool], *, wanted: bool = True) -> Stage:
    return lambda entry: entry if condition(entry) is wanted else None


def _all(stages: Sequence[Stage]) -> Stage:
    def every(entry: Entry) -> Entry | None:
        kept: Entry | None = entry
        for stage in stages:
            kept = None if kept is None else stage(kept)
        return kept
    return every


def _any(stages: Sequence[Stage]) -> Stage:
    def some(entry: Entry) -> Entry | None:
        return next((kept for stage in stages if (kept := stage(entry)) is not None), None)
    return some


def _numeric(name: str, compare: Callable[[float, float], bool], bound: float) -> Stage:
    def stage(entry: Entry) -> Entry | None:
        if ERROR in entry.labels:
            # Only a filter on the error itself drops what has failed.
            return entry
        text = entry.labels.get(name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            return entry.failed("LabelFilterErr", f'strconv.ParseFloat: parsing "{text}": invalid syntax')
        return entry if compare(value, bound) else None
    return stage


def _read_json(entry: Entry) -> Entry:
    try:
        # As Loki does: whatever follows the object is not looked at.
        parsed, _ = _JSON.raw_decode(entry.text.lstrip())
    except ValueError as error:
        return entry.failed("JSONParserErr", str(error))
    if not isinstance(parsed, dict):
        return entry.failed("JSONParserErr", "expecting json object, but it is not")
    return entry.extracted(dict(_flattened(parsed, "")))


def _flattened(parsed: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in parsed.items():
        name = prefix + key
        if isinstance(value, dict):
            yield from _flattened(value, f"{name}_")
        elif isinstance(value, bool):
            yield _label_name(name), "true" if value else "false"
        elif isinstance(value, str):
            yield _label_name(name), value
        # Loki skips lists, and takes null for no value.


def _read_logfmt(entry: Entry) -> Entry:
    found: dict[str, str] = {}
    for pair in _LOGFMT.finditer(entry.text):
        text = pair["value"]
        if text.startswith('"'):
            try:
                text = str(json.loads(text, strict=False))
            except ValueError:
                continue
        found[_label_name(pair["key"])] = text
    return entry.extracted(found)


def _label_name(key: str) -> str:
    name = re.sub(r"\W", "_", key, flags=re.ASCII)
    return f"_{name}" if name[:1].isdigit() else name
