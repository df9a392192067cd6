"""What windows of the reference say of each other: how far a score strays by itself, how dependent events are."""

from __future__ import annotations

import math
from collections.abc import Sequence

from triage.signals.binning import Smoothing, shares, smoothed
from triage.signals.distances import METHODS, NEEDS_SMOOTHING, chi_square, merged_for_test

MIN_WINDOWS = 6
"""Fewer reference windows make no threshold (NannyML's own minimum)."""


def score_of(reference: Sequence[float], current: Sequence[float], method: str,
             smoothing: Smoothing = Smoothing.JEFFREYS) -> float:
    """The distance of two samples of counts over the same bins; both must hold events."""
    if method in NEEDS_SMOOTHING:
        p, q = smoothed(reference, smoothing), smoothed(current, smoothing)
        if method == "kl" and smoothing is Smoothing.EVIDENTLY:
            # scipy.stats.entropy, which Evidently hands the filled shares to, renormalises them; its PSI does not.
            p, q = shares(p), shares(q)
    else:
        p, q = shares(reference), shares(current)
    return METHODS[method](p, q)


def usual_limit(scores: Sequence[float]) -> float | None:
    """Mean plus three standard deviations of reference windows' scores (as NannyML); None for fewer than six."""
    if len(scores) < MIN_WINDOWS:
        return None
    mean = math.fsum(scores) / len(scores)
    variance = math.fsum((score - mean) ** 2 for score in scores) / len(scores)
    return mean + 3 * math.sqrt(variance)


def design_effect(windows: Sequence[Sequence[float]]) -> float | None:
    """How many events stand for one independent event: chi-square over its degrees of freedom between the windows.

    At least 1; None for fewer than six windows. Drift inside the reference makes it larger too, which is the safe side.
    """
    filled = [window for window in windows if math.fsum(window) > 0]
    if len(filled) < MIN_WINDOWS:
        return None
    totals = [math.fsum(bins) for bins in zip(*filled, strict=True)]
    ratios = []
    for window in filled:
        others = [max(0.0, total - count) for total, count in zip(totals, window, strict=True)]
        test = chi_square(*merged_for_test(others, window, ordered=True))
        if test.dof > 0:
            ratios.append(test.statistic / test.dof)
    return max(1.0, math.fsum(ratios) / len(ratios)) if ratios else None
