"""What a version was made of, link by link: data, references of the features, run, image, manifest. Pure.

Each link stands in three places: what the manifest on disk promises, what is recorded with the registered version, and
what runs. What the manifest on disk says of data and features is recorded exactly when the registered manifest says the
same, which :mod:`triage.signals.promise` has compared field by field. What the training run read is recorded, too,
where it was logged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from triage.facts.outcome import Failure
from triage.facts.rollouts import RolloutFacts
from triage.facts.versions import RegisteredModel, RunInput, TrainingRun
from triage.signals import wording
from triage.signals.lineage import described
from triage.signals.lineage_model import LineageLink, LinkState
from triage.signals.model import Versions
from triage.signals.promise import MOST_DIFFERENCES, Promise, PromiseState
from triage.signals.reading import READABLE
from triage.signals.spellings import registered_as, spelt

if TYPE_CHECKING:
    from triage.notebook.manifest import DataReference, Manifest

_DIGITS = 12
_OWN = re.compile(r"[0-9a-f]{1,8}|-?\d+")
"""What MLflow makes of frames and arrays, or of Spark's."""
_SHA256 = re.compile(r"[0-9a-f]{12,64}")
"""All of it, or its beginning: MLflow takes 36 characters."""


def links(manifest: Manifest, registered: RegisteredModel | Failure | None, serving: Versions,
          rollout: RolloutFacts | Failure | None, promise: Promise | None,
          run: TrainingRun | Failure | None = None) -> tuple[LineageLink, ...]:
    """The lineage of the version that the notebook describes, from what runs back to the data.

    ``run``: its training run; None where none is named, or it has not answered.
    """
    model = registered if isinstance(registered, RegisteredModel) else None
    unread = registered.sentence() if isinstance(registered, Failure) else ""
    return (_version(manifest, model, serving, unread), *_image(manifest, serving, rollout, promise),
            _manifest(promise, unread), *_run(manifest, model, run), *_data(manifest, promise, unread, run),
            *_features(manifest, promise, unread))


def _version(manifest: Manifest, model: RegisteredModel | None, serving: Versions, unread: str) -> LineageLink:
    told = manifest.metadata.version
    recorded = (registered_as(told, model) or "") if model is not None else ""
    taking = [v for v in serving.items if v.version and v.share.quality in READABLE and v.share.value]
    running = ", ".join(f"{v.version} {wording.share(v.share.value or 0.0)}" for v in taking)
    if not taking:
        return LineageLink("version", "", told, recorded, "", LinkState.UNKNOWN, "which versions serve is not known")
    if not any(spelt(v.version, manifest.metadata.name, (told,)) or (
            model is not None and recorded and registered_as(v.version, model) == recorded) for v in taking):
        return LineageLink("version", "", told, recorded, running, LinkState.DIFFERS,
                           "the notebook describes a version that does not serve")
    if model is None:
        return LineageLink("version", "", told, "", running, LinkState.UNKNOWN if unread else LinkState.NOT_RECORDED,
                           unread)
    if not recorded:
        return LineageLink("version", "", told, "", running,
                           LinkState.DIFFERS if model.complete else LinkState.UNKNOWN, "the registry does not have it")
    return LineageLink("version", "", told, recorded, running, LinkState.SAME)


def _image(manifest: Manifest, serving: Versions, rollout: RolloutFacts | Failure | None,
           promise: Promise | None) -> Iterator[LineageLink]:
    environment = manifest.spec.environment
    promised = (environment.image or "") if environment is not None else ""
    running, recorded = "", _registered("spec.environment.image", promised, promise)
    if isinstance(rollout, RolloutFacts):
        told = manifest.metadata.version
        revision = next((r for r in (rollout.stable, rollout.canary, *rollout.revisions) if r is not None and r.version
                         and spelt(r.version, manifest.metadata.name, (told,)) is not None), None)
        running = revision.image if revision is not None else ""
    if not (promised or running):
        return
    note = ""
    if promised and running and not _same_image(promised, running):
        state, note = LinkState.DIFFERS, "another image runs than the manifest names"
    elif recorded and recorded != promised:
        state, note = LinkState.DIFFERS, "the registered manifest names another"
    elif not promised or not running:
        state = LinkState.NOT_RECORDED
    elif "@sha256:" not in promised:
        state, note = LinkState.MUTABLE, "named by its tag, which can be moved: pin it by digest"
    else:
        state = LinkState.SAME
    yield LineageLink("image", "", promised, recorded, running, state, note)


