"""What is registered, approved and aliased, against what really serves: where the three contradict each other.

An alias that moves changes nothing for a server that read it when it started, a version can serve that no reviewer
has seen, and a manifest can be edited after it was registered. None of this shows in error rates, so it is compared
here. Whether the manifest is the registered one is told by :mod:`triage.signals.promise`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.facts.outcome import Failure, FailureKind
from triage.facts.versions import Approval, ApprovalStatus, RegisteredModel, RegisteredVersion
from triage.signals import wording
from triage.signals.lineage_model import Lineage, LineageFinding, LineageKind, LineageRow
from triage.signals.model import Reason, Versions, VersionState
from triage.signals.promise import Promise, PromiseState
from triage.signals.reading import READABLE, Quality, Urgency, Verdict
from triage.signals.spellings import registered_as, spelt

if TYPE_CHECKING:
    from triage.notebook.manifest import Manifest
    from triage.notebook.manifest import Registry as Promised

RULE = "registry"
"""What :class:`~triage.signals.model.Reason` names as the rule."""
OLD_COPY_SECONDS = 86400.0
_ROWS = 6
_GRAVE = frozenset({"safety", "regulated"})
"""Criticalities for which a version that nobody approved is a page and not a ticket."""
_REFUSED = frozenset({ApprovalStatus.REJECTED, ApprovalStatus.WITHDRAWN})
_URGENCIES = (Urgency.PAGE, Urgency.TICKET, Urgency.NONE)
_VERDICTS = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN)
_NOTHING = Approval(ApprovalStatus.NONE)


@dataclass(frozen=True, slots=True)
class _Served:
    """A version with traffic, and the registered version behind it."""

    state: VersionState
    registered: RegisteredVersion | None

    @property
    def name(self) -> str:
        return self.registered.version if self.registered is not None else self.state.version

    @property
    def words(self) -> str:
        """``version 31 (canary, served as chat-assistant-r31)``."""
        more = [self.state.arm] if self.state.arm else []
        if self.name != self.state.version:
            more.append(f"served as {self.state.version}")
        return f"version {self.name}" + (f" ({', '.join(more)})" if more else "")

    @property
    def share(self) -> str:
        value = self.state.share.value
        return f"{wording.share(value)} of the requests" if value is not None else "requests"


def lineage(manifest: Manifest, registered: RegisteredModel | Failure | None, serving: Versions, now: float,
            promise: Promise | None = None) -> Lineage:
    """Compare the registry with the traffic for one model.

    ``registered`` is what the registry told; None while it has not answered yet, and for a context without one (then
    nothing is known and nothing is found). ``serving`` is which versions take traffic, ``promise`` the comparison of
    the manifest with the registered one. ``now`` is world time. Pure, and without memory: when an alias moved no
    registry tells, so such findings have no ``since``.
    """
    promised = manifest.spec.registry
    if promised is None or promised.kind == "none" or registered is None:
        return Lineage(False, (), (), None, None)
    if isinstance(registered, Failure):
        return Lineage(False, (), (_unread(registered, promised),), None, None)
    served, blind = _served(serving, registered)
    findings = [*blind, *_serving(served, registered, promised, manifest.metadata.criticality),
                *_aliases(served, registered, promised), *_rollback(manifest, registered),
                *_promises(manifest, served, registered, promise), *_copy(registered, now)]
    findings.sort(key=lambda f: (_URGENCIES.index(f.urgency), _VERDICTS.index(f.verdict)))
    rows = _rows(served, serving, registered, promised)
    shown = sum(row.registered for row in rows)
    return Lineage(True, rows, tuple(findings), promise, registered.read_at, registered.as_of,
                   len(registered.versions) - shown)


def described(manifest: Manifest, registered: RegisteredModel) -> RegisteredVersion | None:
    """The registered version that the notebook describes: the one whose manifest is to be compared."""
    name = registered_as(manifest.metadata.version, registered)
    return registered.version(name) if name is not None else None


def reasons(found: Lineage) -> tuple[Reason, ...]:
    """The findings that bear on the model's verdict; those without urgency are for the eye alone."""
    return tuple(Reason(f.verdict, f.urgency, RULE, f.version or RULE, f.text) for f in found.findings
                 if f.urgency is not Urgency.NONE)


