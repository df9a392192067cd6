"""What is asked of a canary, and what is answered: plain frozen values, cheap to import; ``judge`` does the judging."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from triage.notebook.compared import CLASSES
from triage.signals.burn import allowed_ratio
from triage.signals.histogram import Buckets
from triage.signals.ranks import Percentiles
from triage.signals.sequential import NOTHING, Counts
from triage.signals.wording import value

if TYPE_CHECKING:
    from triage.notebook.manifest import Canary

ALPHA = 0.05
"""Probability that a canary as good as stable is ever failed, over all its metrics and looks."""
DEFAULT_ABSOLUTE = 0.001
"""Margin (share of events) for metrics without a margin and without an objective that would imply one."""
DEFAULT_SLOWDOWN = 0.1
"""Margin of latency distributions, as a share of stable's latency."""
DEFAULT_CLASS_SHARE = 0.01
"""Margin of the share of a predicted class, in events."""
DEFAULT_SPLIT = 0.1
"""How far the split of the traffic may be from what was asked, as a share of that."""


class CanaryVerdict(StrEnum):
    """Of a canary or of one of its metrics, worst first. The value is the word in JSON."""

    FAIL = "fail"
    """Proven worse than the margin allows, and for as long as the manifest says it must last."""
    ERROR = "error"
    """Could not be read."""
    INSUFFICIENT = "insufficient"
    """Too few events yet to tell."""
    INCONCLUSIVE = "inconclusive"
    """Events enough to tell equal arms apart, and still undecided: the difference is about as large as the margin."""
    PASS = "pass"  # noqa: S105
    """Proven inside the margin."""


def worst(verdicts: Sequence[CanaryVerdict]) -> CanaryVerdict:
    """The first of ``fail > error > insufficient > inconclusive > pass`` among them; insufficient for none."""
    return min(verdicts, key=list(CanaryVerdict).index, default=CanaryVerdict.INSUFFICIENT)


class Worse(StrEnum):
    """Which way a metric gets worse. Of events: their share."""

    HIGHER = "higher"
    LOWER = "lower"
    EITHER = "either"


class Kind(StrEnum):
    """How a metric is compared."""

    EVENTS = "events"
    LATENCY = "latency"
    LEVEL = "level"
    SPLIT = "split"


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse than stable is tolerated: ``stable * (1 + relative) + absolute``."""

    absolute: float = 0.0
    """A share of events (0.005 for 0.5 percentage points), or in the unit of a level."""
    relative: float = 0.0
    """Share of stable's value."""
    given: bool = True
    """False: not in the manifest but assumed here."""

    def words(self, unit: str | None = None) -> str:
        """``5 %``, ``0.5 pt`` of events or ``0.02 V`` of a level; with ``by default`` where the manifest has none."""
        if self.relative:
            text = f"{self.relative * 100:.6g} %"
        elif unit is None:
            text = f"{self.absolute * 100:.6g} pt"
        else:
            text = value(self.absolute, unit)
        return text if self.given else f"{text} by default"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the manifest says about trying a new version."""

    min_events: int = 200
    sustained_seconds: float = 600.0
    arm: str = "canary"
    """``canary``, ``shadow`` or ``experiment``."""
    margins: Mapping[str, Margin] = field(default_factory=lambda: MappingProxyType({}))
    """By metric. Absolute ones as written: percentage points of events, the unit of levels."""
    alpha: float = ALPHA

    def for_events(self, metric: str, objective: float | None = None) -> Margin:
        """The margin of an event metric; by default half of what its objective (percent) allows to be bad."""
        given = self.margins.get(metric)
        if given is not None:
            return Margin(given.absolute / 100, given.relative)
        if objective is None or objective >= 100:
            return Margin(DEFAULT_ABSOLUTE, given=False)
        return Margin(allowed_ratio(objective) / 2, given=False)

    def for_level(self, metric: str) -> Margin | None:
        """The margin of a gauge; None when the manifest has none: then it is shown, not judged."""
        return self.margins.get(metric)

    def for_classes(self) -> Margin:
        """The margin of the share of each predicted class."""
        given = self.margins.get(CLASSES)
        return Margin(given.absolute / 100, given.relative) if given is not None else Margin(DEFAULT_CLASS_SHARE,
                                                                                            given=False)

    def for_latency(self, metric: str) -> Margin:
        """The margin of a latency distribution; only a relative one has a meaning for it."""
        given = self.margins.get(metric)
        return given if given is not None and given.relative else Margin(relative=DEFAULT_SLOWDOWN, given=False)


def policy_of(canary: Canary) -> Policy:
    """The policy of a manifest's ``spec.canary``."""
    margins = {delta.metric: Margin(delta.absolute or 0.0, delta.relative or 0.0) for delta in canary.max_delta}
    return Policy(canary.min_events, canary.sustained, canary.arm, MappingProxyType(margins))


@dataclass(frozen=True, slots=True)
class EventMetric:
    """A share of events that should be small (or, with ``worse``, should not change), in both arms on one grid."""

    name: str
    canary: Counts
    stable: Counts
    margin: Margin
    before: Counts = NOTHING
    """Stable's intervals before the canary, as many as can be had: for dispersion, and to see that both arms moved."""
    worse: Worse = Worse.HIGHER
    shown_good: bool = False
    """Values are shown as the share of events that are *not* of this kind: success, not failure."""
    gates: bool = True
    """Whether it decides about the canary; otherwise it is only shown."""
    trouble: str = ""
    """Why it could not be read; "" when it could."""
    lost: str = ""
    """What was there and has been missing for so long that nothing can be said of the present; "" when nothing is."""


