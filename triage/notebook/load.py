"""Model notebooks from disk: one, or folders of them, so that a broken one never hides the good ones."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from triage import strict_yaml
from triage.errors import Finding, InvalidDocument
from triage.notebook.manifest import Manifest
from triage.notebook.resolve import Objective, resolve
from triage.text import clean

MANIFEST_NAMES = ("manifest.yaml", "manifest.yml")
MAX_SEARCH_DEPTH = 3
"""How deep below a given folder notebooks are looked for."""


@dataclass(frozen=True, slots=True)
class Notebook:
    """A model notebook that can be used."""

    path: Path
    """Its folder; files named in the manifest are relative to it."""
    manifest: Manifest
    document: strict_yaml.Document
    """The manifest as parsed, with the line of every field."""
    objectives: tuple[Objective, ...]
    """What is to be measured, presets written out."""

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.manifest.metadata.name


@dataclass(frozen=True, slots=True)
class Broken:
    """A model notebook that cannot be used, and why."""

    name: str
    """``metadata.name`` where it could be read, else the folder's name."""
    path: Path
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything found, in the order of the paths given."""

    notebooks: tuple[Notebook, ...]
    broken: tuple[Broken, ...]


def load_notebook(path: Path) -> Notebook:
    """The notebook at ``path``, a folder with a manifest or the manifest itself.

    Raises :class:`InvalidDocument` with every error at once.
    """
    file = manifest_file(path)
    if file is None:
        raise InvalidDocument([_no_manifest(path)])
    return _checked(file, strict_yaml.load(file))


def load_all(paths: Iterable[Path]) -> Loaded:
    """Every notebook at and below ``paths`` (each a notebook, a manifest, or a folder of notebooks).

    Never raises for what it finds: what cannot be used is among ``broken``. Hidden folders are skipped, a folder met
    twice is read once, and of two notebooks of one model the first counts.
    """
    notebooks: dict[str, Notebook] = {}
    broken: list[Broken] = []
    read: set[Path] = set()
    for path in paths:
        found = False
        for item in _manifests(path, set()):
            found = True
            if isinstance(item, Broken):
                broken.append(item)
                continue
            real = item.resolve()
            if real in read:
                continue
            read.add(real)
            try:
                document = strict_yaml.load(item)
            except InvalidDocument as error:
                broken.append(Broken(_folder_name(item), item.parent, tuple(error.findings)))
                continue
            try:
                notebook = _checked(item, document)
            except InvalidDocument as error:
                broken.append(Broken(_name_in(document) or _folder_name(item), item.parent, tuple(error.findings)))
                continue
            first = notebooks.setdefault(notebook.name, notebook)
            if first is not notebook:
                broken.append(Broken(notebook.name, notebook.path, (document.finding(
                    ("metadata", "name"), f"names a model that has a notebook already: {first.document.file}",
                    "keep one of them, or give one another name", "duplicate-model"),)))
        if not found:
            broken.append(Broken(clean(path.name or str(path), limit=80), path, (_no_manifest(path),)))
    return Loaded(tuple(notebooks.values()), tuple(broken))


def manifest_file(path: Path) -> Path | None:
    """The manifest at ``path`` (itself, or in that folder); None when there is none."""
    return next((p for p in (path, *(path / name for name in MANIFEST_NAMES)) if is_file(p)), None)


def is_file(path: Path) -> bool:
    """Whether there is a regular file at ``path``; False too where it cannot be asked (name too long, no access)."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder at ``path``; False too where it cannot be asked."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _checked(file: Path, document: strict_yaml.Document) -> Notebook:
    manifest = strict_yaml.validate(document, Manifest)
    resolved = resolve(manifest)
    if resolved.problems:
        raise InvalidDocument(document.finding(p.path, p.message, p.hint, p.code) for p in resolved.problems)
    return Notebook(file.parent, manifest, document, resolved.objectives)


def _manifests(path: Path, seen: set[Path], depth: int = 0) -> Iterator[Path | Broken]:
    """Manifest files at and below ``path``, sorted; folders that cannot be read come as :class:`Broken`.

    A folder in ``seen`` yields nothing the second time, which ends loops of symbolic links.
    """
    try:
        file = manifest_file(path)
        if file is not None:
            yield file
            return
        if depth >= MAX_SEARCH_DEPTH or not path.is_dir():
            return
        real = path.resolve()
        if real in seen:
            return
        seen.add(real)
        children = sorted(p for p in path.iterdir() if not p.name.startswith(".") and p.is_dir())
    except OSError as error:
        reason = clean(error.strerror or error)
        yield Broken(clean(path.name, limit=80), path, (Finding(
            "error", clean(str(path)), None, "", f"cannot be read: {reason}", "check its permissions", "unreadable"),))
        return
    for child in children:
        yield from _manifests(child, seen, depth + 1)


def _no_manifest(path: Path) -> Finding:
    if not os.path.lexists(path):
        return Finding("error", clean(str(path)), None, "", "does not exist", "check --notebooks and the configuration",
                       "missing")
    return Finding("error", clean(str(path)), None, "",
                   "holds no model notebook: there is no manifest.yaml at or below it",
                   "copy one of triage/notebook/examples, or use triage discover URL --model NAME",
                   "no-notebook")


def _folder_name(file: Path) -> str:
    return clean(file.resolve().parent.name, limit=80) or "(notebook)"


def _name_in(document: strict_yaml.Document) -> str | None:
    content = document.content
    metadata = content.get("metadata") if isinstance(content, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return clean(name, limit=80) if isinstance(name, str) and name else None
