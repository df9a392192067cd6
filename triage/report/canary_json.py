"""``canary`` of ``triage.status/v1``: the version on trial beside stable, with every metric and what it rests on."""

from __future__ import annotations

from typing import Any

from triage.report.times import iso
from triage.signals import canary_words as words
from triage.signals.canary import MetricVerdict
from triage.signals.model import ModelState
from triage.signals.ranks import Percentiles


def canary(model: ModelState, at: float) -> dict[str, Any] | None:
    """None without a version on trial. One that nothing is known of yet is ``insufficient``, or ``error``.

    A verdict that is not fresh keeps its word; ``quality`` says ``stale`` and ``age_seconds`` how old it is.
    """
    trial, reading = words.on_trial(model), model.canary
    state = reading.state if reading is not None else None
    if trial is None and state is None:
        return None
    stable = model.versions.arm("stable")
    failure = reading.failure if reading is not None else None
    if reading is None or state is None:
        waits = words.is_insufficient(model, at)
        found: dict[str, Any] = {
            "verdict": "insufficient" if waits else "error", "reason": words.not_compared(model),
            "stable": stable.version if stable is not None else None,
            "canary": trial.version if trial is not None else None, "arm": trial.arm if trial is not None else None,
            "known_from": model.versions.known_from, "since": None, "unknown_seconds": None,
            "weight": {"real": trial.share.value if trial is not None else None, "asked": None},
            "more_events": None, "more_seconds": None, "both_moved": "", "split": "", "alpha": None, "metrics": []}
    else:
        found = {
            "verdict": str(state.verdict), "reason": state.reason, "stable": state.stable, "canary": state.canary,
            "arm": state.arm, "known_from": state.known_from, "since": iso(state.started_at),
            "unknown_seconds": state.unknown_seconds,
            "weight": {"real": state.weight_real, "asked": state.weight_asked}, "more_events": state.more_events,
            "more_seconds": state.more_seconds, "both_moved": state.both_moved, "split": state.split,
            "alpha": state.alpha, "metrics": [_metric(metric) for metric in state.metrics]}
    return {
        **found, "read_to": iso(reading.read_to) if reading is not None else None,
        "age_seconds": words.age_seconds(reading, at) if reading is not None else None,
        "step_seconds": reading.step_seconds if reading is not None else None,
        "quality": str(words.quality(reading, at)) if reading is not None else "waiting",
        "failure": failure.sentence() if failure is not None else "",
        "warnings": list(reading.warnings) if reading is not None else []}


def _metric(metric: MetricVerdict) -> dict[str, Any]:
    margin = metric.margin
    return {
        "name": metric.name, "kind": str(metric.kind), "unit": metric.unit, "stable": metric.stable,
        "canary": metric.canary, "delta": metric.delta,
        "margin": None if margin is None else {"absolute": margin.absolute, "relative": margin.relative,
                                               "given": margin.given},
        "n_stable": metric.n_stable, "n_canary": metric.n_canary, "verdict": str(metric.verdict),
        "sentence": metric.sentence, "gates": metric.gates, "more_events": metric.more_events,
        "more_seconds": metric.more_seconds, "failed_at": iso(metric.failed_at), "p": metric.p,
        "dispersion": metric.dispersion, "effect": metric.effect,
        "stable_percentiles": _percentiles(metric.stable_percentiles),
        "canary_percentiles": _percentiles(metric.canary_percentiles)}


def _percentiles(found: Percentiles | None) -> dict[str, Any] | None:
    """In seconds."""
    return None if found is None else {"p50": found.p50, "p95": found.p95, "p99": found.p99,
                                       "at_least": found.at_least}
