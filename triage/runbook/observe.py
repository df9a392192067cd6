"""Signals: what a check can ask of a model's state, by name, and what the state says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from triage.facts.outcome import SourceHealth, SourceState
from triage.quantities import format_duration, parse_duration
from triage.signals import wording
from triage.signals.burn import events_needed
from triage.signals.drift_verdicts import DriftVerdict, told, worst
from triage.signals.reading import READABLE, Quality, Reading, Verdict

if TYPE_CHECKING:
    from triage.live.snapshot import Snapshot
    from triage.signals.model import ModelState, SloState

_FORMS = ("slo/NAME", "slo/NAME/burn/1h", "slo/NAME/budget", "canary", "canary/METRIC", "drift", "drift/FEATURE",
          "features", "features/VIEW", "quality/METRIC", "alert/NAME", "registry", "model")
_ALONE = frozenset({"canary", "drift", "features", "registry", "model"})
_DRIFT = {DriftVerdict.DRIFT: Verdict.FAIL, DriftVerdict.WATCH: Verdict.WARN, DriftVerdict.OK: Verdict.PASS}
_NAMED = frozenset({"slo", "canary", "drift", "features", "quality", "alert"})


@dataclass(frozen=True, slots=True)
class Signal:
    """The name of something in a model's state."""

    kind: str
    """``slo``, ``canary``, ``drift``, ``features``, ``quality``, ``alert``, ``registry`` or ``model``."""
    name: str = ""
    part: str = ""
    """Of an objective: ``burn``, ``budget`` or "" for its value."""
    window_seconds: float = 0.0
    """Of a burn rate."""
    version: str = ""
    """``stable``, ``canary`` or the name of a version; "" for all together."""

    @property
    def is_number(self) -> bool:
        """Whether it can be compared with a limit; the others have a verdict only."""
        return self.kind in ("slo", "quality") or (self.kind in ("drift", "features") and bool(self.name))

    @property
    def has_verdict(self) -> bool:
        """Whether it can be expected to pass; the others have a number only."""
        return not self.part and not self.version

    def __str__(self) -> str:
        parts = (self.kind, self.name, self.part, format_duration(self.window_seconds) if self.window_seconds else "")
        return "/".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a signal says at present."""

    said: str
    """The value and what qualifies it, in a few words: ``99.62 %, n 37,800``; why there is none."""
    value: float | None = None
    """What a limit is compared with: percent for shares, seconds for durations, else the signal's own unit; None when
    there is none, or it may decide nothing."""
    verdict: Verdict = Verdict.UNKNOWN
    sampled_at: float | None = None
    """Unix seconds of the newest sample behind it; None when that is not known."""


def parse_signal(text: str, version: str = "") -> Signal:
    """Read a signal's name. Raises ValueError with what is wrong and, behind a line break, the forms there are."""
    kind, *rest = text.split("/")
    if kind in _ALONE and not rest:
        return Signal(kind)
    if kind in _NAMED and len(rest) == 1 and rest[0]:
        return Signal(kind, rest[0], version=version if kind == "slo" else "")
    if kind == "slo" and len(rest) == 2 and rest[0] and rest[1] == "budget":
        return Signal(kind, rest[0], "budget")
    if kind == "slo" and len(rest) == 3 and rest[0] and rest[1] == "burn":
        return Signal(kind, rest[0], "burn", parse_duration(rest[2]))
    raise ValueError(f'is no signal: "{text}"\nthere are: {", ".join(_FORMS)}')


def observe(snapshot: Snapshot, model: ModelState, signal: Signal, now: float) -> Observed:
    """What ``signal`` says of ``model``, one of the snapshot's, at ``now`` (Unix seconds).

    What is not known is never a number.
    """
    match signal.kind:
        case "slo":
            return _slo(model, signal)
        case "canary":
            return _canary(model, signal.name, now)
        case "drift":
            return _drift(model, signal.name, now)
        case "features":
            return _features(model, signal.name, now)
        case "quality":
            return _quality(model, signal.name, now)
        case "alert":
            return _alert(snapshot, model, signal.name)
        case "registry":
            return _registry(model)
        case _:
            return Observed(wording.headline(model.verdict, model.urgency).lower(), None, model.verdict, model.data_at)


