"""Label sets, and the matchers that choose among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from triage.lab.promql.regex import Pattern, compiled

Labels = Mapping[str, str]
"""Labels as callers write them, with ``__name__``. A label with an empty value is a label that is not there."""
LabelSet = tuple[tuple[str, str], ...]
"""Labels as the evaluator compares them: pairs in ascending order of name, none with an empty value.

Tuples of pairs sort as Prometheus sorts label sets (``labels.Compare``).
"""
METRIC_NAME = "__name__"


def label_set(labels: Labels) -> LabelSet:
    """The canonical form of ``labels``."""
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def shown(labels: LabelSet) -> str:
    """A label set as Prometheus prints it in messages: ``{a="x", b="y"}``, with the name as any other label."""
    return "{" + ", ".join(f"{name}={quoted(value)}" for name, value in labels) + "}"


def quoted(text: str) -> str:
    """A string literal as Go's ``%q`` prints it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'


def replaced(key: LabelSet, name: str, value: str) -> LabelSet:
    """The labels with one of them set, or taken away when ``value`` is empty."""
    others = [pair for pair in key if pair[0] != name]
    return tuple(sorted([*others, (name, value)])) if value else tuple(others)


def without_name(key: LabelSet) -> LabelSet:
    """The labels without the metric name."""
    if key and key[0][0] == METRIC_NAME:
        return key[1:]
    # Capitals sort before "__name__".
    return tuple(pair for pair in key if pair[0] != METRIC_NAME)


def dropping(names: Iterable[str]) -> Callable[[LabelSet], LabelSet]:
    """Takes these labels away."""
    gone = frozenset(names)
    return lambda key: tuple(pair for pair in key if pair[0] not in gone)


def keeping(names: Iterable[str]) -> Callable[[LabelSet], LabelSet]:
    """Leaves only these labels."""
    wanted = frozenset(names)
    return lambda key: tuple(pair for pair in key if pair[0] in wanted)


@dataclass(frozen=True)
class Matcher:
    """One condition on a label; a label that is not there has the value ``""``."""

    name: str
    op: str
    """``=``, ``!=``, ``=~`` or ``!~``."""
    value: str
    dot_all: bool = True
    """Whether the ``.`` of a regular expression matches a newline: in Prometheus 3 it does."""

    @cached_property
    def _pattern(self) -> Pattern:
        return compiled(self.value, dot_all=self.dot_all)

    def matches(self, value: str) -> bool:
        """Whether a label with this value passes. Regular expressions are anchored at both ends."""
        if self.op == "=":
            return value == self.value
        if self.op == "!=":
            return value != self.value
        found = self._pattern.matches(value)
        return found if self.op == "=~" else not found

    @cached_property
    def accepts_missing(self) -> bool:
        """Whether series without the label pass."""
        return self.matches("")
