"""The notebook file (``.ipynb``, nbformat 4) read as data: its cells, what each says of itself, and its digest.

The file is read once: the digest that is compared with the pin is that of the very bytes whose cells are run.
Only JSON is needed for that, so nothing of Jupyter is imported.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from triage import strict_yaml
from triage.errors import Finding, InvalidDocument
from triage.notebook.slis import Strict
from triage.quantities import Duration
from triage.text import clean

PARAMETERS = "parameters"
DIAGNOSTIC = "diagnostic"
NO_EFFECTS = "none"
DEFAULT_LIMIT_SECONDS = 60.0
MAX_BYTES = 20_000_000
"""A notebook whose outputs are stripped is a thousandth of this."""
_FORMAT = 4
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class CellWords(Strict):
    """``metadata.triage`` of a cell: what it says of itself."""

    id: str | None = Field(None, description="Name that runbooks and commands use; by default the cell's own id.")
    purpose: str = Field("", description="The question that it answers, one line.")
    answers: list[str] = Field([], description="Names of the alerts that it helps with.")
    requires: list[str] | None = Field(None, description="Ids of the cells that must run before it; by default what "
                                       "static analysis proves.")
    time_limit: Duration = Field(DEFAULT_LIMIT_SECONDS, validate_default=False, description="After so long it is "
                                 "stopped.")
    effects: str | None = Field(None, description='What it changes in the world, in a few words; "none" when it only '
                                "reads. Without it, it is taken to change something.")


_NO_WORDS = CellWords()


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell."""

    id: str
    """``metadata.triage.id``, else the cell's id, else ``cell-N``; cleaned."""
    number: int
    """1-based, among all cells of the notebook."""
    source: str
    """As written: it is what is run. Cleaned only where it is shown."""
    tags: frozenset[str]
    words: CellWords
    sha256: str
    """Of its source."""
    line: int | None = None
    """1-based line of the file where the cell's id stands; None when it has none."""
    executed: bool = False
    """Whether the file holds an execution count for it."""
    output_bytes: int = 0
    """Of its outputs, as they stand in the file."""
    outputs: tuple[Mapping[str, Any], ...] = ()
    """As in the file, not cleaned: only for the linter."""

    @property
    def purpose(self) -> str:
        """In a few words; the first line of its source when it does not say."""
        return self.words.purpose or clean(self.source.strip().partition("\n")[0], limit=80)

    @property
    def reads_only(self) -> bool:
        """Whether it is declared to change nothing."""
        return self.words.effects == NO_EFFECTS

    @property
    def time_limit_seconds(self) -> float:
        """After so long it is stopped."""
        return self.words.time_limit


@dataclass(frozen=True, slots=True)
class Book:
    """A notebook file."""

    path: Path
    sha256: str
    """Of the bytes that were read."""
    cells: tuple[Cell, ...]
    """Code cells, in their order."""
    language: str
    kernel: str
    """Name of the kernel that it asks for; "" when it does not say."""
    findings: tuple[Finding, ...] = field(default=())
    """What is wrong with single cells; those cells keep what could be read."""

    def cell(self, name: str) -> Cell | None:
        """The cell with this id; None when there is none."""
        return next((cell for cell in self.cells if cell.id == name), None)

    def tagged(self, tag: str) -> tuple[Cell, ...]:
        """The cells with this tag, in their order."""
        return tuple(cell for cell in self.cells if tag in cell.tags)

    @property
    def parameters(self) -> Cell | None:
        """The cell with the parameters' defaults; None when there is none."""
        return next(iter(self.tagged(PARAMETERS)), None)


def read_book(path: Path) -> Book:
    """The notebook file at ``path``. Raises :class:`InvalidDocument` when it is no notebook that can be run."""
    name = clean(str(path))
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unusable(name, f"cannot be read: {clean(error.strerror or error)}",
                        "check spec.notebook.path and its permissions", "unreadable") from None
    if len(raw) > MAX_BYTES:
        raise _unusable(name, f"is larger than {MAX_BYTES:,} bytes", "strip its outputs", "too-large")
    return parse_book(raw, path)


