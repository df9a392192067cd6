"""Drift in the few words and figures that screens and reports share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from triage.signals import wording
from triage.signals.drift_verdicts import DriftVerdict, LineKind
from triage.signals.reading import Verdict

if TYPE_CHECKING:
    # Only for types: the first frame does not wait for the arithmetic.
    from triage.signals.drift_model import FeatureDrift
    from triage.signals.drift_reading import DriftReading, Moved

STANDS_AS = {DriftVerdict.DRIFT: Verdict.WARN, DriftVerdict.WATCH: Verdict.WARN, DriftVerdict.STALE: Verdict.UNKNOWN,
             DriftVerdict.NOT_COMPARABLE: Verdict.UNKNOWN, DriftVerdict.INSUFFICIENT: Verdict.LOW_N,
             DriftVerdict.OK: Verdict.PASS}
"""Drift by itself warns and never fails a model: the reasons say the same."""
SHORT_METHODS = {"psi": "PSI", "kl": "KL", "js": "JS", "hellinger": "Hell", "tv": "TV", "ks": "KS", "gauge": "gauge"}
_COUNTED = ((DriftVerdict.DRIFT, "drifting"), (DriftVerdict.WATCH, "watched"), (DriftVerdict.STALE, "stale"),
            (DriftVerdict.NOT_COMPARABLE, "not comparable"), (DriftVerdict.INSUFFICIENT, "too few"),
            (DriftVerdict.OK, "ok"))


def name(feature: FeatureDrift) -> str:
    """As screens call it."""
    return f"prediction {feature.feature}" if feature.is_prediction else feature.feature


def number(value: float) -> str:
    """A score or a limit in at most six cells: what is under 0.01 is small, whatever it is exactly."""
    if 0 < value < 0.01:
        return "<0.01"
    return f"{value:.2f}" if value < 100 else wording.significant(value)


def score(feature: FeatureDrift) -> str:
    """``PSI 0.31``; ``-`` without one."""
    if feature.score is None:
        return "-"
    low = feature.low_is_drift and 0 < feature.score < 0.01
    said = wording.significant(feature.score) if low else number(feature.score)
    return f"{'p' if feature.low_is_drift else SHORT_METHODS.get(feature.method, feature.method)} {said}"


def nulls(feature: FeatureDrift) -> str:
    """Share of events without a value; ``-`` where it is not counted."""
    found = next((line for line in feature.lines if line.kind is LineKind.NULLS), None)
    return "-" if found is None else wording.percent(found.share)


def verdict(item: Moved) -> str:
    """The verdict in a few words: in which arms it moved or cannot be told, how much is missing, which share it comes
    from."""
    worst, apart = item.worst, item.apart
    said = str(worst.verdict)
    if worst.verdict in (DriftVerdict.DRIFT, DriftVerdict.WATCH):
        if item.both:
            return f"{said}, {' and '.join(arm.version for arm in item.arms)}"
        alone = next((arm.version for arm in item.arms if arm.feature.verdict is worst.verdict), "")
        if alone:
            return f"{said}, {alone}"
        if worst.distribution is not worst.verdict:
            loud = next((str(line.kind) for line in worst.lines if line.verdict is worst.verdict), "")
            return f"{said}: {loud}" if loud else said
        return said
    if worst.verdict is DriftVerdict.INSUFFICIENT:
        said = "too few"
    if apart is not None:
        return f"{said} on {apart.version}"
    few = worst.n_needed is not None and worst.n_current is not None and worst.n_current < worst.n_needed
    return f"{said}, {wording.count(worst.n_needed)} needed" if said == "too few" and few else said


def counted(found: Sequence[Moved]) -> str:
    """``1 drifting, 2 ok``."""
    counts = [(sum(item.verdict is verdict for item in found), word) for verdict, word in _COUNTED]
    return ", ".join(f"{count} {word}" for count, word in counts if count)


def not_scored(reading: DriftReading) -> str:
    """Why nothing is known."""
    return "not known yet" if reading.failure is None else f"not known: {reading.failure.sentence()}"