def _unread(failure: Failure, promised: Promised) -> LineageFinding:
    if failure.kind is FailureKind.NOT_FOUND:
        return LineageFinding(LineageKind.NOT_REGISTERED, Verdict.WARN, Urgency.TICKET,
                              f"the registry has no model {promised.name}: nothing that serves is registered",
                              failure.hint)
    return LineageFinding(LineageKind.NOT_KNOWN, Verdict.UNKNOWN, Urgency.NONE,
                          f"whether what serves is registered and approved is not known: {failure.sentence()}",
                          failure.hint)


def _served(serving: Versions, model: RegisteredModel) -> tuple[tuple[_Served, ...], list[LineageFinding]]:
    """The versions with traffic, most first; and what keeps them from being known."""
    taking = [v for v in serving.items if v.share.quality in READABLE and (v.share.value or 0.0) > 0]
    if not taking:
        quality = serving.items[0].share.quality if serving.items else Quality.NO_DATA
        if quality in (Quality.NO_TRAFFIC, Quality.WAITING):
            return (), []
        return (), [LineageFinding(LineageKind.NOT_KNOWN, Verdict.UNKNOWN, Urgency.NONE, "which versions serve is not "
                                   f"known ({wording.QUALITY_WORDS[quality]}): nothing is compared with the registry",
                                   "see the model's metrics")]
    untold = [v for v in taking if not v.version]
    found = []
    if untold:
        found.append(LineageFinding(
            LineageKind.VERSION_NOT_TOLD, Verdict.UNKNOWN, Urgency.NONE,
            "the series do not say which version serves: it cannot be compared with the registry",
            "export the version as a label and name it in metrics.version_label", since=untold[0].first_seen))
    served = []
    for state in taking:
        if state.version:
            name = registered_as(state.version, model)
            served.append(_Served(state, model.version(name) if name is not None else None))
    return tuple(served), found


def _serving(served: Sequence[_Served], model: RegisteredModel, promised: Promised,
             criticality: str) -> Iterator[LineageFinding]:
    """Of every version with traffic: is it registered, complete and approved?"""
    tags = promised.approval_tags
    for item in served:
        since = item.state.first_seen
        if item.registered is None:
            if model.complete:
                verdict, urgency = _grade(item, criticality, grave=False)
                yield LineageFinding(
                    LineageKind.UNKNOWN_VERSION, verdict, urgency,
                    f"{item.words} takes {item.share}, and the registry does not have it",
                    "find out who deployed it; a version that serves under another name says so in its tag "
                    "triage.serves_as", item.name, since)
            continue
        approval = item.registered.approval(tags.status, tags.by)
        if approval.status in _REFUSED:
            verdict, urgency = _grade(item, criticality, grave=True)
            yield LineageFinding(LineageKind.REFUSED, verdict, urgency,
                                 f"{item.words} takes {item.share} and {_refusal(approval)}",
                                 "roll back to an approved version", item.name, since)
        elif approval.status is not ApprovalStatus.APPROVED:
            verdict, urgency = _grade(item, criticality, grave=False)
            said = f"{tags.status} is {approval.word}" if approval.word else f"it has no tag {tags.status}"
            yield LineageFinding(LineageKind.NOT_APPROVED, verdict, urgency,
                                 f"{item.words} takes {item.share} without approval: {said}",
                                 "pause or roll back until whoever reviews it has decided; an approval given now is no "
                                 "review", item.name, since)
        if item.registered.status != "READY":
            yield LineageFinding(LineageKind.NOT_READY, Verdict.WARN, Urgency.TICKET,
                                 f"{item.words} takes {item.share}, and its registration is {item.registered.status}",
                                 "register it again, or find out what served its files", item.name, since)


def _grade(item: _Served, criticality: str, *, grave: bool) -> tuple[Verdict, Urgency]:
    if item.state.arm == "shadow":
        # Its answers reach nobody.
        return Verdict.WARN, Urgency.NONE
    if criticality in _GRAVE:
        return Verdict.FAIL, Urgency.PAGE
    return Verdict.FAIL if grave else Verdict.WARN, Urgency.TICKET


