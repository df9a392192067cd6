"""``QualityReading``: how good the answers were when it was last asked, by version and by subgroup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.signals import wording
from triage.signals.quality import JudgedFigure
from triage.signals.reading import Quality, Verdict
from triage.signals.slices import Disparity, Rate

if TYPE_CHECKING:
    from triage.facts.outcome import Failure
    from triage.signals.estimated import Estimated, NotEstimated
    from triage.signals.model import Versions


@dataclass(frozen=True, slots=True)
class VersionFigure:
    """One figure of one version."""

    version: str
    """"" where the series do not say."""
    judged: JudgedFigure
    is_proxy: bool = False
    """A stand-in until labels are in."""


@dataclass(frozen=True, slots=True)
class VersionSlice:
    """One comparison of subgroups of one version."""

    version: str
    label: str
    """Label with the subgroup."""
    disparity: Disparity


@dataclass(frozen=True, slots=True)
class VersionEstimate:
    """Quality of one version estimated from its scores, long before their labels are in."""

    version: str
    estimated: Estimated | NotEstimated
    window_seconds: float
    """Of the scores."""


@dataclass(frozen=True, slots=True)
class QualityReading:
    """What is known of quality; that something is asked again does not undo what was answered before."""

    figures: tuple[VersionFigure, ...]
    """In the manifest's order."""
    slices: tuple[VersionSlice, ...]
    answered_at: float | None
    """Unix seconds at which the server evaluated it; None without an answer."""
    stale_after: float
    failure: Failure | None = None
    """Why the last question was not answered; None when it was."""
    warnings: tuple[str, ...] = ()
    estimates: tuple[VersionEstimate, ...] = ()
    """() where the notebook does not say where a decision turns, or scores are not watched."""

    def is_stale(self, now: float) -> bool:
        """Whether it is too old at ``now`` to speak of the present."""
        return self.answered_at is not None and now - self.answered_at > self.stale_after

    def present(self, versions: Versions) -> QualityReading:
        """Without versions that are in no arm: their labels come in for weeks after they have gone."""
        arms = {v.version for v in versions.items if v.arm}

        def here(version: str) -> bool:
            return not version or not arms or version in arms

        return QualityReading(tuple(f for f in self.figures if here(f.version)),
                              tuple(s for s in self.slices if here(s.version)), self.answered_at, self.stale_after,
                              self.failure, self.warnings, tuple(e for e in self.estimates if here(e.version)))


def fine_of(verdicts: Sequence[Verdict], fine: str) -> str:
    """``2 of 3 figures as expected, 1 not judged``: that of which nothing is expected is neither fine nor not."""
    judged = [verdict for verdict in verdicts if verdict is not Verdict.NOT_JUDGED]
    free = len(verdicts) - len(judged)
    if not judged:
        return f"none of {free} judged"
    return f"{judged.count(Verdict.PASS)} of {len(judged)} {fine}" + (f", {free} not judged" if free else "")


def gauge_disparity(definition: str, values: Mapping[str, float], expected: Sequence[str],
                    limit: float | None, old: str = "") -> Disparity:
    """A figure that someone else computed by subgroup (as a share, 0 to 1): the largest difference against the limit.

    How many labels stand behind each value is not exported, so there is no interval and the limit alone decides. A
    subgroup of the manifest without a value is never left out silently. ``old``: why the values are not of the present,
    "" when they are.
    """
    rates = tuple(Rate(group, definition, values.get(group), None, None, 0.0) for group in expected)
    known = [(rate.value, rate.group) for rate in rates if rate.value is not None]
    missing = [rate.group for rate in rates if rate.value is None]
    if len(known) < 2:
        return Disparity(definition, expected[0], rates, None, None, None, None, limit, 0.0, Quality.NO_DATA,
                         Verdict.UNKNOWN, f"no values of {', '.join(missing)}")
    (least, lowest), (most, highest) = min(known), max(known)
    gap = most - least
    words = (f"{definition} {wording.percent(least)} in {lowest}, {wording.percent(most)} in {highest}: "
             f"{wording.percent(gap)} apart")
    quality, verdict = Quality.OK, Verdict.PASS
    if limit is None:
        verdict = Verdict.NOT_JUDGED
    else:
        words += f", at most {wording.percent(limit)} expected"
        if gap > limit:
            verdict = Verdict.FAIL
        elif missing:
            quality, verdict = Quality.PARTIAL, Verdict.UNKNOWN
    if old:
        quality, verdict, words = Quality.STALE, Verdict.UNKNOWN, f"not of the present ({old}): {words}"
    if missing:
        words = f"no values of {', '.join(missing)}; {words}"
    return Disparity(definition, expected[0], rates, gap, None, None, least / most if most else None, limit, 0.0,
                     quality, verdict, f"{words}; computed elsewhere, n by subgroup is not exported")
