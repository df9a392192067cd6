"""Who is compared with whom in a trial, and the grid of intervals on which both are asked and read.

The grid is aligned to the canary's start, so that one look and an hour of looking ask the same and judge the same; and
what is past of it stays as it is, so that what was proven once stays proven.
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
from triage.signals.intervals import end_of, ending, full_intervals, lengths, newest, stretches
from triage.signals.model import Versions, VersionState
from triage.signals.versions import OLDEST_SECONDS
from triage.signals.wording import span

ON_TRIAL = ("canary", "shadow", "experiment")
BEFORE_INTERVALS = 120
"""Of stable alone, for its dispersion and for what both arms did before the trial."""
_Value = TypeVar("_Value")
Curves = Mapping[str, tuple[float | None, ...]]
"""By version, one value for each interval."""


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring intervals of one length, which one range query asks."""

    start: float
    """Unix seconds at which the first one ends."""
    end: float
    """Unix seconds at which the last one ends."""
    step: float
    """Length of each in seconds."""
    is_past: bool
    """Whether intervals of another length have followed already: it will not change."""


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
    """Length of the first intervals in seconds, and of those before them; see :mod:`~triage.signals.intervals`."""
    count: int
    """Full intervals so far."""
    unseen: str = ""
    """Why the canary began before ``start``; "" when it did not."""

    @property
    def first_asked(self) -> float:
        """Unix seconds of the first point that is asked, which ends the first interval before the trial."""
        return self.start - (BEFORE_INTERVALS - 1) * self.step

    @property
    def end(self) -> float:
        """Unix seconds at which the last full interval ends."""
        return self.ends(self.count - 1)

    @property
    def last_step(self) -> float:
        """Length of the last full interval in seconds."""
        return lengths(self.count)[-1] * self.step

    @property
    def spans(self) -> tuple[Span, ...]:
        """What is asked: the intervals by their lengths, those before the trial among the first."""
        return tuple(Span(self.ends(each.first) if each.first else self.first_asked,
                          self.start + each.ends * self.step, each.length * self.step,
                          each.first + each.count < self.count) for each in stretches(self.count))

    def ends(self, index: int) -> float:
        """Unix seconds at which an interval of the trial ends."""
        return self.start + end_of(index) * self.step

    def newest(self, seconds: float) -> int:
        """How many of the last intervals make up so many seconds; at least one."""
        return newest(self.count, math.ceil(seconds / self.step))


def arms(seen: Versions, label: str, scrape_interval: float, looked_back: float, now: float) -> Arms | None:
    """The version on trial and stable, and how long they can be compared.

    None without a trial, or before it is a minute old. A version that was there before anything that can be looked at
    is compared over the last ``looked_back`` seconds, from a full hour on, which proves nothing of what was before.
    """
    stable, trial = seen.arm("stable"), on_trial(seen)
    if stable is None or trial is None or trial.share.n is None:
        # A version that only the controller has seen cannot be compared yet.
        return None
    born, unseen = trial.first_seen, ""
    if born is None:
        born = math.ceil((now - looked_back) / HOUR) * HOUR
        unseen = (f"when {trial.version} began cannot be seen in the {span(OLDEST_SECONDS)} that are looked at, or "
                  "that the server keeps: it cannot pass on what came later alone")
    start = math.ceil((born + max(MINUTE, 4 * scrape_interval)) / MINUTE) * MINUTE
    step = math.ceil(scrape_interval / MINUTE) * MINUTE
    count = full_intervals((now - scrape_interval - start) / step)
    return Arms(stable.version, trial.version, label, start, step, count, unseen) if count else None


def on_trial(seen: Versions) -> VersionState | None:
    """The version in an arm that is compared with stable."""
    return next((v for v in seen.items if v.arm in ON_TRIAL), None)


def of_both(selector: Selector, at: Arms) -> Selector:
    """The series of both arms, and of no other version."""
    return selector.with_matcher(Matcher(at.label, "=~", f"{regex_quote(at.stable)}|{regex_quote(at.canary)}"))


def grown(selector: Selector, at: Arms, step: float, scrape: float, *by: str) -> str:
    """Increase over one interval of ``step`` seconds. The window is a scrape longer, so that neighbours share a sample
    and no event is lost between them or counted twice; ``increase`` stretches what it found over the window, which is
    taken back."""
    window = step + scrape
    labels = ", ".join((at.label, *by))
    return f"sum by ({labels}) (increase({selector}[{format_duration(window)}]) * {step / window!r})"


def trial_part(column: Sequence[_Value | None] | None, at: Arms) -> tuple[_Value | None, ...]:
    """The intervals of the trial itself, without those before it."""
    return (None,) * at.count if column is None else tuple(column[BEFORE_INTERVALS:])


def places(times: Sequence[float], at: Arms) -> list[int | None]:
    """Which interval ends at each of these times (Unix seconds), those before the trial first; None: none."""
    ends = ending(at.count)
    found: list[int | None] = []
    for time in times:
        steps = round((time - at.start) / at.step)
        index = ends.get(steps) if steps > 0 else steps - 1
        found.append(BEFORE_INTERVALS + index if index is not None and index >= -BEFORE_INTERVALS else None)
    return found


def by_version(items: Sequence[Series], at: Arms) -> Curves:
    """By version one finite value for each interval, the earlier ones first; None where there is none."""
    found: dict[str, list[float | None]] = {}
    for item in items:
        column = found.setdefault(item.labels.get(at.label, ""), [None] * (BEFORE_INTERVALS + at.count))
        for place, value in zip(places(item.times, at), item.values, strict=True):
            if place is not None and math.isfinite(value):
                column[place] = value
    return {version: tuple(column) for version, column in found.items()}