def _slo(model: ModelState, signal: Signal) -> Observed:
    slo = next((slo for slo in model.slos if slo.name == signal.name), None)
    if slo is None:
        return Observed(f"there is no objective {signal.name}")
    if signal.part == "burn":
        burn = slo.burn(signal.window_seconds)
        if burn is None:
            return Observed(f"no burn rate over {wording.window(signal.window_seconds)} is read")
        return _number(Reading(burn.rate, "x", burn.quality, burn.n, burn.window_seconds, slo.now.sampled_at,
                               note=burn.note), slo.verdict)
    if signal.part == "budget":
        if slo.budget is None or slo.budget.quality not in READABLE - {Quality.LOW_N}:
            return Observed(slo.budget.note if slo.budget is not None and slo.budget.note else "budget not known")
        return Observed(f"{wording.budget_left(slo.budget.remaining)} left", slo.budget.remaining * 100, slo.verdict,
                        slo.now.sampled_at)
    if signal.version:
        return _of_version(model, slo, signal.version)
    seen = _number(slo.now, slo.verdict, slo.objective)
    if slo.threshold is None or slo.now.unit == "ratio":
        return seen
    side = "at least" if slo.threshold_side == "at_least" else "at most"
    return replace(seen, said=f"{seen.said}, {side} {wording.value(slo.threshold, slo.now.unit)}")


def _of_version(model: ModelState, slo: SloState, wanted: str) -> Observed:
    version = wanted
    if wanted in ("stable", "canary"):
        arm = model.versions.arm(wanted)
        if arm is None:
            return Observed(f"no version is {wanted}")
        version = arm.version
    count = next((each for each in slo.by_version if each.version == version), None)
    if count is None or count.value is None:
        return Observed(f"on {version}: {'not counted by itself' if count is None else 'no events'}")
    quality, verdict = slo.now.quality, Verdict.NOT_JUDGED
    if slo.objective is not None:
        verdict = Verdict.PASS if count.value * 100 >= slo.objective else Verdict.FAIL
        if quality in READABLE:
            # The others' events say nothing of this one's.
            enough = count.total >= events_needed(slo.objective, slo.min_events)
            quality = Quality.OK if enough else Quality.LOW_N
    own = replace(slo.now, value=count.value, unit="ratio", n=count.total, quality=quality, note="")
    seen = _number(own, verdict, slo.objective)
    return replace(seen, said=f"on {version}: {seen.said}")


def _number(reading: Reading, verdict: Verdict, objective: float | None = None) -> Observed:
    said = wording.reading(reading, objective)
    if reading.n is not None and reading.value is not None:
        said += f", n {wording.count(reading.n)}"
    usable = reading.quality is Quality.OK and reading.value is not None
    if not usable:
        word = wording.QUALITY_WORDS[reading.quality]
        said = said if said == word else f"({said}) {word}"
        return Observed(said, None, Verdict.UNKNOWN, reading.sampled_at)
    assert reading.value is not None  # noqa: S101 - usable
    return Observed(said, reading.value * 100 if reading.unit == "ratio" else reading.value, verdict,
                    reading.sampled_at)


def _canary(model: ModelState, name: str, now: float) -> Observed:
    from triage.signals import canary_words as words
    reading = model.canary
    if reading is None:
        return Observed("no version is on trial")
    if reading.state is None:
        return Observed(words.not_compared(model) or "not compared yet")
    state, at = reading.state, reading.read_to
    if reading.is_stale(now):
        return Observed(f"({words.shortly(state)}) stale", sampled_at=at)
    if not name:
        return Observed(words.overall(state), None, words.stands_as(state.verdict, state.arm), at)
    metric = next((metric for metric in state.metrics if metric.name == name), None)
    if metric is None:
        return Observed(f"{name} is not compared")
    figures = words.figures(metric, model.slos)
    return Observed(f"{state.canary} {figures.canary}, {state.stable} {figures.stable}", None,
                    words.stands_as(metric.verdict, state.arm), at)


