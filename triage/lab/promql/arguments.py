"""Arguments of functions, by the types that the parser has already checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from triage.lab.promql.context import Context
from triage.lab.promql.errors import bad_query
from triage.lab.promql.store import Values
from triage.lab.promql.values import Literal, Numbers, Rows, Value, Windows

Argument = Value | Windows
Function = Callable[[Context, Sequence[Argument]], Value]


def rows(argument: Argument) -> Rows:
    """An instant vector."""
    if not isinstance(argument, Rows):
        raise bad_query("parse error: expected type instant vector in call to function")
    return argument


def windows(argument: Argument) -> Windows:
    """A range vector."""
    if not isinstance(argument, Windows):
        raise bad_query("parse error: expected type range vector in call to function")
    return argument


def numbers(argument: Argument) -> Values:
    """A scalar: one number at each step."""
    if not isinstance(argument, Numbers):
        raise bad_query("parse error: expected type scalar in call to function")
    return argument.values


def text(argument: Argument) -> str:
    """A string."""
    if not isinstance(argument, Literal):
        raise bad_query("parse error: expected type string in call to function")
    return argument.text
