"""How good the answers were: figures from counters of labelled predictions, against what the manifest expects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from triage.signals import wording
from triage.signals.proportions import ERROR, wilson
from triage.signals.reading import Quality, Verdict
from triage.signals.tails import normal_z


@dataclass(frozen=True, slots=True)
class Confusion:
    """Labelled decisions of a binary classifier, in events; fractional where ``increase()`` extrapolated."""

    tp: float
    fp: float
    fn: float
    tn: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(count) and count >= 0 for count in (self.tp, self.fp, self.fn, self.tn)):
            raise ValueError("labelled decisions are counted by finite numbers from zero on")

    @property
    def n(self) -> float:
        return self.tp + self.fp + self.fn + self.tn

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)


@dataclass(frozen=True, slots=True)
class Figure:
    """One quality figure as it was counted."""

    name: str
    value: float | None
    """In ``unit``; None without events to compute it from. Finite."""
    low: float | None
    high: float | None
    """95 % interval (Wilson's for shares); None where the counters do not allow one."""
    n: float | None
    """Events of the denominator: of precision the predicted positives, of recall the true ones. None where nobody
    counts them: the figure was computed elsewhere."""
    unit: str
    """``ratio``, ``x`` of lift, or the unit of a regression's target."""
    higher_is_better: bool | None
    """None: either side is bad (bias)."""
    method: str
    """How it was computed, in words."""
    window_seconds: float | None = None
    sampled_at: float | None = None
    """Unix seconds of the newest sample behind it, or at which it was pushed; None when that is not known."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the manifest expects of a figure; a band around a baseline, limits, or both."""

    baseline: float | None = None
    tolerance: float | None = None
    """In the figure's unit, on either side of ``baseline``."""
    at_least: float | None = None
    at_most: float | None = None
    min_labels: int = 100
    """Labels without which it is not judged; 0: it is judged whether they are known or not."""

    @property
    def lowest(self) -> float | None:
        """The lower limit, the stricter of the two; None without one."""
        limits = [] if self.at_least is None else [self.at_least]
        if self.baseline is not None and self.tolerance is not None:
            limits.append(self.baseline - self.tolerance)
        return max(limits, default=None)

    @property
    def highest(self) -> float | None:
        """The upper limit, the stricter of the two; None without one."""
        limits = [] if self.at_most is None else [self.at_most]
        if self.baseline is not None and self.tolerance is not None:
            limits.append(self.baseline + self.tolerance)
        return min(limits, default=None)


@dataclass(frozen=True, slots=True)
class JudgedFigure:
    """A figure and what it means."""

    figure: Figure
    expected: Expected
    quality: Quality
    verdict: Verdict
    """``fail``: beyond its limit, beyond doubt; ``warn``: beyond it, but within chance, or too good to be true."""
    sentence: str


def _share(name: str, events: float, n: float, method: str, *, higher_is_better: bool = True) -> Figure:
    if n <= 0:
        return Figure(name, None, None, None, 0.0, "ratio", higher_is_better, method)
    around = wilson(events, n)
    return Figure(name, around.value, around.low, around.high, n, "ratio", higher_is_better, method)


SHARES = ("precision", "recall", "specificity", "false_positive_rate", "accuracy", "f1")
"""Figures of a confusion matrix, by name."""


def from_confusion(name: str, counts: Confusion, window_seconds: float | None = None,
                   sampled_at: float | None = None) -> Figure:
    """One of ``SHARES``. F1 has no interval: it is no share of events. Raises ``ValueError`` for another name."""
    tp, fp, fn, tn = counts.tp, counts.fp, counts.fn, counts.tn
    if name == "precision":
        found = _share(name, tp, tp + fp, "true positives of predicted positives")
    elif name == "recall":
        found = _share(name, tp, tp + fn, "true positives of positives")
    elif name == "specificity":
        found = _share(name, tn, tn + fp, "true negatives of negatives")
    elif name == "false_positive_rate":
        found = _share(name, fp, tn + fp, "false positives of negatives", higher_is_better=False)
    elif name == "accuracy":
        found = _share(name, tp + tn, counts.n, "right decisions of all")
    elif name == "f1":
        total = 2 * tp + fp + fn
        found = Figure(name, 2 * tp / total if total > 0 else None, None, None, total, "ratio", True,
                       "harmonic mean of precision and recall")
    else:
        raise ValueError(f"no figure of labelled decisions is called {name}; known are {', '.join(SHARES)}")
    return replace(found, window_seconds=window_seconds, sampled_at=sampled_at)


def per_class_accuracy(right: Mapping[str, float], labelled: Mapping[str, float]) -> tuple[Figure, ...]:
    """Right decisions of each true class; a class without a right one counts as 0 right. Most events first."""
    return tuple(_share(f"accuracy of {name}", min(right.get(name, 0.0), n), n, "right decisions of the class")
                 for name, n in sorted(labelled.items(), key=lambda item: (-item[1], item[0])))


def click_through(clicks: float, shown: float) -> Figure:
    """Clicks of what was shown."""
    return _share("click_through", min(clicks, shown), shown, "clicks of impressions")


def lift(hits: float, chosen: float, all_hits: float, everyone: float) -> Figure:
    """Rate of hits among the chosen over the rate among everyone; 1 is no better than chance.

    The chosen are part of everyone. The interval is that of a ratio of rates on the log scale, against those not chosen
    (Katz et al., Biometrics 34, 1978), brought back to everyone; None without hits on either side.
    """
    method = "rate of hits among the chosen over that among all"
    rest, rest_hits = everyone - chosen, all_hits - hits
    if chosen <= 0 or everyone <= 0 or all_hits <= 0 or rest < 0 or rest_hits < 0:
        return Figure("lift", None, None, None, max(0.0, chosen), "x", True, method)
    value = (hits / chosen) / (all_hits / everyone)
    if not (hits > 0 and rest_hits > 0 and rest > 0):
        return Figure("lift", value, None, None, chosen, "x", True, method)
    ratio = (hits / chosen) / (rest_hits / rest)
    spread = normal_z(ERROR) * math.sqrt(max(0.0, 1 / hits - 1 / chosen + 1 / rest_hits - 1 / rest))
    part = chosen / everyone

    def back(against_rest: float) -> float:
        return against_rest / (part * against_rest + 1 - part)

    return Figure("lift", value, back(ratio * math.exp(-spread)), back(ratio * math.exp(spread)), chosen, "x", True,
                  method)


def regression(name: str, n: float, *, absolute: float | None = None, squared: float | None = None,
               signed: float | None = None, unit: str = "") -> Figure:
    """``mae``, ``rmse`` or ``bias`` from counters of summed errors over ``n`` labelled predictions.

    The interval of the first and last needs the sum of squares too; a root of squares has none without fourth powers.
    """
    sums = {"mae": absolute, "rmse": squared, "bias": signed}
    if name not in sums:
        raise ValueError(f"no regression error is called {name}; known are mae, rmse and bias")
    total = sums[name]
    method = {"mae": "mean of absolute errors", "rmse": "root of the mean squared error",
              "bias": "mean error, prediction less truth"}[name]
    if n <= 0 or total is None or not math.isfinite(total):
        return Figure(name, None, None, None, max(0.0, n), unit, False, method)
    if name == "rmse":
        return Figure(name, math.sqrt(max(0.0, total / n)), None, None, n, unit, False, method)
    mean = total / n
    better = None if name == "bias" else False
    if squared is None or n < 2:
        return Figure(name, mean, None, None, n, unit, better, method)
    half = normal_z(ERROR) * math.sqrt(max(0.0, squared / n - mean * mean) / (n - 1))
    return Figure(name, mean, mean - half, mean + half, n, unit, better, method)


def elsewhere(name: str, value: float | None, n: float | None, unit: str = "ratio", *, higher_is_better: bool = True,
              sampled_at: float | None = None) -> Figure:
    """A figure exported as a gauge; ``n`` is that of the labels behind it (None: not known). There is no interval."""
    known = value if value is not None and math.isfinite(value) else None
    return Figure(name, known, None, None, n, unit, higher_is_better, "computed elsewhere", None, sampled_at)


def unreadable(name: str, expected: Expected, why: str) -> JudgedFigure:
    """A figure whose series are there, and cannot be right."""
    figure = Figure(name, None, None, None, None, "", None, "")
    return JudgedFigure(figure, expected, Quality.SUSPECT, Verdict.UNKNOWN, why)


def judge(figure: Figure, expected: Expected, *, labels: float | None = None,
          pending: str = "") -> JudgedFigure:
    """The figure against its limits.

    ``labels`` are the labelled predictions it rests on, by default its n. ``pending`` says why it may be absent for now
    (labels that are not due), "" when it should be there.
    """
    n = figure.n if labels is None else labels
    if figure.value is None:
        if pending:
            return JudgedFigure(figure, expected, Quality.PENDING, Verdict.PENDING, pending)
        return JudgedFigure(figure, expected, Quality.NO_DATA, Verdict.UNKNOWN,
                            f"{figure.name}: no labelled events to compute it from")
    said = f"{figure.name} {wording.value(figure.value, figure.unit)}"
    if figure.low is not None and figure.high is not None:
        said += f" ({wording.value(figure.low, figure.unit)} to {wording.value(figure.high, figure.unit)})"
    said += f", n {'not known' if figure.n is None else wording.count(figure.n)}"
    if n is None and expected.min_labels > 0:
        return JudgedFigure(figure, expected, Quality.LOW_N, Verdict.UNKNOWN,
                            f"{said}: {expected.min_labels} labels needed")
    if n is not None and n < expected.min_labels:
        return JudgedFigure(figure, expected, Quality.LOW_N, Verdict.PENDING if pending else Verdict.UNKNOWN,
                            f"{said}: {wording.count(n)} of {expected.min_labels} labels needed"
                            + (f"; {pending}" if pending else ""))
    verdict, why = _against_limits(figure, figure.value, expected)
    return JudgedFigure(figure, expected, Quality.OK, verdict, f"{said}; {why}")


def _against_limits(figure: Figure, value: float, expected: Expected) -> tuple[Verdict, str]:
    lowest, highest = expected.lowest, expected.highest
    if lowest is None and highest is None:
        return Verdict.NOT_JUDGED, "nothing is expected of it"
    if lowest is not None and highest is not None:
        what = f"expected {wording.value(lowest, figure.unit)} to {wording.value(highest, figure.unit)}"
    else:
        what = (f"expected at least {wording.value(lowest, figure.unit)}" if lowest is not None else
                f"expected at most {wording.value(highest, figure.unit)}")
    if lowest is not None and value < lowest:
        promised = expected.at_least is not None and value < expected.at_least
        harmful, sure = promised or figure.higher_is_better is not False, figure.high is None or figure.high < lowest
    elif highest is not None and value > highest:
        promised = expected.at_most is not None and value > expected.at_most
        harmful, sure = promised or figure.higher_is_better is not True, figure.low is None or figure.low > highest
    else:
        return Verdict.PASS, what
    if not harmful:
        return Verdict.WARN, f"{what}: better than it should be, so look whether labels are missing"
    if not sure:
        return Verdict.WARN, f"{what}: beyond it, but its interval reaches back"
    return Verdict.FAIL, what
