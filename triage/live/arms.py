"""Who is compared with whom in a trial, and the grid of intervals on which both are asked and read.

The grid is aligned to the canary's start, so that one look and an hour of looking ask the same and judge the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from triage.facts.samples import Series
from triage.notebook.selector import Matcher, Selector, regex_quote
from triage.quantities import format_duration
from triage.signals.burn import HOUR, MINUTE
from triage.signals.model import Versions, VersionState

ON_TRIAL = ("canary", "shadow", "experiment")
MOST_INTERVALS = 720
"""A trial that is older has longer intervals: twice as long each time, so that the new grid lies on the old one."""
BEFORE_INTERVALS = 120
"""Of stable alone, for its dispersion and for what both arms did before the trial."""
_Value = TypeVar("_Value")
Curves = Mapping[str, tuple[float | None, ...]]
"""By version, one value for each interval."""


@dataclass(frozen=True, slots=True)
class Arms:
    """Who is compared, on intervals that begin at ``start``."""

    stable: str
    canary: str
    label: str
    """Label with the version."""
    start: float
    """Unix seconds of the first interval: the canary's first sample and a rate window more, at a full minute."""
    step: float
    """Length of an interval in seconds."""
    count: int
    """Full intervals so far."""

    @property
    def first_asked(self) -> float:
        """Unix seconds of the first point that is asked, which ends the first interval before the trial."""
        return self.start - (BEFORE_INTERVALS - 1) * self.step

    @property
    def end(self) -> float:
        """Unix seconds at which the last full interval ends."""
        return self.start + self.count * self.step


def arms(seen: Versions, label: str, scrape_interval: float, looked_back: float, now: float) -> Arms | None:
    """The version on trial and stable, and how long they can be compared.

    None without a trial, or before it is a minute old. A version that was there before what was looked at
    (``looked_back`` seconds) is taken to start with it, at a full hour: a start that moved with every look would be
    another comparison each time.
    """
    stable, trial = seen.arm("stable"), on_trial(seen)
    if stable is None or trial is None or trial.share.n is None:
        # A version that only the controller has seen cannot be compared yet.
        return None
    born = trial.first_seen if trial.first_seen is not None else math.ceil((now - looked_back) / HOUR) * HOUR
    start = math.ceil((born + max(MINUTE, 4 * scrape_interval)) / MINUTE) * MINUTE
    full = now - scrape_interval - start
    if full < MINUTE:
        return None
    step = MINUTE
    while full / step > MOST_INTERVALS:
        step *= 2
    return Arms(stable.version, trial.version, label, start, step, int(full // step))


def on_trial(seen: Versions) -> VersionState | None:
    """The version in an arm that is compared with stable."""
    return next((v for v in seen.items if v.arm in ON_TRIAL), None)


def of_both(selector: Selector, at: Arms) -> Selector:
    """The series of both arms, and of no other version."""
    return selector.with_matcher(Matcher(at.label, "=~", f"{regex_quote(at.stable)}|{regex_quote(at.canary)}"))


def grown(selector: Selector, at: Arms, scrape: float, *by: str) -> str:
    """Increase over one interval. The window is a scrape longer, so that neighbours share a sample and no event is
    lost between them or counted twice; ``increase`` stretches what it found over the window, which is taken back."""
    window = at.step + scrape
    labels = ", ".join((at.label, *by))
    return f"sum by ({labels}) (increase({selector}[{format_duration(window)}]) * {at.step / window!r})"


def trial_part(column: Sequence[_Value | None] | None, at: Arms) -> tuple[_Value | None, ...]:
    """The intervals of the trial itself, without those before it."""
    return (None,) * at.count if column is None else tuple(column[BEFORE_INTERVALS:])


def by_version(items: Sequence[Series], at: Arms) -> Curves:
    """By version one finite value for each interval, the earlier ones first; None where there is none."""
    found: dict[str, list[float | None]] = {}
    for item in items:
        column = found.setdefault(item.labels.get(at.label, ""), [None] * (BEFORE_INTERVALS + at.count))
        for time, value in zip(item.times, item.values, strict=True):
            place = round((time - at.first_asked) / at.step)
            if 0 <= place < len(column) and math.isfinite(value):
                column[place] = value
    return {version: tuple(column) for version, column in found.items()}
