"""Verdicts that rest on half of the facts are no news: they wait until everything was answered for the same refresh.

What a refresh asks is answered piece by piece, and each piece brings a snapshot. A verdict of all facts counts at once.
One of some of them counts when it still stands after whatever is asked with every refresh was answered anew, or is
known not to answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from triage.facts.outcome import SourceState
from triage.incident.entries import Entry, Kind
from triage.incident.watching import BASELINE, canary_about, verdict_state
from triage.signals.reading import Quality

if TYPE_CHECKING:
    from triage.facts.outcome import SourceHealth
    from triage.live.snapshot import Snapshot
    from triage.signals.model import ModelState

_EVERY_REFRESH = frozenset({"prometheus", "alertmanager"})
_HALF = frozenset({Quality.WAITING, Quality.STALE})


class Steady:
    """Remembers since when each verdict is what it is."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], Mapping[str, tuple[str, float]]] = {}

    def see(self, snapshot: Snapshot, model: ModelState) -> None:
        """Take in a snapshot; every one, so that it is known when a verdict changed."""
        key = snapshot.context, model.name
        before = self._since.get(key, {})
        self._since[key] = {about: before[about] if about in before and before[about][0] == state
                            else (state, snapshot.at) for about, state in _states(model).items()}

    def settled(self, entries: Iterable[Entry], snapshot: Snapshot, model: ModelState) -> list[Entry]:
        """``entries`` without the verdicts that have to wait; the others at the time at which they changed."""
        known, whole = self._since.get((snapshot.context, model.name), {}), is_whole(snapshot, model)
        out = []
        for entry in entries:
            if entry.kind is not Kind.VERDICT:
                out.append(entry)
                continue
            _, since = known.get(entry.about, ("", snapshot.at))
            if whole or _answered_since(snapshot, model, since):
                out.append(entry if BASELINE in entry.details else replace(entry, at=min(entry.at, since)))
        return out


def is_whole(snapshot: Snapshot, model: ModelState) -> bool:
    """Whether the verdict rests on answers to everything that was asked, none of them late or missing."""
    if model.asked or model.last_verdict is not None:
        return False
    if any(source.state not in (SourceState.OK, SourceState.OFF) for source in snapshot.sources):
        return False
    return not any(slo.asked or slo.now.quality in _HALF or any(burn.quality in _HALF for burn in slo.burns)
                   for slo in model.slos)


def _answered_since(snapshot: Snapshot, model: ModelState, at: float) -> bool:
    return all(_is_heard(source, snapshot, model, at) for source in snapshot.sources if source.name in _EVERY_REFRESH)


def _is_heard(source: SourceHealth, snapshot: Snapshot, model: ModelState, at: float) -> bool:
    """Whether a source has answered after ``at``, or is known not to."""
    match source.state:
        case SourceState.OFF:
            return True
        case SourceState.WAITING:
            return False
        case SourceState.DOWN:
            return snapshot.at > at
    # Of Prometheus the oldest of the answers counts, unless some of its questions fail.
    late = model.data_at if source.name == "prometheus" and source.state is SourceState.OK else source.last_ok_at
    return late is not None and late > at


def _states(model: ModelState) -> Mapping[str, str]:
    states = {"verdict": verdict_state(model)}
    if model.canary is not None and model.canary.state is not None:
        states[canary_about(model.canary.state)] = str(model.canary.state.verdict)
    return states