def _refusal(approval: Approval) -> str:
    by = f" by {approval.by}" if approval.by else ""
    why = f": {approval.reason}" if approval.reason else ""
    return f"was {approval.status}{by}{why}"


def _aliases(served: Sequence[_Served], model: RegisteredModel, promised: Promised) -> Iterator[LineageFinding]:
    for alias, version in sorted(model.aliases.items()):
        if model.complete and model.version(version) is None:
            yield LineageFinding(LineageKind.ALIAS_DANGLING, Verdict.WARN, Urgency.TICKET,
                                 f"the alias {alias} names version {version}, which the registry does not have",
                                 "move it to a registered version", version)
    stable = next((s for s in served if s.state.arm == "stable"), None)
    if stable is None:
        return
    named = model.aliases.get(promised.stable_alias)
    if named is None:
        yield LineageFinding(
            LineageKind.ALIAS_MISSING, Verdict.WARN, Urgency.TICKET,
            f"no version carries the alias {promised.stable_alias}: a server that starts now finds nothing to load",
            f"set it to the version that serves ({stable.name}); deleting a version drops its aliases", stable.name)
    else:
        yield from _stable_alias(served, stable, named, promised, model)
    trial = next((s for s in served if s.state.arm in ("canary", "experiment")), None)
    candidate = model.aliases.get(promised.canary_alias)
    if trial is not None and candidate not in (None, trial.name) and trial.name != named:
        yield LineageFinding(
            LineageKind.ALIAS_NOT_SERVING, Verdict.WARN, Urgency.TICKET,
            f"the alias {promised.canary_alias} names version {candidate}, but {trial.words} is on trial",
            "find out which of them is meant to be tried", candidate or "")


def _stable_alias(served: Sequence[_Served], stable: _Served, named: str, promised: Promised,
                  model: RegisteredModel) -> Iterator[LineageFinding]:
    if named == stable.name:
        return
    alias = promised.stable_alias
    behind = next((s for s in served if s.name == named), None)
    if behind is None:
        yield LineageFinding(
            LineageKind.ALIAS_NOT_SERVING, Verdict.WARN, Urgency.TICKET,
            f"the alias {alias} names version {named}, which takes no requests: {stable.words} takes {stable.share}",
            "a server that read the alias when it started keeps the old version: roll it out, or move the alias back",
            named)
    elif model.aliases.get(promised.canary_alias) != stable.name:
        yield LineageFinding(
            LineageKind.ALIAS_BEHIND, Verdict.WARN, Urgency.NONE,
            f"the alias {alias} names version {named} with {behind.share}, while {stable.words} takes {stable.share}",
            f"move {alias} when the rollout is done", named)


def _rollback(manifest: Manifest, model: RegisteredModel) -> Iterator[LineageFinding]:
    target = manifest.spec.rollback.last_known_good
    if not target or manifest.spec.registry is None:
        return
    name = registered_as(target, model)
    version = model.version(name) if name is not None else None
    if version is None:
        if model.complete:
            yield LineageFinding(LineageKind.ROLLBACK_TARGET, Verdict.WARN, Urgency.TICKET,
                                 f"rollback.last_known_good names version {target}, which the registry does not have",
                                 "name a registered version in the manifest", target)
        return
    tags = manifest.spec.registry.approval_tags
    approval = version.approval(tags.status, tags.by)
    if approval.status in _REFUSED:
        yield LineageFinding(LineageKind.ROLLBACK_TARGET, Verdict.WARN, Urgency.TICKET,
                             f"rollback.last_known_good names version {version.version}, which {_refusal(approval)}",
                             "do not roll back to it; name an approved version in the manifest", version.version)
    elif version.status != "READY":
        yield LineageFinding(LineageKind.ROLLBACK_TARGET, Verdict.WARN, Urgency.TICKET,
                             f"rollback.last_known_good names version {version.version}, whose registration is "
                             f"{version.status}", "name another version in the manifest", version.version)


