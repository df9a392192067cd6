"""Which questions about many models are one question: their expressions differ in nothing but the models' own values.

Nothing is taken from names: expressions are compared as text without the strings in them, and the strings that differ
must stand in matchers of selectors (:mod:`triage.live.fleet_promql`). So a template is found whoever wrote it, and a
notebook that differs in one objective shares all others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import groupby
from typing import Generic, TypeVar

from triage.facts.samples import Sample, Series
from triage.live.fleet_promql import MARK, Branch, NotShared, alternatives, branches
from triage.notebook.selector import parse_selector, quote

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"' r"|'(?:[^'\\]|\\.)*'|`[^`]*`", re.DOTALL)
_AGAIN: Mapping[str, Callable[[list[float]], float]] = {"sum": math.fsum, "min": min, "max": max}
Item = TypeVar("Item", Sample, Series)
Address = TypeVar("Address", bound=Hashable)
_Values = str | tuple[str, ...]
"""The values of the labels that tell models apart; of the only one, as nearly always, without a tuple around it."""


@dataclass(frozen=True, slots=True)
class Shared(Generic[Address]):
    """One question that is asked about all of ``members`` at once."""

    address: Address
    branches: tuple[Branch, ...]
    """Without any, the expression is the same for every member, as it stands."""
    expression: str
    """Of the first member, as if it were asked alone."""
    members: Mapping[str, tuple[str, ...]]
    """Own values by name."""
    _names: dict[int, dict[_Values, list[str]]] = field(default_factory=dict, compare=False, repr=False)
    """By branch, the models that have each value of its labels; made when it is first needed."""

    @property
    def parts(self) -> int:
        """Expressions that are asked."""
        return max(1, len(self.branches))

    def texts(self, everything: Collection[str] = ()) -> tuple[str, ...]:
        """What is asked, one expression per branch."""
        if not self.branches:
            return (self.expression,)
        values = tuple(self.members.values())
        return tuple(branch.text(values, everything) for branch in self.branches)

    def halves(self) -> tuple[Shared[Address], Shared[Address]]:
        """The same question about the first half of the models, and about the others."""
        names = list(self.members)
        half = len(names) // 2
        return self._of(names[:half]), self._of(names[half:])

    def _of(self, names: Sequence[str]) -> Shared[Address]:
        return Shared(self.address, self.branches, self.expression, {name: self.members[name] for name in names})

    def told_apart(self, found: Sequence[Sequence[Item]]) -> dict[str, list[Item]]:
        """The items of each member, from those of each branch; () for members that nothing was said of.

        Labels that tell models apart stay on the items.
        """
        out: dict[str, list[Item]] = {name: [] for name in self.members}
        if not self.branches:
            for own in out.values():
                own.extend(found[0])
            return out
        for number, (branch, items) in enumerate(zip(self.branches, found, strict=True)):
            said = {name for name, own in out.items() if own} if number else frozenset()
            names = self._names.get(number) or self._names.setdefault(number, self._by_values(branch))
            for item, values in zip(items, _values(branch.labels, items), strict=True):
                for name in names.get(values, ()):
                    if name not in said:
                        out[name].append(item)
            if branch.combined_by:
                for name in out.keys() - said:
                    out[name] = _combined(out[name], branch)
        return out

    def _by_values(self, branch: Branch) -> dict[_Values, list[str]]:
        names: dict[_Values, list[str]] = {}
        for name, own in self.members.items():
            for key in branch.keys(own):
                names.setdefault(key[0] if len(key) == 1 else key, []).append(name)
        return names


def _values(labels: Sequence[str], items: Sequence[Sample] | Sequence[Series]) -> list[_Values]:
    """The values of these labels on each item."""
    if len(labels) == 1:
        [only] = labels
        return [item.labels.get(only, "") for item in items]
    return [tuple([item.labels.get(label, "") for label in labels]) for item in items]


def _combined(items: Sequence[Item], branch: Branch) -> list[Item]:
    """Items that differ in nothing but the models' labels as one."""
    def rest(item: Item) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((k, v) for k, v in item.labels.items() if k not in branch.labels))

    return [_as_one(list(group), branch.combined_by) for _, group in groupby(sorted(items, key=rest), rest)]