def _same_image(promised: str, running: str) -> bool:
    """A tag is compared with a tag, a digest with a digest; where one place has only the other kind, names alone."""
    (ours, _, our_digest), (theirs, _, their_digest) = promised.partition("@"), running.partition("@")
    if our_digest and their_digest:
        return our_digest == their_digest
    return ours == theirs or (bool(our_digest or their_digest) and _name(ours) == _name(theirs))


def _name(image: str) -> str:
    return image.rsplit(":", 1)[0] if ":" in image.rsplit("/", 1)[-1] else image


def _manifest(promise: Promise | None, unread: str) -> LineageLink:
    if promise is None:
        return LineageLink("manifest", "", "", "", "", LinkState.UNKNOWN if unread else LinkState.NOT_RECORDED, unread)
    ours, theirs = promise.on_disk_sha256[:_DIGITS], promise.registered_sha256[:_DIGITS]
    state, note = {
        PromiseState.SAME: (LinkState.SAME, ""),
        PromiseState.LAYOUT: (LinkState.SAME, "the same in other words"),
        PromiseState.DIFFERS: (LinkState.DIFFERS, _differences(promise)),
        PromiseState.ALTERED: (LinkState.DIFFERS, f"the registered one was altered: {promise.note}"),
        PromiseState.NOT_RECORDED: (LinkState.NOT_RECORDED, "none was registered with the version"),
        PromiseState.UNREADABLE: (LinkState.UNKNOWN, promise.note),
    }[promise.state]
    return LineageLink("manifest", "", ours, theirs, "", state, note)


def _differences(promise: Promise) -> str:
    count = len(promise.differences)
    return f"{count} field{'s' if count > 1 else ''} differ{'' if count > 1 else 's'}" if count else ""


def _run(manifest: Manifest, model: RegisteredModel | None, run: TrainingRun | Failure | None) -> Iterator[LineageLink]:
    version = described(manifest, model) if model is not None else None
    if version is not None and (version.run_id or version.source):
        notes = [f"its files are at {version.source}"] if version.source else []
        if isinstance(run, Failure):
            notes.append(f"what it read is not known: {run.sentence()}")
        yield LineageLink("run", "", "", version.run_id or "-", "",
                          LinkState.UNKNOWN if isinstance(run, Failure) else LinkState.NOT_RECORDED, "; ".join(notes))


def _data(manifest: Manifest, promise: Promise | None, unread: str,
          run: TrainingRun | Failure | None) -> Iterator[LineageLink]:
    """What the manifest names, compared with the registered manifest and with what the run read; then what the run
    read besides."""
    told = list(run.inputs) if isinstance(run, TrainingRun) else []
    for each in manifest.spec.data:
        name = f"{each.namespace}.{each.name}" if each.namespace else each.name
        promised = _identity(each)
        state, recorded, note = _compared((f"spec.data[{each.name}]",), promised, promise, unread)
        read = [one for one in told if one.name in (each.name, name)]
        told = [one for one in told if one not in read]
        agreed = {agrees(each, one) for one in read}
        if not promised:
            state, note = LinkState.MUTABLE, "neither version nor digest: it may have changed since"
        elif False in agreed:
            other = next(one for one in read if agrees(each, one) is False)
            state, recorded, note = LinkState.DIFFERS, other.digest, f"the run read another{_for(other)}"
        elif True in agreed and state in (LinkState.NOT_RECORDED, LinkState.UNKNOWN):
            state, recorded, note = LinkState.SAME, promised, ""
        if read and not recorded:
            recorded = read[0].digest
        yield LineageLink("data", name, promised, recorded, "", state, note)
    for one in told:
        yield LineageLink("data", one.name, "", one.digest or one.where or "-", "", LinkState.NOT_RECORDED,
                          f"the run read it{_for(one)}, the manifest does not name it")


