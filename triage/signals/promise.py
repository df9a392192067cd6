"""Whether the manifest on disk is the one that was registered with the version: the promise that was deployed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from triage.facts.outcome import Failure
from triage.facts.versions import Document, RegisteredVersion

if TYPE_CHECKING:
    from triage.notebook.manifest import Manifest

MOST_DIFFERENCES = 50
_VALUE_LIMIT = 80


class PromiseState(StrEnum):
    """How the manifest on disk stands to the registered one. The value is the word in JSON."""

    SAME = "same"
    """Byte for byte."""
    LAYOUT = "layout"
    """It promises the same in other words: comments, order, spaces."""
    DIFFERS = "differs"
    ALTERED = "altered"
    """The registered manifest is not the one that its own digest was taken of."""
    NOT_RECORDED = "not_recorded"
    """The registry holds neither a manifest nor a digest of it."""
    UNREADABLE = "unreadable"
    """There is one, and it cannot be read or used."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that the two manifests fill differently."""

    path: str
    """Dotted, such as ``spec.slos[latency].objective``; items of lists by their names."""
    on_disk: str
    """"" where the field is not set."""
    registered: str


@dataclass(frozen=True, slots=True)
class Promise:
    """The comparison for one version."""

    version: str
    """As the registry spells it."""
    state: PromiseState
    on_disk_sha256: str
    registered_sha256: str = ""
    """"" when none is recorded."""
    differences: tuple[Difference, ...] = ()
    """At most :data:`MOST_DIFFERENCES`; empty when only the digests could be compared."""
    note: str = ""
    """Why it cannot be read, as a sentence; "" otherwise."""
    notebook_sha256: str = ""
    """What the registered manifest says the digest of the notebook's file is; "" when it does not, or was not read."""


def compare_promise(on_disk: bytes, manifest: Manifest, version: RegisteredVersion,
                    document: Document | Failure | None) -> Promise:
    """Compare the manifest on disk with that of ``version``, the one that the notebook describes.

    ``on_disk`` is the file's bytes, ``manifest`` what they say; ``document`` is what
    :meth:`~triage.sources.registry.face.Registry.document` gave. A digest alone decides whether they are the same;
    what differs can be told only with the registered text.
    """
    ours = hashlib.sha256(on_disk).hexdigest()
    recorded = version.manifest_sha256
    if isinstance(document, Failure) or document is None:
        if recorded:
            return Promise(version.version, PromiseState.SAME if recorded == ours else PromiseState.DIFFERS, ours,
                           recorded)
        if document is None:
            return Promise(version.version, PromiseState.NOT_RECORDED, ours)
        return Promise(version.version, PromiseState.UNREADABLE, ours, note=document.sentence())
    theirs = document.sha256
    if recorded and recorded != theirs:
        return Promise(version.version, PromiseState.ALTERED, ours, theirs,
                       note=f"its digest says {recorded[:12]}, {document.where} has {theirs[:12]}")
    if theirs == ours:
        return Promise(version.version, PromiseState.SAME, ours, theirs)
    registered = _parsed(document)
    if isinstance(registered, str):
        return Promise(version.version, PromiseState.UNREADABLE, ours, theirs, note=registered)
    differences = manifest_differences(manifest, registered)
    return Promise(version.version, PromiseState.DIFFERS if differences else PromiseState.LAYOUT, ours, theirs,
                   differences, notebook_sha256=registered.spec.notebook.sha256 or "")


def manifest_differences(on_disk: Manifest, registered: Manifest) -> tuple[Difference, ...]:
    """What the two promise differently, defaults written out, in the order of the format."""
    found = []
    for difference in _differences("", on_disk.model_dump(mode="json"), registered.model_dump(mode="json")):
        found.append(difference)
        if len(found) == MOST_DIFFERENCES:
            break
    return tuple(found)


def _parsed(document: Document) -> Manifest | str:
    """The registered manifest, or why it cannot be used."""
    from triage import strict_yaml
    from triage.errors import InvalidDocument
    from triage.notebook.manifest import Manifest
    try:
        parsed = strict_yaml.parse(document.content.decode("utf-8-sig"), document.where)
        return strict_yaml.validate(parsed, Manifest)
    except UnicodeDecodeError:
        return f"{document.where} is not UTF-8 text"
    except InvalidDocument as error:
        return error.message


def _differences(path: str, here: Any, there: Any) -> Iterator[Difference]:
    if here == there:
        return
    if isinstance(here, Mapping) and isinstance(there, Mapping):
        for key in dict.fromkeys((*here, *there)):
            yield from _differences(f"{path}.{key}" if path else str(key), here.get(key), there.get(key))
        return
    if isinstance(here, list) and isinstance(there, list):
        names, others = _by_name(here), _by_name(there)
        if names is not None and others is not None and (names or others):
            for name in dict.fromkeys((*names, *others)):
                yield from _differences(f"{path}[{name}]", names.get(name), others.get(name))
            return
    yield Difference(path, _shown(here), _shown(there))


def _by_name(items: Sequence[Any]) -> dict[str, Any] | None:
    """List items by what names them; None where they have no such thing."""
    found = {}
    for item in items:
        name = item.get("name", item.get("metric")) if isinstance(item, Mapping) else None
        if not isinstance(name, str) or name in found:
            return None
        found[name] = item
    return found


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        named = ", ".join(f"{key}: {_shown(item)}" for key, item in value.items() if item is not None)
        return _short(f"{{{named}}}")
    if isinstance(value, list):
        return _short(f"[{', '.join(map(_shown, value))}]")
    return f"{value:.12g}" if isinstance(value, float) else _short(str(value))


def _short(text: str) -> str:
    return text if len(text) <= _VALUE_LIMIT else f"{text[:_VALUE_LIMIT - 1]}…"
