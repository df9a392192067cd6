"""``FolderClient``: a registry in a folder, for teams without a server: ``registry.yaml``, or a clone with git tags.

Where ``registry.yaml`` is there it counts: as it lies in the folder, or as it stands in a branch or commit of the
repository (``ref``), where nobody's unsaved change reaches it. Without one, the tags of the repository are the registry
(:mod:`triage.sources.registry.git_tags`). The manifest of a version is then ``manifest`` of its tags, else
``<model>/manifest.yaml`` or ``manifest.yaml``, in the commit that was registered; reference distributions lie beside
it in ``references.yaml``.

Files and git are read off the event loop. A clone is never fetched here: how old it is, is said (``as_of``).
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from triage.clock import Clock
from triage.facts.outcome import Failure, FailureKind
from triage.facts.versions import Document, DocumentKind, RegisteredModel, RegisteredVersion, TrainingRun
from triage.sources.registry import git
from triage.sources.registry.face import MAX_DOCUMENT_BYTES, NAME, no_such_model
from triage.sources.registry.git_tags import FORMAT, models_from_tags, names_tags, parse_refs
from triage.sources.registry.index import INDEX, Index, document_path, models_from_index, parse_index
from triage.text import clean


@dataclass(frozen=True, slots=True)
class Survey:
    """What the folder turned out to be, for ``triage doctor``."""

    product: str
    """``registry.yaml`` or ``git tags``."""
    revision: str
    """Short commit that the index was read from; "" for files as they lie, and for tags."""
    is_git: bool
    models: int
    versions: int
    as_of: float | None
    """When the clone was last fetched, Unix seconds; None for plain files, when it never was, and when it is not
    known."""
    how_to_add: str
    fetch_failed_at: float | None = None
    """As :attr:`~triage.facts.versions.RegisteredModel.fetch_failed_at`."""


@dataclass(frozen=True, slots=True)
class _Repository:
    prefix: str
    """Path of the folder inside the repository, "" or ending in a slash."""
    fetched_at: float | None
    fetch_failed_at: float | None


@dataclass(frozen=True, slots=True)
class _Content:
    """One reading of the whole registry."""

    models: Mapping[str, RegisteredModel]
    index: Index | None
    """None: the registry is made of tags."""
    commit: str
    """Of the index, "" for the file as it lies."""
    repository: _Repository | None


class FolderClient:
    """One folder, as :class:`~triage.sources.registry.face.Registry`. Making it reads nothing and raises nothing."""

    def __init__(self, folder: Path, ref: str | None, clock: Clock, *, name: str = NAME) -> None:
        self.name = name
        self.requests_sent = 0
        self._folder = folder
        self._ref = ref
        self._clock = clock
        self._content: _Content | None = None

    @property
    def where(self) -> str:
        return clean(self._folder, limit=300) + (f" at {self._ref}" if self._ref else "")

    def next_try_in(self) -> float | None:
        return None

    def retry_now(self) -> None:
        """Nothing is ever held back."""

    async def aclose(self) -> None:
        """Nothing is open."""

    async def models(self, names: Sequence[str]) -> Mapping[str, RegisteredModel | Failure]:
        content = await self._read()
        if isinstance(content, Failure):
            return dict.fromkeys(names, content)
        known = ", ".join(sorted(content.models)[:5])
        hint = f"check spec.registry.name; there are: {known}" if known else _how_to_add(content.index is not None)
        return {name: content.models.get(name) or no_such_model(name, clean(hint)) for name in names}

    async def document(self, model: str, version: RegisteredVersion,
                       kind: DocumentKind) -> Document | Failure | None:
        content = self._content
        if content is None:
            read = await self._read()
            if isinstance(read, Failure):
                return read
            content = read
        if content.index is None:
            return await self._tagged_document(content, model, version, kind)
        path = document_path(content.index, model, version.version, kind)
        if path is None:
            return None
        if content.commit and content.repository is not None:
            return await self._blob(content.commit, content.repository.prefix + path, path, kind)
        return await asyncio.to_thread(self._file, path, kind)

    async def run(self, version: RegisteredVersion) -> TrainingRun | Failure | None:
        return None

    async def survey(self) -> Survey | Failure:
        """Read it, and say what it is."""
        content = await self._read()
        if isinstance(content, Failure):
            return content
        of = content.repository
        indexed = content.index is not None
        return Survey(INDEX if indexed else "git tags", content.commit[:12], of is not None, len(content.models),
                      sum(len(m.versions) for m in content.models.values()), of.fetched_at if of is not None else None,
                      _how_to_add(indexed), of.fetch_failed_at if of is not None else None)

    async def _read(self) -> _Content | Failure:
        self.requests_sent += 1
        read_at = self._clock.now()
        if self._ref is not None:
            found = await self._at_ref(self._ref, read_at)
        else:
            raw = await asyncio.to_thread(self._index_file)
            if isinstance(raw, Failure):
                found = raw
            elif raw is not None:
                found = await self._indexed(raw, read_at, "", None)
            else:
                found = await self._tagged(read_at)
        if not isinstance(found, Failure):
            self._content = found
        return found

    async def _at_ref(self, ref: str, read_at: float) -> _Content | Failure:
        repository = await self._repository()
        if isinstance(repository, Failure):
            return repository
        # Files of one reading come from one commit, whatever is fetched meanwhile.
        resolved = await git.run(self._folder, "rev-parse", "--verify", "--quiet", "--end-of-options",
                                 f"{ref}^{{commit}}")
        if isinstance(resolved, Failure):
            return Failure(FailureKind.BROKEN, f"{self.where.rpartition(' at ')[0]} has no branch, tag or commit {ref}",
                           "check registry.ref, and whether the clone was fetched")
        commit = resolved.decode("ascii", errors="replace").strip()
        raw = await git.run(self._folder, "cat-file", "blob", f"{commit}:{repository.prefix}{INDEX}")
        if isinstance(raw, Failure):
            if raw.kind is FailureKind.NOT_FOUND:
                return Failure(FailureKind.BROKEN, f"there is no {INDEX} in {ref}",
                               "commit one there, or drop registry.ref to read git tags")
            return raw
        return await self._indexed(raw, read_at, commit, repository)

    async def _indexed(self, raw: bytes, read_at: float, commit: str,
                       repository: _Repository | None) -> _Content | Failure:
        if len(raw) > MAX_DOCUMENT_BYTES:
            return Failure(FailureKind.TOO_LARGE, f"{INDEX} has more than {MAX_DOCUMENT_BYTES:,} bytes",
                           "forget old versions, or use a registry server")
        index = await asyncio.to_thread(parse_index, raw, f"{self.where}/{INDEX}" if not commit else
                                        f"{INDEX} at {self._ref}")
        if isinstance(index, Failure):
            return index
        return _Content(_copied(models_from_index(index, read_at), repository), index, commit, repository)

    async def _tagged(self, read_at: float) -> _Content | Failure:
        repository = await self._repository()
        if isinstance(repository, Failure):
            if repository.message.endswith(git.NO_REPOSITORY):
                return Failure(FailureKind.CONNECT, f"{self.where} holds no {INDEX} and is no git repository",
                               f"check registry.path, or write {INDEX} there")
            return repository
        printed = await git.run(self._folder, "for-each-ref", f"--format={FORMAT}", "refs/tags")
        if isinstance(printed, Failure):
            return printed
        peeled = await git.run(self._folder, "show-ref", "--tags", "--dereference") if names_tags(printed) else b""
        if isinstance(peeled, Failure):
            return peeled
        models = await asyncio.to_thread(lambda: models_from_tags(parse_refs(printed, peeled), read_at))
        return _Content(_copied(models, repository), None, "", repository)

    async def _repository(self) -> _Repository | Failure:
        printed = await git.run(self._folder, "rev-parse", "--git-common-dir", "--show-prefix")
        if isinstance(printed, Failure):
            return printed
        common, _, prefix = printed.decode("utf-8", errors="replace").partition("\n")
        return await asyncio.to_thread(_opened, self._folder / common, prefix.strip("\n"))

    async def _tagged_document(self, content: _Content, model: str, version: RegisteredVersion,
                               kind: DocumentKind) -> Document | Failure | None:
        prefix = content.repository.prefix if content.repository is not None else ""
        named = version.tags.get("manifest")
        paths = [named] if named else [f"{model}/manifest.yaml", "manifest.yaml"]
        for path in paths:
            place = PurePosixPath(path)
            if place.is_absolute() or ".." in place.parts:
                return Failure(FailureKind.BROKEN, f"the tag of {version.version} names no path below the folder: "
                               f"{path}", "write a path such as fraud-scorer/manifest.yaml")
            wanted = place if kind is DocumentKind.MANIFEST else place.parent / "references.yaml"
            found = await self._blob(version.source, f"{prefix}{wanted}", str(wanted), kind)
            if found is not None:
                return found
        return None

    async def _blob(self, commit: str, path: str, shown: str, kind: DocumentKind) -> Document | Failure | None:
        found = await git.run(self._folder, "cat-file", "blob", f"{commit}:{path}")
        if isinstance(found, Failure):
            return None if found.kind is FailureKind.NOT_FOUND else found
        return _limited(Document(kind, found, f"{clean(shown, limit=200)} at {commit[:12]}"))

    def _index_file(self) -> bytes | Failure | None:
        """The index as it lies in the folder; None when there is none."""
        try:
            if not self._folder.is_dir():
                return Failure(FailureKind.CONNECT, f"there is no folder {self.where}", "check registry.path")
            return _read_file(self._folder / INDEX)
        except FileNotFoundError:
            return None
        except OSError as error:
            return Failure(FailureKind.FORBIDDEN, f"{self.where} cannot be read: {clean(error.strerror or error)}",
                           "check its permissions")

    def _file(self, path: str, kind: DocumentKind) -> Document | Failure | None:
        try:
            file = (self._folder / path).resolve()
            if not file.is_relative_to(self._folder.resolve()):
                return Failure(FailureKind.BROKEN, f"{clean(path, limit=200)} leads out of the folder",
                               "keep the file itself there, not a link")
            return _limited(Document(kind, _read_file(file), clean(path, limit=200)))
        except FileNotFoundError:
            return Failure(FailureKind.NOT_FOUND, f"{INDEX} names {clean(path, limit=200)}, which is not there",
                           "add the file, or correct the path")
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "unreadable"
            return Failure(FailureKind.FORBIDDEN, f"{clean(path, limit=200)} cannot be read: {clean(reason)}",
                           "check its permissions")


def _opened(common: Path, prefix: str) -> _Repository:
    """What the last fetch left behind, whichever worktree it was made in: refs are common to all of them.

    Git empties ``FETCH_HEAD`` before it connects, and writes what it got at the end.
    """
    fetched: list[float] = []
    failed: list[float] = []
    for place in (common, *common.glob("worktrees/*")):
        try:
            found = (place / "FETCH_HEAD").stat()
        except OSError:
            continue
        (fetched if found.st_size else failed).append(found.st_mtime)
    last, lost = max(fetched, default=None), max(failed, default=None)
    # What another worktree got later makes up for it.
    return _Repository(prefix, last, lost if last is None or (lost is not None and lost > last) else None)


def _copied(models: Mapping[str, RegisteredModel], repository: _Repository | None) -> dict[str, RegisteredModel]:
    """The models with the age of the copy that they were read from."""
    if repository is None:
        return dict(models)
    return {name: replace(model, as_of=repository.fetched_at, fetch_failed_at=repository.fetch_failed_at)
            for name, model in models.items()}


def _read_file(path: Path) -> bytes:
    """At most one byte more than a document may have. Raises OSError, also for what is no regular file."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError(0, "it is no file")
    with path.open("rb") as stream:
        return stream.read(MAX_DOCUMENT_BYTES + 1)


def _limited(document: Document) -> Document | Failure:
    if len(document.content) <= MAX_DOCUMENT_BYTES:
        return document
    return Failure(FailureKind.TOO_LARGE, f"{document.where} has more than {MAX_DOCUMENT_BYTES:,} bytes",
                   "keep data out of it: reference it by URI and digest")


def _how_to_add(indexed: bool) -> str:
    return (f"add it under models in {INDEX}" if indexed else
            f"register a version: git tag -a NAME@v1 -m 'first version', or write {INDEX}")
