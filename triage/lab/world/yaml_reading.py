"""Reading small YAML files strictly: every problem at once, each with file, line, field and what to do."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(-?)((?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)")
_Path = tuple[str | int, ...]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: it is ten times as fast."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a file."""

    file: str
    line: int | None
    field: str
    """Dotted path; "" is the whole file."""
    message: str
    hint: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        subject = f"{self.field} " if self.field else ""
        return f"{where}: {subject}{self.message}" + (f"; {self.hint}" if self.hint else "")


@dataclass
class _File:
    name: str
    lines: dict[_Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class Reader:
    """A place in a file. Asking for a field that is wrong notes a problem and answers something harmless."""

    def __init__(self, file: _File, value: Any, path: _Path = ()) -> None:
        self._file = file
        self._value = value
        self._path = path

    @property
    def problems(self) -> list[Problem]:
        """Everything found so far in the whole file."""
        return self._file.problems

    def problem(self, name: str, message: str, hint: str) -> None:
        """Note a problem with a field of this place ("": with the place itself)."""
        path = (*self._path, name) if name else self._path
        known = path
        while known and known not in self._file.lines:
            known = known[:-1]
        dotted = ".".join(str(part) for part in path)
        self._file.problems.append(Problem(self._file.name, self._file.lines.get(known), dotted, message, hint))

    def _mapping(self) -> dict[str, Any]:
        return self._value if isinstance(self._value, dict) else {}

    def _get(self, name: str) -> Any:
        return self._mapping().get(name) if name else self._value

    def has(self, name: str) -> bool:
        """Whether a field is there."""
        return name in self._mapping()

    def only(self, *names: str) -> None:
        """This place is a mapping with no other fields."""
        if not isinstance(self._value, dict):
            self.problem("", "must be a mapping", f"fields: {', '.join(names)}")
            return
        for name in self._value:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                self.problem(name, "is not a known field",
                             f"did you mean {near[0]}?" if near else f"known here: {', '.join(names)}")

    def _missing(self, name: str) -> None:
        # A place that is no mapping was reported by only().
        if isinstance(self._value, dict) or not name:
            self.problem(name, "is missing", f"add {name}")

    def text(self, name: str, default: str | None = None) -> str:
        """Text of one or more words."""
        value = self._get(name)
        if value is None:
            if default is None:
                self._missing(name)
            return default or ""
        if not isinstance(value, str) or not value.strip():
            self.problem(name, "must be text", "write it in quotes if it looks like a number")
            return default or ""
        return " ".join(value.split())

    def choice(self, name: str, known: Sequence[str], default: str | None = None) -> str:
        """One of the known words."""
        value = self.text(name, default)
        if value and value not in known:
            near = difflib.get_close_matches(value, known, n=1)
            self.problem(name, f'is "{value}"', f"did you mean {near[0]}?" if near
                         else f"one of: {', '.join(known) or 'none here'}")
            return default or ""
        return value

    def truth(self, name: str, default: bool) -> bool:
        """true or false."""
        value = self._get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.problem(name, "must be true or false", "write it without quotes")
            return default
        return value

    def number(self, name: str, default: float | None = None, *, low: float = -math.inf, high: float = math.inf,
               whole: bool = False) -> float:
        """A finite number within bounds, both allowed."""
        value = self._get(name)
        if value is None:
            if default is None:
                self._missing(name)
            return default or 0.0
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            self.problem(name, "must be a number", "write it without quotes")
        elif whole and value != int(value):
            self.problem(name, "must be a whole number", "round it")
        elif not low <= value <= high:
            self.problem(name, f"is {value:g}", f"between {low:g} and {high:g}")
        else:
            return float(value)
        return default or 0.0

    def duration(self, name: str, default: float | None, *, negative: bool = False) -> float:
        """Seconds, from text such as ``1h30m`` or from a number."""
        value = self._get(name)
        if value is None:
            if default is None:
                self._missing(name)
            return default or 0.0
        seconds: float | None = None
        if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
            parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", found[2])
            seconds = sum(float(amount) * _UNITS[unit] for amount, unit in parts) * (-1 if found[1] else 1)
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            seconds = float(value)
        if seconds is None:
            self.problem(name, "is no duration", 'write it like "40m", "1h30m" or "3d"')
        elif seconds < 0 and not negative:
            self.problem(name, "is negative", "count from the other side")
        else:
            return seconds
        return default or 0.0

    def items(self, name: str) -> list[Reader]:
        """The places in a list; [] when the field is missing."""
        value = self._get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.problem(name, "must be a list", "write each item behind a dash, or all in brackets")
            return []
        path = (*self._path, name) if name else self._path
        return [Reader(self._file, item, (*path, index)) for index, item in enumerate(value)]

    def inside(self, name: str) -> Reader:
        """The mapping in a field, which must be there."""
        value = self._get(name)
        if value is None:
            self._missing(name)
            return Reader(_File(self._file.name), {}, (*self._path, name))
        return Reader(self._file, value, (*self._path, name))


def read(text: str, file: str) -> Reader:
    """The root of a YAML text. What is no YAML, and keys given twice, are problems of the reader."""
    found = _File(file)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        value = None if node is None else _built(loader, node, (), found)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        found.problems.append(Problem(file, line, "", f"is not YAML: {error.problem}", "check the indentation and "
                                      "quotes there"))
        value = {}
    except yaml.YAMLError as error:
        found.problems.append(Problem(file, None, "", f"is not YAML: {error}", "check for control characters"))
        value = {}
    finally:
        loader.dispose()
    if not isinstance(value, dict):
        found.problems.append(Problem(file, 1, "", "must be a mapping", "begin with name:"))
        value = {}
    return Reader(found, value)


def _built(loader: Any, node: yaml.Node, path: _Path, file: _File) -> Any:
    file.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*path, key)
            if key in result:
                file.problems.append(Problem(file.name, key_node.start_mark.line + 1, ".".join(map(str, here)),
                                             f"is given twice, first in line {file.lines[here]}", "keep one of them"))
                continue
            file.lines[here] = key_node.start_mark.line + 1
            result[key] = _built(loader, value_node, here, file)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_built(loader, child, (*path, index), file) for index, child in enumerate(node.value)]
    return loader.construct_object(node)
