"""What is shown while Prometheus is silent: nothing that it said is called present any more, from the first moment.

A verdict outlives a refused connection (it is judged again when the facts are too old); the figures on a screen do not.
"""

from __future__ import annotations

from dataclasses import replace

from triage.facts.outcome import SourceHealth, SourceState
from triage.live.snapshot import Snapshot
from triage.signals.model import ModelState, SloState
from triage.signals.reading import Quality, Reading

_PRESENT = frozenset({Quality.OK, Quality.LOW_N, Quality.PARTIAL})


def silent(snapshot: Snapshot) -> SourceHealth | None:
    """Prometheus, while it is known not to answer; None while it answers or has not been asked."""
    return next((s for s in snapshot.sources if s.name == "prometheus" and s.state is SourceState.DOWN), None)


def as_shown(model: ModelState, snapshot: Snapshot) -> ModelState:
    """``model`` with every reading stale while Prometheus is silent; else as it is."""
    if silent(snapshot) is None:
        return model
    versions = tuple(replace(v, share=_held(v.share)) for v in model.versions.items)
    return replace(model, slos=tuple(map(_held_slo, model.slos)), versions=replace(model.versions, items=versions))


def _held_slo(slo: SloState) -> SloState:
    quantiles = tuple(replace(q, p50=_held(q.p50), p95=_held(q.p95), p99=_held(q.p99)) for q in slo.quantiles)
    return replace(slo, now=_held(slo.now), quantiles=quantiles)


def _held(reading: Reading) -> Reading:
    return replace(reading, quality=Quality.STALE) if reading.quality in _PRESENT and reading.value is not None \
        else reading
