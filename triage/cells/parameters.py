"""Parameters of a notebook: their defaults read from the parameters cell, and values injected as data.

Papermill's convention: a cell tagged ``parameters`` assigns defaults, and a cell with other values runs after it. A
value is written with ``repr()`` of plain data and never put together as code.
"""

from __future__ import annotations

import ast
import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from triage.cells.document import Book
from triage.errors import TriageError
from triage.text import clean

Value = str | int | float | bool | None | list[Any] | dict[str, Any]

WINDOW_START, WINDOW_END = "WINDOW_START", "WINDOW_END"
LIVE_VERSION, LIVE_STABLE, INCIDENT, CAPTURE = "LIVE_VERSION", "LIVE_STABLE", "INCIDENT", "CAPTURE"
"""Parameters that triage fills where a parameters cell has them: start and end of the time range on the screen (Unix
seconds), the version on trial (else the one that serves) and the one that serves (None when nothing says), the id of
the open incident ("" without one), the folder of the capture that is looked at (None for the present)."""


class ParameterError(TriageError):
    """A parameter cannot be set as it was asked for."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One assignment of the parameters cell."""

    name: str
    default: Value
    """None for one that is computed, which no text tells."""


def parameters_of(book: Book) -> tuple[Parameter, ...]:
    """What can be set; empty when there is no parameters cell, or it cannot be parsed."""
    cell = book.parameters
    if cell is None:
        return ()
    try:
        tree = ast.parse(cell.source)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    found: dict[str, Parameter] = {}
    for statement in tree.body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(statement, ast.Assign | ast.AnnAssign) \
                    and statement.value is not None:
                try:
                    found[target.id] = Parameter(target.id, ast.literal_eval(statement.value))
                except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                    found[target.id] = Parameter(target.id, None)
    return tuple(found.values())


def settled(book: Book, given: Mapping[str, str], filled: Mapping[str, Value]) -> dict[str, Value]:
    """The values to inject: what was ``given`` as text, read by the kind of the default, and what triage fills.

    Raises :class:`ParameterError` for a name that the parameters cell does not have, and for a text of another kind.
    """
    known = {parameter.name: parameter for parameter in parameters_of(book)}
    out = {name: value for name, value in filled.items() if name in known}
    for name, text in given.items():
        if name not in known:
            if not known:
                raise ParameterError(f"{book.path.name} has no parameters to set",
                                     'tag the cell that assigns them with "parameters"')
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            raise ParameterError(f"there is no parameter {clean(name, limit=80)}",
                                 f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}")
        out[name] = _read(known[name], text)
    return {name: out[name] for name in known if name in out}


def injected_source(values: Mapping[str, Value]) -> str:
    """The source of the cell that sets ``values``; "" for none."""
    return "".join(f"{name} = {_written(value)}\n" for name, value in values.items() if name.isidentifier())


def _written(value: Value) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def _read(parameter: Parameter, text: str) -> Value:
    default = parameter.default
    if isinstance(default, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise _mismatch(parameter.name, text, "true or false")
    if isinstance(default, int | float):
        try:
            number = int(text) if isinstance(default, int) else float(text)
        except ValueError:
            try:
                number = float(text)
            except ValueError:
                raise _mismatch(parameter.name, text, "a number") from None
        return number
    if isinstance(default, list | dict | tuple):
        try:
            value = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            value = None
        wanted = dict if isinstance(default, dict) else list
        if not isinstance(value, wanted):
            raise _mismatch(parameter.name, text, "JSON, such as " + ('{"a": 1}' if wanted is dict else '["a", "b"]'))
        return value
    return text


def _refuse(word: str) -> Value:
    raise ValueError(f"{word} is no JSON")


def _mismatch(name: str, text: str, wanted: str) -> ParameterError:
    return ParameterError(f'{name} cannot be "{clean(text, limit=60)}"', f"its default says that it is {wanted}")
