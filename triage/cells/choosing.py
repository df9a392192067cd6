"""Which cells have to run, and in which order, so that one can: what ``requires`` names, else what analysis proves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from triage.cells.analysis import Names, names_of
from triage.cells.document import PARAMETERS, Book, Cell


@dataclass(frozen=True, slots=True)
class Chosen:
    """Cells in the order they run; the last ones are those that were asked for."""

    cells: tuple[Cell, ...]
    doubts: tuple[str, ...]
    """Why these may not be all that is needed, each a sentence; empty when it is declared or proven."""
    unknown: tuple[str, ...] = ()
    """Ids that ``requires`` names and the notebook does not have."""


def choose(book: Book, wanted: Iterable[Cell]) -> Chosen:
    """The ``wanted`` cells and their prerequisites, in the order of the notebook."""
    asked = list(wanted)
    analysed = {cell.number: names_of(cell.source) for cell in book.cells}
    needed: dict[int, Cell] = {}
    doubts: list[str] = []
    unknown: list[str] = []
    waiting = list(asked)
    while waiting:
        cell = waiting.pop()
        if cell.number in needed:
            continue
        needed[cell.number] = cell
        if cell.words.requires is not None:
            for name in cell.words.requires:
                found = book.cell(name)
                if found is None:
                    unknown.append(f"{cell.id} requires {name}, which is not there")
                elif found.number > cell.number:
                    unknown.append(f"{cell.id} requires {name}, which stands below it")
                else:
                    waiting.append(found)
            continue
        for number, doubt in _before(cell, book, analysed):
            if number is not None:
                waiting.append(book.cells[number])
            if doubt:
                doubts.append(doubt)
    return Chosen(tuple(cell for cell in book.cells if cell.number in needed), tuple(dict.fromkeys(doubts)),
                  tuple(dict.fromkeys(unknown)))


def _before(cell: Cell, book: Book, analysed: Mapping[int, Names]) -> Iterable[tuple[int | None, str]]:
    """(index of a cell that must run before, doubt about it) for every name that ``cell`` needs."""
    own = analysed[cell.number]
    for doubt in own.doubts:
        yield None, f"{cell.id}: {doubt}"
    above = [(index, other) for index, other in enumerate(book.cells) if other.number < cell.number]
    for name in sorted(own.needs):
        owners = [(index, other) for index, other in above if name in analysed[other.number].defines]
        if not owners:
            star = [(index, other) for index, other in above
                    if any(d.startswith("it imports everything") for d in analysed[other.number].doubts)]
            for index, other in star:
                yield index, f"{cell.id}: {name} may come from what {other.id} imports"
            if not star:
                yield None, f"{cell.id}: nothing above defines {name}"
            continue
        index, owner = owners[-1]
        yield index, ""
        if len(owners) > 1 and name not in analysed[owner.number].needs:
            others = ", ".join(other.id for _, other in owners)
            yield None, f"{cell.id}: {name} is defined in several cells ({others}); the last one counts"
        for later, other in above:
            if later > index and name in analysed[other.number].changes:
                yield later, f"{cell.id}: {other.id} changes {name} in place"


def with_parameters(book: Book, chosen: Chosen) -> Chosen:
    """The same with the parameters cell, which is run whenever values are injected."""
    first = book.parameters
    if first is None or first in chosen.cells:
        return chosen
    return replace(chosen, cells=tuple(cell for cell in book.cells if cell == first or cell in chosen.cells))


def prerequisites(chosen: Chosen, asked: Iterable[Cell]) -> tuple[Cell, ...]:
    """The cells that run only because others need them."""
    wanted = {cell.number for cell in asked}
    return tuple(cell for cell in chosen.cells if cell.number not in wanted and PARAMETERS not in cell.tags)