def parse_book(raw: bytes, path: Path) -> Book:
    """The notebook in ``raw``; ``path`` is where it came from. Raises as :func:`read_book` does."""
    name = clean(str(path))
    try:
        text = raw.decode("utf-8")
        content = json.loads(text)
    except UnicodeDecodeError:
        raise _unusable(name, "is not UTF-8 text", "save it as a notebook again", "encoding") from None
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise _unusable(name, f"is not JSON: {clean(error, limit=120)}", "save it as a notebook again", "json",
                        line) from None
    version = content.get("nbformat") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(version, int):
        raise _unusable(name, "is not a notebook: it has no nbformat", "save it with Jupyter", "no-notebook-file")
    raw_cells = content.get("cells")
    if version != _FORMAT or not isinstance(raw_cells, list):
        raise _unusable(name, f"is a notebook of format {version}; only format {_FORMAT} can be run",
                        f"jupyter nbconvert --to notebook --inplace {path.name}", "notebook-format")
    about = content.get("metadata")
    about = about if isinstance(about, dict) else {}
    findings: list[Finding] = []
    cells = tuple(_cells(raw_cells, text, name, findings))
    return Book(path, hashlib.sha256(raw).hexdigest(), cells, _word(about, "language_info", "name") or
                _word(about, "kernelspec", "language") or "python", _word(about, "kernelspec", "name"),
                tuple(findings))


def _cells(raw_cells: Sequence[Any], text: str, name: str, findings: list[Finding]) -> Iterator[Cell]:
    seen: dict[str, int] = {}
    for number, raw in enumerate(raw_cells, 1):
        if not isinstance(raw, dict) or raw.get("cell_type") != "code":
            continue
        metadata = raw.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        own = raw.get("id")
        line = _line(text, own)
        label = clean(own, limit=64) if isinstance(own, str) and own else f"cell-{number}"
        words = _words(metadata.get("triage"), label, name, line, findings)
        cell_id = clean(words.id, limit=64) if words.id else label
        if not _ID.fullmatch(cell_id):
            findings.append(Finding("error", name, line, f"cell {label}", "has an id that is no name",
                                    'letters, digits, ".", "_" and "-", at most 64', "cell-id"))
        if cell_id in seen:
            findings.append(Finding("error", name, line, f"cell {cell_id}",
                                    f"has the id of cell number {seen[cell_id]}", "give each cell its own", "cell-id"))
        seen.setdefault(cell_id, number)
        source = _joined(raw.get("source"))
        tags = metadata.get("tags")
        outputs = raw.get("outputs")
        outputs = tuple(each for each in outputs if isinstance(each, dict)) if isinstance(outputs, list) else ()
        yield Cell(cell_id, number, source,
                   frozenset(clean(tag, limit=64) for tag in tags if isinstance(tag, str)) if isinstance(tags, list)
                   else frozenset(), words, hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest(), line,
                   raw.get("execution_count") is not None, len(json.dumps(outputs)) if outputs else 0, outputs)


def _words(raw: Any, cell: str, name: str, line: int | None, findings: list[Finding]) -> CellWords:
    if raw is None:
        return _NO_WORDS
    document = strict_yaml.Document(name, _cleaned(raw), {(): line} if line is not None else {})
    try:
        return strict_yaml.validate(document, CellWords)
    except InvalidDocument as error:
        findings.extend(Finding(f.severity, f.file, f.line, f"cell {cell}: {f.field}".rstrip(": "), f.message, f.hint,
                                f.code) for f in error.findings)
        # A purpose that can be read is still worth showing; nothing else is taken from what is wrong.
        purpose = document.content.get("purpose") if isinstance(document.content, dict) else None
        return CellWords(purpose=purpose) if isinstance(purpose, str) and "\n" not in purpose else _NO_WORDS


def _cleaned(node: Any) -> Any:
    if isinstance(node, str):
        return clean(node, limit=400)
    if isinstance(node, list):
        return [_cleaned(each) for each in node[:200]]
    if isinstance(node, dict):
        return {clean(key, limit=80): _cleaned(value) for key, value in list(node.items())[:200]}
    return node


def _joined(source: Any) -> str:
    """nbformat writes texts as one string or as a list of lines."""
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def _line(text: str, cell_id: Any) -> int | None:
    if not isinstance(cell_id, str) or not cell_id:
        return None
    found = re.search(rf'"id"\s*:\s*{re.escape(json.dumps(cell_id))}', text)
    return None if found is None else text.count("\n", 0, found.start()) + 1


def _word(about: Mapping[str, Any], block: str, key: str) -> str:
    found = about.get(block)
    word = found.get(key) if isinstance(found, dict) else None
    return clean(word, limit=80) if isinstance(word, str) else ""


def _unusable(file: str, message: str, hint: str, code: str, line: int | None = None) -> InvalidDocument:
    return InvalidDocument([Finding("error", file, line, "", message, hint, code)])


Pin = Literal["matches", "differs", "none"]


def pinned(book: Book, sha256: str | None) -> Pin:
    """How the file stands to the digest that the manifest or the registry pins it to; ``none``: there is no pin."""
    return "none" if sha256 is None else "matches" if book.sha256 == sha256 else "differs"