@dataclass(frozen=True, slots=True)
class LatencyMetric:
    """A distribution of durations, one histogram per interval; None where nothing is known."""

    name: str
    canary: tuple[Buckets | None, ...]
    stable: tuple[Buckets | None, ...]
    margin: Margin
    gates: bool = True
    trouble: str = ""
    lost: str = ""


@dataclass(frozen=True, slots=True)
class LevelMetric:
    """A gauge of both arms, one value per interval; None where there is none."""

    name: str
    unit: str
    canary: tuple[float | None, ...]
    stable: tuple[float | None, ...]
    margin: Margin | None
    """None: shown, not judged."""
    worse: Worse = Worse.EITHER
    before: tuple[float | None, ...] = ()
    """Stable's values before the canary: to see that both arms moved."""
    trouble: str = ""
    lost: str = ""


Metric = EventMetric | LatencyMetric | LevelMetric


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests of both arms by interval, and the share that the canary was asked to take."""

    canary: tuple[float | None, ...]
    """None where they are not known, of this arm or of the other."""
    stable: tuple[float | None, ...]
    asked: tuple[float | None, ...]
    """0 to 1; None where nobody said, and while it was being changed."""
    stated: float | None = None
    """The share asked for at present, 0 to 1; None when nobody says."""
    untested: str = ""
    """Why the split cannot be tested at all; "" when it can, or when there is nothing to test."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A version on trial: everything that the judge looks at. All metrics have the same intervals."""

    stable: str
    canary: str
    known_from: str
    """``rollout``, ``registry`` or ``traffic``."""
    started_at: float
    """Unix seconds of the start of the first interval: the canary's first sample plus the rate window."""
    step_seconds: float
    """Length of the first intervals; how long the later ones are says :mod:`~triage.signals.intervals`."""
    metrics: tuple[Metric, ...]
    traffic: Traffic | None = None
    trouble: str = ""
    """Why the arms could not be compared at all; "" when they could."""
    unseen: str = ""
    """Why its first intervals are not among these, so that it cannot pass; "" when all of them are."""


@dataclass(frozen=True, slots=True)
class MetricVerdict:
    """One metric of the canary and how it compares."""

    name: str
    kind: Kind
    unit: str
    """Of the three values: ``ratio``, ``s`` (p95 of a latency) or the gauge's own."""
    stable: float | None
    canary: float | None
    delta: float | None
    """Canary minus stable; None when one is missing."""
    n_stable: float
    """Events; intervals for levels."""
    n_canary: float
    verdict: CanaryVerdict
    sentence: str
    """The verdict with its numbers."""
    margin: Margin | None
    gates: bool = True
    more_events: int | None = None
    """Insufficient: how many more events of the canary would decide if the arms are alike; None: cannot be told."""
    more_seconds: float | None = None
    """The same at the present rate."""
    failed_at: float | None = None
    """Unix seconds at which it was proven worse; it stays so."""
    p: float | None = None
    """Of being no worse than the margin; valid however often it was looked at. None for levels."""
    dispersion: float | None = None
    """Variance over mean of stable's counts, by which evidence was divided; None where it does not apply, or yet."""
    effect: float | None = None
    """Latency: probability that a request of the canary takes longer than one of stable."""
    stable_percentiles: Percentiles | None = None
    canary_percentiles: Percentiles | None = None


@dataclass(frozen=True, slots=True)
class CanaryState:
    """The verdict on a version under trial, and why."""

    verdict: CanaryVerdict
    reason: str
    """Never empty; names the metrics that it rests on."""
    stable: str
    canary: str
    arm: str
    known_from: str
    started_at: float
    metrics: tuple[MetricVerdict, ...]
    """Worst first among those that decide, then those that are only shown."""
    both_moved: str = ""
    """The finding that both arms got worse together, with its numbers; "" when they did not."""
    split: str = ""
    """The finding that the traffic is not split as asked; "" when it is, or when that is unknown."""
    more_events: int | None = None
    """Insufficient: the most that any metric still needs; None when one cannot tell."""
    more_seconds: float | None = None
    weight_asked: float | None = None
    """Share of traffic the canary is to take at present, 0 to 1; None when nobody said."""
    weight_real: float | None = None
    """Share it took over the last sustained stretch."""
    alpha: float = ALPHA
    unknown_seconds: float | None = None
    """Of the time since it began so much is not compared: nobody knows the requests of both arms. None: not counted."""

    @property
    def pages(self) -> bool:
        """Whether a failure may page: a shadow's answers reach nobody."""
        return self.verdict is CanaryVerdict.FAIL and self.arm != "shadow"


def counts_of(events: Sequence[float | None], exposure: Sequence[float | None]) -> Counts:
    """Counts per interval from what a range query gave. Missing, negative and non-finite pairs become no interval;
    events that extrapolation raised over their exposure are cut to it."""
    pairs: list[tuple[float, float]] = []
    for x, n in zip(events, exposure, strict=True):
        known = x is not None and n is not None and math.isfinite(x) and math.isfinite(n) and n > 0 and x >= 0
        pairs.append((min(x or 0.0, n or 0.0), n or 0.0) if known else (0.0, 0.0))
    return Counts(tuple(x for x, _ in pairs), tuple(n for _, n in pairs))
