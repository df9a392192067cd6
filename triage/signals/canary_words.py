"""A canary's verdicts and numbers in words: one spelling for the screen and the reports.

The screen loads this before its first frame, so verdicts and kinds are compared as the words that they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.signals import wording
from triage.signals.reading import Quality, Verdict

if TYPE_CHECKING:
    from triage.signals.canary import CanaryState, CanaryVerdict, Margin, MetricVerdict
    from triage.signals.canary_reading import CanaryReading
    from triage.signals.model import ModelState, SloState, VersionState

ON_TRIAL = ("canary", "shadow", "experiment")
"""Arms that are compared with stable."""
NOT_SHOWN = "-"
WAITING = "waiting"
"""In place of whose word it is that one version is stable and another on trial."""
UNTOLD = "unknown"
"""In the same place: several versions take traffic, and nobody knows their roles."""
NOT_YET = "the rollout controller has not answered yet"
NOT_TOLD = "which is stable and which on trial is not known"
_UNKNOWN_SECONDS, _UNKNOWN_SHARE = 300.0, 0.05
"""Less than this of a trial is not worth a word."""
_STANDS_AS: Mapping[str, Verdict] = {
    "fail": Verdict.FAIL, "error": Verdict.UNKNOWN, "insufficient": Verdict.PENDING, "inconclusive": Verdict.UNKNOWN,
    "pass": Verdict.PASS}
_METHODS: Mapping[str, str] = {
    "events": "rate-ratio e-process over the intervals: holds however often it is looked at",
    "latency": "ranks of both arms' histogram buckets, interval by interval: holds however often it is looked at",
    "level": "median of the differences with a moving-block bootstrap, looked at each time the data have doubled",
    "split": "rate-ratio e-process of the requests of both arms: holds however often it is looked at",
}


def stands_as(verdict: CanaryVerdict, arm: str) -> Verdict:
    """The verdict whose glyph and colour it takes; a shadow that fails only warns, since its answers reach nobody."""
    return Verdict.WARN if verdict == "fail" and arm == "shadow" else _STANDS_AS[verdict]


def known_from(said_by: str) -> str:
    """``known from rollout``; that it has not answered while its word, which counts first, is awaited; or that nobody
    knows."""
    return {WAITING: NOT_YET, UNTOLD: NOT_TOLD}.get(said_by) or f"known from {said_by}"


def overall(state: CanaryState) -> str:
    """``fail``, ``pass``; how much longer where too little is known: ``insufficient, about 9 min more``."""
    if state.verdict != "insufficient":
        return str(state.verdict)
    return "insufficient" if state.more_seconds is None else f"insufficient, {_about(state.more_seconds)} more"


def shortly(state: CanaryState) -> str:
    """The verdict where there is room for a word: ``fail``, ``about 9 min``, ``too few``."""
    return _shortly(state.verdict, state.more_seconds)


def _shortly(verdict: CanaryVerdict, more_seconds: float | None) -> str:
    if verdict == "insufficient":
        return "too few" if more_seconds is None else _about(more_seconds)
    return str(verdict)


def _about(seconds: float) -> str:
    """Rounded: it rests on the traffic of a quarter of an hour."""
    if seconds < 5400:
        return f"about {max(1, round(seconds / 60))} min"
    return f"about {round(seconds / 3600)} h" if seconds < 172800 else f"about {round(seconds / 86400)} d"


def since(state: CanaryState, now: float) -> str:
    """When the comparison began: ``since 14:10``, ``since 07:00, 2 h 04 m of it unknown``."""
    said, unknown = f"since {wording.clock_time(state.started_at, now)}", unseen(state, now)
    return f"{said}, {unknown} of it unknown" if unknown else said


def unseen(state: CanaryState, now: float) -> str:
    """How much of its time is not compared, where that is more than a few scrapes; "" otherwise."""
    seconds = state.unknown_seconds or 0.0
    told = seconds >= _UNKNOWN_SECONDS and seconds >= _UNKNOWN_SHARE * (now - state.started_at)
    return wording.coarse_age(seconds) if told else ""


def weight(state: CanaryState) -> str:
    """The share of requests that it takes, and was asked to take where somebody said: ``takes 24 % (10 % asked)``."""
    real = "an unknown share" if state.weight_real is None else wording.share(state.weight_real)
    return f"takes {real}" if state.weight_asked is None else \
        f"takes {real} ({wording.share(state.weight_asked)} asked)"


def nobody(arm: str) -> str:
    """That the answers of a shadow reach nobody; "" for other arms."""
    return "its answers reach nobody" if arm == "shadow" else ""


def quality(reading: CanaryReading, now: float) -> Quality:
    """How far the verdict can be relied on."""
    if reading.state is None:
        return Quality.ERROR if reading.failure is not None else Quality.WAITING
    if reading.is_stale(now):
        return Quality.STALE
    return Quality.PARTIAL if reading.warnings else Quality.OK


def age_seconds(reading: CanaryReading, now: float) -> float | None:
    """Time since the end of the last interval that was judged; None when none was."""
    return None if reading.read_to is None else max(0.0, now - reading.read_to)


def on_trial(model: ModelState) -> VersionState | None:
    """The version that is compared with stable, whether or not the comparison has begun."""
    return next((v for v in model.versions.items if v.arm in ON_TRIAL), None)


def not_compared(model: ModelState) -> str:
    """Why nothing is known of a version on trial; "" when there is none, or something is."""
    trial = on_trial(model)
    if trial is None or (model.canary is not None and model.canary.state is not None):
        return ""
    if model.canary is not None and model.canary.failure is not None:
        return f"cannot be compared: {model.canary.failure.sentence()}"
    if model.versions.arm("stable") is None:
        return "there is no stable version to compare it with"
    if model.canary is not None:
        return "not compared yet: the hours before are being read"
    return "not compared yet: the first full interval is awaited"


def undecided(model: ModelState, now: float) -> str:
    """Why nothing is decided about the version on trial, as a sentence; "" when it is, or when there is none."""
    trial, reading = on_trial(model), model.canary
    state = reading.state if reading is not None else None
    if reading is None or state is None:
        return f"{trial.arm} {trial.version}: {not_compared(model)}" if trial is not None else ""
    name = f"{state.arm} {state.canary}"
    if reading.is_stale(now):
        why_old = f": {reading.failure.sentence()}" if reading.failure is not None else ""
        return f"{name}: the comparison with {state.stable} is {wording.age(age_seconds(reading, now))} old{why_old}"
    if state.verdict in ("error", "insufficient", "inconclusive"):
        return f"{name} is {state.verdict}: {state.reason}"
    if state.verdict == "pass" and reading.warnings:
        return f"{name}: the comparison with {state.stable} is partial: {reading.warnings[0]}"
    return ""


def is_insufficient(model: ModelState, now: float) -> bool:
    """Whether time alone can decide about the version on trial: too little is known yet, and nothing is wrong."""
    reading = model.canary
    if reading is not None and reading.state is not None:
        return reading.state.verdict == "insufficient" and not reading.is_stale(now)
    return on_trial(model) is not None and model.versions.arm("stable") is not None and (
        reading is None or reading.failure is None)


@dataclass(frozen=True, slots=True)
class Figures:
    """One metric as texts, a cell each; ``-`` for what is not known."""

    name: str
    stable: str
    canary: str
    delta: str
    allowed: str
    verdict: str
    """``fail``, ``about 9 min``, ``shown`` …"""


def figures(metric: MetricVerdict, slos: Iterable[SloState]) -> Figures:
    """The figures of ``metric``; objectives give names with thresholds, and digits."""
    slo = next((s for s in slos if s.name == metric.name), None)
    promised = slo.objective if slo is not None and metric.kind == "events" else None
    stable, canary = (_value(v, metric, promised) for v in (metric.stable, metric.canary))
    label = wording.slo_label(slo) if slo is not None and metric.kind == "events" else metric.name
    shown = _shortly(metric.verdict, metric.more_seconds) if metric.margin is not None else "shown"
    return Figures(label, stable, canary, delta(metric), allowed(metric), shown)


def _value(value: float | None, metric: MetricVerdict, objective: float | None) -> str:
    if value is None:
        return NOT_SHOWN
    if metric.unit != "ratio" or metric.kind == "level":
        return wording.value(value, "" if metric.unit == "ratio" else metric.unit)
    # Two decimals at least: margins are tenths of a point.
    exact = objective is not None and len(f"{objective:.6f}".rstrip("0").partition(".")[2]) > 1
    return wording.percent(value, objective if exact else None)


def delta(metric: MetricVerdict) -> str:
    """Canary minus stable, in what its margin is given: ``-19.6 pt``, ``+2.1 %``, ``+0.012 V``."""
    if metric.delta is None:
        return NOT_SHOWN
    margin = metric.margin
    if metric.kind in ("events", "split"):
        return _signed(metric.delta * 100, "pt")
    if metric.stable and (metric.kind == "latency" or (margin is not None and margin.relative)):
        return _signed(metric.delta / abs(metric.stable) * 100, "%")
    sign = "+" if metric.delta > 0 else ""
    return sign + wording.value(metric.delta, "" if metric.unit == "ratio" else metric.unit)


def _signed(value: float, unit: str) -> str:
    if value == 0:
        return f"0 {unit}"
    if abs(value) < 0.005:
        return f"<0.01 {unit}"
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:+,.{digits}f} {unit}"


def allowed(metric: MetricVerdict) -> str:
    """The margin without where it comes from: ``0.5 pt``, ``10 %``."""
    margin = metric.margin
    if margin is None:
        return NOT_SHOWN
    return _margin(margin, metric).removesuffix(" by default")


def _margin(margin: Margin, metric: MetricVerdict) -> str:
    level = metric.kind == "level"
    return margin.words(("" if metric.unit == "ratio" else metric.unit) if level else None)


def margin_source(metric: MetricVerdict) -> str:
    """The margin and who set it, as a phrase."""
    if metric.margin is None:
        return "none in the manifest (spec.canary.max_delta): it is shown and decides nothing"
    of = " of stable's value" if metric.margin.relative else ""
    where = "from the manifest (spec.canary.max_delta)" if metric.margin.given else \
        "by default: the manifest has none for it (spec.canary.max_delta)"
    return f"{allowed(metric)}{of}, {where}"


def method(metric: MetricVerdict) -> str:
    """How its kind is compared, as a phrase."""
    return _METHODS[metric.kind]


def why(metric: MetricVerdict) -> str:
    """Its sentence without the values, which stand in columns."""
    _, found, after = metric.sentence.partition(": ")
    return after if found and metric.delta is not None else metric.sentence


def number(value: float | None, digits: int = 3) -> str:
    """A statistic: ``0.0312``, ``<1e-6``; ``-`` for None."""
    if value is None or not math.isfinite(value):
        return NOT_SHOWN
    return "<1e-6" if 0 < value < 1e-6 else f"{value:.{digits}g}"