def _drift(model: ModelState, name: str, now: float) -> Observed:
    from triage.signals import drift_words as words
    from triage.signals.drift_reading import moved, verdicts
    reading = model.drift
    if reading is None or reading.state is None:
        return Observed("drift is not known yet")
    if reading.is_stale(now):
        return Observed("drift is stale", sampled_at=reading.answered_at)
    if not name:
        every = verdicts(reading, model.versions)
        return Observed(told(every), None, _DRIFT.get(worst(every), Verdict.UNKNOWN), reading.answered_at)
    found = next((item for item in moved(reading, model.versions) if name == words.name(item.feature)
                  or (name == item.feature.feature and not item.feature.is_prediction)), None)
    if found is None:
        return Observed(f"{name} is not watched")
    feature = found.worst
    verdict = _DRIFT.get(found.verdict, Verdict.UNKNOWN)
    number = f", n {wording.count(feature.n_current)}" if feature.n_current is not None else ""
    said = words.score(feature) if feature.score is not None else words.verdict(found)
    return Observed(f"{said}{number}", feature.score if verdict is not Verdict.UNKNOWN else None, verdict,
                    feature.sampled_at or reading.answered_at)


def _features(model: ModelState, name: str, now: float) -> Observed:
    reading = model.feature_store
    if reading is None or not reading.views:
        return Observed("the feature store is not known yet")
    if reading.is_stale(now):
        return Observed("what the feature store said is stale", sampled_at=reading.answered_at)
    views = [view for view in reading.views if not name or view.view == name]
    if not views:
        return Observed(f"{name} is no feature view of the model")
    order = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN)
    worst = min(views, key=lambda view: order.index(view.verdict) if view.verdict in order else len(order))
    value = worst.freshness.value if worst.freshness.quality is Quality.OK else None
    said = worst.sentence if name else f"{worst.view}: {worst.sentence}"
    return Observed(said, value if name else None, worst.verdict, worst.freshness.sampled_at or reading.answered_at)


def _quality(model: ModelState, name: str, now: float) -> Observed:
    if model.quality is None:
        return Observed("quality is not known yet")
    if model.quality.is_stale(now):
        return Observed("quality is stale", sampled_at=model.quality.answered_at)
    found = [figure.judged for figure in model.quality.present(model.versions).figures
             if figure.judged.figure.name == name]
    if not found:
        return Observed(f"{name} has no figure")
    order = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN)
    worst = min(found, key=lambda judged: order.index(judged.verdict) if judged.verdict in order else len(order))
    figure = worst.figure
    return _number(Reading(figure.value, figure.unit, worst.quality, figure.n, figure.window_seconds,
                           figure.sampled_at), worst.verdict)


def _alert(snapshot: Snapshot, model: ModelState, name: str) -> Observed:
    groups = [group for group in model.alerts if group.name == name]
    source = _who_knows_alerts(snapshot)
    answered_at = None if source is None else source.last_ok_at
    if source is None or source.state not in (SourceState.OK, SourceState.PARTIAL):
        return Observed("nobody says which alerts fire", sampled_at=answered_at)
    # Half an answer tells what fires, and not what does not.
    whole = source.state is SourceState.OK
    loud = [group for group in groups if group.state in ("firing", "pending")]
    if loud:
        state = min(loud, key=lambda group: ("firing", "pending").index(group.state))
        verdict = Verdict.FAIL if state.state == "firing" else Verdict.WARN
        return Observed(f"{state.state} since {wording.clock_time(state.since)}", None, verdict, answered_at)
    if not whole and not groups:
        return Observed(f"not among the alerts known, {source.name} answers in part", sampled_at=answered_at)
    return Observed(f"{groups[0].state}, and so not known to be over" if groups else "does not fire", None,
                    Verdict.UNKNOWN if groups else Verdict.PASS, answered_at)


def _who_knows_alerts(snapshot: Snapshot) -> SourceHealth | None:
    """Alertmanager, or Prometheus where there is none; None where there is neither."""
    used = {source.name: source for source in snapshot.sources if source.state is not SourceState.OFF}
    return used.get("alertmanager") or used.get("prometheus")


def _registry(model: ModelState) -> Observed:
    lineage = model.lineage
    if lineage is None or not lineage.known:
        return Observed("the registry is not read", None, Verdict.UNKNOWN, lineage.read_at if lineage else None)
    first = lineage.findings[0].text if lineage.findings else "registry, notebook and servers agree"
    return Observed(first, None, lineage.verdict, lineage.read_at)
