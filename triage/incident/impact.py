"""Impact now against before, and what changed lately: what a commander asks first. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.incident.entries import Kind
from triage.incident.incident import Incident
from triage.incident.watching import BASELINE, RECENT_SECONDS
from triage.signals import canary_words, wording
from triage.signals.reading import Quality, Verdict

if TYPE_CHECKING:
    from triage.signals.model import ModelState, SloState

_LOUD = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN)
_CHANGES = frozenset({Kind.DEPLOYMENT, Kind.ALIAS})


@dataclass(frozen=True, slots=True)
class Impact:
    """One figure now and before, as texts; ``-`` for what is not known."""

    name: str
    now: str
    n: str
    before: str
    what_before: str
    """What ``before`` is: ``30 d``, or the stable version."""
    verdict: Verdict
    fresh: bool
    """Whether ``now`` describes the present."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that changed within the last two hours."""

    at: float
    text: str


def impact(model: ModelState) -> tuple[Impact, ...]:
    """The objectives that are not met, else all, and the metrics in which a version on trial is worse; worst first."""
    judged = [slo for slo in model.slos if slo.objective is not None or slo.threshold is not None]
    bad = [slo for slo in judged if slo.verdict in _LOUD]
    out = [_objective(slo) for slo in sorted(bad or judged, key=lambda slo: not slo.required)]
    state = model.canary.state if model.canary is not None else None
    if state is not None:
        for metric in state.metrics:
            if str(metric.verdict) in ("fail", "error"):
                figures = canary_words.figures(metric, model.slos)
                out.append(Impact(f"{state.canary} {figures.name}", figures.canary,
                                  wording.count(metric.n_canary), figures.stable, state.stable,
                                  Verdict.FAIL if str(metric.verdict) == "fail" else Verdict.UNKNOWN, True))
    return tuple(sorted(out, key=_rank))


def changes(incident: Incident | None, model: ModelState | None, now: float) -> tuple[Change, ...]:
    """What changed in the last two hours, newest first: from the timeline, and versions that are first seen."""
    since = now - RECENT_SECONDS
    found = [Change(row.at, row.text) for row in (incident.rows if incident is not None else ())
             if row.entry.kind in _CHANGES and row.at >= since and BASELINE not in row.entry.details]
    told = " ".join(change.text for change in found)
    found += [Change(version.first_seen, f"{version.version} takes its first traffic")
              for version in (model.versions.items if model is not None else ())
              if version.first_seen is not None and version.first_seen >= since and version.version not in told]
    return tuple(sorted(found, key=lambda change: -change.at))


def _rank(item: Impact) -> int:
    return _LOUD.index(item.verdict) if item.verdict in _LOUD else len(_LOUD)


def _objective(slo: SloState) -> Impact:
    before = "-"
    what = ""
    if slo.budget is not None and slo.budget.total > 0:
        before = wording.percent(1 - slo.budget.bad / slo.budget.total, slo.objective)
        what = wording.span(slo.budget.window_seconds)
    now = wording.reading(slo.now, slo.objective)
    return Impact(wording.slo_label(slo), now, wording.count(slo.now.n), before, what, slo.verdict,
                  slo.now.value is None or slo.now.quality in (Quality.OK, Quality.LOW_N))
