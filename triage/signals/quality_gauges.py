"""Figures of quality that someone else computed and exports as gauges: whether they can be read, how old, on what n."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from triage.signals import wording
from triage.signals.drift_model import Around
from triage.signals.quality import SHARES, Expected, Figure, JudgedFigure, elsewhere, judge
from triage.signals.reading import Quality, Verdict

PUSHED_STALE_SECONDS = 8 * 86400.0
"""A weekly evaluation may be a day late; what was pushed before that knows nothing of this week's labels."""
_NEVER_ABOVE_ONE = frozenset((*SHARES, "auc", "auroc", "roc_auc", "balanced_accuracy", "click_through", "sensitivity",
                              "true_positive_rate", "true_negative_rate", "false_negative_rate"))


@dataclass(frozen=True, slots=True)
class Exported:
    """What the series of one figure of one version say."""

    value: float
    """Their mean; not finite when one of them is no number."""
    series: int = 1
    sampled_at: float | None = None
    """Unix seconds of the newest sample; None when it was not asked for."""
    pushed_at: float | None = None
    """Unix seconds at which the oldest of them was pushed to a push gateway; None for what is scraped itself."""


def exported_figure(name: str, found: Exported, expected: Expected, n: float | None, around: Around, *,
                    higher_is_better: bool = True) -> JudgedFigure:
    """The figure against its limits; unknown where it is no number, impossible, or too old to speak of the present.

    ``n`` are the labels behind it, None where nobody counts them: then the limit alone decides, unless ``expected``
    asks for labels.
    """
    figure = elsewhere(name, found.value, n, "", higher_is_better=higher_is_better, sampled_at=_at(found))
    judged = _refused(figure, found, expected, around) or judge(figure, expected)
    notes = [] if n is not None else ["nobody counts its labels (quality.feedback.labels)"]
    notes += [f"mean of {found.series} series"] if found.series > 1 else []
    return replace(judged, sentence="; ".join([judged.sentence, *notes]))


def stand_in(name: str, found: Exported, usual: Expected, around: Around) -> JudgedFigure:
    """A proxy warns: it moves for many reasons, and only one of them is the quality of the answers."""
    figure = Figure(name, found.value if math.isfinite(found.value) else None, None, None, None, "", None,
                    "computed elsewhere", sampled_at=_at(found))
    refused = _refused(figure, found, usual, around)
    if refused is not None:
        return refused
    said = f"{name} {found.value:.4g}"
    lowest, highest = usual.lowest, usual.highest
    if lowest is None or highest is None:
        return JudgedFigure(figure, usual, Quality.OK, Verdict.NOT_JUDGED, f"{said}; nothing is expected of it")
    verdict = Verdict.PASS if lowest <= found.value <= highest else Verdict.WARN
    return JudgedFigure(figure, usual, Quality.OK, verdict, f"{said}; usual are {lowest:.4g} to {highest:.4g}")


def missing_stand_in(name: str, usual: Expected) -> JudgedFigure:
    """A proxy that nothing exports: it waits for no label, so it should be there."""
    figure = Figure(name, None, None, None, None, "", None, "computed elsewhere")
    return JudgedFigure(figure, usual, Quality.NO_DATA, Verdict.UNKNOWN, f"{name}: no such series")


def _at(found: Exported) -> float | None:
    return found.pushed_at if found.pushed_at is not None else found.sampled_at


def _refused(figure: Figure, found: Exported, expected: Expected, around: Around) -> JudgedFigure | None:
    """Why nothing follows from the figure; None when it can be judged."""
    if figure.value is None:
        return JudgedFigure(figure, expected, Quality.SUSPECT, Verdict.UNKNOWN,
                            f"{figure.name} is exported, but is not a number ({_spelled(found.value)})")
    most = _most(figure.name, expected)
    if most is not None and not 0 <= figure.value <= most:
        return JudgedFigure(figure, expected, Quality.SUSPECT, Verdict.UNKNOWN,
                            f"{figure.name} {figure.value:.4g} is impossible: it lies between 0 and {most:g}")
    old = age_problem(found, around)
    if old:
        return JudgedFigure(figure, expected, Quality.STALE, Verdict.UNKNOWN,
                            f"{figure.name} {wording.significant(figure.value)} is not of the present: {old}")
    return None


def age_problem(found: Exported, around: Around) -> str:
    """Why it does not speak of the present; "" when it does."""
    if found.sampled_at is not None and around.now - found.sampled_at > around.stale_after:
        return f"newest sample is {wording.age(around.now - found.sampled_at)} old"
    if found.pushed_at is not None and around.now - found.pushed_at > around.gauge_stale_after:
        return f"pushed {wording.age(around.now - found.pushed_at)} ago, and not since"
    return ""


def _most(name: str, expected: Expected) -> float | None:
    """The most that a figure of this name can be, 100 where its limits are percent; None where that is not known."""
    if name.lower().replace("-", "_") not in _NEVER_ABOVE_ONE:
        return None
    limits = [limit for limit in (expected.at_least, expected.at_most) if limit is not None]
    return 100.0 if any(limit > 1 for limit in limits) else 1.0


def _spelled(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
