"""Everything that is settled before a cell runs: which cells, with which values, from which file, and what speaks
against it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from triage.cells.choosing import Chosen, choose, with_parameters
from triage.cells.document import DIAGNOSTIC, Book, Cell, Pin, pinned, read_book
from triage.cells.parameters import Value, settled
from triage.errors import InvalidDocument, TriageError
from triage.notebook.load import Notebook
from triage.state_dir import StateDir, StateError, file_name
from triage.text import clean

_DIGITS = 12
"""Of a digest, in sentences; 8 are enough to accept one."""
ACCEPTED_DIGITS = 8


class CellError(TriageError):
    """A cell cannot be run as it was asked for."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that has not begun."""

    notebook: Notebook
    book: Book
    asked: tuple[Cell, ...]
    chosen: Chosen
    values: Mapping[str, Value]
    """Injected parameters."""
    pin: Pin
    pinned_sha256: str | None
    difference: str
    """What differs from the pinned file, a sentence; "" when nothing does."""

    @property
    def seconds(self) -> float:
        """The time limits of all its cells together."""
        return sum(cell.time_limit_seconds for cell in self.chosen.cells)

    @property
    def effects(self) -> tuple[str, ...]:
        """What its cells change, as :func:`effects_of` says it."""
        return _effects(self.chosen.cells, self.asked)

    @property
    def changing(self) -> tuple[str, ...]:
        """Ids of the cells behind ``effects``."""
        return tuple(cell.id for cell in _changing(self.chosen.cells, self.asked))


def effects_of(book: Book, cell: Cell) -> tuple[str, ...]:
    """What running ``cell`` changes, each a sentence that begins with the id of the cell that changes it; empty when
    all that it needs is declared to change nothing.

    A declaration covers cells that only prepare and say nothing; what one of them says that it changes counts.
    """
    return _effects(choose(book, [cell]).cells, [cell])


def _effects(cells: Iterable[Cell], asked: Sequence[Cell]) -> tuple[str, ...]:
    return tuple(f"{cell.id}: {cell.words.effects or 'it does not say what it changes'}"
                 for cell in _changing(cells, asked))


def _changing(cells: Iterable[Cell], asked: Sequence[Cell]) -> tuple[Cell, ...]:
    return tuple(cell for cell in cells
                 if not cell.reads_only and (cell in asked or cell.words.effects is not None))


def diagnostics(book: Book) -> tuple[Cell, ...]:
    """The cells that can be run by name, in their order."""
    return book.tagged(DIAGNOSTIC)


def open_book(notebook: Notebook) -> Book:
    """The notebook file of a manifest. Raises :class:`~triage.errors.InvalidDocument` when it cannot be used."""
    return read_book(notebook.path / notebook.manifest.spec.notebook.path)


def prepare(notebook: Notebook, book: Book, names: Sequence[str], given: Mapping[str, str],
            filled: Mapping[str, Value], known: StateDir | None = None, registered_sha256: str | None = None
            ) -> Prepared:
    """The cells ``names`` with what they need. ``given``: parameters as text, ``filled``: those that triage knows.

    ``known``: where digests of cells are remembered, to say which cells differ from the pinned file;
    ``registered_sha256``: the digest in the registry, where the manifest has none.

    Raises :class:`CellError`, :class:`~triage.cells.parameters.ParameterError` or
    :class:`~triage.errors.InvalidDocument`, saying what to do.
    """
    asked = tuple(_named(book, name) for name in names)
    broken = [finding for finding in book.findings if finding.severity == "error"]
    if broken:
        raise InvalidDocument(broken)
    if book.language != "python":
        raise CellError(f"{book.path.name} is written in {book.language}", "only Python cells can be run")
    chosen = with_parameters(book, choose(book, asked))
    if chosen.unknown:
        raise CellError(chosen.unknown[0], "correct requires in the cell's metadata")
    values = settled(book, given, filled)
    own = notebook.manifest.spec.notebook.sha256
    wanted = own or registered_sha256
    pin = pinned(book, wanted)
    return Prepared(notebook, book, asked, chosen, values, pin, wanted,
                    _difference(book, pin, wanted, notebook.name, known, "pinned" if own else "registered"))


def _named(book: Book, name: str) -> Cell:
    found = book.cell(name)
    if found is not None:
        return found
    names = [cell.id for cell in diagnostics(book)]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    raise CellError(f"there is no cell {clean(name, limit=80)} in {book.path.name}",
                    f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}")


def remember(book: Book, model: str, known: StateDir) -> None:
    """Keep the digests of this file's cells, so that a later difference can be named. Silent when it cannot be kept."""
    folder, name = known.folder(file_name(model)), f"cells-{book.sha256[:_DIGITS]}.json"
    try:
        if folder.stamp(name) is None:
            folder.write(name, json.dumps({cell.id: cell.sha256 for cell in book.cells}).encode())
    except StateError:
        return


def _difference(book: Book, pin: Pin, wanted: str | None, model: str, known: StateDir | None, word: str) -> str:
    if pin == "matches":
        return ""
    if wanted is None:
        return (f"nothing pins {book.path.name}: neither spec.notebook.sha256 nor the registry names a digest; it has "
                f"{book.sha256[:_DIGITS]}")
    said = f"{book.path.name} has the digest {book.sha256[:_DIGITS]}, {word} is {wanted[:_DIGITS]}"
    before = _remembered(wanted, model, known)
    if before is None:
        return f"{said}; what the {word} file held is not known here"
    now = {cell.id: cell.sha256 for cell in book.cells}
    parts = [(word, names) for word, names in (
        ("changed", [name for name in now if name in before and now[name] != before[name]]),
        ("new", [name for name in now if name not in before]),
        ("gone", [name for name in before if name not in now])) if names]
    told = "; ".join(f"{word}: {', '.join(names)}" for word, names in parts)
    return f"{said}; {told or 'the source of every cell is the same, the rest of the file is not'}"


def _remembered(sha256: str, model: str, known: StateDir | None) -> dict[str, str] | None:
    if known is None:
        return None
    try:
        raw = known.folder(file_name(model)).read(f"cells-{sha256[:_DIGITS]}.json")
        found = json.loads(raw) if raw is not None else None
    except (StateError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def is_accepted(prepared: Prepared, digest: str) -> bool:
    """Whether ``digest``, as a person typed it, names the very file that would be run."""
    typed = digest.strip().lower().removeprefix("sha256:")
    return len(typed) >= ACCEPTED_DIGITS and prepared.book.sha256.startswith(typed)