def _for(one: RunInput) -> str:
    return f" for {one.context}" if one.context else ""


def agrees(promised: DataReference, read: RunInput) -> bool | None:
    """Whether a run read what is promised; None where the two identities are of different kinds.

    The digest that MLflow computes itself, of a sample of the rows, is neither a version nor the digest of a file.
    """
    digest = read.digest.removeprefix("sha256:").lower()
    if digest and read.digest == promised.version:
        return True
    if not digest or _OWN.fullmatch(digest):
        return None
    if _SHA256.fullmatch(digest):
        return promised.sha256.startswith(digest) if promised.sha256 else None
    return False if promised.version else None


def _identity(each: DataReference) -> str:
    digest = f"sha256:{each.sha256[:_DIGITS]}" if each.sha256 else ""
    return ", ".join(part for part in (each.version or "", digest) if part)


def _features(manifest: Manifest, promise: Promise | None, unread: str) -> Iterator[LineageLink]:
    """The data sets that the references of watched features were taken from."""
    drift = manifest.spec.drift
    if drift is None:
        return
    watched = [*drift.features, *([drift.prediction] if drift.prediction is not None else [])]
    by_source: dict[str, dict[str, str]] = {}
    for feature in watched:
        if (reference := feature.reference) is not None and reference.data:
            path = "prediction" if feature is drift.prediction else f"features[{feature.name}]"
            by_source.setdefault(reference.data, {})[feature.name] = f"spec.drift.{path}.reference"
    if not by_source:
        return
    known = {each.name: _identity(each) for each in manifest.spec.data}
    for source, paths in by_source.items():
        state, recorded, note = _compared(tuple(paths.values()), known.get(source, ""), promise, unread)
        if source not in known:
            state, note = LinkState.DIFFERS, f"their reference names {source}, which spec.data does not have"
        yield LineageLink("features", ", ".join(paths), f"{source} {known.get(source, '')}".rstrip(), recorded, "",
                          state, note)


def _compared(paths: Sequence[str], promised: str, promise: Promise | None,
              unread: str) -> tuple[LinkState, str, str]:
    """(state, what is recorded, note) of a part of the manifest, by the comparison with the registered one."""
    if promise is None:
        return (LinkState.UNKNOWN, "", unread) if unread else (LinkState.NOT_RECORDED, "", "")
    if promise.state in (PromiseState.SAME, PromiseState.LAYOUT):
        return LinkState.SAME, promised, ""
    if promise.state is PromiseState.NOT_RECORDED:
        return LinkState.NOT_RECORDED, "", ""
    if promise.state is not PromiseState.DIFFERS or not promise.differences:
        return LinkState.UNKNOWN, "", "the registered manifest cannot be compared field by field"
    found = [d for d in promise.differences if any(_about(d.path, path) for path in paths)]
    if not found and len(promise.differences) >= MOST_DIFFERENCES:
        return LinkState.UNKNOWN, "", "the registered manifest differs in more fields than are compared"
    if not found:
        return LinkState.SAME, promised, ""
    return LinkState.DIFFERS, found[0].registered or "-", f"{found[0].path} was another when it was registered"


def _about(one: str, other: str) -> bool:
    """Whether one path is the other, or lies within it."""
    return one == other or one.startswith((f"{other}.", f"{other}[")) or other.startswith((f"{one}.", f"{one}["))


def _registered(path: str, promised: str, promise: Promise | None) -> str:
    """What the registered manifest has there; "" when it cannot be told."""
    state, recorded, _ = _compared((path,), promised, promise, "")
    return recorded if state in (LinkState.SAME, LinkState.DIFFERS) else ""


def differing(found: Sequence[LineageLink]) -> tuple[LineageLink, ...]:
    """The links that do not match."""
    return tuple(link for link in found if link.state is LinkState.DIFFERS)
