"""What a snapshot tells an incident: alerts, verdicts with their numbers, lost sources, deployments, moved aliases.

Pure. An incident remembers how everything stood that was told of (:attr:`Incident.seen`), so a snapshot alone is
enough: after a restart, and beside a second screen, the same is not told again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from triage.facts.outcome import SourceState
from triage.facts.rollouts import RolloutFacts
from triage.incident.entries import Entry, Kind, Source
from triage.incident.incident import Incident
from triage.signals import canary_words, deployed, wording
from triage.signals.model import ModelState
from triage.signals.reading import Quality, Urgency, Verdict
from triage.text import clean

if TYPE_CHECKING:
    from triage.live.snapshot import Snapshot
    from triage.signals.canary import CanaryState
    from triage.signals.model import AlertGroup

RECENT_SECONDS = 7200.0
"""What changed so long before an incident is told of with the time at which it did."""
BASELINE = "baseline"
"""Detail of an entry that tells how something was found when the incident was opened: nothing happened then."""
KNOWN_BY = "known by"
"""Detail of an alert: whose word it is since when it fires."""
BY_ALERTMANAGER = "startsAt of Alertmanager"
BY_PROMETHEUS = "activeAt of Prometheus"
"""Since when the condition of a rule holds: the alert fires once its ``for`` has passed as well."""
HELD_SINCE = "condition held since"
"""Detail of an alert: Unix seconds, by :data:`BY_PROMETHEUS`."""
PAGE = 3
_ENDED = "ended"
_NO_DETAILS: Mapping[str, str] = MappingProxyType({})
_AS_FOUND: Mapping[str, str] = MappingProxyType({BASELINE: "yes"})


def news(incident: Incident, snapshot: Snapshot, model: ModelState, by: str) -> tuple[Entry, ...]:
    """What ``snapshot`` tells of ``model`` that the incident does not know yet; ``by`` is whose triage saw it."""
    found = [*_sources(incident.seen, snapshot), *_alerts(incident.seen, snapshot, model),
             *_deployments(incident.seen, snapshot, model), *_aliases(incident.seen, snapshot, model)]
    if _is_complete(model):
        judged = [*_verdict(snapshot, model), *_canary(snapshot, model)]
        # The first of all is how it was found, not what has just become of it.
        found += judged if "verdict" in incident.seen else [_as_found(entry) for entry in judged]
    return _fresh(incident, found, by)


def source_news(incident: Incident, snapshot: Snapshot, by: str) -> tuple[Entry, ...]:
    """The part of :func:`news` that needs nothing of the model: which sources are lost, or answer again."""
    return _fresh(incident, _sources(incident.seen, snapshot), by)


def _fresh(incident: Incident, found: Iterable[Entry], by: str) -> tuple[Entry, ...]:
    return tuple(replace(entry, by=by, text=clean(_spelt(incident, entry))) for entry in found
                 if incident.seen.get(entry.about) != entry.state and not _is_for_others(incident, entry, by))


def _is_for_others(incident: Incident, entry: Entry, by: str) -> bool:
    """Of two screens one may have lost its sources. That they answer again says the one that lost them, and that the
    verdict is unknown says nothing to one that knows it; unless that one has left."""
    sees = entry.state == SourceState.OK if entry.kind is Kind.SOURCE else (
        entry.kind is Kind.VERDICT and badness(entry.state) is None)
    last = next((row.entry for row in reversed(incident.rows) if row.entry.about == entry.about), None)
    if not sees or last is None or last.by == by:
        return False
    return not any(row.entry.kind is Kind.LEFT and row.entry.by == last.by and row.at >= last.at
                   for row in incident.rows)


def wants_incident(model: ModelState) -> bool:
    """Whether the verdict calls a person: an incident is worth opening."""
    return model.urgency is Urgency.PAGE and model.verdict is Verdict.FAIL


def title_of(model: ModelState) -> str:
    """What an incident is called that is opened now: the first reason, without its further numbers."""
    text = model.reasons[0].text if model.reasons else f"{model.name} {model.verdict}"
    return clean(text.partition(", ")[0], limit=100)


def verdict_state(model: ModelState) -> str:
    """``fail, page``, as entries write it."""
    return wording.headline(model.verdict, model.urgency).lower()


def badness(state: str) -> int | None:
    """Of a verdict, as :func:`verdict_state` writes it: 0 passes, :data:`PAGE` calls a person; None: it is unknown."""
    word, _, urgency = state.partition(", ")
    return None if word == "unknown" else PAGE if urgency == "page" else {"fail": 2, "warn": 1}.get(word, 0)


def canary_about(state: CanaryState) -> str:
    """What entries about the verdict on a version on trial are about."""
    return f"canary {state.canary}"


def _is_complete(model: ModelState) -> bool:
    """Whether the verdict rests on answers, not on questions that are under way."""
    if model.data_at is None:
        return False
    return model.verdict is not Verdict.UNKNOWN or not any(slo.is_asked for slo in model.slos)


def _spelt(incident: Incident, entry: Entry) -> str:
    """A source that answers again says for how long it did not."""
    if entry.kind is not Kind.SOURCE or entry.state != SourceState.OK:
        return entry.text
    lost = next((row for row in reversed(incident.rows) if row.entry.about == entry.about), None)
    return entry.text if lost is None else f"{entry.text} after {wording.age(entry.at - lost.at)}"


def _entry(kind: Kind, at: float, snapshot: Snapshot, text: str, about: str, state: str,
           details: Mapping[str, str] = _NO_DETAILS) -> Entry:
    return Entry(kind, min(at, snapshot.at), snapshot.at, "", text, Source.FACTS, about, state, details)


def _as_found(entry: Entry) -> Entry:
    return replace(entry, details={**entry.details, **_AS_FOUND})


def _sources(seen: Mapping[str, str], snapshot: Snapshot) -> Iterator[Entry]:
    for source in snapshot.sources:
        about = f"source {source.name}"
        if source.state in (SourceState.OFF, SourceState.WAITING):
            continue
        if source.state is SourceState.OK:
            if about in seen:
                yield _entry(Kind.SOURCE, source.since or snapshot.at, snapshot, f"{source.name} answers again", about,
                             str(source.state))
            continue
        words = "does not answer" if source.state is SourceState.DOWN else "answers in part"
        why = f": {source.error}" if source.error else ""
        since = source.since if source.since is not None else snapshot.at
        yield _entry(Kind.SOURCE, since, snapshot, f"{source.name} {words}{why}", about, str(source.state))


def _alerts(seen: Mapping[str, str], snapshot: Snapshot, model: ModelState) -> Iterator[Entry]:
    present = set()
    for group in model.alerts:
        if group.state == "pending":
            continue
        about = _alert_name(group)
        present.add(about)
        began = group.state == "firing" and seen.get(about, _ENDED) == _ENDED
        words = "fires" if group.state == "firing" else f"is {group.state}"
        urgency = "" if group.urgency is Urgency.NONE else f", {group.urgency}"
        version = f", {group.version}" if group.version else ""
        yield _entry(Kind.ALERT, group.since if began else snapshot.at, snapshot,
                     f"{group.name} {words}{urgency}{version}", about, group.state,
                     {"urgency": str(group.urgency), **(_began(group) if began else {}),
                      **({} if began or about in seen else _AS_FOUND)})
    states = {source.name: source.state for source in snapshot.sources}
    told = {states.get("prometheus"), states.get("alertmanager")} - {None, SourceState.OFF}
    if told != {SourceState.OK}:
        # Who does not answer does not say that an alert is over.
        return
    for about, state in seen.items():
        if about.startswith("alert ") and about not in present and state != _ENDED:
            name = about.removeprefix("alert ").partition(" ")[0]
            yield _entry(Kind.ALERT, snapshot.at, snapshot, f"{name} has ended", about, _ENDED)


def _began(group: AlertGroup) -> Mapping[str, str]:
    """Whose word it is since when the oldest alert of the group fires, and since when the first condition holds."""
    # Only Alertmanager gives fingerprints.
    out = {KNOWN_BY: BY_ALERTMANAGER if group.alerts[0].fingerprint else BY_PROMETHEUS}
    held = min((alert.held_since for alert in group.alerts if alert.held_since is not None), default=None)
    return out if held is None else {**out, HELD_SINCE: f"{held:.0f}"}


def _alert_name(group: AlertGroup) -> str:
    return " ".join(filter(None, ("alert", group.name, group.version, group.deployment)))


def _verdict(snapshot: Snapshot, model: ModelState) -> Iterator[Entry]:
    numbers = {slo.name: f"{wording.reading(slo.now, slo.objective)}, n {wording.count(slo.now.n)}, "
                         f"objective {wording.slo_promise(slo)}" for slo in model.slos[:20]}
    reason = model.reasons[0].text if model.reasons else "no reason was given"
    yield _entry(Kind.VERDICT, snapshot.at, snapshot,
                 f"{wording.headline(model.verdict, model.urgency)}: {reason}", "verdict", verdict_state(model),
                 numbers)


def _canary(snapshot: Snapshot, model: ModelState) -> Iterator[Entry]:
    reading = model.canary
    if reading is None or reading.state is None or reading.is_stale(snapshot.at):
        return
    state = reading.state
    numbers = {}
    for metric in state.metrics[:20]:
        figures = canary_words.figures(metric, model.slos)
        numbers[metric.name] = f"{state.stable} {figures.stable}, {state.canary} {figures.canary}, {metric.verdict}"
    yield _entry(Kind.VERDICT, snapshot.at, snapshot, f"canary {state.canary} {state.verdict}: {state.reason}",
                 canary_about(state), str(state.verdict), numbers)


def _is_present(snapshot: Snapshot, model: ModelState) -> bool:
    """Whether it is known now which version serves: nobody's word is old, and nobody is waited for.

    Where the controller's word has grown old, another's would look like a deployment.
    """
    return (not model.rollout_is_old and model.versions.known_from != canary_words.WAITING
            and not any(source.state is SourceState.WAITING or (source.name == "prometheus"
                                                                 and source.state is SourceState.DOWN)
                        for source in snapshot.sources)
            and not any(version.share.quality is Quality.STALE for version in model.versions.items))


def _deployments(seen: Mapping[str, str], snapshot: Snapshot, model: ModelState) -> Iterator[Entry]:
    if not _is_present(snapshot, model):
        return
    arms = {}
    # Where nobody was stable before, nobody knows who was on trial.
    first = "arm stable" not in seen
    for version in model.versions.items:
        if not version.arm:
            continue
        about = f"arm {version.arm}"
        arms[about] = version.version
        main = version.arm == "stable"
        words = "takes the main traffic" if main else f"is on trial, as {version.arm}"
        since = version.first_seen
        if about in seen:
            yield _entry(Kind.DEPLOYMENT, snapshot.at, snapshot, f"{version.version} {words}, before it "
                         f"{seen[about] or 'none'}", about, version.version)
        elif since is not None and snapshot.at - since <= RECENT_SECONDS:
            yield _entry(Kind.DEPLOYMENT, since, snapshot, f"{version.version} takes its first traffic, as "
                         f"{version.arm}", about, version.version)
        elif first:
            words = "has the main traffic" if main else words
            yield _entry(Kind.DEPLOYMENT, snapshot.at, snapshot, f"{version.version} {words}", about, version.version,
                         _AS_FOUND)
        else:
            yield _entry(Kind.DEPLOYMENT, snapshot.at, snapshot, f"{version.version} {words}", about, version.version)
    if arms:
        for about, before in seen.items():
            if about.startswith("arm ") and about not in arms and before:
                yield _entry(Kind.DEPLOYMENT, snapshot.at, snapshot, f"{before} is no longer on trial", about, "")
    yield from _rollout(seen, snapshot, model)


def _rollout(seen: Mapping[str, str], snapshot: Snapshot, model: ModelState) -> Iterator[Entry]:
    found = model.rollout
    if not isinstance(found, RolloutFacts) or not found.observed or found.wanted is None:
        return
    step = deployed.step_of(found)
    words = [found.wanted.version or "a version that nothing names"]
    if found.weight_set is not None and found.canary is not None:
        words.append(f"{found.weight_set:g} %")
    if step is not None and not found.aborted:
        words.append(f"step {step[0]} of {step[1]}")
    words += ["aborted"] if found.aborted else []
    words += ["promoted fully"] if found.promoting_fully else []
    state = ", ".join(words)
    if "rollout" not in seen:
        yield _entry(Kind.DEPLOYMENT, snapshot.at, snapshot, f"the rollout stands at {state}", "rollout", state,
                     _AS_FOUND)
    else:
        yield _entry(Kind.DEPLOYMENT, found.aborted_at or snapshot.at if found.aborted else snapshot.at, snapshot,
                     f"rollout: {state}", "rollout", state)


def _aliases(seen: Mapping[str, str], snapshot: Snapshot, model: ModelState) -> Iterator[Entry]:
    registry = next((source.state for source in snapshot.sources if source.name == "registry"), SourceState.OK)
    if model.lineage is None or not model.lineage.known or registry is not SourceState.OK:
        return
    for row in model.lineage.rows:
        for alias in row.aliases:
            about = f"alias {alias}"
            if about in seen:
                yield _entry(Kind.ALIAS, snapshot.at, snapshot, f"alias {alias} moved from {seen[about]} to "
                             f"{row.version}", about, row.version)
            else:
                yield _entry(Kind.ALIAS, snapshot.at, snapshot, f"alias {alias} is on {row.version}", about,
                             row.version, _AS_FOUND)