def _promises(manifest: Manifest, served: Sequence[_Served], model: RegisteredModel,
              promise: Promise | None) -> Iterator[LineageFinding]:
    told = manifest.metadata.version
    ours = registered_as(told, model) or told
    if served and all(ours != s.name and spelt(s.state.version, model.name, (told,)) is None for s in served):
        names = list(dict.fromkeys(s.name for s in served))
        who = f"version {names[0]} takes" if len(names) == 1 else f"versions {' and '.join(names)} take"
        yield LineageFinding(LineageKind.PROMISE_ELSEWHERE, Verdict.WARN, Urgency.NONE,
                             f"the notebook describes version {told}, but {who} the requests",
                             "read the notebook of the version that serves", ours)
    if promise is None or promise.state in (PromiseState.SAME, PromiseState.LAYOUT, PromiseState.NOT_RECORDED):
        return
    version = promise.version
    if promise.state is PromiseState.UNREADABLE:
        yield LineageFinding(LineageKind.NOT_KNOWN, Verdict.UNKNOWN, Urgency.NONE,
                             f"whether manifest.yaml is the one registered with version {version} is not known: "
                             f"{promise.note}", "", version)
    elif promise.state is PromiseState.ALTERED:
        yield LineageFinding(LineageKind.PROMISE_ALTERED, Verdict.WARN, Urgency.TICKET,
                             f"the manifest registered with version {version} was changed after its digest was taken: "
                             f"{promise.note}", "ask the owner which of them was approved; register it again", version)
    else:
        yield LineageFinding(LineageKind.PROMISE_DIFFERS, Verdict.WARN, Urgency.TICKET,
                             "the promise you read is not the one that was deployed: manifest.yaml differs from the "
                             f"one registered with version {version}{_where(promise)}",
                             "take the notebook at the commit that was registered, or register the change", version)


def _where(promise: Promise) -> str:
    if not promise.differences:
        return f" ({promise.on_disk_sha256[:12]} on disk, {promise.registered_sha256[:12]} registered)"
    first = promise.differences[0]
    more = len(promise.differences) - 1
    return (f" in {first.path} ({first.on_disk or 'not set'} on disk, {first.registered or 'not set'} registered)"
            + (f" and {more} more" if more else ""))


def _copy(model: RegisteredModel, now: float) -> Iterator[LineageFinding]:
    if model.fetch_failed_at is not None:
        yield LineageFinding(LineageKind.OLD_COPY, Verdict.UNKNOWN, Urgency.NONE,
                             "the last fetch of the clone that the registry was read from, "
                             f"{wording.age(now - model.fetch_failed_at)} ago, failed or is not over: how old it is "
                             "cannot be told", "run git fetch --tags in it and see why", since=model.fetch_failed_at)
    elif model.as_of is not None and now - model.as_of > OLD_COPY_SECONDS:
        yield LineageFinding(LineageKind.OLD_COPY, Verdict.UNKNOWN, Urgency.NONE,
                             f"the registry was read from a clone last fetched {wording.age(now - model.as_of)} ago: "
                             "what was registered since is not seen", "fetch it, best by a timer", since=model.as_of)


def _rows(served: Sequence[_Served], serving: Versions, model: RegisteredModel,
          promised: Promised) -> tuple[LineageRow, ...]:
    tags = promised.approval_tags
    states = {s.name: s.state for s in served}
    for state in serving.items:
        name = registered_as(state.version, model) if state.version else None
        if name is not None:
            states.setdefault(name, state)
    rows = [_row(s.name, s.state, s.registered, tags.status, tags.by) for s in served]
    there = {row.version for row in rows}
    aliased = [v for v in model.versions if v.aliases and v.version not in there]
    newest = [v for v in model.versions if not v.aliases and v.version not in there]
    room = max(0, _ROWS - len(rows) - len(aliased))
    rows += [_row(v.version, states.get(v.version), v, tags.status, tags.by) for v in (*aliased, *newest[:room])]
    return tuple(rows)


def _row(name: str, state: VersionState | None, version: RegisteredVersion | None, status_tag: str,
         by_tag: str) -> LineageRow:
    served_as, arm, share = (state.version, state.arm, state.share) if state is not None else ("", "", None)
    if version is None:
        return LineageRow(name, served_as, arm, share, False, _NOTHING, (), "", "", None, "", "", "")
    return LineageRow(name, served_as, arm, share, True, version.approval(status_tag, by_tag), version.aliases,
                      version.status, version.stage, version.created_at, version.source, version.run_id,
                      version.description)
