"""A registry made of git tags, in the style of GTO (Git Tag Ops): what the tags mean. Pure.

``fraud-scorer@v8``
    registers version ``v8`` at the commit of the tag; ``fraud-scorer@v8!#2`` takes that back.
``fraud-scorer#champion#3``
    gives the stage ``champion``, which is read as an alias, to the version registered at the commit of the tag;
    ``fraud-scorer#champion!#4`` takes it away. The later tag counts, then the higher number at the end.

A line ``key: value`` in the message of an annotated tag is a tag of that version, so an approval is recorded by whoever
made the tag: ``git tag -a 'fraud-scorer#champion#3' -m 'validation_status: approved' -m 'approved_by: model-risk'``.
``run`` names the training run, ``manifest`` the path of the model notebook's manifest in the commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from triage.facts.versions import RegisteredModel, RegisteredVersion
from triage.text import clean

FORMAT = "%00".join(("%(refname:strip=2)", "%(objecttype)", "%(*objecttype)", "%(*objectname)", "%(objectname)",
                     "%(creatordate:unix)", "%(contents)")) + "%00"
"""For ``git for-each-ref``: seven fields, each ended by NUL, which no name and no message can hold."""
_FIELDS = 7
_TAG = re.compile(r"(?P<model>[^#@]+)(?:#(?P<stage>[^#@!]+)|@(?P<version>[^#@!]+))(?P<cancel>!?)(?:#(?P<counter>\d+))?")
_LINE = re.compile(r"(?P<key>[A-Za-z_][\w.-]{0,100}): +(?P<value>\S.*)")
_ABOUT_THE_MODEL = frozenset({"created", "deprecated"})
"""GTO's notes on a model as a whole, which stand where a version stands."""


@dataclass(frozen=True, slots=True)
class TagRef:
    """One tag that concerns a model."""

    model: str
    stage: str
    version: str
    """One of ``stage`` and ``version`` is ""."""
    cancels: bool
    counter: int
    commit: str
    made_at: float
    texts: Mapping[str, str]
    """The lines ``key: value`` of its message."""


@dataclass(slots=True)
class _Model:
    commits: dict[str, str] = field(default_factory=dict)
    """Commit by version, in the order of registration."""
    versions: dict[str, RegisteredVersion] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


def _fields(printed: bytes) -> Iterator[list[str]]:
    fields = printed.decode("utf-8", errors="replace").split("\0")
    for start in range(0, len(fields) - _FIELDS, _FIELDS):
        name, *others = fields[start:start + _FIELDS]
        yield [name.lstrip("\n"), *others]


def names_tags(printed: bytes) -> bool:
    """Whether one of the tags is a tag of a tag, of which git before 2.45 does not tell the commit."""
    return any(of == "tag" for _, _, of, *_ in _fields(printed))


def parse_refs(printed: bytes, dereferenced: bytes = b"") -> tuple[TagRef, ...]:
    """The output of ``git for-each-ref`` with :data:`FORMAT`; tags of another form are left out.

    ``dereferenced``: that of ``git show-ref --tags --dereference``, needed where a tag :func:`names_tags`.
    """
    lines = (line.partition(" refs/tags/") for line in dereferenced.decode("utf-8", errors="replace").splitlines())
    commits = {name.removesuffix("^{}"): commit for commit, _, name in lines if name.endswith("^{}")}
    found = []
    for name, kind, of, peeled, own, made, message in _fields(printed):
        match = _TAG.fullmatch(name)
        if match is None or match["version"] in _ABOUT_THE_MODEL:
            continue
        # The message of a tag that is not annotated is that of the commit, which approves nothing.
        texts = {clean(line["key"]): clean(line["value"].rstrip()) for line in
                 map(_LINE.fullmatch, message.splitlines()) if line is not None} if kind == "tag" else {}
        # GTO writes the colon of names such as folder:model, which git does not allow, as an equals sign.
        found.append(TagRef(clean(match["model"].replace("=", ":"), limit=300), clean(match["stage"] or "", limit=300),
                            clean(match["version"] or "", limit=300), bool(match["cancel"]),
                            int(match["counter"] or 0),
                            (commits.get(name, peeled) if of == "tag" else peeled or own)[:64],
                            float(made) if made.isdecimal() else 0.0, texts))
    return tuple(found)


def models_from_tags(refs: Iterable[TagRef], read_at: float) -> dict[str, RegisteredModel]:
    """What the tags say, by the names of the models."""
    found: dict[str, _Model] = {}
    # At one time versions go before stages, so that a stage finds the version that was registered with it.
    for ref in sorted(refs, key=lambda r: (r.made_at, bool(r.stage), r.counter, r.version)):
        model = found.setdefault(ref.model, _Model())
        if ref.version:
            _register(model, ref)
        else:
            _assign(model, ref)
    return {name: _finished(name, model, read_at) for name, model in found.items()}


def _register(model: _Model, ref: TagRef) -> None:
    if ref.cancels:
        model.versions.pop(ref.version, None)
        model.commits.pop(ref.version, None)
        return
    model.commits[ref.version] = ref.commit
    model.versions[ref.version] = RegisteredVersion(ref.version, ref.made_at or None, source=ref.commit,
                                                    run_id=ref.texts.get("run", ""), tags=ref.texts,
                                                    tagged_at=_written(ref))


def _assign(model: _Model, ref: TagRef) -> None:
    if ref.cancels:
        model.aliases.pop(ref.stage, None)
        return
    at_commit = [version for version, commit in model.commits.items() if commit == ref.commit]
    if not at_commit:
        # A version that is not registered: it is named by its commit, so that the contradiction can be seen.
        model.aliases[ref.stage] = ref.commit[:12]
        return
    version = at_commit[-1]
    model.aliases[ref.stage] = version
    known = model.versions[version]
    model.versions[version] = replace(known, tags={**known.tags, **ref.texts},
                                      tagged_at={**known.tagged_at, **_written(ref)})


def _written(ref: TagRef) -> dict[str, float]:
    return dict.fromkeys(ref.texts, ref.made_at) if ref.made_at else {}


def _finished(name: str, model: _Model, read_at: float) -> RegisteredModel:
    versions = sorted(model.versions.values(), key=lambda v: (v.created_at or 0.0, v.version), reverse=True)
    named = tuple(replace(v, aliases=tuple(sorted(a for a, of in model.aliases.items() if of == v.version)))
                  for v in versions)
    return RegisteredModel(name, named, dict(model.aliases), read_at)
