"""Reading expressions with the `promql-parser` library: what it cannot read, and errors in Prometheus' words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import promql_parser as ast

from triage.lab.promql.errors import QueryError, bad_query
from triage.lab.promql.matching import METRIC_NAME, Matcher, quoted

OLD_SMOOTHING = "holt_winters"
"""What Prometheus 2 calls ``double_exponential_smoothing``, the only name that the library knows."""
ast.register_extra_functions([ast.Function(
    OLD_SMOOTHING, [ast.ValueType.Matrix, ast.ValueType.Scalar, ast.ValueType.Scalar], ast.ValueType.Vector)])

_OPERATORS = ((ast.MatchOp.Equal, "="), (ast.MatchOp.NotEqual, "!="), (ast.MatchOp.Re, "=~"), (ast.MatchOp.NotRe, "!~"))
# A string without an end goes to the end: each quote in it would be tried as another beginning.
_QUOTED = re.compile(r""""(?:\\.|[^"\\])*(?:"|\\?\Z)|'(?:\\.|[^'\\])*(?:'|\\?\Z)|`(?P<raw>[^`]*)`|`[^`]*\Z|\#[^\n]*""",
                     re.DOTALL)
_NEGATIVE_AT = re.compile(r"@\s*-")
_OPERATOR = re.compile(r"[-+*/%^<>]|==|!=|\b(?:and|or|unless|atan2)\b")
# The library recurses and would overflow the stack of the process.
_DEEPEST, _MOST_OPERATORS = 200, 2000
_UNFINISHED = re.compile(r"(?:[-+*/%^=<>(,]|\b(?:and|or|unless|atan2|bool|offset|by|without|on|ignoring))\s*$")
_WORDS = (
    (re.compile(r"\b(type|got|on) vector\b"), r"\1 instant vector"),
    (re.compile(r"\b(type|got|on) matrix\b"), r"\1 range vector"),
    (re.compile(r"scalar or vector"), "scalar or instant vector"),
    (re.compile(r"'([^']*)'"), r'"\1"'),
    (re.compile(r"got: (\w+)$"), r'got "\1"'),
    (re.compile(r"(type (?:scalar|string) in aggregation) expression"), r"\1 parameter"),
    (re.compile(r"unexpected end of input inside brackets"), "unclosed left bracket"),
    (re.compile(r"illegal regex for (.*)"), r"error parsing regexp: `\1`"),
)


@lru_cache(maxsize=2048)
def parse(expression: str) -> ast.Expr:
    """The syntax tree of an expression. Raises QueryError ``bad_data`` with Prometheus' wording where it is known."""
    # The library takes a backslash in a raw string for an escape, and aborts when it is asked for a time before 1970.
    text = _QUOTED.sub(lambda m: m[0] if m["raw"] is None else quoted(m["raw"]), expression)
    bare = _QUOTED.sub("", text)
    if _NEGATIVE_AT.search(bare):
        raise bad_query("parse error: @ with a time before 1970 is not supported by the lab")
    if _depth(bare) > _DEEPEST or len(_OPERATOR.findall(bare)) > _MOST_OPERATORS:
        raise bad_query(f"parse error: the lab reads expressions of up to {_MOST_OPERATORS:,} operators and "
                        f"{_DEEPEST} brackets within each other")
    try:
        return ast.parse(text)
    except ValueError as error:
        message = str(error)
    if message == "invalid promql query":
        message = "unexpected end of input" if _UNFINISHED.search(text) else f"unexpected input in {quoted(expression)}"
        raise bad_query(f"parse error: {message}")
    for pattern, replacement in _WORDS:
        message = pattern.sub(replacement, message)
    raise bad_query(f"parse error: {message}")


def matchers_of(selector: ast.VectorSelector, *, dot_all: bool = True) -> tuple[Matcher, ...]:
    """The conditions of a selector, the metric's name among them. ``dot_all`` as in :class:`Matcher`."""
    if selector.matchers.or_matchers:
        raise bad_query('parse error: unexpected identifier "or" in label matching, expected "," or "}"')
    named = [Matcher(METRIC_NAME, "=", selector.name)] if selector.name else []
    found = (*named, *(Matcher(m.name, _operator(m), m.value, dot_all) for m in selector.matchers.matchers))
    for matcher in found:
        try:
            matcher.matches("")
        except ValueError as error:
            raise bad_query(f"parse error: {error}") from error
    return found


def parse_selector(text: str) -> Sequence[Matcher]:
    """The matchers of a series selector, as ``match[]`` of the series and labels endpoints takes it."""
    try:
        tree = parse(text)
    except QueryError as error:
        raise QueryError("bad_data", error.message.replace('"query"', '"match[]"', 1)) from error
    if not isinstance(tree, ast.VectorSelector) or tree.offset is not None or tree.at is not None:
        raise QueryError("bad_data", 'invalid parameter "match[]": parse error: a series selector is expected')
    return matchers_of(tree)


def _depth(text: str) -> int:
    deepest = depth = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _operator(matcher: ast.Matcher) -> str:
    return next(text for member, text in _OPERATORS if member == matcher.op)