def _as_one(same: list[Item], operator: str) -> Item:
    again = _AGAIN[operator]
    first = same[0]
    if isinstance(first, Sample):
        return first._replace(value=again([item.value for item in same if isinstance(item, Sample)]))
    columns: dict[float, list[float]] = {}
    for item in same:
        if isinstance(item, Series):
            for time, value in zip(item.times, item.values, strict=True):
                columns.setdefault(time, []).append(value)
    times = tuple(sorted(columns))
    return replace(first, times=times, values=tuple(again(columns[t]) for t in times))


def share(asked: Iterable[tuple[str, Address, str]]) -> list[Shared[Address]]:
    """(model, address, expression) of everything that is asked, as few questions as it can be."""
    forms: dict[tuple[Address, tuple[str, ...]], dict[str, tuple[str, tuple[str, ...]]]] = {}
    for name, address, expression in asked:
        pieces = tuple(_STRING.split(expression))
        forms.setdefault((address, pieces), {})[name] = expression, tuple(_STRING.findall(expression))
    return [shared for (address, pieces), models in forms.items() for shared in _shared(address, pieces, models)]


def _shared(address: Address, pieces: tuple[str, ...],
            models: Mapping[str, tuple[str, tuple[str, ...]]]) -> list[Shared[Address]]:
    expression, first = next(iter(models.values()))
    own = [n for n, column in enumerate(zip(*(strings for _, strings in models.values()), strict=True))
           if len(set(column)) > 1]
    if not own:
        return [Shared(address, (), expression, dict.fromkeys(models, ()))]
    marked = pieces[0] + "".join(
        (quote(f"{MARK}{own.index(n)}") if n in own else first[n]) + piece for n, piece in enumerate(pieces[1:]))
    members = {name: tuple(_value(strings[n]) for n in own) for name, (_, strings) in models.items()}
    try:
        if any("#" in piece for piece in pieces):
            # What looks like a string may stand in a comment.
            raise NotShared
        made = branches(marked)
        _check(made, members, len(own))
    except NotShared as error:
        return _apart(address, pieces, models, None if error.column is None else own[error.column])
    return [Shared(address, made, expression, members)]


def _apart(address: Address, pieces: tuple[str, ...], models: Mapping[str, tuple[str, tuple[str, ...]]],
           column: int | None) -> list[Shared[Address]]:
    """Groups that agree in the string of ``column``; None: in all of them."""
    groups: dict[object, dict[str, tuple[str, tuple[str, ...]]]] = {}
    for name, entry in models.items():
        groups.setdefault(entry[1] if column is None else entry[1][column], {})[name] = entry
    return [shared for group in groups.values() for shared in _shared(address, pieces, group)]


def _check(made: Sequence[Branch], members: Mapping[str, tuple[str, ...]], columns: int) -> None:
    """Raise :class:`NotShared` where the answer could not be told apart."""
    slots = [slot for branch in made for slot in branch.slots]
    missing = set(range(columns)) - {slot.column for slot in slots}
    if missing:
        raise NotShared(min(missing))
    for own in members.values():
        for branch in made:
            of_label: dict[str, tuple[str, ...]] = {}
            for slot in branch.slots:
                values = alternatives(slot, own)
                if set(of_label.setdefault(slot.label, values)) != set(values):
                    # Two metrics of one model under two names would not meet.
                    raise NotShared(slot.column)


@lru_cache(maxsize=65536)
def _value(literal: str) -> str:
    """What a string literal means."""
    return parse_selector(f"x{{a={literal}}}").matchers[0].value
